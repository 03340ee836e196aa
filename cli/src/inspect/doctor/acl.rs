//! The rights of the daemon's user in Redis.

use cloudhosts_config::status::UnreadableCode;
use cloudhosts_registry::{MissingRight, Need, Probe};

use super::code::Code;
use super::finding::Finding;

const CHECK: &str = "acl";

/// Since this version Redis has read-only key permissions (`%R~`).
const READ_ONLY_KEYS: u32 = 7;

/// The consequence of each missing right.
const WITHOUT: [(Need, &str); 4] = [
    (
        Need::Log,
        "each change makes the daemon read the whole hash",
    ),
    (
        Need::Info,
        "names that Redis has lost in a restart are retained until the loss is accepted",
    ),
    (
        Need::Fields,
        "one value that is too large makes its hash unreadable",
    ),
    (
        Need::TimeToLive,
        "a hash that has expired looks like one that was deleted",
    ),
];

/// Whether the daemon can follow the hashes, and what it has to do without.
pub(super) fn look(probe: &Probe) -> Finding {
    let user = &probe.user;
    let denied: Vec<(&str, &str)> = probe
        .hashes
        .iter()
        .filter_map(|(key, facts)| match facts {
            Err(unread) if unread.code == UnreadableCode::NoPerm => {
                Some((key.as_str(), unread.why.as_str()))
            }
            _ => None,
        })
        .collect();
    let needs = [Need::Ping, Need::Read, Need::Scan];
    let needed = of(probe, |refused| needs.contains(&refused.need));
    if denied.is_empty() && needed.is_empty() {
        return limits(probe);
    }
    let mut grants = Grants::default();
    for &(key, _) in &denied {
        grants.hash(probe, key);
    }
    grants.commands(&probe.missing_rights);
    let mut evidence: Vec<String> = denied
        .iter()
        .map(|(key, why)| format!("{key}: {why}"))
        .collect();
    let whys = needed.iter().map(|refused| refused.why.clone());
    evidence.extend(whys.filter(|_| denied.is_empty()));
    evidence.dedup();
    let says = format_args!("the Redis user {user} may not read what the daemon follows");
    Finding::wrong(CHECK, says, grants.line(probe))
        .code(Code::Needed)
        .evidence(evidence.join("; "))
}

fn limits(probe: &Probe) -> Finding {
    if probe.missing_rights.is_empty() {
        return Finding::ok(CHECK, "the daemon may run every command it uses");
    }
    let mut without = Vec::new();
    for (need, consequence) in WITHOUT {
        let refused = of(probe, |refused| refused.need == need);
        let mut commands: Vec<&str> = refused.iter().map(|refused| refused.command).collect();
        commands.sort_unstable();
        commands.dedup();
        if !commands.is_empty() {
            without.push(format!("without {} {consequence}", commands.join(" ")));
        }
    }
    let mut grants = Grants::default();
    grants.commands(&probe.missing_rights);
    for (key, _) in &probe.hashes {
        grants.log(probe, key);
    }
    Finding::warning(CHECK, without.join("; "), grants.line(probe)).code(Code::Limited)
}

fn of(probe: &Probe, wanted: impl Fn(&MissingRight) -> bool) -> Vec<&MissingRight> {
    probe
        .missing_rights
        .iter()
        .filter(|refused| wanted(refused))
        .collect()
}

/// The rights to be granted.
#[derive(Default)]
struct Grants {
    keys: Vec<String>,
    commands: Vec<&'static str>,
}

impl Grants {
    /// The rights to read a hash. A user who may run none of the commands may lack access
    /// to the key, or to the commands: both are granted. One who may run all that were tried
    /// lacks the one that could not be tried.
    fn hash(&mut self, probe: &Probe, key: &str) {
        let tried = [Need::Read, Need::Scan, Need::Fields, Need::TimeToLive];
        let of_key = |refused: &MissingRight| {
            refused.hash.as_deref() == Some(key) && tried.contains(&refused.need)
        };
        let refused = of(probe, of_key);
        let may = |command: &str| refused.iter().all(|refused| refused.command != command);
        if may("+hlen") && may("+hscan") {
            self.commands.push("+hgetall");
        } else if !["+hlen", "+hscan", "+hkeys", "+hstrlen", "+hmget", "+pttl"]
            .into_iter()
            .any(may)
        {
            self.commands.push("+hgetall");
            self.keys.extend([key.to_owned(), format!("{key}:*")]);
        }
    }

    /// The rights to read the log of a hash.
    fn log(&mut self, probe: &Probe, key: &str) {
        let of_log = |refused: &MissingRight| {
            refused.hash.as_deref() == Some(key) && refused.need == Need::Log
        };
        if of(probe, of_log).len() > 1 {
            self.keys.push(format!("{key}:*"));
        }
    }

    fn commands(&mut self, refused: &[MissingRight]) {
        let commands = refused.iter().map(|refused| refused.command);
        self.commands.extend(commands);
    }

    /// The ACL command.
    fn line(mut self, probe: &Probe) -> String {
        let version = probe.version.as_deref();
        let major = version.and_then(|version| version.split('.').next()?.parse().ok());
        let old = major.is_some_and(|major: u32| major < READ_ONLY_KEYS);
        let access = if old { "~" } else { "%R~" };
        self.keys.dedup();
        self.commands.sort_unstable();
        self.commands.dedup();
        let keys = self.keys.iter().map(|key| format!("{access}{key}"));
        let commands = self.commands.iter().map(|&command| command.to_owned());
        let rules: Vec<String> = keys.chain(commands).collect();
        format!("in Redis: ACL SETUSER {} {}", probe.user, rules.join(" "))
    }
}
