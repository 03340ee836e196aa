//! The scripts that make a change, each in one step.

use super::author::Author;
use crate::log::log_key;
use redis::{Cmd, cmd};
use sha1_smol::Sha1;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::LazyLock;

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

/// The text of a script, and what Redis calls it.
struct ScriptText {
    text: String,
    digest: String,
}

impl ScriptText {
    /// The parts in one, without what only people read.
    fn new(parts: &[&str]) -> ScriptText {
        let lines = parts.iter().flat_map(|part| part.lines());
        let lines = lines.map(|line| line.split(" -- ").next().unwrap_or_default().trim());
        let said = lines.filter(|line| !line.is_empty() && !line.starts_with("--"));
        let text = said.collect::<Vec<_>>().join("\n");
        let digest = Sha1::from(&text).digest().to_string();
        ScriptText { text, digest }
    }

    /// A script that changes a hash and logs it, and knows nothing of leases.
    fn plain(own: &str) -> ScriptText {
        ScriptText::new(&["local STRIDE = 2", COMMON, LOG, own])
    }

    /// One that does know of them.
    fn leases(own: &str) -> ScriptText {
        ScriptText::new(&["local STRIDE = 5", TIMING, COMMON, LOG, LEASES, own])
    }
}

/// What those that renew have in common.
const TIMING: &str = include_str!("lua/timing.lua");
/// What those that change something have in common.
const COMMON: &str = include_str!("lua/common.lua");
/// How what changes gets into the log.
const LOG: &str = include_str!("lua/log.lua");
/// What is known of leases.
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
        static CLAIM: LazyLock<ScriptText> =
            LazyLock::new(|| ScriptText::leases(include_str!("lua/claim.lua")));
        static JOIN: LazyLock<ScriptText> =
            LazyLock::new(|| ScriptText::leases(include_str!("lua/join.lua")));
        static LEAVE: LazyLock<ScriptText> =
            LazyLock::new(|| ScriptText::leases(include_str!("lua/leave.lua")));
        static RENEW: LazyLock<ScriptText> =
            LazyLock::new(|| ScriptText::new(&[TIMING, include_str!("lua/renew.lua")]));
        static HOLD: LazyLock<ScriptText> =
            LazyLock::new(|| ScriptText::leases(include_str!("lua/hold.lua")));
        static END: LazyLock<ScriptText> =
            LazyLock::new(|| ScriptText::leases(include_str!("lua/end.lua")));
        static EXPIRE: LazyLock<ScriptText> =
            LazyLock::new(|| ScriptText::leases(include_str!("lua/expire.lua")));
        static IMPORT: LazyLock<ScriptText> =
            LazyLock::new(|| ScriptText::plain(include_str!("lua/import.lua")));
        static RESET: LazyLock<ScriptText> =
            LazyLock::new(|| ScriptText::plain(include_str!("lua/reset.lua")));
        static ACCEPT: LazyLock<ScriptText> =
            LazyLock::new(|| ScriptText::plain(include_str!("lua/accept.lua")));
        match self {
            Script::Claim => &CLAIM,
            Script::Join => &JOIN,
            Script::Leave => &LEAVE,
            Script::Renew => &RENEW,
            Script::Hold => &HOLD,
            Script::End => &END,
            Script::Expire => &EXPIRE,
            Script::Import => &IMPORT,
            Script::Reset => &RESET,
            Script::Accept => &ACCEPT,
        }
    }

    /// One that changes these hashes, with arguments of its own. `verb` and
    /// `author` are what the log says of it.
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

    /// One that changes this role in these hashes, and its leases.
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

    /// One that renews, and does not know the log.
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
    /// Adds what the log says of it.
    fn logged(mut self, verb: &str, author: &Author) -> Call {
        let words = [verb.to_owned(), author.to_string(), nonce()];
        self.arguments.extend(words.map(String::into_bytes));
        self
    }

    /// The command that runs it where Redis knows the script.
    pub(super) fn by_digest(&self) -> Cmd {
        self.command("EVALSHA", &self.script.text().digest)
    }

    /// The command that runs it in any case.
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

/// Beside a hash: what is held in it, the times of this role, and what expires.
pub(super) fn lease_keys(hash: &str, role: &str) -> [String; 3] {
    [
        held_key(hash),
        times_key(hash, role),
        format!("{hash}:expiring"),
    ]
}

/// The hash of the records of those who hold something.
pub(super) fn held_key(hash: &str) -> String {
    format!("{hash}:held")
}

/// The sorted set of those who hold a role, by when they renewed.
pub(super) fn times_key(hash: &str, role: &str) -> String {
    format!("{hash}:held:{role}")
}

/// A random number that no other has: 16 hexadecimal digits.
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
