//! What is to be done to a role, in how many hashes ever.

use super::role::{Role, Where};
use super::script::Script;
use redis::{Cmd, cmd};
use std::time::Duration;

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
    /// The member is there beside the others.
    Join,
    /// The member goes.
    Leave,
    /// The role goes, members and all.
    Release,
    /// The member is there for so long, unless this is done again.
    Hold(Duration),
    /// The member is held no more: it goes unless it is the last.
    End,
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
}

impl Change {
    /// The command that makes it.
    pub(super) fn command(&self) -> Cmd {
        let script = match self.verb {
            Verb::Claim | Verb::Release => Script::Claim,
            Verb::Join => Script::Join,
            Verb::Leave => Script::Leave,
            Verb::Hold(_) => Script::Hold,
            Verb::End => Script::End,
        };
        let mut command = cmd("EVAL");
        command.arg(script.text()).arg(3 * self.places.len());
        for Place { hash, .. } in &self.places {
            command
                .arg(hash)
                .arg(format!("{hash}:leases"))
                .arg(format!("{hash}:leases:held"));
        }
        command.arg(self.role.name());
        if let Some(member) = self.role.member() {
            command.arg(member);
        }
        if let Verb::Hold(lease) = self.verb {
            command.arg(lease.as_millis().to_string());
        }
        for place in &self.places {
            command.arg(place.at.as_ref().map(Where::as_str));
        }
        command
    }

    /// What the command does, as lines for `redis-cli`; what no command of Redis
    /// says stands in a comment.
    #[must_use]
    pub fn spelled(&self) -> Vec<String> {
        let (role, name) = (&self.role, self.role.name());
        let mut lines = vec!["# in one step, by a script:".to_owned()];
        for Place { hash, at } in &self.places {
            let key = quoted(hash);
            let leases = quoted(&format!("{hash}:leases"));
            let set = at
                .iter()
                .map(|at| format!("HSET {key} {role} {}", quoted(at.as_str())));
            lines.extend(set);
            match self.verb {
                Verb::Claim => {
                    lines.push(format!("# HDEL {key} and ZREM {leases} each {name}/..."))
                }
                Verb::Release => {
                    lines.push(format!("HDEL {key} {name}"));
                    lines.push(format!("# HDEL {key} and ZREM {leases} each {name}/..."));
                }
                Verb::Join => lines.push(format!("ZREM {leases} {role}")),
                Verb::Leave => {
                    lines.push(format!("HDEL {key} {role}"));
                    lines.push(format!("ZREM {leases} {role}"));
                }
                Verb::Hold(lease) => {
                    let lease = lease.as_millis();
                    lines.push(format!(
                        "# ZADD {leases} (the time of Redis in ms, and {lease} more) {role}"
                    ));
                    lines.push(format!(
                        "# HDEL {key} what ran out of {leases}, but the last of a role"
                    ));
                }
                Verb::End => lines.push(format!(
                    "# HDEL {key} {role}, unless it is the last of {name}"
                )),
            }
        }
        lines
    }
}

/// A word as `redis-cli` reads it.
pub(super) fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/*{},".contains(&byte);
    match !word.is_empty() && word.bytes().all(plain) {
        true => word.to_owned(),
        false => format!("\"{}\"", word.as_bytes().escape_ascii()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
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
        };
        assert_eq!(
            join.spelled()[1..],
            [
                "HSET \"a hash\" web/a \"10.0.0.5 fd00::5\"",
                "ZREM \"a hash:leases\" web/a"
            ]
        );
    }
}
