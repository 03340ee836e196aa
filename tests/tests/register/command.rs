//! `cloudhosts hold --exclusive -- COMMAND`: it runs on the one machine that holds the role.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use cloudhosts_tests::process::Signal;
use cloudhosts_tests::wait;

use crate::common::{Holding, Registry, word};

/// A registry, and the file in which the commands of all holders write what becomes of them.
struct Masters {
    registry: Registry,
    log: PathBuf,
}

impl Masters {
    fn new() -> Masters {
        let registry = Registry::new();
        let log = registry.dir.join("masters");
        Masters { registry, log }
    }

    /// Holds `db` as that member, with a command that writes its name and term when it starts and
    /// when it is told to end; further words go before it.
    fn hold(&self, member: &str, address: &str, further: &[&str]) -> Holding {
        let script = format!(
            "trap 'echo {member} ends >> \"$0\"; exit 0' TERM
             echo {member} $CLOUDHOSTS_TERM >> \"$0\"
             while :; do sleep 0.02; done"
        );
        self.hold_with(member, address, further, &script)
    }

    fn hold_with(&self, member: &str, address: &str, further: &[&str], script: &str) -> Holding {
        let words = [
            "db",
            address,
            "--exclusive",
            "--member",
            member,
            "--lease",
            "3s",
        ];
        let log = self.log.to_str().unwrap();
        let command = ["--", "sh", "-c", script, log];
        self.registry
            .hold(&[&words[..], further, &command].concat())
    }

    fn lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Waits until so many lines are written; the last.
    fn line(&self, count: usize) -> String {
        let lines = wait::until_seen(
            "the commands have written",
            || self.lines(),
            |lines| lines.len() >= count,
        );
        assert_eq!(lines.len(), count, "{lines:?}");
        lines[count - 1].clone()
    }

    /// Waits until a command has started; its term.
    fn term(&self, count: usize, member: &str) -> u64 {
        let line = self.line(count);
        let term = line.strip_prefix(&format!("{member} "));
        term.and_then(|term| term.parse().ok())
            .unwrap_or_else(|| panic!("{member} should have started: {:?}", self.lines()))
    }
}

#[test]
fn a_standby_takes_over_from_one_that_leaves_and_the_term_grows() {
    let masters = Masters::new();
    let mut one = masters.hold("one", "10.0.0.1", &[]);
    let first = masters.term(1, "one");
    for fact in [word::HELD, "db/one", "10.0.0.1", &first.to_string(), "3s"] {
        one.says(fact);
    }
    let mut two = masters.hold("two", "10.0.0.2", &[]);
    two.says(word::STANDBY);
    let taking = Instant::now();
    // its command is told, and exits with 0
    assert_eq!(one.end(Signal::TERM), Some(0), "{}", one.said());
    let second = masters.term(3, "two");
    assert!(second > first);
    assert_eq!(masters.lines()[1], "one ends");
    // who leaves is not waited for
    assert!(
        taking.elapsed() < Duration::from_secs(20),
        "{:?}",
        taking.elapsed()
    );
    let hash = masters.registry.hash();
    assert_eq!(hash.values().collect::<Vec<_>>(), ["10.0.0.2"], "{hash:?}");
    assert_eq!(two.end(Signal::TERM), Some(0));
    assert!(
        masters.registry.hash().is_empty(),
        "{:?}",
        masters.registry.hash()
    );
}

#[test]
fn a_standby_takes_over_from_one_that_died_and_its_command_died_with_it() {
    let masters = Masters::new();
    let pid = masters.registry.dir.join("pid");
    let script = format!(
        "echo $$ > '{}'; echo one $CLOUDHOSTS_TERM >> \"$0\"; exec sleep 600",
        pid.display()
    );
    let mut one = masters.hold_with("one", "10.0.0.1", &[], &script);
    let first = masters.term(1, "one");
    let two = masters.hold("two", "10.0.0.2", &[]);
    two.says(word::STANDBY);
    one.process.kill();
    crate::check::is_gone(&pid);
    let second = masters.term(2, "two");
    assert!(second > first);
    masters.registry.until(&[("db/two", "10.0.0.2")]);
}

#[test]
fn a_command_that_cannot_be_run_gives_the_role_up() {
    let masters = Masters::new();
    for (command, code) in [("/no/such/program", 127), ("/etc", 126)] {
        let hold = ["hold", "db", "10.0.0.1", "--exclusive", "--", command];
        let output = masters.registry.run(&hold);
        assert_eq!(output.status.code(), Some(code), "{command}");
        assert!(masters.registry.hash().is_empty());
    }
}

#[test]
fn a_command_is_not_started_before_redis_has_said_yes() {
    let mut masters = Masters::new();
    masters.registry.redis.kill();
    let one = masters.hold("one", "10.0.0.1", &[]);
    one.says(word::NOT_HELD);
    assert_eq!(masters.lines(), Vec::<String>::new());
    masters.registry.redis.restart();
    masters.term(1, "one");
}

#[test]
fn who_held_it_before_an_outage_of_redis_holds_it_after_it() {
    let mut masters = Masters::new();
    let one = masters.hold("one", "10.0.0.1", &[]);
    let first = masters.term(1, "one");
    let two = masters.hold("two", "10.0.0.2", &[]);
    two.says(word::STANDBY);
    masters.registry.redis.signal(Signal::STOP);
    // nobody knows who holds it now, so nobody acts as if he did
    assert_eq!(masters.line(2), "one ends");
    one.says(word::GIVEN_UP);
    let away = Instant::now();
    wait::until("two leases have gone", || {
        (away.elapsed() > Duration::from_secs(6)).then_some(())
    });
    assert_eq!(masters.lines().len(), 2, "{:?}", masters.lines());
    masters.registry.redis.signal(Signal::CONT);
    assert!(masters.term(3, "one") >= first);
    masters.registry.until(&[("db/one", "10.0.0.1")]);
    assert!(!two.said().contains(word::HELD), "{}", two.said());
}

#[test]
fn who_was_paused_for_too_long_finds_its_command_ended_and_stands_by() {
    let masters = Masters::new();
    let mut one = masters.hold("one", "10.0.0.1", &[]);
    let first = masters.term(1, "one");
    let two = masters.hold("two", "10.0.0.2", &[]);
    two.says(word::STANDBY);
    one.process.signal(Signal::STOP);
    let second = masters.term(2, "two");
    assert!(second > first);
    masters.registry.until(&[("db/two", "10.0.0.2")]);
    one.process.signal(Signal::CONT);
    // its lease is over, so its command has no time left to end by itself
    one.says(word::GIVEN_UP);
    one.says(word::STANDBY);
    masters.registry.until(&[("db/two", "10.0.0.2")]);
    assert!(two.said().contains("10.0.0.2"));
}

#[test]
fn who_is_cut_off_ends_its_command_before_another_starts_one() {
    // one that Redis can shut out, with a command that does not end when it is told to
    let masters = Masters::new();
    let redis = &masters.registry.redis;
    redis.cli(&["ACL", "SETUSER", "three", "on", ">secret", "~*", "+@all"]);
    let url = format!("{}?user=three&pass=secret", redis.unix_url());
    let script = "trap '' TERM; echo three $CLOUDHOSTS_TERM >> \"$0\"
                  while :; do : > \"$0.alive\"; sleep 0.02; done";
    let further = ["--stop-timeout=60s", "--redis-url", &url];
    let mut three = masters.hold_with("three", "10.0.0.3", &further, script);
    let first = masters.term(1, "three");
    let four = masters.hold("four", "10.0.0.4", &[]);
    four.says(word::STANDBY);
    redis.cli(&["ACL", "SETUSER", "three", "off"]);
    redis.cli(&["CLIENT", "KILL", "USER", "three"]);
    three.says(word::GIVEN_UP);
    let second = masters.term(2, "four");
    assert!(second > first);
    let written = |path: &std::path::Path| std::fs::metadata(path).unwrap().modified().unwrap();
    let last = written(&masters.log.with_extension("alive"));
    assert!(last < written(&masters.log), "both ran at once");
    // back again, it is a standby
    redis.cli(&["ACL", "SETUSER", "three", "on"]);
    three.says(word::STANDBY);
    three.process.kill();
}

#[test]
fn a_claim_ends_the_holder_and_its_command() {
    let masters = Masters::new();
    let one = masters.hold("one", "10.0.0.1", &[]);
    let first = masters.term(1, "one");
    masters.registry.run(&["claim", "db", "10.0.0.9"]);
    assert_eq!(masters.line(2), "one ends");
    one.says("(claim)");
    one.says("10.0.0.9");
    masters.registry.until(&[("db", "10.0.0.9")]);
    // what was claimed is given back by a release, and one that stands by holds it
    masters.registry.run(&["release", "db"]);
    let second = masters.term(3, "one");
    assert!(second > first);
    masters.registry.until(&[("db/one", "10.0.0.1")]);
}

#[test]
fn a_claim_ends_those_who_share_a_role_with_exit_status_4() {
    let registry = Registry::new();
    let holder = |member: &str, command: &[&str]| {
        let words = ["web", "10.0.0.2", "--lease=3s", "--member", member];
        let holder = registry.hold(&[&words[..], command].concat());
        holder.says(word::HELD);
        holder
    };
    let mut plain = holder("a", &[]);
    let mut commanding = holder("b", &["--", "sleep", "600"]);
    registry.run(&["claim", "web", "10.0.0.1"]);
    assert_eq!(plain.process.wait().code(), Some(4), "{}", plain.said());
    assert_eq!(commanding.process.wait().code(), Some(4));
    assert!(plain.said().contains("web/a"), "{}", plain.said());
    registry.until(&[("web", "10.0.0.1")]);
}

#[test]
fn hooks_know_the_term_and_the_command_runs_between_them() {
    let masters = Masters::new();
    let hook = |what: &str| {
        let log = masters.log.display();
        format!("sleep 0.3; echo {what} $CLOUDHOSTS_ROLE $CLOUDHOSTS_TERM >> '{log}'")
    };
    let (up, down) = (hook("up"), hook("down"));
    let mut one = masters.hold(
        "one",
        "10.0.0.1",
        &["--on-acquire", &up, "--on-loss", &down],
    );
    let term = masters.term(2, "one");
    assert_eq!(one.end(Signal::TERM), Some(0));
    assert_eq!(
        masters.lines(),
        [
            format!("up db {term}"),
            format!("one {term}"),
            "one ends".into(),
            format!("down db {term}")
        ]
    );
}

#[test]
fn who_is_not_healthy_neither_stands_by_nor_holds() {
    let masters = Masters::new();
    let well = masters.registry.dir.join("well");
    let check = format!("test -e '{}'", well.display());
    let check = ["--interval=100ms", "--check", &check];
    std::fs::write(&well, "").unwrap();
    let mut one = masters.hold("one", "10.0.0.1", &check);
    masters.term(1, "one");
    let two = masters.hold("two", "10.0.0.2", &[]);
    two.says(word::STANDBY);
    std::fs::remove_file(&well).unwrap();
    assert_eq!(masters.line(3).split(' ').next(), Some("two"));
    assert_eq!(
        masters.lines()[1],
        "one ends",
        "the command has ended before"
    );
    one.says(word::LEFT);
    std::fs::write(&well, "").unwrap();
    one.says(word::STANDBY);
    masters.registry.until(&[("db/two", "10.0.0.2")]);
    assert_eq!(one.end(Signal::TERM), Some(0));
}

#[test]
fn a_command_that_ends_by_itself_gives_the_role_up() {
    let masters = Masters::new();
    let mut one = masters.hold_with("one", "10.0.0.1", &[], "echo one >> $0; sleep 0.5; exit 7");
    masters.line(1);
    let two = masters.hold("two", "10.0.0.2", &[]);
    assert_eq!(one.process.wait().code(), Some(7));
    masters.term(2, "two");
    two.says("10.0.0.2");
}

#[test]
fn what_a_command_leaves_behind_ends_with_it() {
    let masters = Masters::new();
    let pid = masters.registry.dir.join("pid");
    let script = format!(
        "trap 'exit 0' TERM; (trap '' TERM; sleep 600) & echo $! > '{}'; echo one >> \"$0\"; wait",
        pid.display()
    );
    let mut one = masters.hold_with("one", "10.0.0.1", &[], &script);
    masters.line(1);
    assert_eq!(one.end(Signal::TERM), Some(0));
    crate::check::is_gone(&pid);
}

#[test]
fn who_leaves_does_so_after_its_hook_and_who_was_ill_does_not_come_back_before_it() {
    let masters = Masters::new();
    let log = masters.log.display();
    let down = format!("sleep 5; echo down >> '{log}'");
    let well = masters.registry.dir.join("well");
    std::fs::write(&well, "").unwrap();
    let check = format!("test -e '{}'", well.display());
    let further = ["--on-loss", &down, "--interval=100ms", "--check", &check];
    let mut one = masters.hold("one", "10.0.0.1", &further);
    masters.term(1, "one");
    let two = masters.hold("two", "10.0.0.2", &[]);
    two.says(word::STANDBY);
    std::fs::remove_file(&well).unwrap();
    // longer than the lease
    masters.term(4, "two");
    assert_eq!(masters.lines()[1..3], ["one ends", "down"]);
    assert_eq!(one.end(Signal::TERM), Some(0));
}

#[test]
fn a_command_has_its_time_to_end_and_the_role_is_held_meanwhile() {
    let masters = Masters::new();
    let well = masters.registry.dir.join("well");
    std::fs::write(&well, "").unwrap();
    let check = format!("test -e '{}'", well.display());
    let further = ["--stop-timeout=60s", "--interval=100ms", "--check", &check];
    // longer than the lease
    let script = "trap 'sleep 5; echo one ends >> \"$0\"; exit 0' TERM
                  echo one $CLOUDHOSTS_TERM >> \"$0\"
                  while :; do sleep 0.02; done";
    let one = masters.hold_with("one", "10.0.0.1", &further, script);
    masters.term(1, "one");
    let two = masters.hold("two", "10.0.0.2", &[]);
    two.says(word::STANDBY);
    std::fs::remove_file(&well).unwrap();
    one.says(word::CHECK_FAILS);
    masters.term(3, "two");
    assert_eq!(masters.lines()[1], "one ends");
}
