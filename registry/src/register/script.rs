//! The Lua scripts.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::OnceLock;

use redis::{Cmd, cmd};
use sha1_smol::Sha1;

use super::author::Author;
use crate::log::log_key;

/// Which script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Script {
    Claim,
    Join,
    Leave,
    Renew,
    Hold,
    End,
    Expire,
    Import,
    Reset,
    Accept,
}

/// The text of a script and its SHA-1 digest.
struct ScriptText {
    text: String,
    digest: String,
}

impl ScriptText {
    /// Joins the parts, without comments.
    fn new(parts: &[&str]) -> ScriptText {
        let lines = parts.iter().flat_map(|part| part.lines());
        let lines = lines.map(|line| line.split(" -- ").next().unwrap_or_default().trim());
        let code = lines.filter(|line| !line.is_empty() && !line.starts_with("--"));
        let text = code.collect::<Vec<_>>().join("\n");
        let digest = Sha1::from(&text).digest().to_string();
        ScriptText { text, digest }
    }

    /// A script that changes a hash and its log.
    fn plain(own: &str) -> ScriptText {
        ScriptText::new(&["local STRIDE = 2", COMMON, LOG, own])
    }

    /// A script that also uses leases.
    fn leases(own: &str) -> ScriptText {
        ScriptText::new(&["local STRIDE = 5", TIMING, COMMON, LOG, LEASES, own])
    }
}

/// Shared by scripts that renew.
const TIMING: &str = include_str!("lua/timing.lua");
/// Shared by scripts that change something.
const COMMON: &str = include_str!("lua/common.lua");
/// Writes the log.
const LOG: &str = include_str!("lua/log.lua");
/// Reads and writes leases.
const LEASES: &str = include_str!("lua/leases.lua");

/// One run of a script.
#[derive(Debug, Clone)]
pub(super) struct Call {
    script: Script,
    keys: Vec<String>,
    arguments: Vec<Vec<u8>>,
}

impl Script {
    fn text(self) -> &'static ScriptText {
        const COUNT: usize = Script::Accept as usize + 1;
        static TEXTS: [OnceLock<ScriptText>; COUNT] = [const { OnceLock::new() }; COUNT];
        TEXTS[self as usize].get_or_init(|| match self {
            Script::Claim => ScriptText::leases(include_str!("lua/claim.lua")),
            Script::Join => ScriptText::leases(include_str!("lua/join.lua")),
            Script::Leave => ScriptText::leases(include_str!("lua/leave.lua")),
            Script::Renew => ScriptText::new(&[TIMING, include_str!("lua/renew.lua")]),
            Script::Hold => ScriptText::leases(include_str!("lua/hold.lua")),
            Script::End => ScriptText::leases(include_str!("lua/end.lua")),
            Script::Expire => ScriptText::leases(include_str!("lua/expire.lua")),
            Script::Import => ScriptText::plain(include_str!("lua/import.lua")),
            Script::Reset => ScriptText::plain(include_str!("lua/reset.lua")),
            Script::Accept => ScriptText::plain(include_str!("lua/accept.lua")),
        })
    }

    /// A call that changes these hashes. `verb` and `author` are for the log.
    pub(super) fn plain<'h>(
        self,
        hashes: impl Iterator<Item = &'h str>,
        arguments: &[&[u8]],
        verb: &str,
        author: &Author,
    ) -> Call {
        let keys = hashes.flat_map(|hash| [hash.to_owned(), log_key(hash)]);
        self.call(keys.collect(), arguments).logged(verb, author)
    }

    /// A call that changes this role in these hashes, and its leases.
    pub(super) fn leases<'h>(
        self,
        hashes: impl Iterator<Item = &'h str>,
        role: &str,
        arguments: &[&[u8]],
        verb: &str,
        author: &Author,
    ) -> Call {
        let keys = hashes.flat_map(|hash| {
            let (hash, log) = (hash.to_owned(), log_key(hash));
            let [held, times, expiring] = lease_keys(&hash, role);
            [hash, log, held, times, expiring]
        });
        self.call(keys.collect(), arguments).logged(verb, author)
    }

    /// A call that renews, without the log.
    pub(super) fn renewal<'h>(
        self,
        hashes: impl Iterator<Item = &'h str>,
        role: &str,
        arguments: &[&[u8]],
    ) -> Call {
        let keys = hashes.flat_map(|hash| {
            let [held, times, expiring] = lease_keys(hash, role);
            [hash.to_owned(), held, times, expiring]
        });
        self.call(keys.collect(), arguments)
    }

    fn call(self, keys: Vec<String>, arguments: &[&[u8]]) -> Call {
        Call {
            script: self,
            keys,
            arguments: arguments.iter().map(|one| one.to_vec()).collect(),
        }
    }
}

impl Call {
    /// Adds the arguments for the log.
    fn logged(mut self, verb: &str, author: &Author) -> Call {
        let words = [verb.to_owned(), author.to_string(), nonce()];
        self.arguments.extend(words.map(String::into_bytes));
        self
    }

    /// The command for a Redis that has the script.
    pub(super) fn by_digest(&self) -> Cmd {
        self.command("EVALSHA", &self.script.text().digest)
    }

    /// The command for any Redis.
    pub(super) fn in_full(&self) -> Cmd {
        self.command("EVAL", &self.script.text().text)
    }

    fn command(&self, name: &str, script: &str) -> Cmd {
        let mut command = cmd(name);
        command.arg(script).arg(self.keys.len());
        command.arg(&self.keys).arg(&self.arguments);
        command
    }
}

/// The keys for leases: the records, the times of this role, and what expires.
pub(super) fn lease_keys(hash: &str, role: &str) -> [String; 3] {
    [
        held_key(hash),
        times_key(hash, role),
        format!("{hash}:expiring"),
    ]
}

/// The key of the records.
pub(super) fn held_key(hash: &str) -> String {
    format!("{hash}:held")
}

/// The key of the times of renewal of a role.
pub(super) fn times_key(hash: &str, role: &str) -> String {
    format!("{hash}:held:{role}")
}

/// A random number of 16 hexadecimal digits.
pub(super) fn nonce() -> String {
    // Each state has keys of its own, from the system's entropy.
    format!("{:016x}", RandomState::new().build_hasher().finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_comment_goes_over_the_wire() {
        for script in [
            Script::Claim,
            Script::Join,
            Script::Leave,
            Script::Renew,
            Script::Hold,
            Script::End,
            Script::Expire,
            Script::Import,
            Script::Reset,
            Script::Accept,
        ] {
            let text = &script.text().text;
            assert!(!text.contains("--") && text.contains("return "));
            assert!(text.len() < 13_000, "{script:?}: {}", text.len());
        }
    }

    #[test]
    fn a_script_is_called_by_its_sha1() {
        let text = ScriptText::new(&["return 1"]);
        assert_eq!(text.digest, "e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
    }
}
