//! All the findings.

use serde_json::{Value, json};

use super::finding::{Finding, Verdict};
use super::paint::Paint;
use crate::outcome::{Failure, Outcome};
use crate::output::print;

/// The findings so far.
pub(super) struct DoctorReport {
    json: bool,
    paint: Paint,
    findings: Vec<Finding>,
}

impl DoctorReport {
    pub(super) fn new(json: bool) -> DoctorReport {
        DoctorReport {
            json,
            paint: Paint::of_stdout(),
            findings: Vec::new(),
        }
    }

    /// Adds the findings of a check, merged by code. They are printed at once, as the next
    /// check may take seconds.
    pub(super) fn add(
        &mut self,
        findings: impl IntoIterator<Item = Finding>,
    ) -> Result<(), Failure> {
        let mut added: Vec<Finding> = Vec::new();
        for finding in findings {
            let mut before = added.iter_mut();
            match before.find(|one| (one.check, one.code) == (finding.check, finding.code)) {
                Some(same) => same.merge(finding),
                None => added.push(finding),
            }
        }
        if !self.json {
            for finding in &added {
                print(&self.paint.finding(finding))?;
            }
        }
        self.findings.extend(added);
        Ok(())
    }

    /// Prints the summary, or the JSON.
    pub(super) fn end(self) -> Result<Outcome, Failure> {
        let wrong = self.count(Verdict::Wrong);
        let warnings = self.count(Verdict::Warning);
        if self.json {
            let checks: Vec<Value> = self.findings.iter().map(Finding::as_json).collect();
            let report = json!({
                "ok": wrong == 0,
                "wrong": wrong,
                "warnings": warnings,
                "checks": checks,
            });
            print(&format!("{report}\n"))?;
        } else {
            print(&self.paint.summary(wrong, warnings))?;
        }
        Ok(if wrong == 0 {
            Outcome::Yes
        } else {
            Outcome::No
        })
    }

    fn count(&self, verdict: Verdict) -> usize {
        let same = |finding: &&Finding| finding.verdict == verdict;
        self.findings.iter().filter(same).count()
    }
}
