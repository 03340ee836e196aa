//! `cloudhosts doctor`: each thing that can be wrong, made wrong.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::time::{Duration, SystemTime};

use cloudhosts_table::clock::monotonic;
use cloudhosts_table::{Capacity, Order, RegionWriter, Settings};
use cloudhosts_tests::config::{list, quote};
use cloudhosts_tests::process::{Signal, stderr, stdout, succeed};
use cloudhosts_tests::sentinel::{MASTER, Sentinel};
use cloudhosts_tests::world::HASH;
use cloudhosts_tests::{Redis, World, rights, wait};
use serde_json::Value;

/// The exit code and what is said.
fn doctor(world: &World) -> (i32, String) {
    let output = world.cloudhosts(&["doctor"]);
    (
        output.status.code().unwrap(),
        stdout(&output) + &stderr(&output),
    )
}

/// Sees that there is a line of that verdict and check with all these words.
fn says(said: &str, verdict: &str, check: &str, words: &[&str]) {
    let start = format!("{verdict:<9}{check:<11}");
    let mut lines = said.lines().filter(|line| line.starts_with(&start));
    assert!(
        lines.any(|line| words.iter().all(|word| line.contains(word))),
        "no line {start:?} with {words:?} in:\n{said}"
    );
}

#[test]
fn where_all_is_well_each_line_says_ok() {
    let world = World::with(&[("web", "10.0.0.5 fd00::5"), ("db", "10.0.0.6")]);
    let (code, said) = doctor(&world);
    assert_eq!(code, 0, "{said}");
    for check in [
        "nsswitch", "module", "socket", "daemon", "guard", "rejected", "table", "clock", "rights",
        "password", "redis", "acl", "urls", "nscd", "names",
    ] {
        says(&said, "ok", check, &[]);
    }
    assert!(said.lines().all(|line| line.starts_with("ok ")), "{said}");
    says(
        &said,
        "ok",
        "module",
        &["libnss_cloudhosts.so.2", env!("CARGO_PKG_VERSION")],
    );
    says(&said, "ok", "names", &["db", "web"]);

    let output = world.cloudhosts(&["doctor", "--json"]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["ok"], true);
    assert_eq!(
        json["checks"].as_array().unwrap().len(),
        said.lines().count()
    );
    assert_eq!(
        (&json["checks"][0]["check"], &json["checks"][0]["verdict"]),
        (&"nsswitch".into(), &"ok".into())
    );
}

#[test]
fn nsswitch_conf_is_seen_through() {
    let world = World::with(&[("web", "10.0.0.5")]);
    for (services, verdict, words) in [
        (
            "files",
            "wrong",
            &["not on the hosts: line", "nsswitch enable"][..],
        ),
        (
            "resolve [!UNAVAIL=return] cloudhosts",
            "wrong",
            &["resolve", "NOTFOUND or TRYAGAIN"],
        ),
        (
            "files [NOTFOUND=return] cloudhosts",
            "wrong",
            &["files", "ends the search at NOTFOUND"],
        ),
        ("files dns cloudhosts", "warning", &["dns stands before"]),
        (
            "files cloudhosts [NOTFOUND=return] dns",
            "warning",
            &["NOTFOUND", "brackets"],
        ),
        ("files cloudhosts [", "wrong", &["brackets"]),
    ] {
        world.sandbox.set_services(services);
        says(&doctor(&world).1, verdict, "nsswitch", words);
    }
    world.sandbox.set_services("files");
    let (code, said) = doctor(&world);
    assert_eq!(code, 1);
    says(
        &said,
        "wrong",
        "names",
        &["programs get nothing for web", "10.0.0.5", "explain web"],
    );
    let file = world.sandbox.outside("/etc/nsswitch.conf");
    fs::write(&file, "hosts: files cloudhosts").unwrap();
    says(&doctor(&world).1, "wrong", "nsswitch", &["newline"]);
    fs::remove_file(&file).unwrap();
    says(
        &doctor(&world).1,
        "wrong",
        "nsswitch",
        &["there is no /etc/nsswitch.conf"],
    );
}

#[test]
fn what_allow_leaves_out_is_counted() {
    let world = World::new()
        .config("allow", "['db*']")
        .hash(HASH, &[("db", "10.0.0.6"), ("web", "10.0.0.5")])
        .start();
    let (code, said) = doctor(&world);
    assert_eq!(code, 0, "{said}");
    says(&said, "ok", "names", &["leaves out 1 of 2 fields", "db*"]);
    world.redis.cli(&["HDEL", HASH, "db"]);
    world
        .daemon
        .wait_for("one is left", |status| status["hashes"][0]["in_redis"] == 1);
    says(
        &doctor(&world).1,
        "warning",
        "names",
        &["leaves out 1 of 1 field ", "reload"],
    );
}

#[test]
fn a_module_that_is_missing_broken_or_of_another_version_is_told() {
    let world = World::with(&[("web", "10.0.0.5")]);
    let module = world.dir.join("modules/libnss_cloudhosts.so.2");
    let good = fs::read(&module).unwrap();
    let replace = |bytes: &[u8]| {
        // never into a file that is mapped
        fs::remove_file(&module).unwrap();
        fs::write(&module, bytes).unwrap();
    };
    replace(b"not a library");
    let (code, said) = doctor(&world);
    assert_eq!(code, 1);
    says(&said, "wrong", "module", &["can't load", "ldconfig"]);

    let version = b"cloudhosts\0\0";
    let at = good
        .windows(version.len())
        .rposition(|part| part == version)
        .unwrap();
    let mut other = good.clone();
    other[at + version.len()] = b'9';
    replace(&other);
    says(
        &doctor(&world).1,
        "warning",
        "module",
        &["is of version 9.1.0"],
    );

    let source = world.dir.join("crash.c");
    fs::write(
        &source,
        "#include <stdlib.h>\nint _nss_cloudhosts_gethostbyname4_r(void) { abort(); }\n",
    )
    .unwrap();
    fs::remove_file(&module).unwrap();
    let line = format!(
        "cc -shared -fPIC -o {} {}",
        module.display(),
        source.display()
    );
    succeed(&mut world.shell(&line));
    let (code, said) = doctor(&world);
    assert_eq!(code, 1, "{said}");
    says(
        &said,
        "wrong",
        "module",
        &["getent ends with signal", "reinstall"],
    );
    // which is visited without the module
    says(&said, "ok", "redis", &["pushes changes"]);
    says(&said, "wrong", "names", &["getent ahosts web"]);

    fs::remove_file(&module).unwrap();
    says(
        &doctor(&world).1,
        "wrong",
        "module",
        &["none of the loader's directories"],
    );
}

#[test]
fn a_daemon_that_is_gone_or_stopped_is_told_and_how_long_the_table_lasts() {
    let mut world = World::with(&[("web", "10.0.0.5")]);
    world.sees("web", &["10.0.0.5"]);
    world.daemon.signal(Signal::STOP);
    cloudhosts_tests::wait::until("the daemon is taken for dead", || {
        let said = doctor(&world).1;
        said.contains("wrong    table").then_some(said)
    });
    let said = doctor(&world).1;
    says(&said, "wrong", "socket", &["cached.sock"]);
    world.daemon.kill();
    let (code, said) = doctor(&world);
    assert_eq!(code, 1);
    says(
        &said,
        "wrong",
        "socket",
        &["cached.sock", "systemctl status"],
    );
    says(
        &said,
        "wrong",
        "table",
        &["no daemon is behind it", "stale_max"],
    );
    says(&said, "ok", "names", &["web"]);

    let world = World::new().build();
    let said = doctor(&world).1;
    says(&said, "wrong", "daemon", &["status.json"]);
    says(&said, "wrong", "table", &["no table"]);
}

#[test]
fn redis_is_visited_as_the_daemon_would() {
    let mut world = World::with(&[("web", "10.0.0.5"), ("bad", "10.0.0.5:80")]);
    says(
        &doctor(&world).1,
        "wrong",
        "rejected",
        &["fields", ": 1;", "cloudhosts lint"],
    );
    world.redis.cli(&["FLUSHALL"]);
    world.daemon.wait_for_state("guarded");
    let said = doctor(&world).1;
    says(
        &said,
        "wrong",
        "guard",
        &["1 of cloudhosts", "cloudhosts accept"],
    );
    says(&said, "warning", "redis", &["no field in cloudhosts"]);
    world.redis.kill();
    world.daemon.wait_for_state("reconnecting");
    let said = doctor(&world).1;
    says(&said, "wrong", "redis", &["redis+unix", "urls"]);
    says(&said, "wrong", "daemon", &["not connected"]);
}

#[test]
fn the_acl_that_is_documented_is_enough_and_less_is_told() {
    let builder = World::new();
    let redis = Redis::builder(builder.directory().join("redis")).start();
    let rights = format!("on >secret {}", rights::of_daemon());
    let grant = |rights: &str| {
        let all = ["ACL", "SETUSER", "cloudhosts", "reset"];
        redis.cli(&[&all[..], &rights.split_whitespace().collect::<Vec<_>>()].concat());
    };
    grant(&rights);
    redis.hset("cloudhosts", &[("web", "10.0.0.5")]);
    let urls = format!("['{}']", redis.unix_url());
    let world = builder
        .redis(redis)
        .login("cloudhosts", "secret")
        .config("redis.urls", urls)
        .start();
    let (code, said) = doctor(&world);
    assert_eq!(code, 0, "{said}");
    says(&said, "ok", "acl", &[]);
    // also where a value is too large to be read
    let giant = "redis.call('HSET', KEYS[1], 'db', string.rep('x', 70000000))";
    world.redis.cli(&["EVAL", giant, "1", "cloudhosts"]);
    world.daemon.wait_for_rejected("cloudhosts", "db");
    let said = doctor(&world).1;
    says(&said, "ok", "acl", &[]);
    world.redis.cli(&["HDEL", "cloudhosts", "db"]);
    let grant = |rights: &str| {
        let all = ["ACL", "SETUSER", "cloudhosts", "reset"];
        world
            .redis
            .cli(&[&all[..], &rights.split_whitespace().collect::<Vec<_>>()].concat());
    };
    for (missing, verdict, check) in [
        ("+hgetall", "wrong", "acl"),
        ("+hscan", "wrong", "acl"),
        ("+hlen", "wrong", "acl"),
        ("+ping", "wrong", "acl"),
        ("+info", "warning", "acl"),
        ("+xrange", "warning", "acl"),
        ("+xrevrange", "warning", "acl"),
        ("+multi", "warning", "acl"),
        ("+exec", "warning", "acl"),
        ("+pttl", "warning", "acl"),
        ("+hkeys", "warning", "acl"),
        ("+hstrlen", "warning", "acl"),
        ("+hmget", "warning", "acl"),
        ("+client|tracking", "warning", "redis"),
    ] {
        grant(&rights.replace(missing, ""));
        let said = doctor(&world).1;
        let command = missing.trim_start_matches('+');
        says(&said, verdict, check, &[command.split('|').next().unwrap()]);
    }
    fs::write(world.dir.join("password"), "wrong\n").unwrap();
    let said = doctor(&world).1;
    says(&said, "wrong", "redis", &["password"]);
    assert!(!said.contains("secret"), "{said}");
}

#[test]
fn the_ways_in_which_redis_loses_names_by_itself_are_told() {
    let world = World::with(&[("web", "10.0.0.5")]);
    for setting in [["maxmemory", "1gb"], ["maxmemory-policy", "allkeys-lru"]] {
        world
            .redis
            .cli(&[&["CONFIG", "SET"][..], &setting].concat());
    }
    world.redis.cli(&["EXPIRE", HASH, "100000"]);
    // the file to save to is a directory
    fs::create_dir(world.dir.join("redis/dump.rdb")).unwrap();
    world.redis.cli(&["BGSAVE"]);
    wait::until("saving has failed", || {
        let info = world.redis.cli(&["INFO", "persistence"]);
        info.contains("rdb_last_bgsave_status:err").then_some(())
    });
    let (code, said) = doctor(&world);
    assert_eq!(code, 0, "warnings are no failure: {said}");
    says(&said, "warning", "eviction", &["allkeys-lru", "noeviction"]);
    says(&said, "warning", "expiry", &[HASH, "PERSIST"]);
    says(&said, "warning", "persistence", &[]);
}

#[test]
fn a_table_that_is_too_old_is_told() {
    let mut world = World::new()
        .config("stale_max", "\"1s\"")
        .hash("cloudhosts", &[("web", "10.0.0.5")])
        .start();
    world.sync("cloudhosts");
    world.daemon.kill();
    let said = cloudhosts_tests::wait::until("the table is too old", || {
        let said = doctor(&world).1;
        said.contains("longer than its stale_max").then_some(said)
    });
    says(&said, "wrong", "table", &["stale_max"]);
}

#[test]
fn a_table_from_the_future_is_told() {
    let world = World::new().build();
    let settings = Settings {
        generation: 7,
        stale_max: None,
        order: Order::Fixed,
        domain: String::new(),
        reverse: true,
        hashes: vec!["cloudhosts".into()],
    };
    let mut writer = RegionWriter::create(settings, &Capacity::default(), monotonic()).unwrap();
    let ahead = SystemTime::now() + Duration::from_secs(3600);
    writer.commit(ahead).unwrap();
    let file = world.sandbox.outside("/var/lib/cloudhosts/last-good.table");
    let mut file = fs::File::create(file).unwrap();
    writer.snapshot().write(&mut file).unwrap();
    let said = doctor(&world).1;
    says(
        &said,
        "wrong",
        "clock",
        &["the clock went back", "timedatectl"],
    );
    says(&said, "wrong", "table", &["served for ever"]);
}

#[test]
fn what_other_users_cannot_get_at_is_told() {
    let world = World::with(&[("web", "10.0.0.5")]);
    let mode = |path: &str, mode: u32| {
        fs::set_permissions(world.sandbox.outside(path), Permissions::from_mode(mode)).unwrap();
    };
    for (path, closed, open, todo) in [
        ("/run/cloudhosts", 0o750, 0o755, "chmod o+x /run/cloudhosts"),
        (
            "/run/cloudhosts/cached.sock",
            0o660,
            0o666,
            "chmod o+w /run/cloudhosts/cached.sock",
        ),
        (
            "/etc/nsswitch.conf",
            0o640,
            0o644,
            "chmod o+r /etc/nsswitch.conf",
        ),
    ] {
        mode(path, closed);
        let said = doctor(&world).1;
        says(
            &said,
            "wrong",
            "rights",
            &[path, &format!("{closed:04o}"), todo],
        );
        mode(path, open);
    }
    says(&doctor(&world).1, "ok", "rights", &[]);
}

#[test]
fn the_master_that_the_sentinels_name_is_told_from_the_one_that_is_followed() {
    let start = World::new();
    let redis = Redis::builder(start.directory().join("redis"))
        .tcp()
        .start();
    let sentinel = Sentinel::start(start.directory(), &redis);
    let dead = "redis://127.0.0.1:1";
    let mut world = start
        .redis(redis)
        .config("redis.sentinel", quote(MASTER))
        .config("redis.urls", list(&[dead, &sentinel.url()]))
        .config("resync_interval", quote("1s"))
        .hash(HASH, &[("web", "10.0.0.5")])
        .start();
    let (code, said) = doctor(&world);
    assert_eq!(code, 0, "{said}");
    let master = world.redis.tcp_url();
    says(&said, "ok", "sentinel", &[&master]);
    says(&said, "warning", "sentinel", &[dead]);

    // the daemon can't follow, and does as soon as it can
    world.daemon.signal(Signal::STOP);
    sentinel.depose();
    let (code, said) = doctor(&world);
    assert_eq!(code, 1, "{said}");
    let named = sentinel.replica().tcp_url();
    says(&said, "wrong", "sentinel", &[&master, &named]);
    world.daemon.signal(Signal::CONT);
    world
        .daemon
        .wait_for("the new master is followed", |status| {
            status["state"] == "live" && status["redis"]["endpoint"] == named.as_str()
        });
    says(&doctor(&world).1, "ok", "sentinel", &[&named]);
}

#[test]
fn nscd_is_told_when_it_caches_hosts() {
    let world = World::with(&[("web", "10.0.0.5")]);
    let directory = world.sandbox.outside("/run/nscd");
    fs::create_dir(&directory).unwrap();
    // as one that has no answer: glibc asks the modules itself then
    let listener = UnixListener::bind(directory.join("socket")).unwrap();
    std::thread::spawn(move || listener.incoming().for_each(drop));
    says(&doctor(&world).1, "ok", "nscd", &[]);
    let config = world.sandbox.outside("/etc/nscd.conf");
    let _ = fs::remove_file(&config);
    fs::write(&config, "enable-cache hosts yes\n").unwrap();
    says(
        &doctor(&world).1,
        "warning",
        "nscd",
        &["enable-cache hosts no"],
    );
    let said = stdout(&world.cloudhosts(&["explain", "web"]));
    assert!(said.contains("nscd         caches hosts"), "{said}");
}

#[test]
fn names_that_etc_hosts_has_too_are_told() {
    let world = World::with(&[("web", "10.0.0.5"), ("db", "10.0.0.6")]);
    let hosts = "127.0.0.1 localhost\n10.9.9.9 web # old\n10.0.0.6 db\n";
    fs::write(world.sandbox.outside("/etc/hosts"), hosts).unwrap();
    let (code, said) = doctor(&world);
    assert_eq!(code, 1);
    says(&said, "warning", "names", &["/etc/hosts", "for web;"]);
    says(
        &said,
        "wrong",
        "names",
        &["programs get 10.9.9.9 for web", "10.0.0.5"],
    );
}

#[test]
fn a_configuration_that_cannot_be_read_is_told_with_the_rest() {
    let world = World::with(&[("web", "10.0.0.5")]);
    world.daemon.configure("nonsense = 1");
    let (code, said) = doctor(&world);
    assert_eq!(code, 1, "{said}");
    says(&said, "wrong", "config", &["nonsense", "--check-config"]);
    says(&said, "ok", "nsswitch", &[]);
}
