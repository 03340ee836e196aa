//! The change log: what each verb writes there, in the same step, before the hash.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use cloudhosts_tests::process::Signal;
use cloudhosts_tests::wait;

use crate::common::{HELD, LOG, Registry, map, times, word};
use crate::entries::{Entry, Tracking, replayed};
use crate::leases::{LEASE, ends, for_a_while, holder, renewals};

fn hosts(registry: &Registry, lines: &str) -> String {
    let path = registry.dir.join("hosts");
    std::fs::write(&path, lines).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn each_verb_says_what_it_does() {
    let registry = Registry::new();
    registry.prints(&["join", "db", "10.0.0.4", "--member", "X"]);
    for (words, does, len) in [
        (
            &["claim", "db", "10.0.0.5", "fd00::5"][..],
            &["+db=10.0.0.5 fd00::5", "-db/X", ".drop=db"][..],
            "1",
        ),
        (
            &["join", "web", "10.0.0.6", "--member", "a"],
            &["+web/a=10.0.0.6"],
            "2",
        ),
        (&["leave", "Web.", "--member", "a"], &["-web/a"], "1"),
        (&["point", "www", "db"], &["+www=db", ".drop=www"], "2"),
        (&["release", "WWW"], &["-www", ".drop=www"], "1"),
    ] {
        let entry = registry.logs(words);
        assert_eq!(entry.does(), does, "{words:?}");
        assert_eq!(entry.get(".verb"), words[0]);
        assert_eq!(entry.get(".len"), len, "{words:?}");
        assert_eq!(entry.get(".tx"), "", "{words:?}");
    }
    // a hold and its end
    let holder = ["hold", "db", "10.0.0.7", "--member", "a", "--", "true"];
    registry.run(&holder);
    let log = registry.log();
    let last: Vec<(&str, Vec<String>)> = log[log.len() - 2..]
        .iter()
        .map(|entry| (entry.get(".verb"), entry.does()))
        .collect();
    assert_eq!(
        last,
        [
            ("hold", vec!["+db/a=10.0.0.7".to_owned()]),
            ("end", vec!["-db/a".to_owned()])
        ]
    );
    assert_eq!(replayed(&log), registry.hash());
}

#[test]
fn an_entry_says_who_it_was_and_is_told_from_others() {
    let registry = Registry::new();
    let claim = |variables: &[(&str, &str)]| {
        let mut command = registry.command(&["claim", "web", "10.0.0.1"]);
        for name in ["SUDO_USER", "LOGNAME", "USER"] {
            command.env_remove(name);
        }
        assert!(
            command
                .envs(variables.iter().copied())
                .output()
                .unwrap()
                .status
                .success()
        );
        registry.log().last().unwrap().clone()
    };
    let uname = rustix::system::uname();
    let host = uname.nodename().to_string_lossy();
    assert_eq!(claim(&[]).get(".by"), host);
    let root = [("USER", "root"), ("SUDO_USER", "alice")];
    assert_eq!(claim(&root).get(".by"), format!("alice@{host}"));
    let strange = claim(&[("USER", "a\u{1b}[31m b\n")]);
    assert_eq!(strange.get(".by"), format!("a[31mb@{host}"));
    let log = registry.log();
    let nonces: BTreeSet<&str> = log.iter().map(|entry| entry.get(".nonce")).collect();
    assert_eq!(nonces.len(), 3);
    let hex = |nonce: &&str| nonce.len() == 16 && nonce.bytes().all(|b| b.is_ascii_hexdigit());
    assert!(nonces.iter().all(hex), "{nonces:?}");
}

#[test]
fn what_changes_in_several_hashes_is_in_the_log_of_each() {
    let registry = Registry::new();
    let sides = ["--private", "10.0.3.1", "--public", "203.0.113.7"];
    registry.prints(&[&["claim", "shop"], &sides[..]].concat());
    registry.prints(&["--hash", "cloudhosts:public", "claim", "mail", "1.1.1.1"]);
    let private = registry.log_of("cloudhosts:private");
    let public = registry.log_of("cloudhosts:public");
    assert_eq!(private[0].does(), ["+shop=10.0.3.1", ".drop=shop"]);
    assert_eq!(public[0].does(), ["+shop=203.0.113.7", ".drop=shop"]);
    assert_eq!(private[0].get(".tx").len(), 16);
    assert_eq!(private[0].get(".tx"), public[0].get(".tx"));
    assert_eq!(public[1].get(".tx"), "", "this was in one hash");
    assert!(!registry.has(LOG), "nothing was changed here");
}

#[test]
fn what_changes_nothing_is_not_in_the_log_but_drops_are() {
    let registry = Registry::new();
    for _ in 0..3 {
        registry.prints(&["join", "app", "10.0.0.1", "--member", "a"]);
    }
    assert_eq!(registry.log().len(), 1);
    registry.prints(&["claim", "web", "10.0.0.1"]);
    // Redis has lost everything, and the daemons retain it
    registry.redis.cli(&["FLUSHALL"]);
    assert_eq!(
        registry.prints(&["release", "web"]),
        "web was not in cloudhosts\n"
    );
    registry.prints(&["claim", "app", "10.0.0.2"]);
    assert_eq!(
        registry.logs(&["claim", "app", "10.0.0.2"]).does(),
        [".drop=app"]
    );
    assert_eq!(
        registry.prints(&["leave", "app", "--member", "a"]),
        "app/a was not in cloudhosts\n"
    );
    let log = registry.log();
    let does: Vec<Vec<String>> = log.iter().map(Entry::does).collect();
    assert_eq!(does[0], [".drop=web"]);
    assert_eq!(does[3], ["-app/a"]);
    assert_eq!(replayed(&log), registry.hash());
}

#[test]
fn a_renewal_appends_nothing() {
    let registry = Registry::new();
    let one = holder(&registry, "web", "a", "10.0.0.1");
    let _two = holder(&registry, "web", "b", "10.0.0.2");
    let log = registry.log();
    assert_eq!(log.len(), 2);
    renewals(&registry, 8);
    assert_eq!((registry.log(), registry.redis.calls("xadd")), (log, 2));
    // a field that is missing or different is written again
    registry.redis.cli(&["HDEL", "cloudhosts", "web/a"]);
    wait::until("it is written again", || {
        registry.hash().contains_key("web/a").then_some(())
    });
    let last = registry.log().pop().unwrap();
    assert_eq!(
        (last.get(".verb"), last.does()),
        ("hold", vec!["+web/a=10.0.0.1".to_owned()])
    );
    assert_eq!(last.get(".len"), "2");
    drop(one);
}

#[test]
fn the_end_of_a_lease_is_in_the_log() {
    let registry = Registry::new();
    let mut dead = holder(&registry, "web", "dead", "10.0.0.1");
    let _alive = holder(&registry, "web", "alive", "10.0.0.2");
    dead.process.kill();
    registry.until(&[("web/alive", "10.0.0.2")]);
    let log = registry.log();
    let last = log.last().unwrap();
    assert_eq!((last.get(".verb"), last.get(".len")), ("expire", "1"));
    assert_eq!(last.does(), ["-web/dead"]);
    assert_eq!(replayed(&log), registry.hash());
}

#[test]
fn an_import_says_what_differs() {
    let registry = Registry::new();
    registry.prints(&["claim", "old", "10.0.0.1"]);
    registry.prints(&["join", "web", "10.0.0.2", "--member", "a"]);
    let first = hosts(&registry, "10.0.0.5 db\n10.0.0.6 app\n");
    let entry = registry.logs(&["import", &first]);
    assert_eq!(entry.get(".verb"), "import");
    assert_eq!(entry.does(), ["+app=10.0.0.6", "+db=10.0.0.5"]);
    // once more is no change
    let before = registry.log();
    registry.prints(&["import", &first]);
    assert_eq!(registry.log(), before);
    // in place of all that was there: that is not wanted any more, retained or not
    let second = hosts(&registry, "10.0.0.5 db\n10.0.0.7 app\n");
    let entry = registry.logs(&["import", "--replace", &second]);
    let does = ["+app=10.0.0.7", "-old", "-web/a", ".drop=*"];
    assert_eq!(entry.does(), does);
    let entry = registry.logs(&["import", "--replace", &second]);
    assert_eq!(entry.does(), [".drop=*"]);
    let none = hosts(&registry, "");
    let entry = registry.logs(&["import", "--replace", "--allow-empty", &none]);
    assert_eq!(entry.does(), ["-app", "-db", ".drop=*"]);
    assert_eq!(replayed(&registry.log()), map(&[]));
    assert_eq!(registry.redis.cli(&["KEYS", "*"]), LOG);
}

#[test]
fn a_change_too_large_to_list_says_no_more_than_that() {
    let registry = Registry::new();
    let lines = |count: u32, net: u32| {
        (0..count).fold(String::new(), |mut text, n| {
            writeln!(text, "10.{net}.{}.{} host-{n}", n / 250, 1 + n % 250).unwrap();
            text
        })
    };
    let entry = registry.logs(&["import", &hosts(&registry, &lines(1000, 1))]);
    assert_eq!(entry.does().len(), 1000);
    let more = hosts(&registry, &lines(1002, 2));
    assert_eq!(registry.logs(&["import", &more]).does(), [".reset"]);
    assert_eq!(registry.hash()["host-1001"], "10.2.4.2");
    // a few that differ in many
    let some = lines(1002, 2).replace("10.2.0.7 ", "10.3.0.7 ") + "10.9.9.9 extra\n";
    let entry = registry.logs(&["import", "--replace", &hosts(&registry, &some)]);
    let does = ["+extra=10.9.9.9", "+host-6=10.3.0.7", ".drop=*"];
    assert_eq!(entry.does(), does);
    assert_eq!(entry.get(".len"), "1003");
    for (count, net) in [(2000, 4), (0, 0)] {
        let file = hosts(&registry, &lines(count, net));
        let entry = registry.logs(&["import", "--replace", "--allow-empty", &file]);
        assert_eq!(entry.does(), [".drop=*", ".reset"]);
        assert_eq!(registry.hash().len(), count as usize);
    }
    // more members than one entry lists
    let joins = (0..1500).fold(String::new(), |text, n| {
        format!("{text}HSET cloudhosts web/m{n} 10.0.0.1\n")
    });
    registry.redis.pipeline(&joins);
    let entry = registry.logs(&["claim", "web", "10.0.0.2"]);
    assert_eq!(entry.does(), [".drop=web", ".reset"]);
    assert_eq!(entry.get(".len"), "1");
    assert_eq!(registry.hash(), map(&[("web", "10.0.0.2")]));
}

#[test]
fn the_log_keeps_about_ten_thousand_entries() {
    let registry = Registry::new();
    let entries = "XADD cloudhosts:log * +web 10.0.0.1\n".repeat(15_000);
    registry.redis.pipeline(&entries);
    registry.prints(&["claim", "web", "10.0.0.2"]);
    let length: u32 = registry.redis.cli(&["XLEN", LOG]).parse().unwrap();
    assert!((10_000..10_200).contains(&length), "{length}");
}

#[test]
fn who_is_told_of_a_change_is_told_of_the_log_first() {
    let registry = Registry::new();
    let few = hosts(&registry, "10.0.0.8 db\n");
    let first = |words: &[&str]| {
        let mut tracking = Tracking::begin(&registry.redis);
        assert_eq!(registry.run(words).status.code(), Some(0), "{words:?}");
        assert!(tracking.log_comes_first(), "{words:?}");
    };
    first(&["claim", "web", "10.0.0.1"]);
    first(&["join", "web", "10.0.0.2", "--member", "a"]);
    first(&["leave", "web", "--member", "a"]);
    first(&["hold", "web", "10.0.0.2", "--member", "b", "--", "true"]);
    first(&["point", "www", "web"]);
    first(&["release", "www"]);
    first(&["import", &few]);
    first(&[
        "import",
        "--replace",
        "--allow-empty",
        &hosts(&registry, ""),
    ]);
    let many = (0..1500).fold(String::new(), |text, n| format!("{text}10.0.0.1 h{n}\n"));
    first(&["import", &hosts(&registry, &many)]);
    let others = many.replace(" h", " i");
    first(&["import", "--replace", &hosts(&registry, &others)]);
    let mut dead = holder(&registry, "web", "dead", "10.0.0.1");
    let _alive = holder(&registry, "web", "alive", "10.0.0.2");
    dead.process.kill();
    let mut tracking = Tracking::begin(&registry.redis);
    assert!(tracking.log_comes_first(), "a lease ends");
}

#[test]
fn whoever_reads_only_the_log_knows_the_hash() {
    for seed in 1..=3 {
        let registry = Registry::new();
        let mut random = Dice(seed);
        let roles = ["web", "db", "*.apps"];
        for step in 0..60 {
            let role = roles[random.below(3)];
            let member = ["a", "b", "c"][random.below(3)];
            let at = format!("10.0.0.{}", random.below(4));
            let at = at.as_str();
            let lines = (0..random.below(4)).map(|n| format!("10.0.1.{n} host-{n}\n"));
            let file = hosts(&registry, &lines.collect::<String>());
            let words = match random.below(9) {
                0 => vec!["claim", role, at],
                1 | 2 => vec!["join", role, at, "--member", member],
                3 => vec!["leave", role, "--member", member],
                4 => vec!["release", role],
                5 => vec!["point", role, "elsewhere", "--force"],
                6 => vec!["hold", role, at, "--member", member, "--", "true"],
                7 => vec!["import", &file],
                _ => vec!["import", "--replace", "--allow-empty", &file],
            };
            let output = registry.run(&words);
            let about = format!("seed {seed}, step {step}: {words:?}");
            assert_eq!(output.status.code(), Some(0), "{about}: {output:?}");
            assert_eq!(replayed(&registry.log()), registry.hash(), "{about}");
        }
    }
}

/// Numbers that come out the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}

#[test]
fn a_key_that_is_no_log_stops_a_change_before_anything_is_written() {
    let registry = Registry::new();
    let mut holding = holder(&registry, "web", "a", "10.0.0.1");
    registry.prints(&["claim", "db", "10.0.0.1"]);
    holding.process.kill();
    registry.redis.cli(&["DEL", LOG]);
    registry.redis.cli(&["SET", LOG, "a note"]);
    let all = || {
        let dump = |key| registry.redis.cli(&["DUMP", key]);
        ["cloudhosts", LOG, HELD, &times("web")].map(dump)
    };
    let before = all();
    let file = hosts(&registry, "10.0.0.8 nine\n");
    for words in [
        &["claim", "db", "10.0.0.9"][..],
        &["join", "web", "10.0.0.9", "--member", "b"],
        &["leave", "web", "--member", "a"],
        &["point", "www", "web"],
        &["release", "web"],
        &["hold", "web", "10.0.0.9", "--member", "a", "--", "true"],
        &["import", &file],
        &["import", "--replace", &file],
        &["accept"],
    ] {
        let said = registry.fails(3, words);
        assert!(said.contains("cloudhosts:log"), "{words:?}: {said}");
        assert_eq!(all(), before, "{words:?}");
    }
    assert!(!registry.has("cloudhosts:import"));
    // of several hashes none is written to
    let both = ["--hash", "other", "--hash", "cloudhosts"];
    registry.fails(3, &[&both[..], &["claim", "web", "10.0.0.9"]].concat());
    assert!(!registry.has("other") && !registry.has("other:log"));
    registry.redis.cli(&["RENAME", LOG, "note"]);
    registry.prints(&["claim", "db", "10.0.0.9"]);
    assert_eq!(registry.log().len(), 1);
}

#[test]
fn a_holder_renews_without_a_log_and_waits_for_it_when_there_is_a_change() {
    let registry = Registry::new();
    let mut holding = holder(&registry, "web", "a", "10.0.0.1");
    registry.redis.cli(&["DEL", LOG]);
    registry.redis.cli(&["SET", LOG, "a note"]);
    renewals(&registry, 3);
    assert!(
        !holding.said().contains(word::NOT_RENEWED),
        "{}",
        holding.said()
    );
    registry.redis.cli(&["HDEL", "cloudhosts", "web/a"]);
    holding.says("cloudhosts:log");
    assert!(!registry.has("cloudhosts"));
    registry.redis.cli(&["DEL", LOG]);
    wait::until("it holds again", || {
        registry.hash().contains_key("web/a").then_some(())
    });
    assert_eq!(registry.log()[0].does(), ["+web/a=10.0.0.1"]);
    assert_eq!(holding.end(Signal::TERM), Some(0));
}

#[test]
fn no_lease_ends_while_the_log_cannot_say_so() {
    let registry = Registry::new();
    let mut dead = holder(&registry, "web", "dead", "10.0.0.1");
    let alive = holder(&registry, "web", "alive", "10.0.0.2");
    dead.process.kill();
    registry.redis.cli(&["DEL", LOG]);
    registry.redis.cli(&["SET", LOG, "a note"]);
    wait::until_seen(
        "one lease has run out",
        || ends(&registry, &["web"]),
        |runs| *runs == ["web/alive"],
    );
    for_a_while(LEASE, || assert_eq!(registry.hash().len(), 2));
    assert!(registry.held().contains_key("web/dead"));
    // it was renewed all the same
    assert_eq!(ends(&registry, &["web"]), ["web/alive"]);
    assert!(
        !alive.said().contains(word::NOT_RENEWED),
        "{}",
        alive.said()
    );
    registry.redis.cli(&["DEL", LOG]);
    registry.until(&[("web/alive", "10.0.0.2")]);
    assert_eq!(registry.log()[0].does(), ["-web/dead"]);
}
