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
        "services     files -> [cloudhosts]\n",
        "answered by  cloudhosts\n",
        "programs get 10.0.0.9\n",
    ] {
        assert!(said.contains(line), "{line} is not in:\n{said}");
    }
    assert_eq!(explain(&world, "app")["around"]["differs"], Value::Null);

    let bad = explain(&world, "bad");
    assert_eq!(bad["refused"][0]["code"], "value");
    assert!(!bad.to_string().contains("10.0.0.1:1"), "{bad}");
    assert_eq!(bad["addresses"], json!([]));
    let output = world.cloudhosts(&["explain", "bad"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stdout(&output).contains("bad/x in cloudhosts"),
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
    for name in ["lost", "half"] {
        let said = explain(&world, name);
        let astray = json!([{ "name": "nobody", "code": "unknown" }]);
        assert_eq!(said["steps"][0]["astray"], astray, "{said:#}");
        assert_eq!(said["undecided"], Value::Null);
    }
    assert_eq!(explain(&world, "nobody")["undecided"], "unknown");
    let circle = explain(&world, "a");
    assert_eq!(
        circle["steps"][1]["astray"][0]["code"], "circle",
        "{circle:#}"
    );
    assert_eq!(circle["refused"][0]["code"], "pointer", "{circle:#}");
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
    let differs = &explain(&world, "other")["around"]["differs"];
    assert!(differs.to_string().contains("/etc/hosts"), "{differs}");
    assert_eq!(web["around"]["answered_by"], "files");
    let output = world.cloudhosts(&["explain", "other"]);
    assert_eq!(output.status.code(), Some(0), "programs get something");
    assert!(stdout(&output).contains("services     [files] -> cloudhosts\n"));
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
    let output = world.cloudhosts(&["explain", "db"]);
    assert_eq!(
        output.status.code(),
        Some(1),
        "the table has it, and programs get nothing"
    );

    world
        .sandbox
        .set_services("files [NOTFOUND=return] cloudhosts");
    let output = world.cloudhosts(&["explain", "db", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&said["around"]["answered_by"], &said["around"]["ended_at"]),
        (&Value::Null, &"files".into()),
        "{said:#}"
    );
    let services = json!([
        { "name": "files", "ends_search_at": ["NOTFOUND"] },
        { "name": "cloudhosts", "ends_search_at": [] },
    ]);
    assert_eq!(said["around"]["services"], services);
}

#[test]
fn what_allow_leaves_out_is_told_where_it_is_asked_for() {
    let world = World::new()
        .config("allow", "['db*', 'www']")
        .config("domain", "'prod.example.com'")
        .hash(
            "cloudhosts",
            &[("db", "10.0.0.6"), ("web", "10.0.0.5"), ("www", "web")],
        )
        .start();
    for name in ["web", "web.prod.example.com"] {
        let output = world.cloudhosts(&["explain", name, "--json"]);
        assert_eq!(output.status.code(), Some(1));
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(said["undecided"], "filtered", "{said:#}");
    }
    let said = stdout(&world.cloudhosts(&["explain", "web"]));
    assert!(said.contains("allow = [\"db*\", \"www\"]"), "{said}");
    for name in ["db-2", "db-2.prod.example.com"] {
        assert_eq!(explain(&world, name)["undecided"], "unknown", "{name}");
    }
    assert_eq!(
        explain(&world, "www")["steps"][0]["astray"],
        json!([{ "name": "web", "code": "filtered" }])
    );
}

#[test]
fn an_address_is_explained_by_the_roles_that_have_it() {
    let world = World::new()
        .config("hashes", "['first', 'cloudhosts']")
        .config("zone", "'a'")
        .hash("first", &[("db", "10.0.0.9")])
        .hash(
            "cloudhosts",
            &[
                ("web", "10.0.0.5"),
                ("www", "web"),
                ("shop/1", "10.0.0.5"),
                ("shop/2", "10.0.0.6"),
                ("*.apps", "10.0.0.5"),
                ("db", "10.0.0.5"),
                ("near/1", "10.0.0.5 zone=b"),
                ("near/2", "10.0.0.7 zone=a"),
                ("other", "10.0.0.8"),
            ],
        )
        .start();
    let said = explain(&world, "10.0.0.5");
    assert_eq!(said["names"], json!(["web", "shop", "www"]), "{said:#}");
    let code = |role: &str| {
        let mut roles = said["roles"].as_array().unwrap().iter();
        let found = roles.find(|one| one["role"] == role);
        found.map(|one| {
            (
                one["answers"].clone(),
                one["code"].clone(),
                one["points_at"].clone(),
            )
        })
    };
    let none = Value::Null;
    for (role, answers, why, points_at) in [
        ("web", true, "has", none.clone()),
        ("shop", true, "has", none.clone()),
        ("www", true, "points_at", "web".into()),
        ("*.apps", false, "wildcard", none.clone()),
        ("db", false, "overruled", none.clone()),
        ("near", false, "other_zone", none.clone()),
    ] {
        let expected = (answers.into(), why.into(), points_at);
        assert_eq!(code(role), Some(expected), "{role}: {said:#}");
    }
    assert_eq!(code("other"), None);
    let fields = &said["roles"][1]["fields"];
    assert_eq!(fields[0]["field"], "shop/1", "{fields}");
    assert_eq!(fields.as_array().unwrap().len(), 1, "{fields}");
    assert_eq!(said["around"]["answered_by"], "cloudhosts");
    assert_eq!(
        said["around"]["programs_get"],
        json!(["web", "shop", "www"])
    );
    assert_eq!(said["around"]["differs"], none);

    let output = world.cloudhosts(&["explain", "10.0.0.5"]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    assert!(stdout(&output).contains("services     files -> [cloudhosts]\n"));
    let output = world.cloudhosts(&["explain", "10.0.0.99"]);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    let hosts = "127.0.0.1 localhost\n10.0.0.5 elsewhere\n";
    fs::write(world.sandbox.outside("/etc/hosts"), hosts).unwrap();
    let said = explain(&world, "10.0.0.5");
    assert_eq!(said["around"]["answered_by"], "files", "{said:#}");
    assert_eq!(said["around"]["programs_get"], json!(["elsewhere"]));
}

#[test]
fn where_addresses_are_not_looked_up_that_is_why() {
    let world = World::new()
        .config("reverse", "false")
        .hash("cloudhosts", &[("web", "10.0.0.5 fd00::5")])
        .start();
    for address in ["10.0.0.5", "::ffff:10.0.0.5", "fd00::5"] {
        let output = world.cloudhosts(&["explain", address, "--json"]);
        assert_eq!(output.status.code(), Some(1));
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(
            (&said["reverse"], &said["names"]),
            (&false.into(), &json!([]))
        );
        assert_eq!(said["roles"][0]["code"], "reverse_off", "{said:#}");
    }
}

#[test]
fn what_is_no_name_and_what_is_retained_are_told() {
    let world = World::with(&[("web", "10.0.0.5")]);
    let output = world.cloudhosts(&["explain", "a\u{1b}b"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(!stderr(&output).contains('\u{1b}'), "{}", stderr(&output));
    world.redis.cli(&["FLUSHALL"]);
    world.daemon.wait_for_state("guarded");
    assert_eq!(
        explain(&world, "web")["steps"][0]["fields"][0]["retained"],
        true
    );
    assert_eq!(
        explain(&world, "10.0.0.5")["roles"][0]["fields"][0]["retained"],
        true
    );
    let row = stdout(&world.cloudhosts(&["list"]));
    assert_eq!(row, "web\t10.0.0.5\t\t\tcloudhosts\tretained\n");
}
