//! The harness itself: what the other tests take for granted.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use cloudhosts_tests::dir::Dir;
use cloudhosts_tests::failover::Failover;
use cloudhosts_tests::process::{Process, bounded, succeed};
use cloudhosts_tests::tls::Tls;
use cloudhosts_tests::{Family, Redis, Watch, World, wait};

#[test]
fn a_sandbox_has_its_own_hosts_file_and_the_machine_keeps_its_own() {
    let machine = std::fs::read("/etc/hosts").unwrap();
    let world = World::new().build();
    let hosts = world.sandbox.outside("/etc/hosts");
    std::fs::write(&hosts, "192.0.2.77 only-in-here\n").unwrap();

    assert_eq!(
        world.prints("getent", &["hosts", "only-in-here"]),
        "192.0.2.77      only-in-here\n"
    );
    assert_eq!(world.look_up("only-in-here").addresses, ["192.0.2.77"]);
    assert_eq!(std::fs::read("/etc/hosts").unwrap(), machine);
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(
        !mounts.contains(world.dir.path().to_str().unwrap()),
        "{mounts}"
    );
}

#[test]
fn files_of_etc_can_be_replaced_by_rename_and_the_rest_of_etc_is_there() {
    let world = World::new().build();
    let script =
        "echo 192.0.2.78 renamed > /etc/new && mv /etc/new /etc/hosts && test -s /etc/passwd";
    assert!(world.run("sh", &["-c", script]).status.success());
    assert_eq!(world.look_up("renamed").addresses, ["192.0.2.78"]);
    assert!(!Path::new("/etc/new").exists());
}

#[test]
fn run_and_var_lib_hold_ours_alone_so_that_no_nscd_answers_for_us() {
    let world = World::new().build();
    assert_eq!(
        world.prints("ls", &["-A", "/run", "/var/lib"]),
        "/run:\ncloudhosts\n\n/var/lib:\ncloudhosts\n"
    );
}

#[test]
fn a_world_leaves_nothing_behind() {
    let mut world = World::new().build();
    world.redis.hset("some", &[("a", "b")]);
    let caller = world.caller();
    let watch = Watch::start(world.sandbox.entrance(), Family::Any, "localhost");
    world.daemon.start();
    // once it answers it is in the sandbox
    caller.by_name("localhost");
    let directory = world.dir.path().to_path_buf();
    let processes = [caller.id(), world.daemon.id()];
    // Open, so that no other namespace gets its number meanwhile.
    let held = File::open(format!("/proc/{}/ns/mnt", caller.id())).unwrap();
    let namespace = held.metadata().unwrap().ino();
    drop((watch, caller, world));

    assert!(!directory.exists());
    for id in processes {
        assert!(
            !Path::new(&format!("/proc/{id}")).exists(),
            "process {id} still runs"
        );
    }
    assert!(
        !namespaces().contains(&namespace),
        "a process is still in the sandbox"
    );
}

/// The mount namespace of every process that we may look at.
fn namespaces() -> Vec<u64> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let links = processes.map(|process| process.path().join("ns/mnt"));
    links
        .filter_map(|link| Some(std::fs::metadata(link).ok()?.ino()))
        .collect()
}

#[test]
fn a_test_that_is_killed_leaves_nothing_behind_either() {
    const VICTIM: &str = "CLOUDHOSTS_TEST_VICTIM";
    if std::env::var_os(VICTIM).is_some() {
        let mut world = World::new().build();
        world.daemon.start();
        let caller = world.caller();
        // once it answers it is in the sandbox
        caller.by_name("localhost");
        let namespace = std::fs::metadata(format!("/proc/{}/ns/mnt", caller.id())).unwrap();
        println!("\nworld {} {}", namespace.ino(), world.dir.path().display());
        loop {
            std::thread::park();
        }
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "a_test_that_is_killed_leaves_nothing_behind_either",
            "--exact",
            "--nocapture",
        ])
        .env(VICTIM, "1")
        .stdout(Stdio::piped());
    let mut victim = Process::start(command);
    let output = BufReader::new(victim.child().stdout.take().unwrap());
    let line = output
        .lines()
        .map_while(Result::ok)
        .find(|line| line.starts_with("world "))
        .unwrap();
    let mut words = line.split(' ').skip(1);
    let namespace = words.next().unwrap().parse().unwrap();
    let directory = Path::new(words.next().unwrap());
    assert!(directory.exists() && namespaces().contains(&namespace));

    victim.kill();
    wait::until("its directory is removed", || {
        (!directory.exists()).then_some(())
    });
    wait::until("its processes are gone", || {
        (!namespaces().contains(&namespace)).then_some(())
    });
}

#[test]
fn a_watch_sees_each_change_in_turn() {
    let world = World::new().build();
    let hosts = world.sandbox.outside("/etc/hosts");
    let mut watch = world.watch("moving");
    watch.until(&[]);
    for address in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
        // by rename: a half-written file would be a change too
        std::fs::write(world.dir.join("new"), format!("{address} moving\n")).unwrap();
        std::fs::rename(world.dir.join("new"), &hosts).unwrap();
        watch.until(&[address]);
    }
    let seen: Vec<String> = watch
        .history()
        .iter()
        .map(|seen| seen.addresses.join(" "))
        .collect();
    assert_eq!(seen, ["", "192.0.2.1", "192.0.2.2", "192.0.2.3"]);
}

#[test]
fn a_redis_speaks_tls_and_keeps_what_was_saved_over_a_restart() {
    let dir = Dir::new();
    let tls = Tls::new(dir.path());
    let mut redis = Redis::builder(dir.join("redis")).tls(tls.clone()).start();
    let port = redis.tls_url().rsplit(':').next().unwrap().to_owned();
    let mut command = bounded("redis-cli");
    command
        .args(["-p", &port, "--tls", "--cacert"])
        .arg(&tls.authority)
        .arg("PING");
    assert_eq!(succeed(&mut command), "PONG\n");

    redis.hset("kept", &[("a", "b")]);
    redis.cli(&["SAVE"]);
    redis.hset("lost", &[("a", "b")]);
    redis.restart();
    assert_eq!(redis.cli(&["EXISTS", "kept", "lost"]), "1");
    assert_eq!(succeed(&mut command), "PONG\n", "on the same port");
}

#[test]
fn a_sentinel_promotes_the_replica_when_the_master_dies() {
    let dir = Dir::new();
    let mut master = Redis::builder(dir.join("redis")).tcp().start();
    master.hset("some", &[("a", "b")]);
    let mut sentinel = Failover::of(dir.path(), &master);
    master.kill();
    sentinel.wait_for_promotion();
    assert_eq!(sentinel.replica().cli(&["HGET", "some", "a"]), "b");
}
