//! `cloudhosts watch`.

use std::fs;

use cloudhosts_tests::process::{stderr, stdout};
use cloudhosts_tests::{World, programs, wait};
use serde_json::{Value, json};

use crate::background::{Background, printed};

/// Starts to watch, and waits until it has seen the table: a change of a role that no test looks
/// at is printed by then.
fn watching(world: &World, arguments: &[&str]) -> Background {
    let watch = Background::start(world, &[&["watch"], arguments].concat());
    let mut count = 0;
    wait::until("the watch sees changes", || {
        count += 1;
        world.hset(&[(
            "w-mark",
            &format!("10.99.{}.{}", count / 250, count % 250 + 1),
        )]);
        watch.printed().contains("w-mark").then_some(())
    });
    watch
}

#[test]
fn each_change_is_a_line_and_survives_the_daemon() {
    let mut world = World::with(&[("web", "10.0.0.5"), ("other", "10.0.0.1")]);
    let watch = watching(&world, &["w*"]);
    world.hset(&[("web", "10.0.0.6 fd00::6"), ("other", "10.0.0.2")]);
    watch.prints(" web: 10.0.0.5 -> 10.0.0.6 fd00::6\n");
    world.hset(&[("web2", "web")]);
    watch.prints(" web2: none -> 10.0.0.6 fd00::6 (web)\n");
    world.hset(&[("*.w.internal", "10.0.0.9"), ("w/new", "nowhere")]);
    world.hset(&[("web3", "10.0.0.3")]);
    let said = watch.prints(" web3: none -> 10.0.0.3\n");
    assert!(
        !said.contains("internal") && !said.contains(" w:"),
        "{said}"
    );
    world.daemon.kill();
    world.daemon.start();
    world.daemon.wait_for_state("live");
    world.redis.cli(&["HDEL", "cloudhosts", "web"]);
    watch.prints(" web: 10.0.0.6 fd00::6 -> none\n");
    let said = watch.prints(" web2: 10.0.0.6 fd00::6 (web) -> none\n");
    assert!(!said.contains("other"), "{said}");
}

#[test]
fn json_has_an_object_a_line() {
    let world = World::with(&[("web", "10.0.0.5")]);
    let watch = watching(&world, &["--json"]);
    world.hset(&[("*.w.internal", "10.0.0.9")]);
    watch.prints("\"canonical\":\"*.w.internal\"");
    world.hset(&[("web", "10.0.0.6 10.0.0.7 pick=1")]);
    let said = watch.prints("\"role\":\"web\"");
    let line = said.lines().find(|line| line.contains("\"web\"")).unwrap();
    let mut said: Value = serde_json::from_str(line).unwrap();
    assert!(said["time"].is_string() && said["generation"].as_u64() > Some(1));
    for varying in ["time", "generation"] {
        said.as_object_mut().unwrap().remove(varying);
    }
    assert_eq!(
        said,
        json!({
            "role": "web", "before": ["10.0.0.5"], "after": ["10.0.0.6", "10.0.0.7"],
            "canonical": "web", "pick": 1,
        })
    );
}

/// Notes what it is told, and waits until it may go on. Two at once would both hold the directory.
const ERRAND: &str = r#"#!/bin/sh
cd "$0.d" || exit 1
mkdir running || echo "two at once" >>log
echo "run $CLOUDHOSTS_ROLE=$CLOUDHOSTS_ADDRESSES of $CLOUDHOSTS_ROLES ($CLOUDHOSTS_CHANGED) with $*" >>log
until [ -e go ] || ! [ -e log ]; do sleep 0.01; done
rmdir running
"#;

#[test]
fn a_command_runs_once_at_a_time_and_changes_meanwhile_are_for_one_next_run() {
    let world = World::with(&[("web", "10.0.0.5"), ("db", "10.0.0.1")]);
    let (program, own) = (world.dir.join("errand"), world.dir.join("errand.d"));
    fs::create_dir(&own).unwrap();
    fs::write(world.dir.join("source"), ERRAND).unwrap();
    programs::install(&world.dir.join("source"), &program);
    let program = program.display().to_string();
    let arguments = [
        "watch",
        "[wd]*",
        "--exec",
        &program,
        "-x",
        "$(touch /tmp/never)",
        "a b",
    ];
    // `[wd]` is no class of characters, so this pattern matches nothing
    let deaf = Background::start(&world, &arguments);
    let mut arguments = arguments;
    arguments[1] = "*";
    let watch = Background::start(&world, &arguments);
    let log = own.join("log");
    let mut count = 0;
    wait::until("a first run", || {
        count += 1;
        world.hset(&[(
            "a-mark",
            &format!("10.99.{}.{}", count / 250, count % 250 + 1),
        )]);
        log.exists().then_some(())
    });
    printed(&log, " with -x $(touch /tmp/never) a b\n");
    // while it runs:
    for n in 1..=20 {
        world.hset(&[
            ("web", &format!("10.0.1.{n}")),
            ("db", &format!("10.0.2.{n} fd00::{n}")),
        ]);
    }
    watch.prints("-> 10.0.1.20\n");
    watch.prints("-> 10.0.2.20 fd00::20\n");
    assert_eq!(fs::read_to_string(&log).unwrap().lines().count(), 1);
    fs::write(own.join("go"), "").unwrap();
    let said = printed(&log, "db web ");
    wait::until("the last run has ended", || {
        (!own.join("running").exists()).then_some(())
    });
    let last = said.lines().last().unwrap();
    assert!(
        last == "run db=10.0.2.20 fd00::20 of db web (2) with -x $(touch /tmp/never) a b"
            || last.contains("of a-mark db web (3) with"),
        "{said}"
    );
    assert!(!said.contains("two at once"), "{said}");
    assert_eq!(deaf.printed(), "");
}

#[test]
fn a_command_that_is_not_there_is_told_at_once() {
    let world = World::with(&[]);
    let file = world.dir.join("no-program");
    fs::write(&file, "").unwrap();
    let file = file.to_str().unwrap();
    for program in ["/no/such/command", "no-such-command", file, "/usr"] {
        let output = world.cloudhosts(&["watch", "--exec", program, "-x"]);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(program), "{said}");
    }
}

#[test]
fn a_command_that_fails_or_goes_is_told_and_the_watch_goes_on() {
    let world = World::with(&[("web", "10.0.0.5")]);
    let watch = watching(&world, &["--exec", "false"]);
    watch.prints("cloudhosts: false: exit status: 1\n");
    world.hset(&[("web", "10.0.0.6")]);
    watch.prints(" web: 10.0.0.5 -> 10.0.0.6\n");
}

#[test]
fn a_reader_that_has_seen_enough_ends_it() {
    let world = World::with(&[("web", "10.0.0.5")]);
    let program = programs::find(programs::COMMAND);
    let line = format!(
        "{} watch | head -n 1 & for n in 1 2 3 4 5 6 7 8 9; do \
         redis-cli -s {} HSET cloudhosts web 10.0.3.$n >/dev/null; sleep 0.1; done; wait",
        program.display(),
        world.redis.unix_url().trim_start_matches("redis+unix://"),
    );
    let said = stdout(&cloudhosts_tests::process::run(&mut world.shell(&line)));
    assert_eq!(said.lines().count(), 1, "{said}");
}
