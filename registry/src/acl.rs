//! The ACL rules of the Redis users: the only place that knows which commands the daemon and
//! registrars send.
//!
//! HELLO and AUTH need no permission, but HELLO does in Redis 6.0; ASKING does. What works without one of them, and at what cost, is in
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
    pub fn line(self, name: &str, config: &Config, server: AclServer) -> String {
        let mut words = vec!["ACL SETUSER".to_owned(), name.to_owned()];
        words.extend(["on", ">PASSWORD", "resetkeys"].map(str::to_owned));
        let sign = match self {
            AclUser::Daemon if server.version >= READ_ONLY_KEYS => "%R~",
            AclUser::Daemon | AclUser::Registrar => "~",
        };
        for hash in widest(&config.hashes) {
            let hash = pattern(hash);
            words.push(format!("{sign}{hash}"));
            words.push(format!("{sign}{hash}:*"));
        }
        if server.version >= CHANNELS {
            words.push("resetchannels".to_owned());
        }
        words.push("-@all".to_owned());
        let commands = self.commands().iter();
        words.extend(commands.map(|command| format!("+{command}")));
        if server.version < CHANNELS {
            words.push("+hello".to_owned());
        }
        if server.is_cluster {
            words.push("+asking".to_owned());
        }
        if config.redis.urls.iter().any(|url| url.db != 0) {
            words.push("+select".to_owned());
        }
        words.join(" ")
    }
}

/// The first version that has users.
const USERS: RedisVersion = RedisVersion { major: 6, minor: 0 };
/// The first version whose rules know channels, and the first in which HELLO needs no permission.
const CHANNELS: RedisVersion = RedisVersion { major: 6, minor: 2 };
/// The first version whose rules know keys that may only be read.
const READ_ONLY_KEYS: RedisVersion = RedisVersion { major: 7, minor: 0 };

/// The server that the rules are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AclServer {
    /// Its version, which decides what the rules may say.
    pub version: RedisVersion,
    /// Whether it is a node of a Redis Cluster: a slot that moves has to be asked for.
    pub is_cluster: bool,
}

impl AclServer {
    /// A server of today, not in a cluster.
    pub const RECENT: AclServer = AclServer {
        version: READ_ONLY_KEYS,
        is_cluster: false,
    };

    /// Whether it has users at all.
    #[must_use]
    pub fn has_users(&self) -> bool {
        self.version >= USERS
    }

    /// Reads the reply to HELLO, which has names and values in turn.
    fn of_hello(answer: &Value) -> Option<AclServer> {
        let Value::Array(words) = answer else {
            return None;
        };
        let field = |sought: &[u8]| {
            let mut pairs = words.chunks_exact(2);
            pairs.find_map(|pair| match pair {
                [name, value] if bytes(name) == Some(sought) => bytes(value),
                _ => None,
            })
        };
        let version = std::str::from_utf8(field(b"version")?).ok()?;
        Some(AclServer {
            version: RedisVersion::parse(version)?,
            is_cluster: field(b"mode") == Some(b"cluster"),
        })
    }
}

/// The version of Redis, or of a compatible server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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

/// Asks the configured Redis what it is: as the configured user, or if that fails without logging
/// in. It needs no permission.
///
/// # Errors
/// No Redis can be connected to, or it does not say its version.
pub fn acl_server(config: &Config) -> Result<AclServer, ConnectError> {
    let runtime = runtime()?;
    let server = runtime.block_on(async {
        match say_hello(config.clone()).await {
            Ok(server) => Ok(server),
            Err(why) => say_hello(config.without_login()).await.map_err(|_| why),
        }
    });
    // A lookup of the host may outlive its timeout.
    runtime.shutdown_background();
    server
}

async fn say_hello(config: Config) -> Result<AclServer, ConnectError> {
    let mut connection = Connector::to_read(Arc::new(config)).connect().await?;
    let hello = cmd("HELLO").arg(2).to_owned();
    let answer = connection.link.send(&hello).await;
    let endpoint = connection.endpoint;
    let answer = answer.map_err(|error| ConnectError::of_command(&endpoint, error))?;
    let unexpected = || ConnectError::new(endpoint, Fault::unexpected_reply("HELLO"));
    AclServer::of_hello(&answer).ok_or_else(unexpected)
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
        let line = AclUser::Registrar.line("registrar", &config, AclServer::RECENT);
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
            let server = AclServer {
                version: RedisVersion::parse(text).unwrap(),
                is_cluster: false,
            };
            let has_users = server.has_users();
            has_users.then(|| AclUser::Daemon.line("x", &config, server))
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
