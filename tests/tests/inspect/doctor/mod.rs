//! `cloudhosts doctor`: each thing that can be wrong, made wrong. What is found is told by its
//! code; the words are for people.
//!
//! - [`account`]: as whom the daemon reads its files;
//! - [`machine`], [`module`]: what stands before the daemon;
//! - [`daemon`], [`table_file`]: the daemon, and what it leaves;
//! - [`redis`], [`faults`]: Redis, and why it can't be visited;
//! - [`names`]: what programs get; [`dns`]: what those get who ask DNS;
//! - [`report`]: how all of it is printed.

mod account;
mod daemon;
mod dns;
mod faults;
mod machine;
mod module;
mod names;
mod redis;
mod report;
mod table_file;

use cloudhosts_tests::World;
use cloudhosts_tests::process::{stderr, stdout};
use serde_json::Value;

/// The exit code and what is said.
fn doctor(world: &World) -> (i32, String) {
    let output = world.cloudhosts(&["doctor"]);
    (
        output.status.code().unwrap(),
        stdout(&output) + &stderr(&output),
    )
}

/// Sees that there is a finding of that verdict and check with all these words, on its line or those
/// that belong to it.
fn says(said: &str, verdict: &str, check: &str, words: &[&str]) {
    let start = format!("{verdict:<9}{check:<11}");
    let mut findings: Vec<String> = Vec::new();
    for line in said.lines() {
        match findings.last_mut() {
            Some(finding) if line.starts_with(' ') => finding.push_str(line),
            _ => findings.push(line.to_owned()),
        }
    }
    let mut those = findings
        .iter()
        .filter(|finding| finding.starts_with(&start));
    assert!(
        those.any(|finding| words.iter().all(|word| finding.contains(word))),
        "nothing that starts with {start:?} and has {words:?} in:\n{said}"
    );
}

/// What `doctor --json` says.
struct Examined {
    code: i32,
    json: Value,
}

/// Asks the doctor, and sees that no two findings have one check and code.
fn examine(world: &World) -> Examined {
    let output = world.cloudhosts(&["doctor", "--json"]);
    let json: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}{}", stdout(&output), stderr(&output)));
    let examined = Examined {
        code: output.status.code().unwrap(),
        json,
    };
    let mut named: Vec<String> = examined
        .findings()
        .map(|one| format!("{} {}", one["check"], one["code"]))
        .collect();
    let all = named.len();
    named.sort();
    named.dedup();
    assert_eq!(named.len(), all, "{:#}", examined.json);
    examined
}

impl Examined {
    fn findings(&self) -> impl Iterator<Item = &Value> {
        self.json["checks"].as_array().unwrap().iter()
    }

    /// The codes of one check, in order.
    fn codes(&self, check: &str) -> Vec<&str> {
        self.findings()
            .filter(|one| one["check"] == check)
            .map(|one| one["code"].as_str().unwrap())
            .collect()
    }

    /// Sees that the codes of a check are these.
    fn is(&self, check: &str, codes: &[&str]) {
        assert_eq!(self.codes(check), codes, "{check} in {:#}", self.json);
    }

    /// What is to be done about a finding, which must be there.
    fn remedy(&self, check: &str, code: &str) -> &str {
        let mut all = self.findings();
        let found = all.find(|one| one["check"] == check && one["code"] == code);
        let found = found.unwrap_or_else(|| panic!("no {check} {code} in {:#}", self.json));
        found["do"].as_str().unwrap()
    }

    /// The evidence of a finding, which must be there.
    fn evidence(&self, check: &str, code: &str) -> &str {
        let mut all = self.findings();
        let found = all.find(|one| one["check"] == check && one["code"] == code);
        let found = found.unwrap_or_else(|| panic!("no {check} {code} in {:#}", self.json));
        found["evidence"].as_str().unwrap()
    }
}
