//! `cloudhosts hold --on-acquire --on-loss`.

use std::path::PathBuf;

use cloudhosts_tests::process::Signal;
use cloudhosts_tests::wait;

use crate::common::{Registry, map, word};

/// A file to which hooks append lines.
struct Log(PathBuf);

impl Log {
    fn new(registry: &Registry) -> Log {
        Log(registry.dir.join("hooks"))
    }

    /// A hook that writes that.
    fn writes(&self, text: &str) -> String {
        format!("echo \"{text}\" >> '{}'", self.0.display())
    }

    fn lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.0).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn until(&self, wanted: &[&str]) {
        wait::until_seen(
            "the hooks have run",
            || self.lines(),
            |lines| lines == wanted,
        );
    }
}

#[test]
fn they_are_told_what_is_held_and_run_once_each() {
    let registry = Registry::new();
    registry.prints(&["claim", "web", "10.0.0.1"]);
    let log = Log::new(&registry);
    let what = "$CLOUDHOSTS_ROLE $CLOUDHOSTS_MEMBER $CLOUDHOSTS_ADDRESSES [$CLOUDHOSTS_TERM]";
    let mut holder = registry.hold(&[
        "web",
        "10.0.0.2",
        "fd00::2",
        "pick=1",
        "--member",
        "a",
        "--lease",
        "3s",
        "--on-acquire",
        &log.writes(&format!("up {what}")),
        "--on-loss",
        &log.writes(&format!("down {what}")),
    ]);
    log.until(&["up web a 10.0.0.2 fd00::2 []"]);
    let before = registry.redis.calls("evalsha") + registry.redis.calls("eval");
    wait::until("it is renewed", || {
        let calls = registry.redis.calls("evalsha") + registry.redis.calls("eval");
        (calls >= before + 3).then_some(())
    });
    assert_eq!(log.lines().len(), 1);
    assert_eq!(holder.end(Signal::TERM), Some(0));
    assert_eq!(
        log.lines(),
        [
            "up web a 10.0.0.2 fd00::2 []",
            "down web a 10.0.0.2 fd00::2 []"
        ]
    );
}

#[test]
fn losing_health_is_a_loss_and_getting_it_back_is_not_the_first_time() {
    let registry = Registry::new();
    registry.prints(&["claim", "web", "10.0.0.1"]);
    let log = Log::new(&registry);
    let well = registry.dir.join("well");
    let check = format!("test -e '{}'", well.display());
    let (up, down) = (log.writes("up"), log.writes("down"));
    let mut holder = registry.hold(&[
        "web",
        "10.0.0.2",
        "--member=a",
        "--lease=3s",
        "--interval=100ms",
        "--check",
        &check,
        "--on-acquire",
        &up,
        "--on-loss",
        &down,
    ]);
    holder.says(word::CHECK_FAILS);
    std::fs::write(&well, "").unwrap();
    log.until(&["up"]);
    std::fs::remove_file(&well).unwrap();
    log.until(&["up", "down"]);
    std::fs::write(&well, "").unwrap();
    log.until(&["up", "down", "up"]);
    std::fs::remove_file(&well).unwrap();
    log.until(&["up", "down", "up", "down"]);
    // not held: nothing to lose
    assert_eq!(holder.end(Signal::TERM), Some(0));
    assert_eq!(log.lines().len(), 4);
}

#[test]
fn one_that_fails_is_told_and_changes_nothing() {
    let registry = Registry::new();
    registry.prints(&["claim", "web", "10.0.0.1"]);
    let mut holder = registry.hold(&[
        "web",
        "10.0.0.2",
        "--member=a",
        "--on-acquire",
        "echo no such interface >&2; exit 6",
        "--on-loss",
        "/no/such/hook",
    ]);
    holder.says("no such interface");
    registry.until(&[("web", "10.0.0.1"), ("web/a", "10.0.0.2")]);
    assert_eq!(holder.end(Signal::TERM), Some(0));
    assert!(holder.said().contains("/no/such/hook"));
    assert_eq!(registry.hash(), map(&[("web", "10.0.0.1")]));
}

#[test]
fn one_that_hangs_is_killed_and_holds_nothing_up() {
    let registry = Registry::new();
    registry.prints(&["claim", "web", "10.0.0.1"]);
    let log = Log::new(&registry);
    let mut holder = registry.hold(&[
        "web",
        "10.0.0.2",
        "--member=a",
        "--lease=3s",
        "--hook-timeout=4s",
        "--on-acquire",
        "sleep 600 & wait",
        "--on-loss",
        &log.writes("down"),
    ]);
    registry.until(&[("web", "10.0.0.1"), ("web/a", "10.0.0.2")]);
    // longer than the lease, which is renewed meanwhile
    holder.says("4s");
    assert_eq!(registry.hash()["web/a"], "10.0.0.2");
    assert_eq!(holder.end(Signal::TERM), Some(0));
    log.until(&["down"]);
}

#[test]
fn a_command_of_a_member_is_told_what_is_held() {
    let registry = Registry::new();
    let output = registry.run(&[
        "hold",
        "web",
        "--private=10.0.3.1",
        "--public=203.0.113.7",
        "--member=a",
        "--",
        "sh",
        "-c",
        "echo $CLOUDHOSTS_ROLE $CLOUDHOSTS_MEMBER $CLOUDHOSTS_ADDRESSES",
    ]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(said, "web a 10.0.3.1 203.0.113.7\n");
}
