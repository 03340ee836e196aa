//! `cloudhosts hold --check`: a member only while it is healthy.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cloudhosts_tests::process::Signal;
use cloudhosts_tests::wait;

use crate::common::{Holding, Registry, map, word};

/// A registry with a plain member, and a file on which health depends.
struct Health {
    registry: Registry,
    file: PathBuf,
}

impl Health {
    fn new() -> Health {
        let registry = Registry::new();
        registry.prints(&["claim", "web", "10.0.0.1"]);
        let file = registry.dir.join("healthy");
        Health { registry, file }
    }

    fn well(&self) {
        std::fs::write(&self.file, "").unwrap();
    }

    fn ill(&self) {
        std::fs::remove_file(&self.file).unwrap();
    }

    /// Holds `web/a` with that check, often, and these further words.
    fn hold(&self, check: &str, further: &[&str]) -> Holding {
        let words = [
            "web",
            "10.0.0.2",
            "--member",
            "a",
            "--lease",
            "3s",
            "--check",
            check,
            "--interval",
            "100ms",
        ];
        self.registry.hold(&[&words[..], further].concat())
    }

    fn is_member(&self) {
        self.registry
            .until(&[("web", "10.0.0.1"), ("web/a", "10.0.0.2")]);
    }

    fn is_none(&self) {
        self.registry.until(&[("web", "10.0.0.1")]);
    }

    fn test(&self) -> String {
        format!(
            "test -e '{}' || {{ echo not well; false; }}",
            self.file.display()
        )
    }
}

/// The process that a file names, once it does.
fn named(pid: &Path) -> u32 {
    wait::until("a process is named", || {
        let text = std::fs::read_to_string(pid).ok()?;
        text.trim().parse().ok()
    })
}

/// Waits until a process is gone, or only its parent has yet to see that.
pub(crate) fn is_gone(pid: &Path) {
    let pid = named(pid);
    wait::until("that process is gone", || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
        let dead = stat.map_or(true, |stat| stat.contains(") Z "));
        dead.then_some(())
    });
}

#[test]
fn a_member_only_while_the_check_passes_and_the_command_runs_all_along() {
    let health = Health::new();
    let command = ["--", "sh", "-c", "echo started; exec sleep 600"];
    let mut holder = health.hold(&health.test(), &command);
    holder.says("started");
    holder.says("not well");
    health.is_none();
    for _ in 0..2 {
        health.well();
        health.is_member();
        health.ill();
        health.is_none();
    }
    health.well();
    health.is_member();
    assert_eq!(holder.said().matches("started").count(), 1);
    assert_eq!(holder.end(Signal::TERM), Some(143));
    health.is_none();
}

#[test]
fn a_check_that_fails_less_often_than_fall_costs_no_place() {
    let health = Health::new();
    let once = health.registry.dir.join("once");
    let runs = health.registry.dir.join("runs");
    let check = format!(
        "echo >> '{}'; if [ -e '{once}' ]; then rm '{once}'; exit 3; fi",
        runs.display(),
        once = once.display()
    );
    let count = || std::fs::read_to_string(&runs).unwrap_or_default().len();
    let holder = health.hold(&check, &["--rise", "3"]);
    health.is_member();
    assert!(count() >= 3, "it takes three to rise");
    std::fs::write(&once, "").unwrap();
    holder.says("exit status 3");
    let before = count();
    wait::until("it is checked again", || {
        assert!(health.registry.hash().contains_key("web/a"));
        (count() >= before + 4).then_some(())
    });
    assert!(!holder.said().contains(word::LEFT), "{}", holder.said());
}

#[test]
fn a_check_that_hangs_is_killed_with_all_it_started_and_has_failed() {
    let health = Health::new();
    let pid = health.registry.dir.join("pid");
    let check = format!(
        "test -e '{}' && exit 0; sleep 600 & echo $! > '{}'; wait",
        health.file.display(),
        pid.display()
    );
    health.well();
    let mut holder = health.hold(&check, &["--timeout", "300ms"]);
    health.is_member();
    health.ill();
    health.is_none();
    holder.says("300ms");
    is_gone(&pid);
    // nor does one outlive its holder
    std::fs::remove_file(&pid).unwrap();
    named(&pid);
    assert_eq!(holder.end(Signal::TERM), Some(0));
    is_gone(&pid);
}

#[test]
fn a_check_that_floods_its_output_is_read_and_counts_by_its_exit_status() {
    let health = Health::new();
    let check = "head -c 20000000 /dev/zero; head -c 20000000 /dev/zero >&2";
    let mut holder = health.hold(check, &["--timeout", "30s"]);
    health.is_member();
    assert_eq!(holder.end(Signal::TERM), Some(0));
    health.is_none();
    // one that never stops, and says bad things
    let mut holder = health.hold(
        "while :; do printf '\\033[31m%s' \"$0\"; done",
        &["--timeout", "500ms"],
    );
    holder.says("500ms");
    let said = holder.said();
    assert!(!said.contains('\u{1b}') && said.len() < 4000, "{said}");
    let start = Instant::now();
    assert_eq!(holder.end(Signal::TERM), Some(0));
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_check_that_is_missing_fails_at_once() {
    let health = Health::new();
    let start = Instant::now();
    for (check, code) in [("/no/such/program", 127), ("/etc", 126)] {
        let mut holder = health.hold(check, &["--", "sleep", "600"]);
        let status = holder.process.wait();
        assert_eq!(status.code(), Some(code), "{}", holder.said());
        assert!(
            holder.said().contains(word::CHECK_FAILS),
            "{}",
            holder.said()
        );
    }
    assert!(start.elapsed() < Duration::from_secs(60));
    assert_eq!(health.registry.hash(), map(&[("web", "10.0.0.1")]));
    // later it may be missing for a while, as in an upgrade
    let script = health.registry.dir.join("script");
    std::fs::write(&script, "exit 0").unwrap();
    let mut holder = health.hold(&format!("sh '{}'", script.display()), &[]);
    health.is_member();
    std::fs::remove_file(&script).unwrap();
    health.is_none();
    std::fs::write(&script, "exit 0").unwrap();
    health.is_member();
    assert_eq!(holder.end(Signal::TERM), Some(0));
}

#[test]
fn numbers_that_make_no_sense_are_refused() {
    let registry = Registry::new();
    let hold = ["hold", "web", "10.0.0.2", "--check", "true"];
    for further in [
        &["--rise", "0"][..],
        &["--fall", "0"],
        &["--interval", "0s"],
        &["--timeout", "0s"],
        &["--timeout", "1 parsec"],
        &["--interval", "99y"],
    ] {
        registry.fails(2, &[&hold[..], further].concat());
    }
    registry.fails(2, &["hold", "web", "10.0.0.2", "--rise", "1"]);
}
