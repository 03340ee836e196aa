//! One visit to Redis, as the daemon that is configured would pay it: for whoever
//! wants to know whether it could.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use redis::{Value, cmd};

use crate::config::Config;
use crate::connect::{Connection, Connector, Failure};
use crate::unreadable::{Unreadable, UnreadableCode};

/// Up to here a hash is read at once, as the daemon does it; above, one step of
/// HSCAN shows the same right.
const AT_ONCE: u64 = 10_000;

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
    /// Why a value that is too large can't be left aside, where it can't.
    pub no_measuring: Option<String>,
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

impl From<Unreadable> for NotRead {
    fn from(unreadable: Unreadable) -> NotRead {
        NotRead {
            code: Some(unreadable.code),
            why: unreadable.why,
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
    runtime.block_on(async { Visit::begin(config).await?.pay(config).await })
}

/// A visit, over as many connections as it takes.
struct Visit {
    connector: Connector,
    connection: Connection,
}

impl Visit {
    async fn begin(config: &Config) -> Result<Visit, String> {
        let mut connector = Connector::new(Arc::new(config.clone()));
        let connection = connect(&mut connector).await?;
        Ok(Visit {
            connector,
            connection,
        })
    }

    async fn pay(mut self, config: &Config) -> Result<Probe, String> {
        let mut hashes = Vec::new();
        let mut no_measuring = None;
        for (index, key) in config.hashes.iter().enumerate() {
            let fields = self.fields(index, key).await;
            if fields.is_ok() && no_measuring.is_none() {
                no_measuring = self.no_measuring(key).await;
            }
            hashes.push((key.clone(), fields));
        }
        let link = &mut self.connection.link;
        let ping = link.ask(&cmd("PING")).await;
        let info = link.ask(cmd("INFO").arg("server")).await;
        Ok(Probe {
            no_info: info.err().map(|failure| failure.to_string()),
            no_ping: ping.err().map(|failure| failure.to_string()),
            no_measuring,
            time: time(&mut self.connection).await,
            endpoint: self.connection.endpoint,
            no_tracking: self.connection.no_tracking,
            hashes,
        })
    }

    /// How many fields a hash has, with all the rights used that reading it takes.
    async fn fields(&mut self, index: usize, key: &str) -> Result<u64, NotRead> {
        let strange = |why: String| NotRead { code: None, why };
        let link = &mut self.connection.link;
        let count = match link.ask(cmd("HLEN").arg(key)).await? {
            Value::Int(count) => {
                u64::try_from(count).map_err(|error| strange(error.to_string()))?
            }
            other => return Err(strange(format!("HLEN answers {other:?}"))),
        };
        // Nothing is called so: what matters is whether it may be asked.
        let mut step = cmd("HSCAN");
        step.arg(key)
            .arg(0)
            .arg("MATCH")
            .arg("/")
            .arg("COUNT")
            .arg(1);
        link.ask(&step).await?;
        if count > AT_ONCE {
            return Ok(count);
        }
        Ok(count)
    }

    /// Why the values of a hash can't be measured.
    async fn no_measuring(&mut self, key: &str) -> Option<String> {
        for command in ["HKEYS", "HSTRLEN", "HMGET"] {
            let mut question = cmd(command);
            question.arg(key);
            if command != "HKEYS" {
                question.arg("");
            }
            if let Err(failure) = self.connection.link.ask(&question).await {
                return Some(format!("{command}: {failure}"));
            }
        }
        None
    }
}

async fn connect(connector: &mut Connector) -> Result<Connection, String> {
    let connected = connector.connect().await;
    connected.map_err(|down| format!("{}: {}", down.endpoint, down.why))
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
