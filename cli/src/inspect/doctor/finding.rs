//! One line of what the doctor has found.

use std::fmt;

use serde_json::{Value, json};

use crate::outcome::Plain;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    Ok,
    Warning,
    Wrong,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Verdict::Ok => "ok",
            Verdict::Warning => "warning",
            Verdict::Wrong => "wrong",
        })
    }
}

/// What was looked at, how it is, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) check: &'static str,
    pub(super) verdict: Verdict,
    pub(super) says: String,
    /// Empty where there is nothing to do.
    pub(super) remedy: String,
}

impl Finding {
    /// All is as it should be.
    pub(super) fn ok(check: &'static str, says: impl fmt::Display) -> Finding {
        Finding::new(check, Verdict::Ok, says, "")
    }

    /// It works, but may surprise.
    pub(super) fn warning(
        check: &'static str,
        says: impl fmt::Display,
        remedy: impl fmt::Display,
    ) -> Finding {
        Finding::new(check, Verdict::Warning, says, remedy)
    }

    /// It does not work.
    pub(super) fn wrong(
        check: &'static str,
        says: impl fmt::Display,
        remedy: impl fmt::Display,
    ) -> Finding {
        Finding::new(check, Verdict::Wrong, says, remedy)
    }

    fn new(
        check: &'static str,
        verdict: Verdict,
        says: impl fmt::Display,
        remedy: impl fmt::Display,
    ) -> Finding {
        Finding {
            check,
            verdict,
            says: Plain(&says.to_string()).to_string(),
            remedy: Plain(&remedy.to_string()).to_string(),
        }
    }

    /// For programs.
    pub(super) fn as_json(&self) -> Value {
        json!({
            "check": self.check,
            "verdict": self.verdict.to_string(),
            "says": self.says,
            "do": self.remedy,
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<9}{:<11}{}", self.verdict, self.check, self.says)?;
        match self.remedy.as_str() {
            "" => Ok(()),
            remedy => write!(f, "; {remedy}"),
        }
    }
}
