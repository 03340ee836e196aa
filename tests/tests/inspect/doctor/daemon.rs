//! The daemon: running, stopped, gone; and its configuration.

use std::fs;
use std::time::{Duration, SystemTime};

use cloudhosts_table::clock::monotonic;
use cloudhosts_table::{Capacity, Order, RegionWriter, Settings};
use cloudhosts_tests::process::Signal;
use cloudhosts_tests::{World, wait};

use super::{doctor, examine, says};

#[test]
fn a_daemon_that_is_gone_or_stopped_is_told_and_how_long_the_table_lasts() {
    let mut world = World::with(&[("web", "10.0.0.5")]);
    world.sees("web", &["10.0.0.5"]);
    world.daemon.signal(Signal::STOP);
    wait::until("the daemon is taken for dead", || {
        (examine(&world).codes("table") == ["unserved"]).then_some(())
    });
    let remedy = examine(&world).remedy("socket", "stopped").to_owned();
    assert!(remedy.contains("kill -CONT"), "{remedy}");
    world.daemon.kill();
    let (code, said) = doctor(&world);
    assert_eq!(code, 1);
    says(
        &said,
        "wrong",
        "socket",
        &["cached.sock", "cloudhosts-cached &"],
    );
    says(&said, "wrong", "table", &["stale_max"]);
    examine(&world).is("table", &["unserved"]);
    says(&said, "ok", "names", &["web"]);

    let world = World::new().build();
    let examined = examine(&world);
    examined.is("daemon", &["no-status"]);
    examined.is("table", &["no-table"]);
}

#[test]
fn a_table_that_is_too_old_is_told() {
    let mut world = World::new()
        .config("stale_max", "\"1s\"")
        .hash("cloudhosts", &[("web", "10.0.0.5")])
        .start();
    world.sync("cloudhosts");
    world.daemon.kill();
    wait::until("the table is too old", || {
        (examine(&world).codes("table") == ["stale"]).then_some(())
    });
    let said = doctor(&world).1;
    says(&said, "wrong", "table", &["stale_max", "run: "]);
    // which does not send to itself
    assert!(!said.contains("cloudhosts doctor"), "{said}");
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
    says(&said, "wrong", "clock", &["timedatectl"]);
    examine(&world).is("clock", &["went-back"]);
    says(&said, "wrong", "table", &[]);
}

#[test]
fn a_configuration_that_cannot_be_read_is_told_with_the_rest() {
    let world = World::with(&[("web", "10.0.0.5")]);
    world.daemon.configure("nonsense = 1");
    let (code, said) = doctor(&world);
    assert_eq!(code, 1, "{said}");
    says(&said, "wrong", "config", &["nonsense", "--check-config"]);
    examine(&world).is("config", &["invalid"]);
    says(&said, "ok", "nsswitch", &[]);
}

/// A machine that systemd runs, as far as it can be seen.
fn boot(world: &World) {
    fs::create_dir_all(world.sandbox.outside("/run/systemd/system")).unwrap();
}

#[test]
fn a_daemon_that_does_not_run_is_to_be_started() {
    let mut world = World::with(&[("web", "10.0.0.5")]);
    world.sees("web", &["10.0.0.5"]);
    boot(&world);
    world.daemon.kill();
    let examined = examine(&world);
    examined.is("socket", &["no-daemon"]);
    examined.is("table", &["unserved"]);
    for (check, code) in [("socket", "no-daemon"), ("table", "unserved")] {
        let remedy = examined.remedy(check, code);
        assert_eq!(remedy, "run: systemctl start cloudhosts-cached");
    }
    // what it last said of itself is no longer so
    for check in ["daemon", "guard", "rejected"] {
        assert!(!examined.codes(check).contains(&"ok"), "{check}");
    }
}

#[test]
fn a_stopped_daemon_is_not_well_in_any_line() {
    let mut world = World::with(&[("web", "10.0.0.5")]);
    world.sees("web", &["10.0.0.5"]);
    world.daemon.signal(Signal::STOP);
    let process = world.daemon.id();
    let examined = wait::until("its silence is noticed", || {
        let examined = examine(&world);
        (examined.codes("socket") == ["stopped"]).then_some(examined)
    });
    examined.is("daemon", &["silent"]);
    examined.is("table", &["unserved"]);
    let remedy = format!("run: kill -CONT {process}");
    assert_eq!(examined.remedy("socket", "stopped"), remedy);
    world.daemon.signal(Signal::CONT);
    wait::until("it is well again", || {
        (examine(&world).codes("socket") == ["ok"]).then_some(())
    });
}

#[test]
fn a_configuration_that_the_daemon_has_not_read_is_told() {
    let mut world = World::with(&[("web", "10.0.0.5")]);
    let text = world.config.text();
    examine(&world).is("config", &["ok"]);
    world.daemon.configure(&text);
    let examined = examine(&world);
    examined.is("config", &["newer"]);
    assert_eq!(examined.code, 0, "a warning: {:#}", examined.json);
    let remedy = examined.remedy("config", "newer");
    assert!(remedy.contains("systemctl reload"), "{remedy}");
    let read = world.daemon.status()["config"]["read"].clone();
    world.daemon.signal(Signal::HUP);
    world.daemon.wait_for("it was read again", |status| {
        status["config"]["read"] != read && status["state"] == "live"
    });
    examine(&world).is("config", &["ok"]);
}

#[test]
fn a_socket_that_has_moved_waits_for_a_restart_and_programs_do_not_ask_there() {
    let mut world = World::with(&[("web", "10.0.0.5")]);
    let text = world.config.text();
    world
        .daemon
        .configure(&format!("socket = '/run/cloudhosts/other.sock'\n{text}"));
    world.daemon.signal(Signal::HUP);
    world.daemon.wait_for("it waits", |status| {
        status["config"]["pending"] == serde_json::json!(["socket"]) && status["state"] == "live"
    });
    let examined = examine(&world);
    examined.is("socket", &["no-daemon", "moved"]);
    world.daemon.terminate();
    world.daemon.start();
    world.daemon.wait_for_state("live");
    let examined = examine(&world);
    examined.is("socket", &["ok", "moved"]);
    examined.is("config", &["ok"]);
}

#[test]
fn a_daemon_that_nothing_starts_at_boot_is_told() {
    let world = World::with(&[("web", "10.0.0.5")]);
    let units = super::account::own_units(&world);
    examine(&world).is("unit", &[]);
    boot(&world);
    examine(&world).is("unit", &["not-enabled"]);
    let wants = units.join("multi-user.target.wants");
    fs::create_dir(&wants).unwrap();
    let unit = units.join("cloudhosts-cached.service");
    std::os::unix::fs::symlink(&unit, wants.join("cloudhosts-cached.service")).unwrap();
    examine(&world).is("unit", &["ok"]);
    fs::remove_file(&unit).unwrap();
    std::os::unix::fs::symlink("/dev/null", &unit).unwrap();
    examine(&world).is("unit", &["masked"]);
}
