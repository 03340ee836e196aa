//! `cloudhosts explain`.

use std::fs;

use cloudhosts_tests::World;
use cloudhosts_tests::process::{stderr, stdout};
use serde_json::{Value, json};

fn explain(world: &World, name: &str) -> Value {
    let output = world.cloudhosts(&["explain", name, "--json"]);
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", stderr(&output)))
}

#[test]
fn it_says_which_field_of_which_hash_decided_and_what_it_overruled() {
    let world = World::new()
        .config("hashes", "[\"cloudhosts:private\", \"cloudhosts\"]")
        .config("domain", "\"prod.example.com\"")
        .hash("cloudhosts:private", &[("db", "10.0.0.9")])
        .hash(
            "cloudhosts",
            &[
                ("db", "192.0.2.9"),
                ("db-master", "db"),
                ("app", "db-master"),
                ("bad/x", "10.0.0.1:1"),
            ],
        )
        .start();
    let output = world.cloudhosts(&["explain", "app.prod.example.com"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let said = stdout(&output);
    for line in [
        "name         app.prod.example.com\n",
        "decided by   app in cloudhosts\n",
        "field        app in cloudhosts = \"db-master\"\n",
        "field        db-master in cloudhosts = \"db\"\n",
        "field        db in cloudhosts:private = \"10.0.0.9\"\n",
        "field        db in cloudhosts = \"192.0.2.9\" (an earlier hash has the role)\n",
        "canonical    db\n",
        "address      10.0.0.9\n",
        "asked before files\n",
        "asked after  nothing\n",
        "programs get 10.0.0.9\n",
    ] {
        assert!(said.contains(line), "{line} is not in:\n{said}");
    }
    assert!(!said.contains("differs"), "{said}");

    let bad = explain(&world, "bad");
    assert_eq!(bad["refused"][0]["code"], "value");
    assert!(!bad.to_string().contains("10.0.0.1:1"), "{bad}");
    assert_eq!(bad["addresses"], json!([]));
    let output = world.cloudhosts(&["explain", "bad"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stdout(&output).contains("refused      bad/x in cloudhosts"),
        "{}",
        stdout(&output)
    );
}

#[test]
fn wildcards_and_pointers_that_lead_nowhere_are_told() {
    let world = World::with(&[
        ("*.apps.internal", "10.0.2.1"),
        ("lost", "nobody"),
        ("a", "b"),
        ("b", "a"),
        ("half/1", "nobody"),
        ("half/2", "10.0.0.2"),
    ]);
    let wild = explain(&world, "x.apps.internal");
    assert_eq!(wild["steps"][0]["role"], "*.apps.internal");
    assert_eq!(
        (&wild["canonical"], &wild["addresses"]),
        (&"x.apps.internal".into(), &json!(["10.0.2.1"]))
    );
    for (name, astray) in [
        ("lost", "nobody, which is not"),
        ("half", "nobody, which is not"),
    ] {
        let said = explain(&world, name);
        assert!(
            said["steps"][0]["astray"][0]
                .as_str()
                .unwrap()
                .starts_with(astray),
            "{said:#}"
        );
    }
    let circle = explain(&world, "a");
    assert!(
        circle.to_string().contains("on the way already"),
        "{circle:#}"
    );
    assert!(
        circle["refused"].to_string().contains("circle"),
        "{circle:#}"
    );
}

#[test]
fn what_programs_get_from_elsewhere_is_told() {
    let world = World::with(&[("web", "10.0.0.5"), ("db", "10.0.0.6 10.0.0.7 pick=1")]);
    let hosts = "127.0.0.1 localhost\n10.9.9.9 web\n10.8.8.8 other\n";
    fs::write(world.sandbox.outside("/etc/hosts"), hosts).unwrap();
    let web = explain(&world, "web");
    assert_eq!(web["around"]["files"], json!(["10.9.9.9"]));
    assert_eq!(web["around"]["programs_get"], json!(["10.9.9.9"]));
    assert!(
        web["around"]["differs"]
            .as_str()
            .unwrap()
            .contains("/etc/hosts"),
        "{web:#}"
    );
    assert_eq!(
        explain(&world, "other")["around"]["differs"],
        "/etc/hosts has the name too, and is asked first"
    );
    // whether this machine has IPv6 or not
    world.hset(&[("both", "10.0.0.8 fd00::8")]);
    world.sync("cloudhosts");
    assert_eq!(explain(&world, "both")["around"]["differs"], Value::Null);
    // one of the addresses is all of them, where that is what was asked for
    assert_eq!(explain(&world, "db")["around"]["differs"], Value::Null);

    world.sandbox.set_services("files");
    let said = explain(&world, "db");
    assert_eq!(
        (&said["around"]["asked"], &said["around"]["programs_get"]),
        (&false.into(), &json!([]))
    );
    assert!(
        said["around"]["differs"]
            .as_str()
            .unwrap()
            .contains("nsswitch enable"),
        "{said:#}"
    );
}

#[test]
fn what_is_no_name_and_what_is_kept_are_told() {
    let world = World::with(&[("web", "10.0.0.5")]);
    let output = world.cloudhosts(&["explain", "a\u{1b}b"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(!stderr(&output).contains('\u{1b}'), "{}", stderr(&output));
    world.redis.cli(&["FLUSHALL"]);
    world.daemon.wait_for_state("guarded");
    let said = stdout(&world.cloudhosts(&["explain", "web"]));
    assert!(said.contains("(Redis has lost it; it is kept)"), "{said}");
}
