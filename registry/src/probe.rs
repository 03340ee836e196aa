//! One visit to Redis, as the daemon that is configured would pay it: for whoever
//! wants to know whether it could.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use redis::{Value, cmd};

use crate::config::Config;
use crate::connect::{Connection, Connector, Failure};
use crate::unreadable::UnreadableCode;

/// Up to here a hash is read at once, as the daemon does it; above, one step of
/// HSCAN shows the same right.
const AT_ONCE: i64 = 10_000;

/// What a visit shows.
#[derive(Debug)]
pub struct Probe {
    /// The Redis that answered, without a password.
    pub endpoint: String,
    /// Why it pushes no changes, where it does not.
    pub no_tracking: Option<String>,
    /// Why the connection can't be watched for life, where it can't.
    pub no_ping: Option<String>,
    /// Why it can't be told whether this Redis has the data of the one before,
    /// where it can't.
    pub no_info: Option<String>,
    /// The hashes that are configured: how many fields each has, or why it can't
    /// be read.
    pub hashes: Vec<(String, Result<u64, NotRead>)>,
    /// What the time is there, where Redis says.
    pub time: Option<SystemTime>,
}

/// Why a visit could not read a hash.
#[derive(Debug)]
pub struct NotRead {
    /// Why, where it is the hash; none where it is the connection.
    pub code: Option<UnreadableCode>,
    /// The same in words for the operator.
    pub why: String,
}

impl From<Failure> for NotRead {
    fn from(failure: Failure) -> NotRead {
        NotRead {
            code: match &failure {
                Failure::Refused(refusal) => refusal.unreadable(),
                Failure::Lost(_) => None,
            },
            why: failure.to_string(),
        }
    }
}

/// Pays the visit. Each URL is given `connect_timeout`, each answer 4 s.
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
    let connected = Connector::new(Arc::new(config.clone())).connect().await;
    let mut connection = connected.map_err(|down| format!("{}: {}", down.endpoint, down.why))?;
    let mut hashes = Vec::new();
    for key in &config.hashes {
        let fields = fields(&mut connection, key).await;
        hashes.push((key.clone(), fields));
    }
    let ping = connection.link.ask(&cmd("PING")).await;
    let info = connection.link.ask(cmd("INFO").arg("server")).await;
    Ok(Probe {
        no_info: info.err().map(|failure| failure.to_string()),
        no_ping: ping.err().map(|failure| failure.to_string()),
        time: time(&mut connection).await,
        endpoint: connection.endpoint,
        no_tracking: connection.no_tracking,
        hashes,
    })
}

/// How many fields a hash has, with all the rights used that reading it takes.
async fn fields(connection: &mut Connection, key: &str) -> Result<u64, NotRead> {
    let strange = |why: String| NotRead { code: None, why };
    let link = &mut connection.link;
    let count = match link.ask(cmd("HLEN").arg(key)).await? {
        Value::Int(count) => count,
        other => return Err(strange(format!("HLEN answers {other:?}"))),
    };
    link.ask(cmd("HSCAN").arg(key).arg(0).arg("COUNT").arg(1))
        .await?;
    if count <= AT_ONCE {
        link.ask(cmd("HGETALL").arg(key)).await?;
    }
    u64::try_from(count).map_err(|error| strange(error.to_string()))
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
