//! The ACL rules of the Redis users: the only place that knows which commands the daemon and
//! registrars send.
//!
//! HELLO and AUTH need no permission, but HELLO does in Redis 6.0. What works without one of them, and at what cost, is in
//! cloudhosts-registry(7).

use std::fmt;
use std::sync::Arc;

use cloudhosts_config::Config;
use redis::{Value, cmd};

use crate::connect::Connector;
use crate::connect_error::ConnectError;
use crate::fault::Fault;
use crate::reply::bytes;
use crate::runtime::runtime;

/// The commands of the daemon, and of inspecting: `HLEN`, `HGETALL` and `HSCAN` read
/// hashes, `HKEYS`, `HSTRLEN` and `HMGET` those in which something is too large, `PTTL`
/// and `INFO` tell losses from deletions, `XRANGE`, `XREVRANGE`, `MULTI` and `EXEC`
/// read the log, `ZRANGE` and `ZSCORE` who holds a role.
const DAEMON: &[&str] = &[
    "hlen",
    "hgetall",
    "hscan",
    "hkeys",
    "hstrlen",
    "hmget",
    "pttl",
    "xrange",
    "xrevrange",
    "zrange",
    "zscore",
    "multi",
    "exec",
    "ping",
    "info",
    "client|tracking",
];

/// The commands of the registering verbs and of their scripts. `XRANGE` and `XREAD`
/// are for `history`; `HMGET`, `WATCH`, `MULTI`, `EXEC`, `DEL` and `RENAME` for `import`.
const REGISTRAR: &[&str] = &[
    "eval",
    "evalsha",
    "time",
    "hlen",
    "hget",
    "hmget",
    "hscan",
    "hset",
    "hdel",
    "zcard",
    "zcount",
    "zscore",
    "zadd",
    "zrem",
    "zrange",
    "zrangebyscore",
    "xadd",
    "xlen",
    "xrange",
    "xrevrange",
    "xread",
    "del",
    "rename",
    "multi",
    "exec",
    "watch",
];

/// The Redis users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AclUser {
    /// The daemon, which reads.
    Daemon,
    /// The registering commands, which write.
    Registrar,
}

impl AclUser {
    /// The name, if the configuration has none.
    #[must_use]
    pub fn standard_name(self) -> &'static str {
        match self {
            AclUser::Daemon => "cloudhosts",
            AclUser::Registrar => "registrar",
        }
    }

    /// The commands it needs, as ACL SETUSER takes them behind a `+`.
    #[must_use]
    pub fn commands(self) -> &'static [&'static str] {
        match self {
            AclUser::Daemon => DAEMON,
            AclUser::Registrar => REGISTRAR,
        }
    }

    /// The command that creates a user of that name, with the permissions that this configuration
    /// needs and no others. `PASSWORD` is a placeholder.
    #[must_use]
    pub fn line(self, name: &str, config: &Config, dialect: AclDialect) -> String {
        let mut words = vec!["ACL SETUSER".to_owned(), name.to_owned()];
        words.extend(["on", ">PASSWORD", "resetkeys"].map(str::to_owned));
        let sign = match self {
            AclUser::Daemon if dialect >= AclDialect::Redis70 => "%R~",
            AclUser::Daemon | AclUser::Registrar => "~",
        };
        for hash in widest(&config.hashes) {
            let hash = pattern(hash);
            words.push(format!("{sign}{hash}"));
            words.push(format!("{sign}{hash}:*"));
        }
        if dialect >= AclDialect::Redis62 {
            words.push("resetchannels".to_owned());
        }
        words.push("-@all".to_owned());
        let commands = self.commands().iter();
        words.extend(commands.map(|command| format!("+{command}")));
        if dialect == AclDialect::Redis60 {
            words.push("+hello".to_owned());
        }
        if config.redis.urls.iter().any(|url| url.db != 0) {
            words.push("+select".to_owned());
        }
        words.join(" ")
    }
}

/// Which ACL rules a version of Redis knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AclDialect {
    /// Neither channels nor keys that may only be read; and HELLO needs permission.
    Redis60,
    /// Channels.
    Redis62,
    /// Both.
    Redis70,
}

impl AclDialect {
    /// That of a version. None before Redis 6, which has no users.
    #[must_use]
    pub fn of(version: RedisVersion) -> Option<AclDialect> {
        match (version.major, version.minor) {
            (..6, _) => None,
            (6, ..2) => Some(AclDialect::Redis60),
            (6, _) => Some(AclDialect::Redis62),
            (7.., _) => Some(AclDialect::Redis70),
        }
    }
}

/// The version of Redis, or of a compatible server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RedisVersion {
    /// 7 of 7.0.15.
    pub major: u32,
    /// 0 of 7.0.15.
    pub minor: u32,
}

impl RedisVersion {
    /// Reads `7.0.15`.
    fn parse(text: &str) -> Option<RedisVersion> {
        let mut parts = text.split('.');
        let mut next = || parts.next()?.parse().ok();
        Some(RedisVersion {
            major: next()?,
            minor: next()?,
        })
    }
}

impl fmt::Display for RedisVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Asks the configured Redis for its version: as the configured user, or if that fails without
/// logging in. It needs no permission.
///
/// # Errors
/// No Redis can be connected to, or it does not say its version.
pub fn redis_version(config: &Config) -> Result<RedisVersion, ConnectError> {
    let runtime = runtime()?;
    let version = runtime.block_on(async {
        match ask_version(config.clone()).await {
            Ok(version) => Ok(version),
            Err(why) => ask_version(config.without_login()).await.map_err(|_| why),
        }
    });
    // A lookup of the host may outlive its timeout.
    runtime.shutdown_background();
    version
}

async fn ask_version(config: Config) -> Result<RedisVersion, ConnectError> {
    let mut connection = Connector::to_read(Arc::new(config)).connect().await?;
    let hello = cmd("HELLO").arg(2).to_owned();
    let answer = connection.link.send(&hello).await;
    let endpoint = connection.endpoint;
    let answer = answer.map_err(|error| ConnectError::of_command(&endpoint, error))?;
    let unexpected = || ConnectError::new(endpoint, Fault::unexpected_reply("HELLO"));
    version_in(&answer).ok_or_else(unexpected)
}

/// The version in the reply to HELLO, which has names and values in turn.
fn version_in(answer: &Value) -> Option<RedisVersion> {
    let Value::Array(words) = answer else {
        return None;
    };
    let mut pairs = words.chunks_exact(2);
    let (_, version) = pairs.find_map(|pair| match pair {
        [name, version] if bytes(name) == Some(b"version") => Some((name, version)),
        _ => None,
    })?;
    RedisVersion::parse(std::str::from_utf8(bytes(version)?).ok()?)
}

/// The hashes without those that the rules of another cover: `cloudhosts:*` covers
/// `cloudhosts:private`.
fn widest(hashes: &[String]) -> Vec<&str> {
    let covers = |wide: &str, hash: &str| {
        hash.strip_prefix(wide)
            .is_some_and(|rest| rest.starts_with(':'))
    };
    let all = hashes.iter().map(String::as_str);
    all.filter(|hash| !hashes.iter().any(|wide| covers(wide, hash)))
        .collect()
}

/// A key as an ACL pattern on one line of redis-cli. What cannot be written there becomes `?`.
fn pattern(key: &str) -> String {
    let mut pattern = String::new();
    for byte in key.bytes() {
        match byte {
            b'*' | b'?' | b'[' | b']' | b'\\' => pattern.extend(['\\', char::from(byte)]),
            b'"' | b'\'' => pattern.push('?'),
            byte if byte.is_ascii_graphic() => pattern.push(char::from(byte)),
            _ => pattern.push('?'),
        }
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(hashes: &[&str]) -> Vec<String> {
        let hashes: Vec<String> = hashes.iter().map(|&hash| hash.to_owned()).collect();
        let mut config = Config::load_without_secrets(Some("/dev/null".as_ref())).unwrap();
        config.override_with(&[], &hashes).unwrap();
        let line = AclUser::Registrar.line("registrar", &config, AclDialect::Redis70);
        let words = line.split(' ').filter(|word| word.starts_with('~'));
        words.map(str::to_owned).collect()
    }

    #[test]
    fn each_hash_is_granted_once_with_what_stands_beside_it() {
        let plain = ["~cloudhosts", "~cloudhosts:*"];
        assert_eq!(keys(&["cloudhosts"]), plain);
        assert_eq!(keys(&["cloudhosts:private", "cloudhosts"]), plain);
        assert_eq!(
            keys(&["a:public", "ab"]),
            ["~a:public", "~a:public:*", "~ab", "~ab:*"]
        );
    }

    #[test]
    fn a_key_grants_no_other_and_stays_one_word() {
        assert_eq!(keys(&["a*[b]"]), ["~a\\*\\[b\\]", "~a\\*\\[b\\]:*"]);
        assert_eq!(keys(&["a b'\n"]), ["~a?b??", "~a?b??:*"]);
        assert_eq!(keys(&["{a}"]), ["~{a}", "~{a}:*"]);
    }

    #[test]
    fn an_older_redis_is_told_what_it_knows() {
        let config = Config::load_without_secrets(Some("/dev/null".as_ref())).unwrap();
        let of = |text: &str| {
            let version = RedisVersion::parse(text).unwrap();
            let dialect = AclDialect::of(version)?;
            Some(AclUser::Daemon.line("x", &config, dialect))
        };
        assert_eq!(of("5.0.3"), None);
        let said = of("6.0.16").unwrap();
        assert!(!said.contains("resetchannels") && said.contains(" ~cloudhosts "));
        let said = of("6.2.0").unwrap();
        assert!(said.contains("resetchannels") && said.contains(" ~cloudhosts "));
        let said = of("7.0.15").unwrap();
        assert!(said.contains("resetchannels") && said.contains(" %R~cloudhosts "));
        assert_eq!(of("8.0"), of("7.0.15"));
    }
}
