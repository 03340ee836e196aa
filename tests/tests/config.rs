//! Every key of the configuration has an effect, and every mistake is told where it is.

use std::io::Read;
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cloudhosts_tests::config::{list, quote};
use cloudhosts_tests::daemon::CONFIG;
use cloudhosts_tests::failover::{Failover, MASTER};
use cloudhosts_tests::process::{stderr, stdout};
use cloudhosts_tests::tls::Tls;
use cloudhosts_tests::world::HASH;
use cloudhosts_tests::{Caller, Daemon, Redis, World, programs, wait};

const WEB: &[(&str, &str)] = &[("web", "10.0.0.5")];

/// A Redis on a TCP port, for another one in a world's `urls`.
fn tcp(world: &cloudhosts_tests::world::WorldBuilder) -> Redis {
    Redis::builder(world.directory().join("redis"))
        .tcp()
        .start()
}

#[test]
fn hashes_says_what_is_read() {
    let world = World::new()
        .config("hashes", "['roles']")
        .hash("roles", WEB)
        .hash(HASH, &[("db", "10.0.0.6")])
        .start();
    assert_eq!(world.look_up("web").addresses, ["10.0.0.5"]);
    assert_eq!(world.look_up("db").code, "EAI_NONAME");
    assert_eq!(world.daemon.status()["hashes"][0]["key"], "roles");
}

#[test]
fn domain_adds_a_suffix() {
    let world = World::new()
        .config("domain", "'Prod.Example.com.'")
        .hash(HASH, WEB)
        .start();
    assert_eq!(
        world.look_up("web.prod.example.com").addresses,
        ["10.0.0.5"]
    );
}

#[test]
fn allow_limits_the_names() {
    let world = World::new()
        .config("allow", "['db*']")
        .hash(HASH, WEB)
        .hash(HASH, &[("db-1", "10.0.0.6")])
        .start();
    assert_eq!(world.look_up("db-1").addresses, ["10.0.0.6"]);
    assert_eq!(world.look_up("web").code, "EAI_NONAME");
}

#[test]
fn a_glob_that_no_name_can_match_is_refused_with_its_line() {
    let mut world = World::new().hash(HASH, WEB).build();
    world
        .daemon
        .configure("domain = ''\nallow = ['web', '[']\n");
    world.daemon.start();
    assert_eq!(world.daemon.wait().code(), Some(2));
    let log = world.daemon.log();
    assert!(log.contains(".toml:2: ") && log.contains("\"[\""), "{log}");
}

#[test]
fn a_level_of_the_log_that_nobody_knows_is_refused() {
    let mut world = World::new().hash(HASH, WEB).build();
    world.daemon.set_variable("CLOUDHOSTS_LOG", "debgu");
    world.daemon.start();
    assert_eq!(world.daemon.wait().code(), Some(2));
    let log = world.daemon.log();
    assert!(
        log.contains("CLOUDHOSTS_LOG") && log.contains("debgu"),
        "{log}"
    );
    world.daemon.set_variable("CLOUDHOSTS_LOG", "debug");
    world.daemon.start();
    world.daemon.wait_for_state("live");
}

#[test]
fn socket_moves_the_handover() {
    let world = World::new()
        .config("socket", "'/run/elsewhere.sock'")
        .hash(HASH, WEB)
        .start();
    UnixStream::connect(world.sandbox.outside("/run/elsewhere.sock")).unwrap();
    assert!(
        !world
            .sandbox
            .outside("/run/cloudhosts/cached.sock")
            .exists()
    );
    std::fs::remove_file(world.sandbox.outside("/var/lib/cloudhosts/last-good.table")).unwrap();
    assert_ne!(
        world.look_up("web").code,
        "ok",
        "nothing is at the standard place"
    );
    let caller = Caller::start_with(
        world.sandbox.entrance(),
        &[("CLOUDHOSTS_SOCKET", "/run/elsewhere.sock")],
    );
    assert_eq!(caller.by_name("web").addresses, ["10.0.0.5"]);
}

#[test]
fn state_dir_moves_the_last_good_table() {
    let state = |world: &World| world.sandbox.outside("/var/lib/elsewhere");
    let mut world = World::new()
        .config("state_dir", "'/var/lib/elsewhere'")
        .hash(HASH, WEB)
        .build();
    std::fs::create_dir(state(&world)).unwrap();
    world.daemon.start();
    world.daemon.wait_for_state("live");
    wait::until("the table is kept in state_dir", || {
        state(&world).join("last-good.table").exists().then_some(())
    });
    assert!(
        !world
            .sandbox
            .outside("/var/lib/cloudhosts/last-good.table")
            .exists()
    );
    assert!(world.daemon.terminate().success());
    world.redis.kill();
    world.daemon.start();
    world.sees("web", &["10.0.0.5"]);
}

#[test]
fn status_file_moves_the_status() {
    let mut world = World::new()
        .config("status_file", "'/run/elsewhere.json'")
        .hash(HASH, WEB)
        .build();
    let second = Daemon::new(&world.sandbox);
    let log = world.sandbox.outside("/run/daemon.log");
    world.daemon = second.with_files(log, world.sandbox.outside("/run/elsewhere.json"));
    world.daemon.start();
    world.daemon.wait_for_state("live");
    assert!(
        !world
            .sandbox
            .outside("/run/cloudhosts/status.json")
            .exists()
    );
    let output = world.cloudhosts(&["status"]);
    assert_eq!(
        output.status.code(),
        Some(0),
        "the command reads the same file: {}",
        stderr(&output)
    );
}

#[test]
fn resync_interval_reads_although_nothing_changed() {
    let often = World::new()
        .config("resync_interval", "'100ms'")
        .hash(HASH, WEB)
        .start();
    wait::until("ten full reads", || {
        (often.redis.calls("hgetall") >= 10).then_some(())
    });

    // the standard 60 s: as long as ten reads took, at most the first few at the start
    let seldom = World::new().hash(HASH, WEB).start();
    let at_start = seldom.redis.calls("hgetall");
    let before = often.redis.calls("hgetall");
    wait::until("ten more full reads", || {
        (often.redis.calls("hgetall") >= before + 10).then_some(())
    });
    assert_eq!(seldom.redis.calls("hgetall"), at_start);
}

#[test]
fn poll_interval_counts_where_tracking_is_refused() {
    let poller = |interval: &str| {
        let start = World::new();
        let redis = Redis::builder(start.directory().join("redis"))
            .tcp()
            .user("user poller on >secret ~* &* +@all -client|tracking")
            .start();
        let urls = list(&[&redis.tcp_url()]);
        start
            .redis(redis)
            .config("redis.urls", urls)
            .config("poll_interval", quote(interval))
            .hash(HASH, WEB)
            .login("poller", "secret")
            .start()
    };
    let (often, mut seldom) = (poller("100ms"), poller("1h"));
    seldom.hset(&[("web", "10.0.0.6")]);
    for address in ["10.0.0.6", "10.0.0.7", "10.0.0.8"] {
        often.hset(&[("web", address)]);
        often.sees("web", &[address]);
    }
    assert_eq!(seldom.look_up("web").addresses, ["10.0.0.5"]);
    assert!(seldom.daemon.terminate().success());
    seldom.daemon.start();
    seldom.sees("web", &["10.0.0.6"]);
}

#[test]
fn stale_max_bounds_how_long_a_table_outlives_its_daemon() {
    let mut short = World::new()
        .config("stale_max", "'1s'")
        .hash(HASH, WEB)
        .start();
    let mut forever = World::new()
        .config("stale_max", "'0'")
        .hash(HASH, WEB)
        .start();
    for world in [&mut short, &mut forever] {
        assert_eq!(world.look_up("web").addresses, ["10.0.0.5"]);
        world.daemon.kill();
    }
    wait::until_seen(
        "the running process drops the stale table",
        || short.look_up("web"),
        |answer| answer.code != "ok",
    );
    assert_ne!(
        short.caller().by_name("web").code,
        "ok",
        "nor does a new process take it"
    );
    assert_eq!(forever.look_up("web").addresses, ["10.0.0.5"]);
    assert_eq!(forever.caller().by_name("web").addresses, ["10.0.0.5"]);

    short.daemon.start();
    short.sees("web", &["10.0.0.5"]);
}

#[test]
fn order_is_rotated_unless_fixed() {
    let four = "203.0.113.1 203.0.113.2 203.0.113.3 203.0.113.4";
    let firsts = |world: &World| world.running().first("byname", 200, "web").len();
    let rotated = World::new().hash(HASH, &[("web", four)]).start();
    assert_eq!(firsts(&rotated), 4);
    let fixed = World::new()
        .config("order", "'fixed'")
        .hash(HASH, &[("web", four)])
        .start();
    assert_eq!(firsts(&fixed), 1);
}

#[test]
fn urls_are_tried_in_turn() {
    let start = World::new();
    let redis = tcp(&start);
    let urls = list(&[
        "redis://127.0.0.1:1",
        "redis+unix:///nowhere.sock",
        &redis.tcp_url(),
    ]);
    let good = redis.tcp_url();
    let world = start
        .redis(redis)
        .config("redis.urls", urls)
        .hash(HASH, WEB)
        .start();
    assert_eq!(world.look_up("web").addresses, ["10.0.0.5"]);
    assert_eq!(world.daemon.status()["redis"]["endpoint"], good);
}

#[test]
fn username_and_password_file_log_in() {
    let start = World::new();
    let redis = Redis::builder(start.directory().join("redis"))
        .tcp()
        .user("user reader on >secret ~* &* +@all")
        .start();
    let urls = list(&[&redis.tcp_url()]);
    let mut world = start
        .redis(redis)
        .config("redis.urls", urls)
        .hash(HASH, WEB)
        .login("reader", "secret")
        .start();
    assert!(world.redis.cli(&["CLIENT", "LIST"]).contains("user=reader"));

    world.daemon.kill();
    std::fs::write(world.dir.join("password"), "wrong\n").unwrap();
    world.daemon.start();
    let reason = world.daemon.wait_for("the refusal is told", |status| {
        status["state"] == "reconnecting" && status["reason"].to_string().contains("WRONGPASS")
    });
    assert!(!reason.to_string().contains("wrong\\n") && !world.daemon.log().contains("secret"));
    std::fs::write(world.dir.join("password"), "secret").unwrap();
    world.daemon.wait_for_state("live");
}

#[test]
fn systemd_s_credential_stands_in_for_the_password_file() {
    let start = World::new();
    let redis = Redis::builder(start.directory().join("redis"))
        .tcp()
        .user("user reader on >secret ~* &* +@all")
        .start();
    let (urls, port) = (list(&[&redis.tcp_url()]), redis.port());
    let mut world = start
        .redis(redis)
        .config("redis.urls", urls)
        .hash(HASH, WEB)
        .build();
    let credentials = world.dir.join("credentials");
    std::fs::create_dir(&credentials).unwrap();
    world
        .daemon
        .set_variable("CREDENTIALS_DIRECTORY", &credentials);
    // what the unit sets where there is no password
    std::fs::write(credentials.join("redis-password"), "\n").unwrap();
    world.daemon.start();
    world.daemon.wait_for_state("live");

    world.daemon.kill();
    std::fs::write(credentials.join("redis-password"), "secret\n").unwrap();
    let url = format!("redis://reader@127.0.0.1:{port}");
    world.daemon.set_arguments(&["--redis-url", &url]);
    world.daemon.start();
    world.daemon.wait_for_state("live");
    assert!(world.redis.cli(&["CLIENT", "LIST"]).contains("user=reader"));
}

#[test]
fn ca_file_is_whom_to_trust() {
    let start = World::new();
    let tls = Tls::new(start.directory());
    let redis = Redis::builder(start.directory().join("redis"))
        .tls(tls.clone())
        .start();
    let urls = list(&[&redis.tls_url()]);
    let mut world = start
        .redis(redis)
        .config("redis.urls", &urls)
        .hash(HASH, WEB)
        .build();
    world.daemon.start();
    world
        .daemon
        .wait_for("the certificate is refused", |status| {
            status["state"] == "reconnecting" && status["reason"].to_string().contains("ca_file")
        });
    world.daemon.kill();
    let authority = quote(&tls.authority.display().to_string());
    world
        .daemon
        .configure(&format!("[redis]\nurls = {urls}\nca_file = {authority}\n"));
    world.daemon.start();
    world.sees("web", &["10.0.0.5"]);
}

#[test]
fn sentinel_names_the_master_to_ask_for() {
    let start = World::new();
    let master = tcp(&start);
    let sentinel = Failover::of(start.directory(), &master);
    let urls = list(&[&sentinel.url()]);
    let port = master.port().to_string();
    let world = start
        .redis(master)
        .config("redis.urls", urls)
        .config("redis.sentinel", quote(MASTER))
        .hash(HASH, WEB)
        .start();
    assert_eq!(world.look_up("web").addresses, ["10.0.0.5"]);
    let endpoint = world.daemon.status()["redis"]["endpoint"].to_string();
    assert!(endpoint.contains(&port), "{endpoint}");
}

#[test]
fn connect_timeout_bounds_a_server_that_accepts_and_says_nothing() {
    let (impatient, deaf) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let daemon = |timeout: &str, given_up: &Arc<AtomicUsize>| {
        let url = format!("rediss://127.0.0.1:{}", never_answers(Arc::clone(given_up)));
        let mut world = World::new()
            .config("redis.urls", list(&[&url]))
            .config("redis.connect_timeout", quote(timeout))
            .build();
        world.daemon.start();
        world
    };
    let _patient = daemon("1h", &deaf);
    let _impatient = daemon("50ms", &impatient);
    wait::until("three attempts are given up", || {
        (impatient.load(Ordering::Relaxed) >= 3).then_some(())
    });
    assert_eq!(deaf.load(Ordering::Relaxed), 0);
}

/// A server that accepts and only listens; counts the connections that the other side closed.
fn never_answers(given_up: Arc<AtomicUsize>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, given_up) = (stream.unwrap(), Arc::clone(&given_up));
            std::thread::spawn(move || {
                while stream.read(&mut [0; 4096]).is_ok_and(|length| length > 0) {}
                given_up.fetch_add(1, Ordering::Relaxed);
            });
        }
    });
    port
}

#[test]
fn options_win_over_the_file() {
    let start = World::new();
    let redis = tcp(&start);
    let url = redis.tcp_url();
    let mut world = start
        .redis(redis)
        .config("redis.urls", "['redis://127.0.0.1:1']")
        .config("hashes", "['nothing-here']")
        .hash("first", &[("web", "10.0.0.5")])
        .hash("second", &[("web", "10.0.0.6"), ("db", "10.0.0.7")])
        .build();
    world
        .daemon
        .set_arguments(&["--redis-url", &url, "--hash", "first", "--hash", "second"]);
    world.daemon.start();
    world.daemon.wait_for_state("live");
    assert_eq!(world.look_up("web").addresses, ["10.0.0.5"]);
    assert_eq!(world.look_up("db").addresses, ["10.0.0.7"]);
}

#[test]
fn an_option_that_is_wrong_is_told_by_its_name() {
    let world = World::new().build();
    for arguments in [
        ["--redis-url", "http://x"],
        ["--hash", ""],
        ["--colour", "blue"],
    ] {
        let (code, said) = cached(&world, &arguments);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(arguments[0]), "{said}");
    }
}

/// Runs the daemon to its end; exit code and what it said.
fn cached(world: &World, arguments: &[&str]) -> (Option<i32>, String) {
    let program = programs::find(programs::DAEMON);
    let output = world.run(program.to_str().unwrap(), arguments);
    (output.status.code(), stdout(&output) + &stderr(&output))
}

#[test]
fn a_mistake_is_told_with_file_line_and_what_to_do() {
    let world = World::new().build();
    // what is written, the line of the mistake, and what the message must say
    let mistakes: [(&str, u32, &[&str]); 19] = [
        ("hash = ['x']", 1, &["hash", "hashes"]),
        ("hashes = ['x']\ncolour = 1", 2, &["colour", "domain"]),
        (
            "[redis]\nurls = ['redis://x']\nuser = 'y'",
            3,
            &["user", "username"],
        ),
        ("domain = 5", 1, &["domain"]),
        ("hashes = 'cloudhosts'", 1, &["[\"cloudhosts\"]"]),
        ("hashes = []", 1, &["cloudhosts"]),
        ("\n\nresync_interval = 'soon'", 3, &["60s"]),
        ("poll_interval = 2", 1, &["60s"]),
        ("poll_interval = '0s'", 1, &[]),
        ("stale_max = '-1h'", 1, &["24h"]),
        ("order = 'random'", 1, &["rotate", "fixed"]),
        ("socket = 'relative.sock'", 1, &[]),
        ("state_dir = 'here'", 1, &[]),
        ("domain = 'a..b'", 1, &["prod.example.com"]),
        ("[redis]\nurls = ['http://x']", 2, &["http", "redis://"]),
        ("[redis]\nurls = []", 2, &["redis://127.0.0.1:6379"]),
        (
            "[redis]\n\npassword_file = '/nowhere/password'",
            3,
            &["/nowhere/password", "No such file"],
        ),
        (
            "[redis]\nca_file = '/nowhere/ca.pem'",
            2,
            &["/nowhere/ca.pem", "No such file"],
        ),
        ("socket = ", 1, &[]),
    ];
    for (text, line, parts) in mistakes {
        world.daemon.configure(text);
        // The daemon itself waits for files that are not there yet.
        let waits = text.contains("_file");
        let starts: &[&[&str]] = if waits { &[] } else { &[&[]] };
        for arguments in [&[&["--check-config"][..]][..], starts].concat() {
            let (code, said) = cached(&world, arguments);
            assert_eq!(code, Some(2), "{text:?}: {said}");
            assert!(
                said.contains(&format!("{CONFIG}:{line}")),
                "{text:?}: {said}"
            );
            for part in parts {
                assert!(
                    said.contains(part),
                    "{text:?} says nothing of {part:?}: {said}"
                );
            }
            assert!(!said.contains("panicked"), "{text:?}: {said}");
        }
    }
}

#[test]
fn a_configuration_that_is_not_there_is_an_error_only_when_it_was_named() {
    let world = World::new().build();
    std::fs::remove_file(world.sandbox.outside(CONFIG)).unwrap();
    let (code, said) = cached(&world, &["--check-config"]);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = cached(
        &world,
        &["--check-config", "--config", "/etc/cloudhosts/other.toml"],
    );
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("/etc/cloudhosts/other.toml"), "{said}");
}

#[test]
fn check_config_accepts_every_key_and_starts_nothing() {
    let world = World::new().build();
    let password = world.dir.join("password");
    std::fs::write(&password, "secret").unwrap();
    let tls = Tls::new(world.dir.path());
    let text = format!(
        "hashes = ['cloudhosts:private', 'cloudhosts']\n\
         domain = 'prod.example.com'\n\
         allow = ['*']\n\
         max_fields = 10000\n\
         socket = '/run/cloudhosts/cached.sock'\n\
         state_dir = '/var/lib/cloudhosts'\n\
         status_file = '/run/cloudhosts/status.json'\n\
         resync_interval = '60s'\n\
         poll_interval = '2s'\n\
         stale_max = '24h'\n\
         order = 'rotate'\n\
         [redis]\n\
         urls = ['redis://127.0.0.1:6379', 'rediss://[::1]:6380/2']\n\
         username = 'cloudhosts'\n\
         password_file = '{}'\n\
         ca_file = '{}'\n\
         cert_file = '{}'\n\
         key_file = '{}'\n\
         server_name = 'redis.example.com'\n\
         sentinel = 'roles'\n\
         master_scheme = 'redis'\n\
         connect_timeout = '2s'\n",
        password.display(),
        tls.authority.display(),
        tls.certificate.display(),
        tls.key.display()
    );
    world.daemon.configure(&text);
    let (code, said) = cached(&world, &["--check-config"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        !world
            .sandbox
            .outside("/run/cloudhosts/cached.sock")
            .exists()
    );
    // the key of another certificate
    let other = world.dir.join("ca.key").display().to_string();
    let key = tls.key.display().to_string();
    world.daemon.configure(&text.replace(&key, &other));
    let (code, said) = cached(&world, &["--check-config"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains(&other) && said.contains("key_file"), "{said}");
}

#[test]
fn a_file_named_by_config_is_read_by_both_programs() {
    let mut world = World::with(&[("db", "10.0.0.6")]);
    world.daemon.kill();
    let url = world.redis.unix_url();
    world.redis.hset("other", WEB);
    let other = world.sandbox.outside("/etc/other.toml");
    std::fs::write(
        other,
        format!("hashes = ['other']\nstatus_file = '/run/other.json'\n[redis]\nurls = ['{url}']\n"),
    )
    .unwrap();
    let log = world.sandbox.outside("/run/daemon.log");
    world.daemon =
        Daemon::new(&world.sandbox).with_files(log, world.sandbox.outside("/run/other.json"));
    world.daemon.set_arguments(&["--config", "/etc/other.toml"]);
    world.daemon.start();
    world.daemon.wait_for_state("live");
    world.sees("web", &["10.0.0.5"]);
    let output = world.cloudhosts(&["--config", "/etc/other.toml", "status"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}
