//! What is to be done to a role, in how many hashes ever.

use super::author::Author;
use super::role::{Role, Where};
use super::script::{Call, Script, held_key, times_key};
use super::target::Views;
use crate::log::{MAX_LEN, log_key};

/// A hash, and where the role is for those who read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The key of the hash.
    pub hash: String,
    /// The value to write; none where something is taken away.
    pub at: Option<Where>,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// This is now the only holder: other members go.
    Claim,
    /// The same with a role that points at another entry.
    Point,
    /// The member is there beside the others.
    Join,
    /// The member goes.
    Leave,
    /// The role goes, members and all.
    Release,
}

impl Verb {
    /// What the command line and the change log call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Verb::Claim => "claim",
            Verb::Point => "point",
            Verb::Join => "join",
            Verb::Leave => "leave",
            Verb::Release => "release",
        }
    }
}

/// One change, made in all of its hashes in one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What is done.
    pub verb: Verb,
    /// To which role; with its member, where the verb is about one.
    pub role: Role,
    /// Where. At least one.
    pub places: Vec<Place>,
    /// Where the role must be for it to be claimed, pointed or released.
    pub only_if: Option<Condition>,
    /// Where what it is pointed at is looked for: a role that has addresses is
    /// not pointed at what has none. Without it nothing is looked for.
    pub views: Option<Views>,
}

/// Where a role must be, members and all, before it is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// There is no such role.
    Absent,
    /// Its addresses are these, or its pointer is.
    At(Where),
}

impl Change {
    /// The script that makes it, where it is about one member.
    pub(super) fn call(&self, script: Script, author: &Author) -> Call {
        let values = self.places.iter().filter_map(|place| place.at.as_ref());
        let arguments: Vec<&[u8]> = std::iter::once(self.role.name())
            .chain(self.role.member())
            .chain(values.map(Where::as_str))
            .map(str::as_bytes)
            .collect();
        let hashes = self.places.iter().map(|place| place.hash.as_str());
        let verb = self.verb.name();
        script.leases(hashes, self.role.name(), &arguments, verb, author)
    }

    /// What the command does, as lines for `redis-cli`; what no command of Redis
    /// says stands in a comment.
    #[must_use]
    pub fn spelled(&self) -> Vec<String> {
        let (role, name) = (&self.role, self.role.name());
        let mut lines = vec!["# in one step, by a script:".to_owned()];
        if self.views.is_some() {
            lines.push(format!(
                "# (not if {name} has addresses, and what it is to point at has none)"
            ));
        }
        for Place { hash, at } in &self.places {
            let key = quoted(hash);
            let held = quoted(&held_key(hash));
            let times = quoted(&times_key(hash, name));
            lines.extend(self.entry(hash, at.as_ref()));
            let set = at
                .iter()
                .map(|at| format!("HSET {key} {role} {}", quoted(at.as_str())));
            lines.extend(set);
            match self.verb {
                Verb::Claim | Verb::Point | Verb::Release => {
                    if self.verb == Verb::Release {
                        lines.push(format!("HDEL {key} {name}"));
                    }
                    lines.push(format!("# HDEL {key} and {held} each {name}/..."));
                    lines.push(format!("DEL {times}"));
                }
                Verb::Join => lines.push(format!("ZREM {times} {role}")),
                Verb::Leave => {
                    lines.push(format!("HDEL {key} {role}"));
                    lines.push(format!("ZREM {times} {role}"));
                }
            }
        }
        lines
    }

    /// The line that appends to the log, and what a script adds to it.
    fn entry(&self, hash: &str, at: Option<&Where>) -> Vec<String> {
        let (role, name) = (self.role.to_string(), self.role.name());
        let operation = match at {
            Some(at) => (format!("+{role}"), at.as_str()),
            None => (format!("-{role}"), ""),
        };
        let operation = (operation.0.as_str(), operation.1);
        let verb = self.verb.name();
        match self.verb {
            Verb::Claim | Verb::Point | Verb::Release => vec![
                logged(hash, verb, &[(".drop", name), operation]),
                format!("# with -{name}/... for each member"),
            ],
            Verb::Join | Verb::Leave => vec![logged(hash, verb, &[operation])],
        }
    }
}

/// The line for `redis-cli` that appends an entry to the log of a hash.
pub(super) fn logged(hash: &str, verb: &str, fields: &[(&str, &str)]) -> String {
    let author = Author::of_this_process().to_string();
    let first = [(".verb", verb), (".by", author.as_str())];
    let mut line = format!("XADD {} MAXLEN ~ {MAX_LEN} *", quoted(&log_key(hash)));
    for (field, value) in first.iter().chain(fields) {
        line.push_str(&format!(" {} {}", quoted(field), quoted(value)));
    }
    line
}

/// A word as `redis-cli` reads it.
pub(super) fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/*{},+@~".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("\"{}\"", word.as_bytes().escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dry_run_spells_what_redis_cli_reads() {
        let place = |hash: &str, at: Option<&str>| Place {
            hash: hash.into(),
            at: at.map(|at| Where::addresses(at).unwrap()),
        };
        let member = Role::parse("web").unwrap().with_member("a").unwrap();
        let join = Change {
            verb: Verb::Join,
            role: member,
            places: vec![place("a hash", Some("10.0.0.5 fd00::5"))],
            only_if: None,
            views: None,
        };
        assert_eq!(
            join.spelled()[1..],
            [
                &logged("a hash", "join", &[("+web/a", "10.0.0.5 fd00::5")]),
                "HSET \"a hash\" web/a \"10.0.0.5 fd00::5\"",
                "ZREM \"a hash:held:web\" web/a"
            ]
        );
    }
}
