//! The status document, `status.json`.

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use cloudhosts_config::Config;
use cloudhosts_config::Counted;
use cloudhosts_config::printable::reason;
use cloudhosts_config::status::{
    ConfigStatus, FullRead, HashStatus, MasterLink, RedisStatus, Rejected, State, Status, Unwritten,
};
use cloudhosts_registry::follow::Checkpoint;
use tracing::warn;

use crate::last_good::{EVERYBODY, write_whole};
use crate::mirror::Mirror;
use crate::persistence::SaveError;

/// Least time between two writes of the file.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long a change waits for others to be written with it, such as the first
/// read after connecting.
const GATHER: Duration = Duration::from_millis(50);

/// The status, and the file it is written to when it changed.
#[derive(Debug)]
pub(crate) struct StatusFile {
    path: PathBuf,
    status: Status,
    connected: bool,
    /// Why there is no connection.
    trouble: String,
    /// Why the last table is not the newest that could be.
    failure: Option<String>,
    /// Since when there is something to write.
    changed: Option<Instant>,
    written: Option<Instant>,
    failing: bool,
}

impl StatusFile {
    /// The status of a starting daemon.
    #[must_use]
    pub(crate) fn new(config: &Config, now: SystemTime) -> StatusFile {
        StatusFile {
            path: config.status_file.clone(),
            status: Status {
                version: env!("CARGO_PKG_VERSION").into(),
                pid: std::process::id(),
                state: State::Reconnecting,
                since: now,
                reason: "starting".into(),
                redis: None,
                hashes: Vec::new(),
                last_full_read: None,
                generation: 0,
                names: 0,
                addresses: 0,
                table_bytes: 0,
                publishes: 0,
                attaches: 0,
                rejected: Rejected::default(),
                config: Some(in_effect(config, Vec::new(), now)),
                unwritten: None,
            },
            connected: false,
            trouble: "not connected to Redis yet".into(),
            failure: None,
            changed: None,
            written: None,
            failing: false,
        }
    }

    /// Connected. Live only once everything has been read.
    pub(crate) fn connected(&mut self, endpoint: &str, mode: &str, now: SystemTime) {
        self.status.redis = Some(RedisStatus {
            endpoint: endpoint.into(),
            mode: Some(mode.into()),
            since: now,
            latency_ms: None,
            master_link: None,
        });
        self.trouble = "connected, but not all hashes have been read yet".into();
        self.change();
    }

    /// What could not be written to the state directory, if anything.
    pub(crate) fn unwritten(&mut self, failure: Option<&SaveError>, now: SystemTime) {
        let before = self.status.unwritten.take();
        self.status.unwritten = failure.map(|failure| Unwritten {
            path: failure.path.clone(),
            code: failure.code,
            reason: failure.to_string(),
            since: before.as_ref().map_or(now, |before| before.since),
        });
        if self.status.unwritten != before {
            self.change();
        }
    }

    /// The configuration was reloaded; these keys of it take effect after a restart.
    pub(crate) fn reloaded(&mut self, config: &Config, pending: &[&str], now: SystemTime) {
        let pending = pending.iter().map(|&key| key.into()).collect();
        self.status.config = Some(in_effect(config, pending, now));
        self.connected = false;
        self.trouble = "configuration reloaded, not connected to Redis yet".into();
        self.change();
    }

    /// The connection was lost, or could not be made, for this reason.
    pub(crate) fn disconnected(&mut self, endpoint: &str, why: &str, now: SystemTime) {
        let was = self.status.redis.take();
        let since = match was {
            Some(was) if was.mode.is_none() => was.since,
            _ => now,
        };
        self.status.redis = Some(RedisStatus {
            endpoint: endpoint.into(),
            mode: None,
            since,
            latency_ms: None,
            master_link: None,
        });
        self.connected = false;
        self.trouble = why.into();
        self.change();
    }

    /// The link of the followed replica to its master has changed.
    pub(crate) fn master_link(&mut self, link: Option<MasterLink>) {
        if let Some(redis) = &mut self.status.redis {
            redis.master_link = link;
            self.change();
        }
    }

    /// Whether a replica is followed that hears of no change.
    fn is_stale(&self) -> bool {
        let link = self
            .status
            .redis
            .as_ref()
            .and_then(|redis| redis.master_link);
        link == Some(MasterLink::Down)
    }

    /// Something was read, of which these fields are rejected.
    pub(crate) fn read(
        &mut self,
        full: Option<Duration>,
        latency: Option<Duration>,
        rejected: &Rejected,
        now: SystemTime,
    ) {
        self.status.rejected.clone_from(rejected);
        if let Some(cost) = full {
            self.connected = true;
            let cost_ms = milliseconds(cost);
            self.status.last_full_read = Some(FullRead { at: now, cost_ms });
        }
        if let Some(redis) = &mut self.status.redis
            && latency.is_some()
        {
            redis.latency_ms = latency.map(milliseconds);
        }
        self.change();
    }

    /// A table could not be published.
    pub(crate) fn failed(&mut self, why: &str) {
        self.failure = Some(why.into());
    }

    /// A table was published.
    pub(crate) fn published(&mut self, table: &TableFacts) {
        self.failure = None;
        self.status.generation = table.generation;
        self.status.names = table.names;
        self.status.addresses = table.addresses;
        self.status.table_bytes = table.bytes;
        self.status.publishes += 1;
        self.change();
    }

    /// The status in one line, for the service manager: how the daemon is, how
    /// much there is, and why it is not live.
    #[must_use]
    pub(crate) fn line(&self) -> String {
        let status = &self.status;
        let mut line = format!(
            "{}: {}, {}",
            status.state,
            Counted::new(status.names, "name"),
            Counted::new(status.addresses, "address")
        );
        let sum = |count: fn(&HashStatus) -> usize| status.hashes.iter().map(count).sum();
        let besides: [(usize, &str); 3] = [
            (sum(|hash| hash.retained), "retained"),
            (status.rejected.count, "rejected"),
            (sum(|hash| hash.filtered.unwrap_or(0)), "left out by allow"),
        ];
        for (count, what) in besides.into_iter().filter(|(count, _)| *count > 0) {
            line.push_str(&format!(", {count} {what}"));
        }
        if !status.reason.is_empty() {
            line.push_str("; ");
            line.push_str(&status.reason);
        }
        reason(&line)
    }

    /// Updates the hashes and the state from the mirror. Returns the state if it
    /// has changed.
    pub(crate) fn update(
        &mut self,
        mirror: &Mirror,
        checkpoint: &Checkpoint,
        now: SystemTime,
    ) -> Option<(State, &str)> {
        self.status.hashes = mirror.hashes();
        for hash in &mut self.status.hashes {
            hash.log_position = checkpoint.log_position(&hash.key);
        }
        let unreadable = self.status.hashes.iter().find_map(|hash| {
            let why = hash.unreadable.as_ref()?;
            Some(format!("the hash {} can't be read: {why}", hash.key))
        });
        let (state, reason) = if !self.connected {
            (State::Reconnecting, self.trouble.clone())
        } else if let Some(failure) = &self.failure {
            let reason =
                format!("cannot publish changes, the previous table remains in use: {failure}");
            (State::Guarded, reason)
        } else if let Some(unreadable) = unreadable {
            (State::Unreadable, unreadable)
        } else if mirror.is_guarded() {
            let hashes = self.status.hashes.iter();
            let retained: usize = hashes.map(|hash| hash.retained).sum();
            let fields = Counted::new(retained as u64, "field");
            let reason = format!(
                "Redis has lost {fields}, retained until written again; to accept the loss, \
                 run: cloudhosts accept [ROLE]"
            );
            (State::Guarded, reason)
        } else if self.is_stale() {
            let reason = "this Redis is a replica whose link to its master is down: changes do not \
                          arrive until the master is back, or another Redis is in urls";
            (State::Stale, reason.to_owned())
        } else {
            (State::Live, String::new())
        };
        if self.status.reason != reason {
            self.status.reason = reason;
            self.change();
        }
        if self.status.state == state {
            return None;
        }
        self.status.state = state;
        self.status.since = now;
        self.change();
        Some((state, &self.status.reason))
    }

    fn change(&mut self) {
        self.changed.get_or_insert_with(Instant::now);
    }

    /// When the file is to be written, if anything has changed.
    #[must_use]
    pub(crate) fn wakes(&self, now: Instant) -> Option<Instant> {
        let gathered = self.changed? + GATHER;
        let rested = self.written.map_or(now, |written| written + INTERVAL);
        Some(gathered.max(rested))
    }

    /// Writes the file if that is due; true if it was. `attaches` is how many clients
    /// have got the table by now.
    pub(crate) fn write(&mut self, attaches: u64, now: Instant) -> bool {
        let due = self.wakes(now).is_some_and(|next| next <= now);
        if due {
            self.status.attaches = attaches;
            self.written = Some(now);
            self.write_now();
        }
        due
    }

    /// Writes the file.
    pub(crate) fn write_now(&mut self) {
        let written = serde_json::to_vec_pretty(&self.status)
            .map_err(std::io::Error::other)
            .and_then(|mut json| {
                json.push(b'\n');
                write_whole(&self.path, EVERYBODY, |file| file.write_all(&json))
            });
        match written {
            Ok(()) => (self.changed, self.failing) = (None, false),
            Err(error) => {
                if !self.failing {
                    warn!("can't write {}: {error}", self.path.display());
                }
                self.failing = true;
            }
        }
    }

    /// Writes that the daemon was stopped.
    pub(crate) fn stopped(&mut self, now: SystemTime) {
        self.status.state = State::Reconnecting;
        self.status.since = now;
        self.status.reason = "the daemon was stopped".into();
        self.write_now();
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn in_effect(config: &Config, pending: Vec<String>, now: SystemTime) -> ConfigStatus {
    ConfigStatus {
        file: config.file().map(Into::into),
        read: now,
        pending,
    }
}

/// Figures of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TableFacts {
    /// Its generation.
    pub(crate) generation: u64,
    /// Names in it.
    pub(crate) names: u64,
    /// Addresses in it.
    pub(crate) addresses: u64,
    /// Its size.
    pub(crate) bytes: u64,
}
