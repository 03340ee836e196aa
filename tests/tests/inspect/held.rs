//! Who holds what: `cloudhosts explain` and `cloudhosts list --held`.

use cloudhosts_tests::World;
use cloudhosts_tests::process::{Process, mortal, stderr, stdout};
use cloudhosts_tests::{programs, wait};
use serde_json::{Value, json};

/// Holds a role for as long as it is not dropped.
fn hold(world: &World, words: &[&str]) -> Process {
    let url = world.redis.unix_url();
    let mut command = mortal(programs::find(programs::COMMAND));
    command.args(["--config", "/dev/null", "--redis-url", &url, "hold"]);
    command.args(words);
    let before = world.redis.cli(&["HLEN", "cloudhosts:held"]);
    let holder = Process::start(command);
    wait::until("it holds", || {
        (world.redis.cli(&["HLEN", "cloudhosts:held"]) != before).then_some(())
    });
    holder
}

fn json(world: &World, words: &[&str]) -> Value {
    let output = world.cloudhosts(&[words, &["--json"]].concat());
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", stderr(&output)))
}

fn held(world: &World, words: &[&str]) -> Value {
    json(world, words)["held"].clone()
}

#[test]
fn who_holds_a_role_since_when_and_until_when_is_told() {
    let world = World::with(&[("web", "10.0.0.1"), ("www", "web")]);
    let _one = hold(&world, &["web", "10.0.0.2", "--member", "a"]);
    let _two = hold(&world, &["web", "10.0.0.3", "--member", "b"]);
    // an exclusive holder, and what a last one left behind
    let time = world.redis.cli(&["TIME"]);
    let now = format!("{}000", time.lines().next().unwrap());
    for (field, state) in [("db/x", "holder"), ("db/y", "standby"), ("app/z", "kept")] {
        let record = format!("{state} 00c0ffee 60000 {now} {now} - alice@db 10.0.9.9");
        world
            .redis
            .cli(&["HSET", "cloudhosts:held", field, &record]);
        let (role, _) = field.split_once('/').unwrap();
        let times = format!("cloudhosts:held:{role}");
        let score = if state == "kept" { "0" } else { &now };
        world.redis.cli(&["ZADD", &times, score, field]);
    }
    let web = held(&world, &["explain", "www"]);
    assert_eq!(web.as_array().unwrap().len(), 2, "{web:#}");
    assert_eq!(
        (&web[0]["field"], &web[0]["state"], &web[0]["value"]),
        (&json!("web/a"), &json!("member"), &json!("10.0.0.2"))
    );
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    assert!(text(&web[0]["until"]) > text(&web[0]["since"]), "{web:#}");
    assert_eq!(web[0]["term"], Value::Null);
    let said = stdout(&world.cloudhosts(&["explain", "www"]));
    let fields: Vec<Value> = json(&world, &["explain", "www"])["steps"][1]["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|field| field["held"].clone())
        .collect();
    assert_eq!(fields, [false, true, true], "web, web/a and web/b");
    let line = "held by      web/b in cloudhosts (member): 10.0.0.3, by ";
    assert!(said.contains(line), "{said}");

    let all = held(&world, &["list", "--held"]);
    let fields: Vec<String> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|one| text(&one["field"]))
        .collect();
    assert_eq!(fields, ["app/z", "db/x", "db/y", "web/a", "web/b"]);
    assert_eq!(
        (&all[0]["state"], &all[0]["until"]),
        (&json!("kept"), &Value::Null)
    );
    assert_eq!(
        (&all[1]["by"], all[1]["term"].to_string()),
        (&json!("alice@db"), now)
    );
    let said = stdout(&world.cloudhosts(&["list", "--held", "d*"]));
    let rows: Vec<Vec<&str>> = said.lines().map(|row| row.split('\t').collect()).collect();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0][..4], ["db/x", "holder", "10.0.9.9", "alice@db"]);
    assert_eq!(rows[0][7], "cloudhosts");
    let output = world.cloudhosts(&["list", "--held", "nobody"]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn without_redis_the_rest_is_explained_all_the_same() {
    let mut world = World::with(&[("web", "10.0.0.1")]);
    world.redis.kill();
    let output = world.cloudhosts(&["explain", "web"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let said = stdout(&output);
    assert!(said.contains("10.0.0.1"), "{said}");
    assert_eq!(held(&world, &["explain", "web"]), Value::Null);
    let output = world.cloudhosts(&["list", "--held"]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
}

#[test]
fn what_strangers_write_there_is_shown_and_obeyed_by_no_terminal() {
    let world = World::with(&[("web", "10.0.0.1")]);
    let records = [
        ("web/a", "member 0f 9 1 1 - \u{1b}[31m 10.0.0.1\u{1b}[0m"),
        ("web/b", "member 0f 99999999999999999999 1 1 - a 10.0.0.1"),
        ("web/c", "member 0f 9 1 999999999999999999 - a 10.0.0.1"),
        ("web/d", "member"),
        ("web/e\u{1b}", "kept 0f 9 1 1 - a 10.0.0.1"),
        ("\u{202e}", "kept 0f 9 1 1 - a 10.0.0.1"),
    ];
    for (field, record) in records {
        world.redis.cli(&["HSET", "cloudhosts:held", field, record]);
        world
            .redis
            .cli(&["ZADD", "cloudhosts:held:web", "7", field]);
    }
    for words in [&["explain", "web"][..], &["list", "--held"]] {
        let output = world.cloudhosts(words);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let said = stdout(&output);
        assert!(
            said.contains("web/a") && !said.contains(['\u{1b}', '\u{202e}']),
            "{said}"
        );
    }
}
