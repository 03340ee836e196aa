//! The daemon is a target: what it may do, what it writes, and who cannot hold it up.

use std::fs::Permissions;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use cloudhosts_tests::config::list;
use cloudhosts_tests::process::Process;
use cloudhosts_tests::world::HASH;
use cloudhosts_tests::{Redis, World, programs, wait};
use rustix::process::{Resource, Rlimit, Uid, geteuid, getrlimit, setrlimit};
use rustix::thread::set_thread_res_uid;

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
    let log = world.daemon.log();
    assert!(!log.contains(" WARN ") && !log.contains(" ERROR "), "{log}");
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
            ("/var/lib/cloudhosts/state.json", 0o100_600),
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
            ["last-good.table", "state.json"]
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
        "/var/lib/cloudhosts/state.json",
        "/var/lib/cloudhosts/state.new",
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
    assert!(said.contains("/run/cloudhosts/cached"), "{said}");
    safe("a planted lock");
}

/// Bytes of the message that hands the table over.
const MESSAGE: usize = 24;

/// Connects to the daemon, and never reads.
fn connect(socket: &Path) -> UnixStream {
    UnixStream::connect(socket).expect("the daemon accepts")
}

/// The same as another user, so many times.
fn connect_as(user: u32, socket: &Path, count: usize) -> Vec<UnixStream> {
    let connect_all = || {
        let user = Uid::from_raw(user);
        // of this thread alone
        set_thread_res_uid(user, user, user).expect("root may");
        (0..count).map(|_| connect(socket)).collect()
    };
    std::thread::scope(|scope| scope.spawn(connect_all).join().unwrap())
}

/// What is read to the end: the message, or nothing.
fn message(mut client: UnixStream) -> usize {
    client.set_read_timeout(Some(wait::DEADLINE)).unwrap();
    let mut message = Vec::new();
    client.read_to_end(&mut message).expect("an end in time");
    message.len()
}

/// How long it takes to be given a message, and its length; 0 where there is none.
fn attach(socket: &Path) -> (Duration, usize) {
    let asked = Instant::now();
    let len = message(connect(socket));
    (asked.elapsed(), len)
}

fn attaches(socket: &Path) -> (Duration, Duration, usize) {
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

fn is_root() -> bool {
    let root = geteuid().is_root();
    if !root {
        println!("there is no other user to be: not tested");
    }
    root
}

#[test]
fn two_thousand_who_never_read_delay_nobody() {
    if !is_root() {
        return;
    }
    room_for_descriptors();
    let (world, _daemon) = unprivileged(stranger(), &["prlimit", "--nofile=8192:8192", "--"]);
    let socket = world.sandbox.outside(SOCKET);
    let mut steady = Steady::new(&world, "web", &["10.0.0.5"]);
    let (median, worst, _) = attaches(&socket);
    println!("an attach took {median:?}, at worst {worst:?}");
    let silent: Vec<UnixStream> = (0..4)
        .flat_map(|_| connect_as(stranger(), &socket, 500))
        .collect();
    let (median, worst, least) = attaches(&socket);
    println!(
        "an attach took {median:?}, at worst {worst:?}, beside {} that never read",
        silent.len()
    );
    assert_eq!(least, MESSAGE, "each was given the table");
    assert!(worst < Duration::from_secs(5), "{worst:?}");
    steady.holds(&world, "beside those that never read");
    world.hset(&[("db", "10.0.0.7")]);
    world.sees("db", &["10.0.0.7"]);
}

#[test]
fn who_never_reads_uses_up_no_more_than_a_share() {
    if !is_root() {
        return;
    }
    room_for_descriptors();
    let (world, _daemon) = unprivileged(stranger(), &["prlimit", "--nofile=256:256", "--"]);
    let socket = world.sandbox.outside(SOCKET);
    let mut steady = Steady::new(&world, "web", &["10.0.0.5"]);
    let user = stranger();
    let mut silent = connect_as(user, &socket, 2_000);
    let more = || message(connect_as(user, &socket, 1).remove(0));
    assert_eq!(more(), 0, "a share is used up, and such take the file");
    let (_, worst, least) = attaches(&socket);
    assert_eq!(least, MESSAGE, "the others have theirs");
    assert!(worst < Duration::from_secs(5), "{worst:?}");
    steady.holds(&world, "beside one who never reads");
    assert!(
        !world.daemon.log().contains("too many clients"),
        "the kernel's limit is not reached"
    );
    // the first were served, and come to their end
    assert_eq!(message(silent.swap_remove(0)), MESSAGE);
    drop(silent);
    wait::until("that user attaches again", || {
        (more() == MESSAGE).then_some(())
    });
}

/// What is handed to those that never read is the one region, whatever changes meanwhile.
#[test]
fn who_never_reads_holds_one_region_whatever_changes() {
    room_for_descriptors();
    let world = World::with(&[("web", "10.0.0.5")]);
    let socket = world.sandbox.outside(SOCKET);
    let pid = world.daemon.id();
    let regions = || {
        let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
        let memfds = maps.lines().filter(|line| line.contains("/memfd:"));
        let mut inodes: Vec<String> = memfds
            .filter_map(|line| Some(line.split_whitespace().nth(4)?.to_owned()))
            .collect();
        inodes.sort();
        inodes.dedup();
        inodes
    };
    let first = regions();
    assert_eq!(first.len(), 1, "{first:?}");
    let mut silent = Vec::new();
    for n in 0..200 {
        let address = format!("10.0.1.{n}");
        world.hset(&[("web", &address)]);
        silent.push(connect(&socket));
    }
    world.sees("web", &["10.0.1.199"]);
    assert_eq!(regions(), first);
}

/// Two threads that connect and close as fast as they can keep nobody on old addresses.
#[test]
fn who_connects_and_closes_without_end_keeps_nobody_on_old_addresses() {
    let world = World::with(&[("web", "10.0.0.5")]);
    let socket = world.sandbox.outside(SOCKET);
    let mut steady = Steady::new(&world, "web", &["10.0.0.5"]);
    steady.holds(&world, "before");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    // a full queue is what this is for
                    drop(UnixStream::connect(&socket));
                }
            });
        }
        for n in 0..20 {
            let address = format!("10.0.1.{n}");
            world.hset(&[("web", &address)]);
            world.sees("web", &[&address]);
        }
        stop.store(true, Ordering::Relaxed);
    });
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
    wait_for_log(&world, "os error 24");
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
        (attach(&socket).1 == MESSAGE).then_some(())
    });
    world.hset(&[("db", "10.0.0.7")]);
    world.sees("db", &["10.0.0.7"]);
    steady.holds(&world, "with descriptors again");
}
