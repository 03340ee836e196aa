//! The daemon is a target: what it may do, what it writes, and who cannot hold it up.

use std::fs::Permissions;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use cloudhosts_tests::config::list;
use cloudhosts_tests::process::Process;
use cloudhosts_tests::world::HASH;
use cloudhosts_tests::{Redis, World, programs, wait};
use rustix::process::{Resource, Rlimit, geteuid, getrlimit, setrlimit};

use crate::common::{Newcomers, Steady, inside, launch, wait_for_log};

const SOCKET: &str = "/run/cloudhosts/cached.sock";

/// A user of whom nobody has heard, and who runs nothing else: what the kernel allows in flight, it
/// allows each user.
fn stranger() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    100_000 + std::process::id() * 8 + NEXT.fetch_add(1, Ordering::Relaxed) % 8
}

/// A world whose daemon has neither privilege nor capability, started by these words and its own.
/// In a namespace of a user of our own there is no other user to be, but no capability either.
fn unprivileged(user: u32, before: &[&str]) -> (World, Process) {
    let (uid, gid) = (format!("--reuid={user}"), format!("--regid={user}"));
    let start = World::new();
    let redis = Redis::builder(start.directory().join("redis"))
        .tcp()
        .start();
    let urls = list(&[&redis.tcp_url()]);
    let world = start
        .redis(redis)
        .config("redis.urls", urls)
        .hash(HASH, &[("web", "10.0.0.5"), ("db", "10.0.0.6")])
        .build();
    // where it is built, another user may not look
    let program = world.dir.join("cloudhosts-cached");
    programs::install(&programs::find(programs::DAEMON), &program);
    let mut words = before.to_vec();
    words.push("setpriv");
    if geteuid().is_root() {
        for directory in ["/run/cloudhosts", "/var/lib/cloudhosts"] {
            chown(world.sandbox.outside(directory), Some(user), Some(user)).unwrap();
        }
        words.extend([uid.as_str(), gid.as_str(), "--clear-groups"]);
    }
    words.extend([
        "--no-new-privs",
        "--inh-caps=-all",
        "--bounding-set=-all",
        "--pdeathsig=KILL",
        "--",
    ]);
    words.push(program.to_str().unwrap());
    let daemon = launch(&world, &words);
    world.daemon.wait_for_state("live");
    (world, daemon)
}

#[test]
fn no_privilege_and_no_capability_is_needed() {
    let user = stranger();
    let (world, daemon) = unprivileged(user, &[]);
    let proc = std::fs::read_to_string(format!("/proc/{}/status", daemon.id())).unwrap();
    let line = |key: &str| {
        let found = proc.lines().find_map(|line| line.strip_prefix(key));
        found
            .unwrap_or_else(|| panic!("{key} is in {proc}"))
            .trim()
            .to_owned()
    };
    if geteuid().is_root() {
        for key in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
            assert_eq!(line(key), "0000000000000000", "{key}");
        }
        let four = [
            user.to_string(),
            user.to_string(),
            user.to_string(),
            user.to_string(),
        ]
        .join("\t");
        assert_eq!(line("Uid:"), four);
        assert_eq!(line("Gid:"), four);
        assert_eq!(line("Groups:"), "");
    }
    assert_eq!(line("NoNewPrivs:"), "1");
    let mut steady = Steady::new(&world, "web", &["10.0.0.5"]);
    world.hset(&[("db", "10.0.0.7")]);
    world.sees("db", &["10.0.0.7"]);
    steady.holds(&world, "from a daemon without privilege");
    wait::until("the last good table is written", || {
        world
            .sandbox
            .outside("/var/lib/cloudhosts/last-good.table")
            .exists()
            .then_some(())
    });
    assert!(
        !world.daemon.log().contains("can't"),
        "{}",
        world.daemon.log()
    );
}

#[test]
fn modes_are_exact_whatever_the_mask() {
    for mask in ["077", "000"] {
        let world = World::new().hash(HASH, &[("web", "10.0.0.5")]).build();
        for directory in ["/run/cloudhosts", "/var/lib/cloudhosts"] {
            std::fs::remove_dir(world.sandbox.outside(directory)).unwrap();
        }
        let program = programs::find(programs::DAEMON);
        let line = format!("umask {mask}; exec '{}'", program.display());
        let _daemon = launch(&world, &["sh", "-c", &line]);
        world.daemon.wait_for_state("live");
        let wanted = [
            ("/run/cloudhosts", 0o40_755),
            (SOCKET, 0o140_666),
            ("/run/cloudhosts/cached.lock", 0o100_600),
            ("/run/cloudhosts/status.json", 0o100_644),
            ("/var/lib/cloudhosts", 0o40_755),
            ("/var/lib/cloudhosts/checkpoint.json", 0o100_600),
            ("/var/lib/cloudhosts/last-good.table", 0o100_644),
        ];
        for (path, mode) in wanted {
            let file = world.sandbox.outside(path);
            wait::until(&format!("{path} is there"), || file.symlink_metadata().ok());
            let is = file.symlink_metadata().unwrap().mode();
            assert_eq!(is, mode, "{path} under {mask}: {is:o}, not {mode:o}");
        }
        let all = |directory: &str| {
            let entries = std::fs::read_dir(world.sandbox.outside(directory)).unwrap();
            let mut names: Vec<String> = entries
                .map(|one| one.unwrap().file_name().into_string().unwrap())
                .collect();
            names.retain(|name| !name.ends_with(".new"));
            names.sort();
            names
        };
        assert_eq!(
            all("/run/cloudhosts"),
            ["cached.lock", "cached.sock", "status.json"]
        );
        assert_eq!(
            all("/var/lib/cloudhosts"),
            ["checkpoint.json", "last-good.table"]
        );
    }
}

#[test]
fn planted_links_are_not_followed() {
    const PRECIOUS: &str = "nobody but its owner writes here";
    let mut world = World::new().hash(HASH, &[("web", "10.0.0.5")]).build();
    let victim = world.dir.join("victim");
    std::fs::write(&victim, PRECIOUS).unwrap();
    std::fs::set_permissions(&victim, Permissions::from_mode(0o600)).unwrap();
    let before = victim.metadata().unwrap().modified().unwrap();
    let safe = |when: &str| {
        let data = victim.metadata().unwrap();
        assert_eq!(
            std::fs::read_to_string(&victim).unwrap(),
            PRECIOUS,
            "{when}"
        );
        assert_eq!(data.mode(), 0o100_600, "{when}");
        assert_eq!(data.modified().unwrap(), before, "{when}");
    };
    let plant = |inside: &str| {
        let link = world.sandbox.outside(inside);
        let _ = std::fs::remove_file(&link);
        symlink(&victim, link).unwrap();
    };
    let planted = [
        "/run/cloudhosts/status.new",
        "/run/cloudhosts/status.json",
        "/run/cloudhosts/status.json.new",
        "/run/cloudhosts/cached.new",
        SOCKET,
        "/var/lib/cloudhosts/checkpoint.json",
        "/var/lib/cloudhosts/checkpoint.new",
        "/var/lib/cloudhosts/last-good.new",
        "/var/lib/cloudhosts/last-good.table",
        "/var/lib/cloudhosts/last-good.table.new",
    ];
    for path in planted {
        plant(path);
    }
    world.daemon.start();
    world.daemon.wait_for_state("live");
    world.sees("web", &["10.0.0.5"]);
    wait::until("the last good table is a file", || {
        let file = world.sandbox.outside("/var/lib/cloudhosts/last-good.table");
        file.symlink_metadata().unwrap().is_file().then_some(())
    });
    safe("planted before the start");
    for path in planted.into_iter().filter(|path| path.ends_with(".new")) {
        plant(path);
    }
    world.hset(&[("db", "10.0.0.6")]);
    world
        .daemon
        .wait_for("two names", |status| status["names"] == 2);
    assert!(world.daemon.terminate().success());
    safe("planted while it ran");

    plant("/run/cloudhosts/cached.lock");
    world.daemon.start();
    assert!(
        !world.daemon.wait().success(),
        "a lock that is a link is none"
    );
    let said = world.daemon.log();
    assert!(
        said.contains("can't lock") && said.contains(SOCKET),
        "{said}"
    );
    safe("a planted lock");
}

/// Connects to the daemon, and never reads.
fn connect(socket: &PathBuf) -> UnixStream {
    UnixStream::connect(socket).expect("the daemon accepts")
}

/// How long it takes to be given a message, and its length: 16, or 0 where there is none.
fn attach(socket: &PathBuf) -> (Duration, usize) {
    let asked = Instant::now();
    let mut client = connect(socket);
    client.set_read_timeout(Some(wait::DEADLINE)).unwrap();
    let mut message = Vec::new();
    client.read_to_end(&mut message).expect("an end in time");
    (asked.elapsed(), message.len())
}

fn attaches(socket: &PathBuf) -> (Duration, Duration, usize) {
    let mut all: Vec<(Duration, usize)> = (0..100).map(|_| attach(socket)).collect();
    all.sort();
    let least = all.iter().map(|one| one.1).min().unwrap();
    (all[50].0, all[99].0, least)
}

/// This process holds the other ends.
fn room_for_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised).unwrap();
}

#[test]
fn two_thousand_who_never_read_delay_nobody() {
    room_for_descriptors();
    let (world, _daemon) = unprivileged(stranger(), &["prlimit", "--nofile=8192:8192", "--"]);
    let socket = world.sandbox.outside(SOCKET);
    let mut steady = Steady::new(&world, "web", &["10.0.0.5"]);
    let (median, worst, _) = attaches(&socket);
    println!("an attach took {median:?}, at worst {worst:?}");
    let silent: Vec<UnixStream> = (0..2_000).map(|_| connect(&socket)).collect();
    let (median, worst, least) = attaches(&socket);
    println!(
        "an attach took {median:?}, at worst {worst:?}, beside {} that never read",
        silent.len()
    );
    assert_eq!(least, 16, "each was given a table");
    assert!(worst < Duration::from_secs(5), "{worst:?}");
    steady.holds(&world, "beside those that never read");
    world.hset(&[("db", "10.0.0.7")]);
    world.sees("db", &["10.0.0.7"]);
}

#[test]
fn more_in_flight_than_the_kernel_allows_leaves_the_file() {
    room_for_descriptors();
    let (world, _daemon) = unprivileged(stranger(), &["prlimit", "--nofile=256:256", "--"]);
    if !geteuid().is_root() {
        println!("the limit is that of all processes of one user, which is ours: not tested");
        return;
    }
    let socket = world.sandbox.outside(SOCKET);
    let file = world.sandbox.outside("/var/lib/cloudhosts/last-good.table");
    wait::until("the file is there", || file.exists().then_some(()));
    let mut steady = Steady::new(&world, "web", &["10.0.0.5"]);
    let silent: Vec<UnixStream> = (0..2_000).map(|_| connect(&socket)).collect();
    wait_for_log(&world, "too many clients");
    let (_, worst, least) = attaches(&socket);
    assert_eq!(least, 0, "no table can be handed over");
    assert!(worst < Duration::from_secs(5), "{worst:?}");
    steady.holds(&world, "while nobody can attach");
    let said = world.daemon.log().matches("too many clients").count();
    assert!(said <= 3, "said {said} times");
    drop(silent);
    wait::until("processes attach again", || {
        (attach(&socket).1 == 16).then_some(())
    });
    wait_for_log(&world, "clients are served again");
    world.hset(&[("db", "10.0.0.7")]);
    world.sees("db", &["10.0.0.7"]);
}

#[test]
fn a_daemon_without_descriptors_goes_on() {
    let world = World::with(&[("web", "10.0.0.5"), ("db", "10.0.0.6")]);
    let mut steady = Steady::new(&world, "web", &["10.0.0.5"]);
    let file = world.sandbox.outside("/var/lib/cloudhosts/last-good.table");
    wait::until("the file is there", || file.exists().then_some(()));
    let pid = world.daemon.id().to_string();
    inside(&world, &["prlimit", "--pid", &pid, "--nofile=3:"]);
    let newcomers = Newcomers::start(&world, "db", "10.0.0.6");
    wait_for_log(&world, "can't accept");
    // long enough for many attempts
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(2) {
        steady.holds(&world, "while the daemon has no descriptor left");
    }
    let said = world.daemon.log().matches("can't accept").count();
    // it may have had one for a moment
    assert!(said <= 3, "said {said} times: {}", world.daemon.log());
    inside(&world, &["prlimit", "--pid", &pid, "--nofile=1024:"]);
    println!("{} processes started meanwhile", newcomers.finish());
    let socket = world.sandbox.outside(SOCKET);
    wait::until("processes attach again", || {
        (attach(&socket).1 == 16).then_some(())
    });
    world.hset(&[("db", "10.0.0.7")]);
    world.sees("db", &["10.0.0.7"]);
    steady.holds(&world, "with descriptors again");
}
