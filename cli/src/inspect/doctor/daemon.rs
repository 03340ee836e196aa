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
use crate::local_daemon;
use crate::outcome::Failure;

/// The tolerated difference between two clocks.
const SKEW: Duration = Duration::from_secs(30);

const RESTART: &str = "run: systemctl restart cloudhosts-cached";

/// The daemon at the configured socket, observed once so that all checks agree, and its
/// last status.
pub(super) struct DaemonHealth {
    /// Its heartbeat, or why it can't be asked. None if the path is too long for a socket.
    pulse: Option<Result<Pulse, AttachError>>,
    status: Result<Status, Failure>,
}

impl DaemonHealth {
    pub(super) fn of(config: &Config) -> DaemonHealth {
        DaemonHealth {
            pulse: local_daemon::configured(config).map(|paths| pulse(&paths)),
            status: local_daemon::status(config).map(|(_, status)| status),
        }
    }

    /// Whether it is alive, so that its status is current.
    pub(super) fn is_alive(&self) -> bool {
        matches!(
            self.pulse,
            Some(Ok(Pulse::Beating) | Err(AttachError::Handover(HandoverError::NothingYet)))
        )
    }

    /// Its status, while it is alive.
    pub(super) fn status(&self) -> Option<&Status> {
        self.status.as_ref().ok().filter(|_| self.is_alive())
    }

    /// Its process ID, by the status.
    pub(super) fn process(&self) -> Option<u32> {
        self.status.as_ref().ok().map(|status| status.pid)
    }

    /// Its process ID, if the process is stopped (SIGSTOP).
    fn is_stopped(&self) -> Option<u32> {
        let process = self.process()?;
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        // The name, which may hold anything, ends with the last bracket (proc(5)).
        let state = stat.rsplit_once(") ")?.1.chars().next()?;
        matches!(state, 'T' | 't').then_some(process)
    }
}

/// Whether the daemon answers at its socket, and is alive; and whether programs use that
/// socket.
pub(super) fn socket(config: &Config, health: &DaemonHealth) -> Vec<Finding> {
    let check = "socket";
    let path = config.socket.display();
    let Some(pulse) = &health.pulse else {
        let says = format_args!("{path} is too long for a socket");
        let todo = "shorten `socket` in the configuration";
        return vec![Finding::wrong(check, says, todo).code(Code::PathTooLong)];
    };
    let finding = match pulse {
        Ok(Pulse::Beating) => Finding::ok(
            check,
            format_args!("{path} answers, and the daemon is alive"),
        ),
        Ok(Pulse::Retired) => {
            Finding::wrong(check, "the daemon is exiting", start()).code(Code::Exiting)
        }
        Ok(Pulse::Silent) => silent(check, health),
        Err(AttachError::Handover(HandoverError::NothingYet)) => Finding::wrong(
            check,
            format_args!("{path} answers, but there is no table yet"),
            "see the check of Redis below",
        )
        .code(Code::NoTable),
        // A daemon that does not get to answer.
        Err(AttachError::Handover(HandoverError::Silence)) => silent(check, health),
        Err(error) => Finding::wrong(check, "the daemon is not running", start())
            .code(Code::NoDaemon)
            .evidence(format_args!("{path} (waited for 100 ms): {error}")),
    };
    let mut findings = vec![finding];
    findings.extend(moved(config));
    findings
}

fn silent(check: &'static str, health: &DaemonHealth) -> Finding {
    match health.is_stopped() {
        Some(process) => Finding::wrong(
            check,
            "the daemon's process is stopped",
            format_args!("run: kill -CONT {process}"),
        )
        .code(Code::Stopped)
        .evidence(format_args!("/proc/{process}/stat has state T (SIGSTOP)")),
        None => {
            Finding::wrong(check, "no heartbeat of the daemon for 3 s", RESTART).code(Code::Silent)
        }
    }
}

/// Programs attach to the standard socket unless the environment says otherwise.
fn moved(config: &Config) -> Option<Finding> {
    let asked = std::env::var_os("CLOUDHOSTS_SOCKET").filter(|socket| !socket.is_empty());
    let elsewhere = config.socket.as_os_str() != SOCKET;
    (elsewhere && asked.is_none()).then(|| {
        let says = format_args!(
            "`socket` is {}, but programs attach to {SOCKET} unless CLOUDHOSTS_SOCKET is set",
            config.socket.display()
        );
        let todo = "remove `socket` from the configuration, then restart cloudhosts-cached";
        Finding::warning("socket", says, todo).code(Code::Moved)
    })
}

/// The status of the daemon, the guard, and the rejected fields. The last status of a
/// daemon that is not alive is out of date.
pub(super) fn status(health: &DaemonHealth) -> Vec<Finding> {
    let check = "daemon";
    let status = match (&health.status, health.status()) {
        (Ok(_), Some(status)) => status,
        (Ok(last), None) => {
            let (since, todo) = (ago(last.since), start());
            let says = format_args!("it reports no status; the last one is from {since}");
            let todo = health.is_stopped().map_or(todo, |_| String::new());
            return vec![Finding::wrong(check, says, todo).code(Code::Silent)];
        }
        (Err(failure), _) if health.is_alive() => {
            let says = "it is running, but its status file can't be read";
            let finding = Finding::wrong(check, says, RESTART).code(Code::NoStatus);
            return vec![finding.evidence(failure)];
        }
        (Err(_), _) => {
            let says = "there is no status file";
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
            format_args!("not connected to Redis since {since}; the last good table answers"),
            "see the check of Redis below",
        )
        .code(Code::Disconnected)
        .evidence(&status.reason),
        State::Guarded if status.hashes.iter().all(|hash| hash.retained == 0) => Finding::wrong(
            check,
            "no new table can be made; the last one answers",
            RESTART,
        )
        .code(Code::Stuck)
        .evidence(&status.reason),
        // The guard has its own check.
        State::Guarded => Finding::ok(check, format_args!("connected; guarded since {since}")),
        // The check of Redis says it, too.
        State::Stale => Finding::wrong(
            check,
            format_args!("connected to a replica that hears of no change since {since}"),
            "see the check of Redis below",
        )
        .code(Code::MasterDown)
        .evidence(&status.reason),
        // So does each hash that can't be read.
        State::Unreadable => {
            Finding::ok(check, format_args!("connected; unreadable since {since}"))
        }
    }
}

fn version(status: &Status) -> Option<Finding> {
    let ours = env!("CARGO_PKG_VERSION");
    (status.version != ours).then(|| {
        let theirs = &status.version;
        let says = format_args!("its version is {theirs}, that of this program {ours}");
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
        return Finding::ok("guard", "Redis has lost no field that is in use");
    }
    let lost = lost.join(", ");
    Finding::wrong(
        "guard",
        format_args!("Redis has lost fields, which are retained: {lost}"),
        "register them again, or accept the loss: cloudhosts accept",
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
        let says = format!("it can't read {}; its last good content is used", hash.key);
        let finding = Finding::wrong("daemon", says, "see the check of Redis below");
        Some(finding.code(Code::UnreadableHash).evidence(why))
    };
    status.hashes.iter().filter_map(why).collect()
}

/// The table that programs use: whether there is one, and its age.
pub(super) fn table(config: &Config, health: &DaemonHealth) -> Vec<Finding> {
    let check = "table";
    let looked = local_daemon::attached(config, |view| {
        let says = format!("generation {}, {} names", view.generation(), view.names());
        (says, view.published(), view.stale_max())
    });
    let (says, published, stale_max) = match looked {
        Ok(looked) => looked,
        Err(error) => return vec![no_table(check, error, health)],
    };
    if health.is_alive() {
        return vec![Finding::ok(check, says), clock(published)];
    }
    let says = format_args!(
        "{says}, but no daemon serves it: it is used for {}",
        left(stale_max)
    );
    let todo = health
        .is_stopped()
        .map_or_else(start, |process| format!("run: kill -CONT {process}"));
    let table = Finding::wrong(check, says, todo).code(Code::Unserved);
    vec![table, clock(published)]
}

fn no_table(check: &'static str, error: Unavailable, health: &DaemonHealth) -> Finding {
    let todo = if health.is_alive() {
        "see the check of Redis below".to_owned()
    } else {
        start()
    };
    match error {
        Unavailable::Stale(age) => {
            let age = humantime::format_duration(Duration::from_secs(age.as_secs()));
            let says = format_args!(
                "no name resolves: the daemon has been gone for {age}, longer than stale_max"
            );
            Finding::wrong(check, says, todo).code(Code::Stale)
        }
        error => Finding::wrong(check, "no name resolves: there is no table", todo)
            .code(Code::NoTable)
            .evidence(error),
    }
}

/// How long a table is used without a daemon.
fn left(stale_max: Option<Duration>) -> String {
    match stale_max {
        None => "ever (stale_max is 0), and gets older".into(),
        Some(most) => format!(
            "{} after the daemon's last heartbeat (stale_max)",
            humantime::format_duration(most)
        ),
    }
}

/// Whether the table was published in the future.
fn clock(published: SystemTime) -> Finding {
    match published.duration_since(SystemTime::now()) {
        Ok(ahead) if ahead > SKEW => Finding::wrong(
            "clock",
            format_args!(
                "the table was published {} s in the future: the clock went back",
                ahead.as_secs()
            ),
            "set the clock (timedatectl), then restart cloudhosts-cached",
        )
        .code(Code::WentBack),
        _ => Finding::ok("clock", "not earlier than the table"),
    }
}

/// Whether the clock agrees with that of Redis.
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
        _ => Finding::ok(check, "the clock agrees with that of Redis"),
    }
}
