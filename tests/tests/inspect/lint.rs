//! `cloudhosts lint`: its lines are run, and mend what they say.

use cloudhosts_tests::World;
use cloudhosts_tests::process::{stderr, stdout, succeed};
use cloudhosts_tests::wait;
use serde_json::Value;

/// The lines that mend.
fn mending(world: &World) -> Vec<String> {
    let output = world.cloudhosts(&["lint", "--json"]);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let fields = said["fields"].as_array().unwrap();
    let lines = fields
        .iter()
        .map(|field| field["mend"].as_str().unwrap().to_owned());
    lines.collect()
}

#[test]
fn what_it_says_mends_what_it_names() {
    let long = "x".repeat(600);
    let world = World::with(&[
        ("good", "10.0.0.1"),
        ("port", "10.0.0.5:80"),
        ("kept", "10.0.0.6"),
        ("nonsense", "$(touch /tmp/x) `id`"),
        ("bad name's \"quotes\" \\ ;", "10.0.0.7"),
        ("w\u{e9}b", "10.0.0.8"),
        ("attribute", "10.0.0.9 weight=2 pick=1"),
        ("Twice", "10.0.0.10"),
        ("lost", "nobody"),
        ("link", "fe80::1%eth0"),
        (&long, "10.0.0.12"),
    ]);
    world.hset(&[("kept", "10.0.0.6/99"), ("twice", "10.0.0.11")]);
    world.daemon.wait_for("ten are rejected", |status| {
        status["rejected"]["count"] == 10
    });
    let output = world.cloudhosts(&["lint"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let said = stdout(&output);
    for part in [
        "port in cloudhosts: \"10.0.0.5:80\" has a port",
        "HSET cloudhosts port 10.0.0.5\n",
        "HSET cloudhosts kept 10.0.0.6\n",
        "HDEL cloudhosts nonsense\n",
        "HSET cloudhosts attribute '10.0.0.9 pick=1'\n",
        "HDEL cloudhosts lost\n",
        "HDEL cloudhosts link\n",
        "HDEL cloudhosts Twice\n",
        "HKEYS cloudhosts #",
    ] {
        assert!(said.contains(part), "{part} is not in:\n{said}");
    }
    assert!(said.is_ascii() && !said.contains('\x1b'));

    let lines = mending(&world);
    assert_eq!(lines.len(), 10, "{lines:#?}");
    for line in &lines {
        succeed(&mut world.shell(line));
    }
    // Which is too long to be in a line.
    world.redis.cli(&["HDEL", "cloudhosts", &long]);
    wait::until("nothing is rejected any more", || {
        mending(&world).is_empty().then_some(())
    });
    let output = world.cloudhosts(&["lint"]);
    assert_eq!(
        (output.status.code(), stdout(&output).as_str()),
        (Some(0), "")
    );
    world.sees("attribute", &["10.0.0.9"]);
    world.sees("port", &["10.0.0.5"]);
}

#[test]
fn without_a_daemon_there_is_nothing_to_say() {
    let world = World::new().build();
    let output = world.cloudhosts(&["lint"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(
        stderr(&output).contains("status.json"),
        "{}",
        stderr(&output)
    );
}
