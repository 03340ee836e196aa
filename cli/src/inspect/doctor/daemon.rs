//! The daemon: its socket, its status, its table.

use std::time::{Duration, SystemTime};

use cloudhosts_registry::config::Config;
use cloudhosts_registry::status::{Effect, State, Status};
use cloudhosts_table::client::{AttachError, Pulse, pulse};
use cloudhosts_table::handover::HandoverError;

use super::finding::Finding;
use crate::inspect::status::gone;
use crate::local;

/// What to do about a daemon that is not there.
const START: &str = "run: systemctl status cloudhosts-cached";

/// What two clocks may differ by.
const SKEW: Duration = Duration::from_secs(30);

/// Whether the daemon answers at its socket, and is alive.
pub(super) fn socket(config: &Config) -> Finding {
    let check = "socket";
    let path = config.socket.display();
    let Some(paths) = local::configured(config) else {
        let says = format_args!("{path} is too long for a socket");
        return Finding::wrong(check, says, "shorten `socket` in the configuration");
    };
    match pulse(&paths) {
        Ok(Pulse::Retired) => Finding::wrong(check, "the daemon is exiting", START),
        Ok(Pulse::Beating) => {
            Finding::ok(check, format_args!("{path}, and the daemon's heart beats"))
        }
        Ok(Pulse::Silent) => Finding::wrong(
            check,
            "the daemon has given no sign of life for 3 s",
            "is it stopped? run: systemctl restart cloudhosts-cached",
        ),
        Err(AttachError::Handover(HandoverError::NothingYet)) => Finding::wrong(
            check,
            format_args!("{path} answers, but there is no table yet"),
            "see what is said of Redis below",
        ),
        Err(error) => Finding::wrong(
            check,
            format_args!("{path} (waited for 100 ms): {error}"),
            START,
        ),
    }
}

/// The daemon by its own words, the guard, and the fields that it refuses.
pub(super) fn status(config: &Config) -> Vec<Finding> {
    let status = match local::status(config) {
        Ok((_, status)) => status,
        Err(failure) => return vec![Finding::wrong("daemon", failure, "")],
    };
    let mut findings = vec![state(&status)];
    findings.extend(version(&status));
    findings.push(guard(&status));
    findings.push(rejected(&status));
    findings.extend(unreadable(&status));
    findings
}

fn state(status: &Status) -> Finding {
    let since = humantime::format_rfc3339_seconds(status.since);
    match status.state {
        State::Live => Finding::ok("daemon", format_args!("live since {since}")),
        State::Reconnecting => Finding::wrong(
            "daemon",
            format_args!("not connected to Redis since {since}: {}", status.reason),
            "the last good names answer meanwhile",
        ),
        // The guard has a line of its own.
        State::Guarded => Finding::ok("daemon", format_args!("connected; guarded since {since}")),
        // So has each hash that can't be read.
        State::Unreadable => Finding::ok(
            "daemon",
            format_args!("connected; unreadable since {since}"),
        ),
    }
}

fn version(status: &Status) -> Option<Finding> {
    let ours = env!("CARGO_PKG_VERSION");
    (status.version != ours).then(|| {
        Finding::warning(
            "daemon",
            format_args!(
                "it is of version {}, this program of {ours}",
                status.version
            ),
            "run: systemctl restart cloudhosts-cached",
        )
    })
}

fn guard(status: &Status) -> Finding {
    let lost: Vec<String> = status
        .hashes
        .iter()
        .filter(|hash| hash.retained > 0)
        .map(|hash| format!("{} of {}", hash.retained, hash.key))
        .collect();
    match lost.is_empty() {
        true => Finding::ok("guard", "Redis has lost nothing that is in use"),
        false => Finding::wrong(
            "guard",
            format_args!("Redis has lost fields that are kept: {}", lost.join(", ")),
            "register them anew, or accept the loss: cloudhosts accept",
        ),
    }
}

fn rejected(status: &Status) -> Finding {
    let check = "rejected";
    let fields = &status.rejected.fields;
    let count = status.rejected.count;
    let says = format!("fields that can't be used as they are: {count}");
    let todo = "run: cloudhosts lint";
    match fields.iter().all(|field| field.effect == Effect::Used) {
        true if count == 0 => Finding::ok(check, "every field can be used"),
        true if count == fields.len() => Finding::warning(check, says, todo),
        _ => Finding::wrong(check, says, todo),
    }
}

fn unreadable(status: &Status) -> Vec<Finding> {
    let why = |hash: &cloudhosts_registry::status::HashStatus| {
        let why = hash.unreadable.as_ref()?;
        let says = format!("the daemon can't read {}: {why}", hash.key);
        Some(Finding::wrong(
            "daemon",
            says,
            "what it held before is used meanwhile",
        ))
    };
    status.hashes.iter().filter_map(why).collect()
}

/// The table that programs use: whether there is one, and how old it is.
pub(super) fn table(config: &Config) -> Vec<Finding> {
    let check = "table";
    let looked = local::table(config, |view| {
        let says = format!("generation {}, {} names", view.generation(), view.names());
        (says, view.published(), view.stale_max())
    });
    let (says, published, stale_max) = match looked {
        Ok(looked) => looked,
        Err(failure) => return vec![Finding::wrong(check, failure, "")],
    };
    let alive = gone(config).is_none();
    let table = match alive {
        true => Finding::ok(check, says),
        false => Finding::wrong(
            check,
            format_args!(
                "{says}, but no daemon is behind it: it is served for {}",
                left(stale_max)
            ),
            START,
        ),
    };
    vec![table, clock(published)]
}

/// For how long a table is served without a daemon.
fn left(stale_max: Option<Duration>) -> String {
    match stale_max {
        None => "ever, and gets older".into(),
        Some(most) => format!(
            "{} from the daemon's end (stale_max)",
            humantime::format_duration(most)
        ),
    }
}

/// Whether the table comes from the future.
fn clock(published: SystemTime) -> Finding {
    match published.duration_since(SystemTime::now()) {
        Ok(ahead) if ahead > SKEW => Finding::wrong(
            "clock",
            format_args!(
                "the table was published {} s from now: the clock went back",
                ahead.as_secs()
            ),
            "set the clock (timedatectl), then restart cloudhosts-cached",
        ),
        _ => Finding::ok("clock", "no earlier than the table"),
    }
}

/// Whether the clock is that of Redis.
pub(super) fn clock_of_redis(there: SystemTime) -> Finding {
    let now = SystemTime::now();
    let skew = now
        .duration_since(there)
        .or_else(|_| there.duration_since(now));
    match skew {
        Ok(skew) if skew > SKEW => Finding::warning(
            "clock",
            format_args!("it differs from that of Redis by {} s", skew.as_secs()),
            "set the clocks (timedatectl)",
        ),
        _ => Finding::ok("clock", "as that of Redis"),
    }
}
