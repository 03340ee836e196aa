//! The result of one check.

use std::fmt;

use cloudhosts_config::printable::Escaped;
use serde_json::{Value, json};

use super::code::Code;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    Ok,
    Warning,
    Wrong,
}

impl Verdict {
    pub(super) fn word(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Warning => "warning",
            Verdict::Wrong => "wrong",
        }
    }
}

/// What was checked, the result, the evidence and the remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) check: &'static str,
    pub(super) verdict: Verdict,
    pub(super) code: Code,
    /// What is wrong.
    pub(super) says: String,
    /// The evidence, where `says` does not tell.
    pub(super) evidence: String,
    /// The one command, or step, that fixes it. Empty where there is nothing to do.
    pub(super) remedy: String,
}

impl Finding {
    /// All is well.
    pub(super) fn ok(check: &'static str, says: impl fmt::Display) -> Finding {
        Finding::new(check, Verdict::Ok, Code::Ok, says, "")
    }

    /// It works, but not as expected, or not for long.
    pub(super) fn warning(
        check: &'static str,
        says: impl fmt::Display,
        remedy: impl fmt::Display,
    ) -> Finding {
        Finding::new(check, Verdict::Warning, Code::Warning, says, remedy)
    }

    /// It does not work.
    pub(super) fn wrong(
        check: &'static str,
        says: impl fmt::Display,
        remedy: impl fmt::Display,
    ) -> Finding {
        Finding::new(check, Verdict::Wrong, Code::Wrong, says, remedy)
    }

    fn new(
        check: &'static str,
        verdict: Verdict,
        code: Code,
        says: impl fmt::Display,
        remedy: impl fmt::Display,
    ) -> Finding {
        Finding {
            check,
            verdict,
            code,
            says: plain(says),
            evidence: String::new(),
            remedy: plain(remedy),
        }
    }

    /// The same with a code of its own.
    pub(super) fn code(self, code: Code) -> Finding {
        Finding { code, ..self }
    }

    /// The same with `warning` or `wrong` as its code, where it has no code of its own.
    pub(super) fn code_by_verdict(self, warning: Code, wrong: Code) -> Finding {
        match self.code {
            Code::Warning => self.code(warning),
            Code::Wrong => self.code(wrong),
            _ => self,
        }
    }

    /// The same with evidence.
    pub(super) fn evidence(self, evidence: impl fmt::Display) -> Finding {
        Finding {
            evidence: plain(evidence),
            ..self
        }
    }

    /// Merges another finding of the same check and code into this one.
    pub(super) fn merge(&mut self, other: Finding) {
        for (text, more) in [
            (&mut self.says, other.says),
            (&mut self.evidence, other.evidence),
            (&mut self.remedy, other.remedy),
        ] {
            if text.is_empty() {
                *text = more;
            } else if !more.is_empty() && *text != more {
                *text = format!("{text}; {more}");
            }
        }
        self.verdict = self.verdict.max(other.verdict);
    }

    /// For programs.
    pub(super) fn as_json(&self) -> Value {
        json!({
            "check": self.check,
            "code": self.code.word(),
            "verdict": self.verdict.word(),
            "says": self.says,
            "evidence": self.evidence,
            "do": self.remedy,
        })
    }
}

fn plain(text: impl fmt::Display) -> String {
    Escaped(&text.to_string()).to_string()
}
