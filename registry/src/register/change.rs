//! A change of a role, in one or more hashes.

use serde::{Deserialize, Serialize};

use super::author::Author;
use super::role::{Role, Where};
use super::script::{Call, Script, held_key, times_key};
use super::target::Views;
use crate::log::{MAX_LEN, log_key};

/// The value of a role in one hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The key of the hash.
    pub hash: String,
    /// The value to write. None if something is removed, or for a gateway that is to write the address
    /// from which it is asked.
    #[serde(default, rename = "value")]
    pub at: Option<Where>,
}

/// What a change does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// Sets the role to this value, and removes all members.
    Claim,
    /// The same with a pointer.
    Point,
    /// Adds a member.
    Join,
    /// Removes a member.
    Leave,
    /// Removes the role and all members.
    Release,
}

impl Verb {
    /// Its name on the command line and in the change log.
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

/// A change, which is made atomically in all of its hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What is done.
    pub verb: Verb,
    /// The role, with the member if the verb is about one.
    pub role: Role,
    /// The values by hash. At least one.
    pub places: Vec<Place>,
    /// The condition for a claim, pointer or release.
    pub only_if: Option<Condition>,
    /// Where the target of a pointer is looked up: a role that has addresses is not pointed at a name
    /// that has none. None to skip that check.
    pub views: Option<Views>,
}

/// The state of a role, including its members, that is required for a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// The role does not exist.
    Absent,
    /// It has these addresses, or this pointer.
    At(Where),
}

impl Change {
    /// The script call, for a verb about one member.
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

    /// The change as lines for `redis-cli`. What is not a Redis command is in comments.
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

    /// The line that appends to the log, and what the script adds to it.
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

/// A word, quoted for `redis-cli`.
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
