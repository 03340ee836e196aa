//! How the findings are printed.

use cloudhosts_tests::process::{run, stdout};
use cloudhosts_tests::{World, programs};
use serde_json::Value;

use super::{doctor, examine, says};

#[test]
fn where_all_is_well_each_line_says_ok() {
    let world = World::with(&[("web", "10.0.0.5 fd00::5"), ("db", "10.0.0.6")]);
    let (code, said) = doctor(&world);
    assert_eq!(code, 0, "{said}");
    for check in [
        "nsswitch", "module", "config", "socket", "daemon", "guard", "rejected", "table", "clock",
        "file", "rights", "password", "redis", "acl", "skew", "urls", "nscd", "names",
    ] {
        says(&said, "ok", check, &[]);
    }
    let mut lines: Vec<&str> = said.lines().collect();
    lines.pop().unwrap();
    assert!(lines.iter().all(|line| line.starts_with("ok ")), "{said}");
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
    assert_eq!(json["checks"].as_array().unwrap().len(), lines.len());
    assert_eq!((&json["wrong"], &json["warnings"]), (&0.into(), &0.into()));
    let codes = json["checks"].as_array().unwrap().iter();
    assert!(codes.clone().all(|one| one["code"] == "ok"), "{json:#}");
    assert_eq!(
        (&json["checks"][0]["check"], &json["checks"][0]["verdict"]),
        (&"nsswitch".into(), &"ok".into())
    );
}

#[test]
fn what_is_wrong_is_counted_in_the_end() {
    let world = World::with(&[("web", "10.0.0.5"), ("bad", "10.0.0.5:80")]);
    let (code, said) = doctor(&world);
    assert_eq!(code, 1);
    assert_eq!(said.lines().last(), Some("1 wrong"), "{said}");
    world.sandbox.set_services("files dns cloudhosts");
    let (_, said) = doctor(&world);
    assert_eq!(said.lines().last(), Some("1 wrong, 1 warning"), "{said}");
    let examined = examine(&world);
    assert_eq!(examined.json["ok"], false);
    let counted = (&examined.json["wrong"], &examined.json["warnings"]);
    assert_eq!(counted, (&1.into(), &1.into()));
    assert_eq!(
        examined.remedy("rejected", "unused"),
        "run: cloudhosts lint"
    );

    world.redis.cli(&["HDEL", "cloudhosts", "bad"]);
    world.daemon.wait_for("nothing is rejected", |status| {
        status["rejected"]["count"] == 0
    });
    let (code, said) = doctor(&world);
    assert_eq!(code, 0, "{said}");
    assert_eq!(said.lines().last(), Some("1 warning"), "{said}");
}

/// What the doctor prints on a terminal, with these variables set.
fn on_a_terminal(world: &World, variables: &str) -> String {
    let program = programs::find(programs::COMMAND);
    let line = format!("env {variables} {} doctor", program.display());
    let mut command = world.sandbox.entrance().command("script");
    command.args(["-qec", &line, "/dev/null"]);
    stdout(&run(&mut command))
}

#[test]
fn colours_are_for_terminals_and_not_for_those_who_want_none() {
    let world = World::with(&[("web", "10.0.0.5")]);
    let escape = '\x1b';
    assert!(on_a_terminal(&world, "TERM=xterm").contains(escape));
    for variables in ["TERM=xterm NO_COLOR=1", "TERM=dumb"] {
        let said = on_a_terminal(&world, variables);
        says(&said.replace('\r', ""), "ok", "module", &[]);
        assert!(!said.contains(escape), "{variables}: {said}");
    }
    // and nothing in a pipe
    let mut command = world
        .sandbox
        .entrance()
        .command(programs::find(programs::COMMAND));
    command.env("TERM", "xterm").arg("doctor");
    let said = stdout(&run(&mut command));
    assert!(!said.contains(escape), "{said}");
}
