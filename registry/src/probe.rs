//! Connects once, as the configured daemon would, and reports what it would find. For
//! `cloudhosts doctor`.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cloudhosts_config::Config;
use cloudhosts_config::status::{MasterLink, UnreadableCode};
use redis::{Cmd, Value, cmd};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::connect::{
    CommandError, Connection, Connector, ErrorReply, SILENCE, speaks_plainly, speaks_tls,
};
use crate::connect_error::ConnectError;
use crate::fault::{Fault, FaultCode};
use crate::follow::{Baseline, Event, Info, Section, follow};
use crate::log::log_key;
use crate::runtime::runtime;
use crate::unreadable::Unreadable;

/// How long reading all hashes may take.
const READING: Duration = Duration::from_secs(60);

/// How often the connection may be lost meanwhile. A reply that is too large ends it, and then the
/// hash is read in another way.
const LOSSES: usize = 3;

/// By default Redis saves changes within an hour. What it has not saved for this time, it does not
/// save.
const SAVED_WITHIN: Duration = Duration::from_secs(2 * 3600);

/// The result of a probe.
#[derive(Debug)]
pub struct Probe {
    /// The URL of the Redis that answered, without the password.
    pub endpoint: String,
    /// The Redis user.
    pub user: String,
    /// The version of Redis, as `7.0.15`, where it says.
    pub version: Option<String>,
    /// Why client tracking is off, if it is.
    pub no_tracking: Option<String>,
    /// The commands that the user may not run.
    pub missing_rights: Vec<MissingRight>,
    /// The hashes that are configured.
    pub hashes: Vec<(String, Result<HashFacts, Unreadable>)>,
    /// The eviction policy, if Redis may evict keys without a time to live.
    pub evicts_all_keys: Option<String>,
    /// Whether changes are saved to disk, if that is known.
    pub persists: Option<bool>,
    /// The link of a replica to its master.
    pub master_link: Option<MasterLink>,
    /// The time by the clock of Redis, if it says so.
    pub time: Option<SystemTime>,
}

/// The result of a probe for a hash that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashFacts {
    /// How many fields it has.
    pub fields: usize,
    /// It has a time to live.
    pub expires: bool,
}

/// A command that the daemon needs and the user may not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingRight {
    /// What the daemon needs it for.
    pub need: Need,
    /// The command, as ACL SETUSER takes it.
    pub command: &'static str,
    /// The hash it is about, if any.
    pub hash: Option<String>,
    /// The error reply, and what to do.
    pub why: String,
}

/// What the daemon needs a command for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Whether the connection is alive.
    Ping,
    /// To read a hash.
    Read,
    /// To read a hash of more than 10,000 fields.
    Scan,
    /// Whether the data continues from what was read before, and whether some was lost (INFO).
    Info,
    /// The change log.
    Log,
    /// To leave out values that are too long, and to read roles again that changed during a scan.
    Fields,
    /// Whether a hash will expire.
    TimeToLive,
}

/// Probes Redis. The limits are `connect_timeout` for each URL, 4 s for each reply, and a minute for
/// reading the hashes.
///
/// # Errors
/// No Redis can be connected to.
pub fn probe(config: &Config) -> Result<Probe, ConnectError> {
    runtime()?.block_on(run(config))
}

async fn run(config: &Config) -> Result<Probe, ConnectError> {
    let config = Arc::new(config.clone());
    let mut connection = match Connector::to_probe(config.clone()).connect().await {
        Ok(connection) => connection,
        Err(error) => {
            let faults = detect_tls(&config, error.faults).await;
            return Err(ConnectError { faults });
        }
    };
    let user = connection.username.take();
    let mut missing = Vec::new();
    for (need, command, hash, question) in commands(&config) {
        if let Err(CommandError::ErrorReply(reply)) = connection.link.send(&question).await
            && is_denied(&reply)
        {
            missing.push(MissingRight {
                need,
                command,
                hash: hash.map(str::to_owned),
                why: reply.to_string(),
            });
        }
    }
    missing.extend(missing_log_rights(&config, &mut connection).await);
    let mut info = Info::default();
    for section in [
        Section::Server,
        Section::Memory,
        Section::Persistence,
        Section::Replication,
    ] {
        if let Ok(answer) = connection.link.send(&section.command()).await {
            info.add(&answer);
        }
    }
    let mut hashes = Vec::new();
    for (key, read) in read(&config).await? {
        let ttl = connection.link.send(cmd("PTTL").arg(&key)).await;
        let expires = matches!(ttl, Ok(Value::Int(0..)));
        let facts = read.map(|fields| HashFacts { fields, expires });
        hashes.push((key, facts));
    }
    let policy = info.field("maxmemory_policy");
    let limited = info.number("maxmemory").is_some_and(|most: u64| most > 0);
    Ok(Probe {
        missing_rights: missing,
        hashes,
        evicts_all_keys: policy
            .filter(|policy| limited && policy.starts_with("allkeys"))
            .map(str::to_owned),
        persists: persists(&info, SystemTime::now()),
        user: user.unwrap_or_else(|| "default".to_owned()),
        version: info.field("redis_version").map(str::to_owned),
        master_link: info.master_link(),
        time: time(&mut connection).await,
        endpoint: connection.endpoint,
        no_tracking: connection.no_tracking,
    })
}

/// A port that closes the connection at once may be a TLS port, and one that does not answer TLS may
/// be none. This tries the other protocol.
async fn detect_tls(config: &Config, mut faults: Vec<(String, Fault)>) -> Vec<(String, Fault)> {
    let redis = &config.redis;
    for (endpoint, fault) in &mut faults {
        let mut urls = redis.urls.iter();
        let Some(url) = urls.find(|url| url.to_string() == *endpoint) else {
            continue;
        };
        fault.code = match fault.code {
            FaultCode::Closed if speaks_tls(redis, url).await => FaultCode::TlsOnly,
            FaultCode::TimedOut if speaks_plainly(url, redis.connect_timeout).await => {
                FaultCode::NotTls
            }
            code => code,
        };
    }
    faults
}

/// The commands of the daemon, one permission each. No field is called ''.
fn commands(config: &Config) -> Vec<(Need, &'static str, Option<&str>, Cmd)> {
    let mut questions = vec![
        (Need::Ping, "+ping", None, cmd("PING")),
        (Need::Info, "+info", None, Section::Server.command()),
    ];
    for key in &config.hashes {
        let key = key.as_str();
        let of_hash = |name: &str| cmd(name).arg(key).to_owned();
        let of_field = |name: &str| cmd(name).arg(key).arg("").to_owned();
        let mut scan = cmd("HSCAN");
        scan.arg(key)
            .arg(0)
            .arg("MATCH")
            .arg("/")
            .arg("COUNT")
            .arg(1);
        questions.extend([
            (Need::Read, "+hlen", Some(key), of_hash("HLEN")),
            (Need::Scan, "+hscan", Some(key), scan),
            (Need::Fields, "+hkeys", Some(key), of_hash("HKEYS")),
            (Need::Fields, "+hstrlen", Some(key), of_field("HSTRLEN")),
            (Need::Fields, "+hmget", Some(key), of_field("HMGET")),
            (Need::TimeToLive, "+pttl", Some(key), of_hash("PTTL")),
        ]);
    }
    questions
}

/// Whether the user may not run this, or Redis does not know it. A refused EXEC is answered with
/// EXECABORT.
fn is_denied(reply: &ErrorReply) -> bool {
    let denied = reply.unreadable() == Some(UnreadableCode::NoPerm);
    denied || reply.is_unknown_command() || reply.is_exec_abort()
}

/// The missing permissions for the change log.
async fn missing_log_rights(config: &Config, connection: &mut Connection) -> Vec<MissingRight> {
    let mut missing = Vec::new();
    let mut note = |command, hash: Option<&String>, failure| {
        if let CommandError::ErrorReply(reply) = failure
            && is_denied(&reply)
        {
            missing.push(MissingRight {
                need: Need::Log,
                command,
                hash: hash.cloned(),
                why: reply.to_string(),
            });
        }
    };
    for key in &config.hashes {
        let log = log_key(key);
        let mut forth = cmd("XRANGE");
        forth.arg(&log).arg("-").arg("+").arg("COUNT").arg(1);
        let mut back = cmd("XREVRANGE");
        back.arg(&log).arg("+").arg("-").arg("COUNT").arg(1);
        for (command, question) in [("+xrange", forth), ("+xrevrange", back)] {
            if let Err(failure) = connection.link.send(&question).await {
                note(command, Some(key), failure);
            }
        }
    }
    let transaction = [cmd("MULTI"), cmd("EXEC")];
    if let Ok(answers) = connection.link.send_all(&transaction, SILENCE).await {
        for (command, answer) in ["+multi", "+exec"].into_iter().zip(answers) {
            if let Err(reply) = answer {
                note(command, None, CommandError::ErrorReply(reply));
            }
        }
    }
    missing
}

/// Reads all hashes once, as the daemon does. Returns how many fields each has.
async fn read(
    config: &Arc<Config>,
) -> Result<Vec<(String, Result<usize, Unreadable>)>, ConnectError> {
    let (events, mut told) = mpsc::channel(1);
    let following = tokio::spawn(follow(config.clone(), Baseline::default(), events));
    let mut losses = 0;
    let first = async {
        while let Some(event) = told.recv().await {
            match event {
                Event::Changes(batch) if batch.full.is_some() => return Ok(batch),
                Event::Disconnected {
                    endpoint, fault, ..
                } => {
                    losses += 1;
                    if losses > LOSSES {
                        return Err(ConnectError::new(endpoint, fault));
                    }
                }
                Event::Connected { .. } | Event::MasterLink(_) | Event::Changes(_) => {}
            }
        }
        let fault = Fault::system("the follower has ended");
        Err(ConnectError::new(String::new(), fault))
    };
    let batch = timeout(READING, first).await;
    following.abort();
    let seconds = READING.as_secs();
    let batch = batch.map_err(|_| {
        let why = format!("reading the hashes takes more than {seconds} s");
        ConnectError::new(String::new(), Fault::new(FaultCode::TimedOut, why))
    })??;
    let mut hashes: Vec<(String, Result<usize, Unreadable>)> = config
        .hashes
        .iter()
        .map(|key| (key.clone(), Ok(0)))
        .collect();
    for told in batch.hashes {
        if let Some((_, read)) = hashes.get_mut(told.hash) {
            *read = match told.outcome {
                Ok(changes) => Ok(changes.set.len()),
                Err(unreadable) => Err(unreadable),
            };
        }
    }
    Ok(hashes)
}

/// Whether changes are saved, by INFO at that time.
fn persists(info: &Info, now: SystemTime) -> Option<bool> {
    let appends = info.number::<u8>("aof_enabled")? != 0;
    let unsaved: u64 = info.number("rdb_changes_since_last_save")?;
    let saved: u64 = info.number("rdb_last_save_time")?;
    let saved = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(saved))?;
    let age = now.duration_since(saved).unwrap_or_default();
    let fails = info.field("rdb_last_bgsave_status") == Some("err");
    Some(appends || unsaved == 0 || !fails && age < SAVED_WITHIN)
}

/// The clock of Redis. The daemon's user need not have the permission.
async fn time(connection: &mut Connection) -> Option<SystemTime> {
    let Ok(Value::Array(parts)) = connection.link.send(&cmd("TIME")).await else {
        return None;
    };
    let Some(Value::BulkString(seconds)) = parts.first() else {
        return None;
    };
    let seconds = std::str::from_utf8(seconds).ok()?.parse().ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acl::AclUser;

    #[test]
    fn what_is_asked_for_is_what_the_daemon_needs() {
        let config = Config::load_without_secrets(Some("/dev/null".as_ref())).unwrap();
        for (_, command, ..) in commands(&config) {
            let command = command.strip_prefix('+').unwrap();
            assert!(AclUser::Daemon.commands().contains(&command), "{command}");
        }
    }
}
