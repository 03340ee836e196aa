//! The findings for people: in columns, and in colour on a terminal.

use std::env;
use std::io::{IsTerminal, stdout};

use super::finding::{Finding, Verdict};

/// The column of the sentence.
const INDENT: usize = 20;

/// Prints findings, with or without colour.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint {
    colour: bool,
}

impl Paint {
    /// In colour on a terminal that can, unless NO_COLOR (no-color.org) is set.
    pub(super) fn of_stdout() -> Paint {
        let unwanted = env::var_os("NO_COLOR").is_some_and(|set| !set.is_empty());
        let dumb = env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        Paint {
            colour: stdout().is_terminal() && !unwanted && !dumb,
        }
    }

    /// A finding, and below it the evidence and the remedy.
    pub(super) fn finding(self, finding: &Finding) -> String {
        let word = format!("{:<9}", finding.verdict.word());
        let word = self.paint(finding.verdict, &word);
        let mut text = format!("{word}{:<11}{}\n", finding.check, finding.says);
        for more in [&finding.evidence, &finding.remedy] {
            if !more.is_empty() {
                text.push_str(&format!("{:INDENT$}{more}\n", ""));
            }
        }
        text
    }

    /// The number of problems and warnings.
    pub(super) fn summary(self, wrong: usize, warnings: usize) -> String {
        let plural = if warnings == 1 { "" } else { "s" };
        let counted = format!("{warnings} warning{plural}");
        match (wrong, warnings) {
            (0, 0) => format!("{}\n", self.paint(Verdict::Ok, "nothing is wrong")),
            (0, _) => format!("{}\n", self.paint(Verdict::Warning, &counted)),
            (_, 0) => format!(
                "{}\n",
                self.paint(Verdict::Wrong, &format!("{wrong} wrong"))
            ),
            (_, _) => {
                let wrong = format!("{wrong} wrong");
                let wrong = self.paint(Verdict::Wrong, &wrong);
                format!("{wrong}, {}\n", self.paint(Verdict::Warning, &counted))
            }
        }
    }

    /// Text in the colour of a verdict, by the sequences of ECMA-48.
    fn paint(self, verdict: Verdict, text: &str) -> String {
        let colour = match verdict {
            _ if !self.colour => return text.to_owned(),
            Verdict::Ok => "32",
            Verdict::Warning => "33",
            Verdict::Wrong => "1;31",
        };
        format!("\x1b[{colour}m{text}\x1b[0m")
    }
}
