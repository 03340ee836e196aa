//! The scripts that make a change, each in one step.

use super::author::Author;
use crate::log::log_key;
use redis::{Cmd, cmd};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::LazyLock;

/// Which script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Script {
    Claim,
    Join,
    Leave,
    Hold,
    End,
    Import,
    Reset,
    Accept,
}

/// What all scripts begin with.
const COMMON: &str = include_str!("lua/common.lua");
/// How what changes gets into the log.
const LOG: &str = include_str!("lua/log.lua");
/// What those that end leases go on with.
const LEASES: &str = include_str!("lua/leases.lua");

impl Script {
    /// The text, as it is sent.
    pub(super) fn text(self) -> &'static str {
        static CLAIM: LazyLock<String> =
            LazyLock::new(|| sent(&[COMMON, LOG, include_str!("lua/claim.lua")]));
        static JOIN: LazyLock<String> =
            LazyLock::new(|| sent(&[COMMON, LOG, LEASES, include_str!("lua/join.lua")]));
        static LEAVE: LazyLock<String> =
            LazyLock::new(|| sent(&[COMMON, LOG, include_str!("lua/leave.lua")]));
        static HOLD: LazyLock<String> =
            LazyLock::new(|| sent(&[COMMON, LOG, LEASES, include_str!("lua/hold.lua")]));
        static END: LazyLock<String> =
            LazyLock::new(|| sent(&[COMMON, LOG, LEASES, include_str!("lua/end.lua")]));
        static IMPORT: LazyLock<String> =
            LazyLock::new(|| sent(&[COMMON, LOG, include_str!("lua/import.lua")]));
        static RESET: LazyLock<String> =
            LazyLock::new(|| sent(&[COMMON, LOG, include_str!("lua/reset.lua")]));
        static ACCEPT: LazyLock<String> =
            LazyLock::new(|| sent(&[COMMON, LOG, include_str!("lua/accept.lua")]));
        match self {
            Script::Claim => &CLAIM,
            Script::Join => &JOIN,
            Script::Leave => &LEAVE,
            Script::Hold => &HOLD,
            Script::End => &END,
            Script::Import => &IMPORT,
            Script::Reset => &RESET,
            Script::Accept => &ACCEPT,
        }
    }

    /// The command that runs it for these hashes, with arguments of its own.
    /// `verb` and `author` are what the log says of it.
    pub(super) fn call<'h>(
        self,
        hashes: impl ExactSizeIterator<Item = &'h str>,
        arguments: &[&[u8]],
        verb: &str,
        author: &Author,
    ) -> Cmd {
        let mut command = cmd("EVAL");
        command.arg(self.text()).arg(4 * hashes.len());
        for hash in hashes {
            command
                .arg(hash)
                .arg(log_key(hash))
                .arg(format!("{hash}:leases"))
                .arg(format!("{hash}:leases:held"));
        }
        command.arg(arguments);
        command.arg(verb).arg(author.to_string()).arg(nonce());
        command
    }
}

/// A random number that no other entry has: 16 hexadecimal digits.
fn nonce() -> String {
    // Each state has keys of its own, from the system's entropy.
    format!("{:016x}", RandomState::new().build_hasher().finish())
}

/// The parts in one, without what only people read: a script goes over the wire
/// at each renewal.
fn sent(parts: &[&str]) -> String {
    let lines = parts.iter().flat_map(|part| part.lines());
    let lines = lines.map(|line| line.split(" -- ").next().unwrap_or_default().trim());
    let said = lines.filter(|line| !line.is_empty() && !line.starts_with("--"));
    said.collect::<Vec<_>>().join("\n")
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
            Script::Hold,
            Script::End,
            Script::Import,
            Script::Reset,
            Script::Accept,
        ] {
            let text = script.text();
            assert!(!text.contains("--") && text.contains("return "));
            assert!(text.len() < 9_000, "{script:?}: {}", text.len());
        }
    }
}
