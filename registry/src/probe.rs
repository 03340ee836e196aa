//! One visit to Redis, as the daemon that is configured would pay it: for whoever
//! wants to know whether it could.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use redis::{Cmd, Value, cmd};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::config::Config;
use crate::connect::{Connection, Connector, Failure, Refusal, SILENCE};
use crate::follow::{Baseline, Event, Info, Section, follow};
use crate::log::log_key;
use crate::unreadable::{Unreadable, UnreadableCode};

/// How long reading all hashes may take.
const READING: Duration = Duration::from_secs(60);

/// How often the connection may be lost meanwhile: over a reply that is too
/// large it is, and then the hash is read in another way.
const LOSSES: usize = 3;

/// A Redis saves what changes within an hour, unless it is told otherwise: what
/// it has not saved for so long, it does not save.
const SAVED_WITHIN: Duration = Duration::from_secs(2 * 3600);

/// What a visit shows.
#[derive(Debug)]
pub struct Probe {
    /// The Redis that answered, without a password.
    pub endpoint: String,
    /// Why it pushes no changes, where it does not.
    pub no_tracking: Option<String>,
    /// What the user may not ask.
    pub refused: Vec<Refused>,
    /// The hashes that are configured.
    pub hashes: Vec<(String, Result<HashFacts, NotRead>)>,
    /// Whether Redis evicts keys without a time to live when its memory is short,
    /// and by which policy.
    pub evicts_all_keys: Option<String>,
    /// Whether what changes is saved to disk, where that can be told.
    pub persists: Option<bool>,
    /// What the time is there, where Redis says.
    pub time: Option<SystemTime>,
}

/// What a visit shows of a hash that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashFacts {
    /// How many fields it has.
    pub fields: usize,
    /// It has a time to live, after which all of it is gone.
    pub expires: bool,
}

/// Something that the user may not ask, and the daemon would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// What the daemon needs it for.
    pub need: Need,
    /// The command, as ACL SETUSER takes it.
    pub command: &'static str,
    /// What Redis said, and what to do.
    pub why: String,
}

/// What the daemon asks Redis for, besides the hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Whether the connection is alive.
    Ping,
    /// To read a hash of more than 10,000 fields.
    Scan,
    /// Whether the data goes on from what was read before, and whether some of
    /// it was lost (INFO).
    Info,
    /// What was changed, and by whom (the change log).
    Log,
    /// To leave out values that are too large, and to read roles again that
    /// changed while the hash was scanned.
    Fields,
    /// Whether a hash will expire.
    TimeToLive,
}

/// Why a visit could not read a hash.
#[derive(Debug)]
pub struct NotRead {
    /// Why, where it is the hash; none where it is the connection.
    pub code: Option<UnreadableCode>,
    /// The same in words for the operator.
    pub why: String,
}

impl From<Unreadable> for NotRead {
    fn from(unreadable: Unreadable) -> NotRead {
        NotRead {
            code: Some(unreadable.code),
            why: unreadable.why,
        }
    }
}

/// Pays the visit. Each URL is given `connect_timeout`, each answer 4 s, and
/// reading the hashes a minute.
///
/// # Errors
/// No Redis answers, or none lets us in; in words for the operator.
pub fn probe(config: &Config) -> Result<Probe, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(visit(config))
}

async fn visit(config: &Config) -> Result<Probe, String> {
    let config = Arc::new(config.clone());
    let connected = Connector::new(config.clone()).connect().await;
    let mut connection = connected.map_err(|down| format!("{}: {}", down.endpoint, down.why))?;
    let mut refused = Vec::new();
    for (need, command, question) in questions(&config) {
        if let Err(Failure::Refused(refusal)) = connection.link.ask(&question).await
            && is_denied(&refusal)
        {
            refused.push(Refused {
                need,
                command,
                why: refusal.to_string(),
            });
        }
    }
    refused.extend(no_log(&config, &mut connection).await);
    let mut info = Info::default();
    for section in [Section::Memory, Section::Persistence] {
        if let Ok(answer) = connection.link.ask(&section.question()).await {
            info.add(&answer);
        }
    }
    let mut hashes = Vec::new();
    for (key, read) in read(&config).await? {
        let ttl = connection.link.ask(cmd("PTTL").arg(&key)).await;
        let expires = matches!(ttl, Ok(Value::Int(0..)));
        let facts = read.map(|fields| HashFacts { fields, expires });
        hashes.push((key, facts));
    }
    let policy = info.field("maxmemory_policy");
    let limited = info.number("maxmemory").is_some_and(|most: u64| most > 0);
    Ok(Probe {
        refused,
        hashes,
        evicts_all_keys: policy
            .filter(|policy| limited && policy.starts_with("allkeys"))
            .map(str::to_owned),
        persists: persists(&info, SystemTime::now()),
        time: time(&mut connection).await,
        endpoint: connection.endpoint,
        no_tracking: connection.no_tracking,
    })
}

/// What the daemon asks besides, one right each. No field is called ''.
fn questions(config: &Config) -> Vec<(Need, &'static str, Cmd)> {
    let key = config.hashes.first().map_or("", String::as_str);
    let of_hash = |name: &str| cmd(name).arg(key).to_owned();
    let of_field = |name: &str| cmd(name).arg(key).arg("").to_owned();
    let mut scan = cmd("HSCAN");
    scan.arg(key)
        .arg(0)
        .arg("MATCH")
        .arg("/")
        .arg("COUNT")
        .arg(1);
    vec![
        (Need::Ping, "+ping", cmd("PING")),
        (Need::Scan, "+hscan", scan),
        (Need::Info, "+info", Section::Server.question()),
        (Need::Fields, "+hkeys", of_hash("HKEYS")),
        (Need::Fields, "+hstrlen", of_field("HSTRLEN")),
        (Need::Fields, "+hmget", of_field("HMGET")),
        (Need::TimeToLive, "+pttl", of_hash("PTTL")),
    ]
}

/// Whether the user may not ask this, or Redis does not know it. A refused EXEC
/// is answered as a transaction that was given up.
fn is_denied(refusal: &Refusal) -> bool {
    let denied = refusal.unreadable() == Some(UnreadableCode::NoPerm);
    denied || refusal.is_unknown() || refusal.is_aborted()
}

/// The rights that reading the change log takes, and which of them is missing.
async fn no_log(config: &Config, connection: &mut Connection) -> Vec<Refused> {
    let mut refused = Vec::new();
    let mut note = |command, failure| {
        if let Failure::Refused(refusal) = failure
            && is_denied(&refusal)
        {
            refused.push(Refused {
                need: Need::Log,
                command,
                why: refusal.to_string(),
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
            if let Err(failure) = connection.link.ask(&question).await {
                note(command, failure);
            }
        }
    }
    let transaction = [cmd("MULTI"), cmd("EXEC")];
    if let Ok(answers) = connection.link.ask_all(&transaction, SILENCE).await {
        for (command, answer) in ["+multi", "+exec"].into_iter().zip(answers) {
            if let Err(refusal) = answer {
                note(command, Failure::Refused(refusal));
            }
        }
    }
    refused.dedup_by_key(|refused| refused.command);
    refused
}

/// Reads all hashes once, as the daemon does: how many fields each has.
async fn read(config: &Arc<Config>) -> Result<Vec<(String, Result<usize, NotRead>)>, String> {
    let (events, mut told) = mpsc::channel(1);
    let following = tokio::spawn(follow(config.clone(), Baseline::default(), events));
    let mut losses = 0;
    let first = async {
        while let Some(event) = told.recv().await {
            match event {
                Event::Changes(batch) if batch.full.is_some() => return Ok(batch),
                Event::Disconnected { endpoint, why, .. } => {
                    losses += 1;
                    if losses > LOSSES {
                        return Err(format!("{endpoint}: {why}"));
                    }
                }
                Event::Connected { .. } | Event::Changes(_) => {}
            }
        }
        Err("the follower has ended".to_owned())
    };
    let batch = timeout(READING, first).await;
    following.abort();
    let seconds = READING.as_secs();
    let batch = batch.map_err(|_| format!("reading the hashes takes more than {seconds} s"))??;
    let mut hashes: Vec<(String, Result<usize, NotRead>)> = config
        .hashes
        .iter()
        .map(|key| (key.clone(), Ok(0)))
        .collect();
    for told in batch.hashes {
        if let Some((_, read)) = hashes.get_mut(told.hash) {
            *read = match told.outcome {
                Ok(changes) => Ok(changes.set.len()),
                Err(unreadable) => Err(NotRead::from(unreadable)),
            };
        }
    }
    Ok(hashes)
}

/// Whether what changes is saved, by what INFO says at that time.
fn persists(info: &Info, now: SystemTime) -> Option<bool> {
    let appends = info.number::<u8>("aof_enabled")? != 0;
    let unsaved: u64 = info.number("rdb_changes_since_last_save")?;
    let saved: u64 = info.number("rdb_last_save_time")?;
    let saved = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(saved))?;
    let age = now.duration_since(saved).unwrap_or_default();
    let fails = info.field("rdb_last_bgsave_status") == Some("err");
    Some(appends || unsaved == 0 || !fails && age < SAVED_WITHIN)
}

/// The clock of Redis, which the daemon's user need not be allowed to ask.
async fn time(connection: &mut Connection) -> Option<SystemTime> {
    let Ok(Value::Array(parts)) = connection.link.ask(&cmd("TIME")).await else {
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
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::acl::AclUser;

    #[test]
    fn what_is_asked_for_is_what_the_daemon_needs() {
        let config = Config::load_without_secrets(Some("/dev/null".as_ref())).unwrap();
        for (_, command, _) in questions(&config) {
            let command = command.strip_prefix('+').unwrap();
            assert!(AclUser::Daemon.commands().contains(&command), "{command}");
        }
    }
}
