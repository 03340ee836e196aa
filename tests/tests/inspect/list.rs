//! `cloudhosts list`.

use cloudhosts_tests::World;
use cloudhosts_tests::process::{stderr, stdout};
use serde_json::{Value, json};

fn world() -> World {
    let world = World::new()
        .config("hashes", "[\"first\", \"cloudhosts\"]")
        .hash("first", &[("db", "10.0.0.9")])
        .hash(
            "cloudhosts",
            &[
                ("db", "10.0.0.1"),
                ("web/i-1", "10.0.1.1"),
                ("web/i-2", "fd00::2 10.0.1.2 pick=1"),
                ("www", "web"),
                ("lost", "nobody"),
                ("*.apps.internal", "10.0.2.1"),
            ],
        )
        .start();
    world.sees("db", &["10.0.0.9"]);
    world
}

#[test]
fn in_a_pipe_there_is_one_line_a_role_with_tabs() {
    let world = world();
    let output = world.cloudhosts(&["list"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(
        stdout(&output),
        "*.apps.internal\t10.0.2.1\t\t\tcloudhosts\t\n\
         db\t10.0.0.9\t\t\tfirst\t\n\
         lost\t\t\tnobody\tcloudhosts\t\n\
         web\t10.0.1.1 10.0.1.2 fd00::2\ti-1 i-2\t\tcloudhosts\t\n\
         www\t10.0.1.1 10.0.1.2 fd00::2\t\tweb\tcloudhosts\t\n"
    );
}

#[test]
fn on_a_terminal_there_is_a_table_and_long_lists_are_cut() {
    let world = world();
    let many: Vec<String> = (0..100).map(|n| format!("10.1.0.{n}")).collect();
    world.hset(&[("many", &many.join(" "))]);
    world.sync("cloudhosts");
    let program = cloudhosts_tests::programs::find("cloudhosts");
    let line = format!("script -qec '{} list' /dev/null", program.display());
    let said = stdout(&cloudhosts_tests::process::run(&mut world.shell(&line)));
    let said = said.replace("\r\n", "\n");
    assert!(said.starts_with("ROLE "), "{said}");
    assert!(
        said.contains("10.1.0.0 10.1.0.1 10.1.0.2 10.1.0.3 +96"),
        "{said}"
    );
    let row = said.lines().find(|line| line.starts_with("www ")).unwrap();
    let words: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(
        words,
        [
            "www",
            "10.0.1.1",
            "10.0.1.2",
            "fd00::2",
            "-",
            "web",
            "cloudhosts",
            "-"
        ]
    );
}

#[test]
fn a_pattern_chooses_and_json_says_all() {
    let world = world();
    let output = world.cloudhosts(&["list", "W*", "--json"]);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        said["roles"],
        json!([
            {
                "role": "web", "addresses": ["10.0.1.1", "10.0.1.2", "fd00::2"],
                "members": ["i-1", "i-2"], "points_at": [], "canonical": "web", "pick": 1,
                "hash": "cloudhosts", "retained": false,
            },
            {
                "role": "www", "addresses": ["10.0.1.1", "10.0.1.2", "fd00::2"],
                "members": [], "points_at": ["web"], "canonical": "web", "pick": 1,
                "hash": "cloudhosts", "retained": false,
            },
        ])
    );
    assert!(said["generation"].as_u64() > Some(0));
    let output = world.cloudhosts(&["list", "nobody-*"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("nobody-*"), "{}", stderr(&output));
}

#[test]
fn without_redis_the_list_is_the_same_and_without_a_table_there_is_none() {
    let mut world = world();
    world.redis.kill();
    world.daemon.terminate();
    let output = world.cloudhosts(&["list", "db"]);
    assert_eq!(stdout(&output), "db\t10.0.0.9\t\t\tfirst\t\n");
    std::fs::remove_file(world.sandbox.outside("/var/lib/cloudhosts/last-good.table")).unwrap();
    let output = world.cloudhosts(&["list"]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
}
