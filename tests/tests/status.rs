//! What the daemon and the command say about themselves.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use cloudhosts_tests::daemon::STATUS;
use cloudhosts_tests::process::{stderr, stdout};
use cloudhosts_tests::world::HASH;
use cloudhosts_tests::{World, wait};
use serde_json::Value;

#[test]
fn the_status_file_says_all_that_the_contract_lists() {
    let world = World::with(&[
        ("web", "10.0.0.5 fd00::5"),
        ("db", "10.0.0.6"),
        ("bad", "10.0.0.6:1"),
    ]);
    let status = world.daemon.wait_for("three fields were read", |status| {
        status["rejected"]["count"] == 1
    });
    assert_eq!(status["state"], "live");
    assert_eq!(status["pid"], world.daemon.id());
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["names"], 2);
    assert_eq!(status["addresses"], 3);
    assert_eq!(status["redis"]["endpoint"], world.redis.unix_url());
    assert_eq!(status["redis"]["mode"], "tracking");
    assert_eq!(status["hashes"][0]["key"], HASH);
    assert_eq!(status["hashes"][0]["fields"], 2);
    assert_eq!(status["hashes"][0]["retained"], 0);
    assert_eq!(status["rejected"]["fields"][0]["hash"], HASH);
    assert_eq!(status["rejected"]["fields"][0]["field"], "bad");
    assert_eq!(status["rejected"]["fields"][0]["code"], "value");
    assert!(!status.to_string().contains("10.0.0.6"), "{status:#}");
    for number in ["generation", "table_bytes", "publishes"] {
        assert!(status[number].as_u64() > Some(0), "{number}: {status:#}");
    }
    assert!(
        !status["since"].is_null() && !status["redis"]["since"].is_null(),
        "{status:#}"
    );
    assert!(!status["last_full_read"]["at"].is_null(), "{status:#}");
    assert!(
        status["last_full_read"]["cost_ms"].as_f64() >= Some(0.0),
        "{status:#}"
    );
}

#[test]
fn the_status_file_may_be_read_by_all_and_follows_changes() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::with(&[("web", "10.0.0.5")]);
    let file = world.sandbox.outside(STATUS);
    assert_eq!(
        std::fs::metadata(file).unwrap().permissions().mode() & 0o777,
        0o644
    );
    let before = world.daemon.status();
    world.hset(&[("db", "10.0.0.6")]);
    let after = world
        .daemon
        .wait_for("two names", |status| status["names"] == 2);
    assert!(after["generation"].as_u64() > before["generation"].as_u64());
    assert!(after["publishes"].as_u64() > before["publishes"].as_u64());
}

#[test]
fn what_is_in_redis_and_what_allow_leaves_out_of_it_are_counted() {
    let world = World::new()
        .config("allow", "['db*', '?.x']")
        .hash(
            HASH,
            &[("db", "10.0.0.6"), ("web", "10.0.0.5"), ("bad name", "x")],
        )
        .hash(
            HASH,
            &[
                ("DB-2/a", "10.0.0.7"),
                ("WEB/1", "10.0.0.8"),
                ("*.x", "10.0.0.9"),
            ],
        )
        .start();
    let counts = |status: &Value| {
        let hash = &status["hashes"][0];
        [&hash["in_redis"], &hash["fields"], &hash["filtered"]].map(Value::as_u64)
    };
    let wait = |all, used, filtered| {
        let wanted = [Some(all), Some(used), Some(filtered)];
        let what = format!("{wanted:?} fields");
        world
            .daemon
            .wait_for(&what, |status| counts(status) == wanted);
    };
    wait(6, 3, 2);
    let said = stdout(&world.cloudhosts(&["status"]));
    assert!(said.contains("3 fields"), "{said}");
    assert!(said.contains("6 fields"), "{said}");
    // as they come and go, by the log, without it, and by a scan
    assert!(
        world
            .cloudhosts(&["claim", "app", "10.0.0.1"])
            .status
            .success()
    );
    wait(7, 3, 3);
    world
        .redis
        .cli(&["HDEL", HASH, "web", "WEB/1", "no such field"]);
    wait(5, 3, 1);
    assert!(world.cloudhosts(&["release", "app"]).status.success());
    wait(4, 3, 0);
    world.redis.cli(&["HSET", HASH, "www", "10.0.0.1"]);
    wait(5, 3, 1);
}

#[test]
fn one_of_a_kind_is_said_so() {
    let world = World::with(&[("web", "10.0.0.5")]);
    let said = stdout(&world.cloudhosts(&["status"]));
    for word in ["1 field", "1 name", "1 address", "1 change"] {
        assert!(said.contains(word), "{word}: {said}");
        assert!(!said.contains(&format!("{word}s")), "{said}");
        assert!(!said.contains(&format!("{word}es")), "{said}");
    }
}

#[test]
fn the_service_manager_is_told_how_it_is_and_how_much_there_is() {
    let mut world = World::new().hash(HASH, &[("web", "10.0.0.5")]).build();
    let path = world.dir.join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    world.daemon.set_variable("NOTIFY_SOCKET", &path);
    world.daemon.start();
    let told = Cell::new(0);
    let status = |words: &[&str]| loop {
        let mut message = [0; 4096];
        let length = manager.recv(&mut message).unwrap();
        let text = String::from_utf8_lossy(&message[..length]).into_owned();
        let Some(line) = text.lines().find_map(|line| line.strip_prefix("STATUS=")) else {
            continue;
        };
        told.set(told.get() + 1);
        if words.iter().all(|word| line.contains(word)) {
            return;
        }
    };
    status(&["live", "1 name,", "1 address"]);
    world.hset(&[("db", "10.0.0.6 10.0.0.7")]);
    status(&["live", "2 names", "3 addresses"]);
    // however often it changes, it is told once a second
    let (start, before) = (Instant::now(), told.get());
    let changes: String = (0..200)
        .map(|n| format!("HSET {HASH} m{n} 10.1.0.1\n"))
        .collect();
    world.redis.script(&changes);
    world.sync(HASH);
    status(&["203 names"]);
    let (times, seconds) = (told.get() - before, start.elapsed().as_secs());
    assert!(times <= seconds + 2, "{times} times in {seconds} s");
    world.redis.cli(&["FLUSHALL"]);
    status(&["guarded", "203 names", "retained", "cloudhosts accept"]);
    world.redis.kill();
    status(&["reconnecting", "203 names"]);
}

#[test]
fn the_log_says_which_roles_change_and_who_changed_them() {
    let mut world = World::with(&[("web", "10.0.0.5"), ("www", "web")]);
    let logged = |world: &World, words: &[&str]| {
        let what = format!("a line of the log with {words:?}");
        wait::until(&what, || {
            let log = world.daemon.log();
            let mut lines = log.lines();
            let found = lines.find(|line| words.iter().all(|word| line.contains(word)));
            found.map(str::to_owned)
        })
    };
    assert!(
        !world.daemon.log().contains("web: "),
        "what it begins with is told as a whole"
    );
    assert!(
        world
            .cloudhosts(&["claim", "web", "10.0.0.6"])
            .status
            .success()
    );
    logged(&world, &["web: 10.0.0.5 -> 10.0.0.6 (claim by "]);
    world.hset(&[("web", "10.0.0.7")]);
    let line = logged(&world, &["web: 10.0.0.6 -> 10.0.0.7"]);
    assert!(!line.contains(" by "), "nobody knows who: {line}");
    assert!(world.cloudhosts(&["release", "web"]).status.success());
    logged(&world, &["web: 10.0.0.7 -> nothing (release by "]);
    logged(&world, &["www: web (10.0.0.7) -> nothing"]);

    // who says so in the log is not believed to be harmless
    let by = "eve\u{1b}[2J\u{202e}\nweb: forged";
    let entry = [
        "XADD",
        "cloudhosts:log",
        "*",
        ".verb",
        "claim",
        ".by",
        by,
        "+web",
        "10.0.0.8",
    ];
    world.redis.cli(&entry);
    world.hset(&[("web", "10.0.0.8")]);
    let line = logged(&world, &["web: nothing -> 10.0.0.8 (claim by eve"]);
    assert!(!line.contains(['\u{1b}', '\u{202e}']), "{line}");
    assert!(
        !world
            .daemon
            .log()
            .lines()
            .any(|line| line.ends_with("\nweb: forged"))
    );
    // what is refused is not told
    world.hset(&[("web", "10.0.0.9:4711")]);
    world.daemon.wait_for_rejected(HASH, "web");
    assert!(!world.daemon.log().contains("4711"));

    // many at once are one line, and so are those that changed while it was away
    let many: Vec<String> = (0..40).map(|n| format!("m{n:02}")).collect();
    let pairs: Vec<(&str, &str)> = many.iter().map(|name| (&**name, "10.1.0.1")).collect();
    world.hset(&pairs);
    logged(&world, &["40 roles changed at once: m00, m01", "30 more"]);
    assert!(!world.daemon.log().contains("m00: "));
    world.daemon.terminate();
    world.hset(&[("m00", "10.1.0.2")]);
    world.daemon.start();
    logged(&world, &["m00: 10.1.0.1 -> 10.1.0.2"]);
}

#[test]
fn cloudhosts_status_succeeds_when_live() {
    let world = World::with(&[("web", "10.0.0.5"), ("db", "10.0.0.6")]);
    let output = world.cloudhosts(&["status"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let said = stdout(&output);
    assert!(said.contains("live"), "{said}");
    assert!(said.contains(&world.redis.unix_url()), "{said}");

    let output = world.cloudhosts(&["status", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let passed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(passed, world.daemon.status());
}

#[test]
fn cloudhosts_status_fails_with_the_reason_when_redis_is_away() {
    let mut world = World::with(&[("web", "10.0.0.5")]);
    world.redis.kill();
    let status = world.daemon.wait_for_state("reconnecting");
    let reason = status["reason"].as_str().unwrap();
    assert!(!reason.is_empty());
    let output = world.cloudhosts(&["status"]);
    assert_eq!(output.status.code(), Some(1));
    let said = stdout(&output) + &stderr(&output);
    assert!(said.contains("reconnecting"), "{said}");
    assert!(said.contains(&world.redis.unix_url()), "{said}");
    let output = world.cloudhosts(&["status", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let passed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(passed["state"], "reconnecting");
}

#[test]
fn cloudhosts_status_fails_when_guarded() {
    let world = World::with(&[("web", "10.0.0.5")]);
    world.redis.cli(&["FLUSHALL"]);
    let status = world.daemon.wait_for_state("guarded");
    assert_eq!(status["hashes"][0]["retained"], 1);
    let output = world.cloudhosts(&["status"]);
    assert_eq!(output.status.code(), Some(1));
    let said = stdout(&output) + &stderr(&output);
    assert!(
        said.contains("guarded") && said.contains("cloudhosts accept"),
        "what to do: {said}"
    );
}

#[test]
fn cloudhosts_status_fails_when_no_daemon_runs() {
    let world = World::new().build();
    let output = world.cloudhosts(&["status"]);
    assert_eq!(output.status.code(), Some(3));
    let said = stderr(&output);
    assert!(said.contains(STATUS), "{said}");

    // nor does a file that a killed daemon left speak for it
    let mut world = World::with(&[("web", "10.0.0.5")]);
    assert_eq!(world.cloudhosts(&["status"]).status.code(), Some(0));
    world.daemon.kill();
    let output = world.cloudhosts(&["status"]);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
}

#[test]
fn cloudhosts_resolve_shows_what_the_table_holds() {
    let world = World::with(&[("web", "10.0.0.5 fd00::5"), ("www", "web")]);
    let generation = world.daemon.status()["generation"].to_string();
    let output = world.cloudhosts(&["resolve", "WWW."]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let said = stdout(&output);
    for part in ["10.0.0.5", "fd00::5", "web", "www", &generation] {
        assert!(said.contains(part), "{part} is not in: {said}");
    }
}

#[test]
fn cloudhosts_resolve_says_what_it_does_not_find() {
    let world = World::with(&[("web", "10.0.0.5")]);
    let output = world.cloudhosts(&["resolve", "nobody"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("nobody"), "{}", stderr(&output));

    // what is no name is no question, whoever is asked
    for bad in ["a..b", "localhost", "127.1", "*", "web/i-1"] {
        for verb in ["resolve", "explain"] {
            let output = world.cloudhosts(&[verb, bad]);
            let said = stderr(&output);
            assert_eq!(output.status.code(), Some(2), "{verb} {bad}: {said}");
            assert!(said.contains(bad), "{verb} {bad}: {said}");
        }
    }
}

#[test]
fn cloudhosts_resolve_needs_a_table() {
    let world = World::new().build();
    let output = world.cloudhosts(&["resolve", "web"]);
    assert!(!output.status.success());
    assert!(!stderr(&output).is_empty());
}

/// The samples of the metrics: each name, with its labels, and its value.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        })
        .collect()
}

#[test]
fn the_status_as_metrics_says_what_the_status_file_says() {
    let mut world = World::with(&[("web", "10.0.0.5 fd00::5"), ("bad", "10.0.0.6:1")]);
    let claim = world.cloudhosts(&["claim", "db", "10.0.0.6"]);
    assert!(claim.status.success(), "{}", stderr(&claim));
    let status = world
        .daemon
        .wait_for("the claim was read", |status| status["names"] == 2);
    let format = ["status", "--format", "openmetrics"];
    let said = world.cloudhosts(&format);
    assert!(said.status.success());
    let text = stdout(&said);
    assert!(text.ends_with("# EOF\n"), "{text}");
    let found = samples(&text);
    let sample = |name: &str| found.get(name).copied();
    let hash = format!("{{hash=\"{HASH}\"}}");
    for (name, expected) in [
        ("cloudhosts_up", 1.0),
        ("cloudhosts_state{state=\"live\"}", 1.0),
        ("cloudhosts_state{state=\"guarded\"}", 0.0),
        ("cloudhosts_redis_connected", 1.0),
        ("cloudhosts_names", 2.0),
        ("cloudhosts_addresses", 3.0),
        ("cloudhosts_rejected_fields", 1.0),
        (&format!("cloudhosts_hash_fields{hash}"), 2.0),
        (&format!("cloudhosts_hash_redis_fields{hash}"), 3.0),
        (&format!("cloudhosts_hash_retained_fields{hash}"), 0.0),
    ] {
        assert_eq!(sample(name), Some(expected), "{name}: {text}");
    }
    let changes = status["publishes"].as_u64().unwrap() as f64;
    assert!(sample("cloudhosts_changes_published_total") >= Some(changes));
    assert!(sample("cloudhosts_redis_latency_seconds") > Some(0.0));
    let logged = sample(&format!("cloudhosts_log_position_timestamp_seconds{hash}"));
    let position = status["hashes"][0]["log_position"].as_str().unwrap();
    let ms: f64 = position.split_once('-').unwrap().0.parse().unwrap();
    assert!((logged.unwrap() - ms / 1000.0).abs() < 0.01, "{text}");

    // Into a file, which is replaced when the daemon is gone, too.
    let file = world.dir.join("cloudhosts.prom");
    let to_file = [&format[..], &["--output", file.to_str().unwrap()]].concat();
    assert!(world.cloudhosts(&to_file).status.success());
    let written = |file| samples(&std::fs::read_to_string(file).unwrap());
    assert_eq!(written(&file)["cloudhosts_up"], 1.0);
    world.daemon.terminate();
    assert!(world.cloudhosts(&to_file).status.success());
    assert_eq!(written(&file)["cloudhosts_up"], 0.0);
    assert_eq!(written(&file)["cloudhosts_state{state=\"live\"}"], 0.0);
    let nowhere = world.cloudhosts(&[&format[..], &["--output", "/nowhere/x"]].concat());
    assert_eq!(nowhere.status.code(), Some(1));
    let text = world.cloudhosts(&["status", "--output", file.to_str().unwrap()]);
    assert_eq!(text.status.code(), Some(2));
}

#[test]
fn the_status_counts_the_processes_that_attach() {
    let world = World::with(&[("web", "10.0.0.5")]);
    let attaches = || world.daemon.status()["attaches"].as_u64().unwrap();
    let before = attaches();
    for number in 1..=3 {
        assert!(world.cloudhosts(&["resolve", "web"]).status.success());
        world.hset(&[("db", &format!("10.0.0.{number}"))]);
    }
    world.daemon.wait_for("three more processes", |status| {
        status["attaches"].as_u64() >= Some(before + 3)
    });
}
