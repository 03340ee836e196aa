//! `cloudhosts doctor`: walks the way from a program to Redis, and says what is
//! wrong on it and what to do.
//!
//! - [`finding`]: one line of it;
//! - [`switch`]: nsswitch.conf and nscd;
//! - [`module`]: what glibc loads;
//! - [`daemon`]: the socket, the status, the table;
//! - [`rights`]: who gets at these;
//! - [`password`]: who gets at the password;
//! - [`redis`]: Redis, as the daemon sees it;
//! - [`sentinel`]: the sentinels, and whether their master is followed;
//! - [`urls`]: whether the names in Redis cover the host of Redis;
//! - [`names`]: what comes of all that.

mod daemon;
mod finding;
mod module;
mod names;
mod password;
mod redis;
mod rights;
mod sentinel;
mod switch;
mod urls;

use cloudhosts_registry::config::{Config, ConfigError};
use serde_json::{Value, json};

use crate::outcome::{Failure, Outcome, print};
use finding::{Finding, Verdict};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cloudhosts doctor\n  \
    cloudhosts doctor --json | jq '.checks[] | select(.verdict != \"ok\")'")]
pub(crate) struct Arguments {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(
    arguments: &Arguments,
    config: Result<Config, ConfigError>,
) -> Result<Outcome, Failure> {
    let mut report = Report::new(arguments.json);
    report.add(switch::look())?;
    report.add([module::look()])?;
    match config {
        Err(error) => {
            let todo = "run: cloudhosts-cached --check-config";
            report.add([Finding::wrong("config", error, todo)])?;
        }
        Ok(config) => {
            report.add([daemon::socket(&config)])?;
            report.add(daemon::status(&config))?;
            report.add(daemon::table(&config))?;
            report.add([rights::look(&config)])?;
            report.add(password::look(&config))?;
            report.add(redis::look(&config))?;
            report.add(sentinel::look(&config))?;
            report.add(urls::look(&config))?;
            report.add([switch::cache()])?;
            report.add(names::look(&config))?;
        }
    }
    report.end()
}

/// What was found so far.
struct Report {
    json: bool,
    findings: Vec<Finding>,
}

impl Report {
    fn new(json: bool) -> Report {
        let findings = Vec::new();
        Report { json, findings }
    }

    /// Each line is printed at once: what comes next may take seconds.
    fn add(&mut self, findings: impl IntoIterator<Item = Finding>) -> Result<(), Failure> {
        for finding in findings {
            if !self.json {
                print(&format!("{finding}\n"))?;
            }
            self.findings.push(finding);
        }
        Ok(())
    }

    fn end(self) -> Result<Outcome, Failure> {
        let worst = self.findings.iter().map(|finding| finding.verdict).max();
        let well = worst < Some(Verdict::Wrong);
        if self.json {
            let checks: Vec<Value> = self.findings.iter().map(Finding::as_json).collect();
            print(&format!("{}\n", json!({ "ok": well, "checks": checks })))?;
        }
        match well {
            true => Ok(Outcome::Yes),
            false => Ok(Outcome::No),
        }
    }
}
