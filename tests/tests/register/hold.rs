//! `cloudhosts hold`, as long as it runs, or as its command does.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use cloudhosts_tests::dir::Dir;
use cloudhosts_tests::process::Signal;
use cloudhosts_tests::{Redis, wait};

use crate::common::{HELD, Registry, map, times, word};

#[test]
fn it_joins_and_leaves_with_every_signal_that_ends_it() {
    let registry = Registry::new();
    registry.prints(&["claim", "web", "10.0.0.1"]);
    for signal in [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT] {
        let mut holder = registry.hold(&["web", "10.0.0.2", "--member", "a"]);
        holder.says(word::HELD);
        let said = holder.said();
        for fact in ["web/a", "10.0.0.2", "cloudhosts", "15s"] {
            assert!(said.contains(fact), "{said}");
        }
        assert_eq!(registry.hash()["web/a"], "10.0.0.2");
        assert!(registry.has(&times("web")) && registry.has(HELD));
        assert_eq!(holder.end(signal), Some(0), "{signal:?}: {}", holder.said());
        assert_eq!(registry.hash(), map(&[("web", "10.0.0.1")]));
        assert!(
            !registry.has(&times("web")) && !registry.has(HELD),
            "nothing is left behind"
        );
    }
}

#[test]
fn the_last_leaves_as_well_when_it_ends_by_itself() {
    let registry = Registry::new();
    let mut holder = registry.hold(&["web", "10.0.0.2", "--member", "a"]);
    holder.says(word::HELD);
    assert_eq!(holder.end(Signal::TERM), Some(0));
    assert_eq!(registry.redis.cli(&["KEYS", "*"]), "cloudhosts:log");
    // however often
    for n in 0..20 {
        let role = format!("job-{n}");
        registry.run(&["hold", &role, "10.0.0.2", "--", "true"]);
    }
    assert_eq!(registry.redis.cli(&["KEYS", "*"]), "cloudhosts:log");
}

#[test]
fn the_last_that_is_kept_stays_until_somebody_else_holds_joins_or_claims() {
    let registry = Registry::new();
    for (next, left) in [
        (
            &[
                "hold",
                "web",
                "10.0.0.3",
                "--member=b",
                "--keep-last",
                "--",
                "true",
            ][..],
            "web/b",
        ),
        (&["claim", "web", "10.0.0.3"], "web"),
    ] {
        let mut holder = registry.hold(&["web", "10.0.0.2", "--member=a", "--keep-last"]);
        holder.says(word::HELD);
        assert_eq!(holder.end(Signal::TERM), Some(0));
        assert_eq!(registry.hash(), map(&[("web/a", "10.0.0.2")]));
        registry.run(next);
        assert_eq!(registry.hash(), map(&[(left, "10.0.0.3")]), "{next:?}");
        registry.redis.cli(&["FLUSHALL"]);
    }
    // who is not the last goes
    let other = registry.hold(&["web", "10.0.0.9", "--member=b"]);
    other.says(word::HELD);
    let mut holder = registry.hold(&["web", "10.0.0.2", "--member=a", "--keep-last"]);
    holder.says(word::HELD);
    holder.end(Signal::TERM);
    assert_eq!(registry.hash(), map(&[("web/b", "10.0.0.9")]));
}

#[test]
fn what_the_last_that_died_leaves_behind_goes_after_its_bound() {
    let registry = Registry::new();
    let bounded = ["--lease=3s", "--member=a", "--expire-last=1s"];
    let mut bounded = registry.hold(&[&["web", "10.0.0.2"], &bounded[..]].concat());
    let mut other = registry.hold(&["app", "10.0.0.3", "--lease=3s", "--member=a"]);
    bounded.says(word::HELD);
    other.says(word::HELD);
    bounded.process.kill();
    other.process.kill();
    // a holder of another role sees to it, and what has no bound stays
    let third = registry.hold(&["job", "10.0.0.4", "--lease=3s", "--member=a"]);
    third.says(word::HELD);
    registry.until(&[("app/a", "10.0.0.3"), ("job/a", "10.0.0.4")]);
}

#[test]
fn a_command_is_run_and_its_exit_code_is_ours() {
    let registry = Registry::new();
    registry.prints(&["claim", "web", "10.0.0.1"]);
    let held = ["hold", "web", "10.0.0.2", "--member", "a", "--"];
    let cli = "redis-cli -s \"$0\" HGET cloudhosts web/a; echo \"[$NOTIFY_SOCKET]\"; exit 7";
    let socket = registry.redis.socket();
    let script = ["sh", "-c", cli, socket.to_str().unwrap()];
    let output = registry.run(&[&held[..], &script].concat());
    assert_eq!(output.status.code(), Some(7));
    // it is in before the command starts
    assert_eq!(String::from_utf8_lossy(&output.stdout), "10.0.0.2\n[]\n");
    assert_eq!(registry.hash(), map(&[("web", "10.0.0.1")]));
    for (command, code) in [
        (&["sh", "-c", "kill -KILL $$"][..], 137),
        (&["/no/such/program"], 127),
        (&["/etc"], 126),
        (&["true"], 0),
    ] {
        let output = registry.run(&[&held[..], command].concat());
        assert_eq!(output.status.code(), Some(code), "{command:?}");
        assert_eq!(registry.hash(), map(&[("web", "10.0.0.1")]));
    }
}

#[test]
fn signals_are_passed_through() {
    let registry = Registry::new();
    registry.prints(&["claim", "web", "10.0.0.1"]);
    let trap = "for s in TERM INT HUP QUIT USR1 USR2; do trap \"echo got $s\" $s; done
                trap 'echo got TERM; exit 9' TERM
                echo ready; while :; do sleep 0.05; done";
    let mut holder = registry.hold(&["web", "10.0.0.2", "--member", "a", "--", "sh", "-c", trap]);
    holder.says("ready");
    for (signal, name) in [
        (Signal::INT, "INT"),
        (Signal::HUP, "HUP"),
        (Signal::QUIT, "QUIT"),
        (Signal::USR1, "USR1"),
        (Signal::USR2, "USR2"),
    ] {
        holder.process.signal(signal);
        holder.says(&format!("got {name}"));
        assert!(registry.hash().contains_key("web/a"), "still held");
    }
    assert_eq!(holder.end(Signal::TERM), Some(9));
    assert!(holder.said().contains("got TERM"));
    assert_eq!(registry.hash(), map(&[("web", "10.0.0.1")]));
}

#[test]
fn a_command_is_started_although_redis_is_away_and_joins_when_it_is_back() {
    let mut registry = Registry::new();
    registry.redis.kill();
    let mut holder = registry.hold(&[
        "web",
        "10.0.0.2",
        "--member",
        "a",
        "--",
        "sh",
        "-c",
        "echo started; exec sleep 600",
    ]);
    holder.says("started");
    assert!(!holder.said().contains(word::HELD), "{}", holder.said());
    registry.redis.restart();
    registry.until(&[("web/a", "10.0.0.2")]);
    holder.says("10.0.0.2");
    assert_eq!(holder.end(Signal::TERM), Some(143));
}

#[test]
fn a_password_that_is_not_there_yet_is_waited_for() {
    let dir = Dir::new();
    let redis = Redis::builder(dir.join("redis"))
        .user("user writer on >secret ~* +@all")
        .start();
    let password = dir.join("password");
    let lines = format!(
        "[redis]\nurls = ['{}']\nusername = 'writer'\npassword_file = '{}'\n",
        redis.unix_url(),
        password.display()
    );
    let registry = Registry::with(dir, redis, &lines);
    let mut holder = registry.hold(&["web", "10.0.0.2", "--member", "a"]);
    holder.says("password_file");
    // as a tool that makes secrets does it: there, and a moment later written
    std::fs::write(&password, "").unwrap();
    holder.says("it is empty");
    std::fs::write(&password, "secret\n").unwrap();
    registry.until(&[("web/a", "10.0.0.2")]);
    assert_eq!(holder.end(Signal::TERM), Some(0));
}

#[test]
fn it_ends_in_bounded_time_when_redis_is_away() {
    let mut registry = Registry::new();
    let mut holder = registry.hold(&["web", "10.0.0.2", "--member", "a", "--lease", "3s"]);
    holder.says(word::HELD);
    registry.redis.signal(Signal::STOP);
    assert_eq!(holder.end(Signal::TERM), Some(0));
    let said = holder.said();
    assert!(said.lines().last().unwrap().contains("3s"), "{said}");
    registry.redis.signal(Signal::CONT);
}

#[test]
fn systemd_is_told_when_it_holds_and_no_sooner() {
    let mut registry = Registry::new();
    registry.redis.kill();
    let path = registry.dir.join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(20)))
        .unwrap();
    let receive = || {
        let mut text = [0; 1024];
        let length = socket.recv(&mut text).ok()?;
        Some(String::from_utf8_lossy(&text[..length]).into_owned())
    };
    let mut holder = registry.background(
        &["hold", "web", "10.0.0.2", "--member", "a"],
        &[("NOTIFY_SOCKET", path.to_str().unwrap())],
    );
    let first = wait::until("systemd is told", receive);
    assert!(
        first.contains("STATUS=web/a: ") && !first.contains("READY=1"),
        "{first}"
    );
    registry.redis.restart();
    let next = wait::until("it is ready", || {
        receive().filter(|text| text.contains("READY=1"))
    });
    assert!(
        next.contains("STATUS=web/a: ") && next.contains("10.0.0.2"),
        "{next}"
    );
    assert_eq!(registry.hash(), map(&[("web/a", "10.0.0.2")]));
    holder.end(Signal::TERM);
    wait::until("it is stopping", || {
        receive().filter(|text| text.contains("STOPPING=1"))
    });
}

#[test]
fn both_views_are_held_and_left() {
    let registry = Registry::new();
    for side in ["private", "public"] {
        registry
            .redis
            .hset(&format!("cloudhosts:{side}"), &[("shop", "10.0.0.1")]);
    }
    let mut holder = registry.hold(&[
        "shop",
        "--private",
        "10.0.3.1",
        "--public",
        "203.0.113.7",
        "--member",
        "a",
    ]);
    holder.says("203.0.113.7");
    for (side, at) in [("private", "10.0.3.1"), ("public", "203.0.113.7")] {
        let hash = format!("cloudhosts:{side}");
        assert_eq!(registry.hash_called(&hash)["shop/a"], at);
        assert!(registry.has(&format!("{hash}:held:shop")));
    }
    holder.end(Signal::TERM);
    for side in ["private", "public"] {
        let hash = registry.hash_called(&format!("cloudhosts:{side}"));
        assert_eq!(hash, map(&[("shop", "10.0.0.1")]));
    }
}

#[test]
fn what_somebody_writes_over_it_is_told_and_written_anew() {
    let registry = Registry::new();
    registry.redis.hset("cloudhosts", &[("web/a", "10.0.0.1")]);
    let one = registry.hold(&["web", "10.0.0.2", "--member", "a", "--lease", "3s"]);
    one.says(word::HELD);
    // that may have been this machine, before it started anew
    assert!(!one.said().contains("10.0.0.1"), "{}", one.said());
    registry.redis.hset("cloudhosts", &[("web/a", "10.0.0.99")]);
    one.says("10.0.0.99");
    registry.until(&[("web/a", "10.0.0.2")]);
}

#[test]
fn a_command_without_its_dashes_is_told_where_they_go() {
    let registry = Registry::new();
    for (words, wanted) in [
        (&["web", "sleep", "1"][..], "-- sleep 1"),
        (&["web", "10.0.0.1", "./run"], "-- ./run"),
        (&["web", "gunicorn", "--bind", ":80"], "-- COMMAND"),
    ] {
        let said = registry.fails(2, &[&["hold"], words].concat());
        assert!(said.contains(wanted), "{said}");
    }
    for words in [
        &["web", "10.0.0.300"][..],
        &["web", "10.0.0.1", "pick=x"],
        &["web", "--no-such-option", "--", "true"],
    ] {
        let said = registry.fails(2, &[&["hold"], words].concat());
        assert!(!said.contains("command"), "{said}");
    }
    assert!(registry.hash().is_empty());
}
