//! The daemon: its socket, its status, its table.

use std::fs;
use std::time::{Duration, SystemTime};

use cloudhosts_config::Config;
use cloudhosts_config::status::{Effect, State, Status};
use cloudhosts_table::Unavailable;
use cloudhosts_table::client::{AttachError, Pulse, SOCKET, pulse};
use cloudhosts_table::handover::HandoverError;

use super::code::Code;
use super::finding::Finding;
use super::unit::start;
use crate::inspect::status::ago;
use crate::local;
use crate::outcome::Failure;

/// What two clocks may differ by.
const SKEW: Duration = Duration::from_secs(30);

const RESTART: &str = "run: systemctl restart cloudhosts-cached";

/// The daemon at the configured socket, as it was at one moment, so that all that is
/// said of it agrees; and what it last said of itself.
pub(super) struct Life {
    /// How it is, or why nobody can be asked; none where the path can't be a socket's.
    pulse: Option<Result<Pulse, AttachError>>,
    status: Result<Status, Failure>,
}

impl Life {
    pub(super) fn of(config: &Config) -> Life {
        Life {
            pulse: local::configured(config).map(|paths| pulse(&paths)),
            status: local::status(config).map(|(_, status)| status),
        }
    }

    /// Whether it is alive: what its status says is so now.
    pub(super) fn is_alive(&self) -> bool {
        matches!(
            self.pulse,
            Some(Ok(Pulse::Beating) | Err(AttachError::Handover(HandoverError::NothingYet)))
        )
    }

    /// What it says of itself, while it is alive.
    pub(super) fn status(&self) -> Option<&Status> {
        self.status.as_ref().ok().filter(|_| self.is_alive())
    }

    /// Its process, by its own words.
    pub(super) fn process(&self) -> Option<u32> {
        self.status.as_ref().ok().map(|status| status.pid)
    }

    /// Whether somebody has stopped its process (SIGSTOP).
    fn is_stopped(&self) -> Option<u32> {
        let process = self.process()?;
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        // The name, which may hold anything, ends with the last bracket (proc(5)).
        let state = stat.rsplit_once(") ")?.1.chars().next()?;
        matches!(state, 'T' | 't').then_some(process)
    }
}

/// Whether the daemon answers at its socket, and is alive; and whether that is
/// where programs ask.
pub(super) fn socket(config: &Config, life: &Life) -> Vec<Finding> {
    let check = "socket";
    let path = config.socket.display();
    let Some(pulse) = &life.pulse else {
        let says = format_args!("{path} is too long for a socket");
        let todo = "shorten `socket` in the configuration";
        return vec![Finding::wrong(check, says, todo).code(Code::PathTooLong)];
    };
    let finding = match pulse {
        Ok(Pulse::Beating) => {
            Finding::ok(check, format_args!("{path}, and the daemon's heart beats"))
        }
        Ok(Pulse::Retired) => {
            Finding::wrong(check, "the daemon is exiting", start()).code(Code::Exiting)
        }
        Ok(Pulse::Silent) => silent(check, life),
        Err(AttachError::Handover(HandoverError::NothingYet)) => Finding::wrong(
            check,
            format_args!("{path} answers, but there is no table yet"),
            "see what is said of Redis below",
        )
        .code(Code::NoTable),
        // One that has no time to answer.
        Err(AttachError::Handover(HandoverError::Silence)) => silent(check, life),
        Err(error) => Finding::wrong(check, "the daemon does not run", start())
            .code(Code::NoDaemon)
            .evidence(format_args!("{path} (waited for 100 ms): {error}")),
    };
    let mut findings = vec![finding];
    findings.extend(moved(config));
    findings
}

fn silent(check: &'static str, life: &Life) -> Finding {
    match life.is_stopped() {
        Some(process) => Finding::wrong(
            check,
            "the daemon's process is stopped",
            format_args!("run: kill -CONT {process}"),
        )
        .code(Code::Stopped)
        .evidence(format_args!(
            "/proc/{process}/stat has the state T: somebody has sent SIGSTOP"
        )),
        None => Finding::wrong(
            check,
            "the daemon has given no sign of life for 3 s",
            RESTART,
        )
        .code(Code::Silent),
    }
}

/// Programs that nobody has told attach to the standard socket.
fn moved(config: &Config) -> Option<Finding> {
    let asked = std::env::var_os("CLOUDHOSTS_SOCKET").filter(|socket| !socket.is_empty());
    let elsewhere = config.socket.as_os_str() != SOCKET;
    (elsewhere && asked.is_none()).then(|| {
        let says = format_args!(
            "`socket` is {}, but programs attach to {SOCKET} unless CLOUDHOSTS_SOCKET says \
             otherwise",
            config.socket.display()
        );
        let todo = "remove `socket` from the configuration, then restart cloudhosts-cached";
        Finding::warning("socket", says, todo).code(Code::Moved)
    })
}

/// The daemon by its own words, the guard, and the fields that it refuses. What one
/// that is not alive has said last is not so any more, which the socket shows.
pub(super) fn status(life: &Life) -> Vec<Finding> {
    let check = "daemon";
    let status = match (&life.status, life.status()) {
        (Ok(_), Some(status)) => status,
        (Ok(last), None) => {
            let (since, todo) = (ago(last.since), start());
            let says = format_args!("it does not say how it is; the last it said was {since}");
            let todo = life.is_stopped().map_or(todo, |_| String::new());
            return vec![Finding::wrong(check, says, todo).code(Code::Silent)];
        }
        (Err(failure), _) if life.is_alive() => {
            let says = "it runs, but its status file can't be read";
            let finding = Finding::wrong(check, says, RESTART).code(Code::NoStatus);
            return vec![finding.evidence(failure)];
        }
        (Err(_), _) => {
            let says = "it has left no status file";
            return vec![Finding::wrong(check, says, start()).code(Code::NoStatus)];
        }
    };
    let mut findings = vec![state(status)];
    findings.extend(version(status));
    findings.push(guard(status));
    findings.push(rejected(status));
    findings.extend(unreadable(status));
    findings
}

fn state(status: &Status) -> Finding {
    let check = "daemon";
    let since = humantime::format_rfc3339_seconds(status.since);
    match status.state {
        State::Live => Finding::ok(check, format_args!("live since {since}")),
        State::Reconnecting => Finding::wrong(
            check,
            format_args!("not connected to Redis since {since}; the last good names answer"),
            "see what is said of Redis below",
        )
        .code(Code::Disconnected)
        .evidence(&status.reason),
        State::Guarded if status.hashes.iter().all(|hash| hash.retained == 0) => Finding::wrong(
            check,
            "no new table can be made, the last one answers",
            RESTART,
        )
        .code(Code::Stuck)
        .evidence(&status.reason),
        // The guard has a line of its own.
        State::Guarded => Finding::ok(check, format_args!("connected; guarded since {since}")),
        // So has each hash that can't be read.
        State::Unreadable => {
            Finding::ok(check, format_args!("connected; unreadable since {since}"))
        }
    }
}

fn version(status: &Status) -> Option<Finding> {
    let ours = env!("CARGO_PKG_VERSION");
    (status.version != ours).then(|| {
        let theirs = &status.version;
        let says = format_args!("it is of version {theirs}, this program of {ours}");
        Finding::warning("daemon", says, RESTART).code(Code::OtherVersion)
    })
}

fn guard(status: &Status) -> Finding {
    let lost: Vec<String> = status
        .hashes
        .iter()
        .filter(|hash| hash.retained > 0)
        .map(|hash| format!("{} of {}", hash.retained, hash.key))
        .collect();
    if lost.is_empty() {
        return Finding::ok("guard", "Redis has lost nothing that is in use");
    }
    let lost = lost.join(", ");
    Finding::wrong(
        "guard",
        format_args!("Redis has lost fields that are retained: {lost}"),
        "register them anew, or accept the loss: cloudhosts accept",
    )
    .code(Code::Lost)
}

fn rejected(status: &Status) -> Finding {
    let check = "rejected";
    let fields = &status.rejected.fields;
    let count = status.rejected.count;
    if count == 0 {
        return Finding::ok(check, "every field can be used");
    }
    let says = format!("fields that can't be used as they are: {count}");
    let todo = "run: cloudhosts lint";
    let used = fields.iter().all(|field| field.effect == Effect::Used);
    if used && count == fields.len() {
        Finding::warning(check, says, todo).code(Code::PartlyUsed)
    } else {
        Finding::wrong(check, says, todo).code(Code::Unused)
    }
}

fn unreadable(status: &Status) -> Vec<Finding> {
    let why = |hash: &cloudhosts_config::status::HashStatus| {
        let why = hash.unreadable.as_ref()?;
        let says = format!("it can't read {}; what that held before is used", hash.key);
        let finding = Finding::wrong("daemon", says, "see what is said of Redis below");
        Some(finding.code(Code::UnreadableHash).evidence(why))
    };
    status.hashes.iter().filter_map(why).collect()
}

/// The table that programs use: whether there is one, and how old it is.
pub(super) fn table(config: &Config, life: &Life) -> Vec<Finding> {
    let check = "table";
    let looked = local::attached(config, |view| {
        let says = format!("generation {}, {} names", view.generation(), view.names());
        (says, view.published(), view.stale_max())
    });
    let (says, published, stale_max) = match looked {
        Ok(looked) => looked,
        Err(error) => return vec![no_table(check, error, life)],
    };
    if life.is_alive() {
        return vec![Finding::ok(check, says), clock(published)];
    }
    let says = format_args!(
        "{says}, but no daemon is behind it: it is served for {}",
        left(stale_max)
    );
    let todo = life
        .is_stopped()
        .map_or_else(start, |process| format!("run: kill -CONT {process}"));
    let table = Finding::wrong(check, says, todo).code(Code::Unserved);
    vec![table, clock(published)]
}

fn no_table(check: &'static str, error: Unavailable, life: &Life) -> Finding {
    let todo = if life.is_alive() {
        "see what is said of Redis below".to_owned()
    } else {
        start()
    };
    match error {
        Unavailable::Stale(age) => {
            let age = humantime::format_duration(Duration::from_secs(age.as_secs()));
            let says = format_args!(
                "programs get no name: the daemon has been gone for {age}, longer than stale_max"
            );
            Finding::wrong(check, says, todo).code(Code::Stale)
        }
        error => Finding::wrong(check, "programs get no name: there is no table", todo)
            .code(Code::NoTable)
            .evidence(error),
    }
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
        )
        .code(Code::WentBack),
        _ => Finding::ok("clock", "no earlier than the table"),
    }
}

/// Whether the clock is that of Redis.
pub(super) fn clock_of_redis(there: SystemTime) -> Finding {
    let check = "skew";
    let now = SystemTime::now();
    let skew = now
        .duration_since(there)
        .or_else(|_| there.duration_since(now));
    match skew {
        Ok(skew) if skew > SKEW => {
            let skew = skew.as_secs();
            let says = format_args!("the clock differs from that of Redis by {skew} s");
            Finding::warning(check, says, "set the clocks (timedatectl)").code(Code::Differs)
        }
        _ => Finding::ok(check, "the clock is that of Redis"),
    }
}
