//! The scripts that make a change, each in one step.

use std::sync::LazyLock;

/// Which script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Script {
    Claim,
    Join,
    Leave,
    Hold,
    End,
}

/// What all scripts begin with.
const COMMON: &str = include_str!("lua/common.lua");
/// What those that end leases go on with.
const LEASES: &str = include_str!("lua/leases.lua");

impl Script {
    /// The text, as it is sent.
    pub(super) fn text(self) -> &'static str {
        static CLAIM: LazyLock<String> =
            LazyLock::new(|| sent(&[COMMON, include_str!("lua/claim.lua")]));
        static JOIN: LazyLock<String> =
            LazyLock::new(|| sent(&[COMMON, include_str!("lua/join.lua")]));
        static LEAVE: LazyLock<String> =
            LazyLock::new(|| sent(&[COMMON, include_str!("lua/leave.lua")]));
        static HOLD: LazyLock<String> =
            LazyLock::new(|| sent(&[COMMON, LEASES, include_str!("lua/hold.lua")]));
        static END: LazyLock<String> =
            LazyLock::new(|| sent(&[COMMON, LEASES, include_str!("lua/end.lua")]));
        match self {
            Script::Claim => &CLAIM,
            Script::Join => &JOIN,
            Script::Leave => &LEAVE,
            Script::Hold => &HOLD,
            Script::End => &END,
        }
    }
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
        ] {
            let text = script.text();
            assert!(!text.contains("--") && text.contains("return answer"));
            assert!(text.len() < 6_000, "{script:?}: {}", text.len());
        }
    }
}
