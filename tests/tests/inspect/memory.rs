//! How much memory the verbs take that walk through the whole table.

use std::fmt::Write as _;
use std::fs;

use cloudhosts_tests::World;
use cloudhosts_tests::process::{run, stderr, stdout};
use cloudhosts_tests::programs;
use serde_json::Value;

/// How many names there are.
const NAMES: usize = 100_000;

/// Bytes that a process may have of its own (RLIMIT_DATA): 160 a name, which the objects of one
/// JSON text of all of them are far beyond. (The table is shared, and does not count.)
const MOST: usize = 160 * NAMES;

fn world() -> World {
    let mut world = World::new().build();
    let mut commands = String::new();
    for n in 0..NAMES {
        let (high, low) = (n / 250, 1 + n % 250);
        writeln!(
            commands,
            "HSET cloudhosts role-{n:06}.prod.example 10.{}.{}.{low}",
            high / 250,
            high % 250
        )
        .unwrap();
    }
    world.redis.pipeline(&commands);
    world.daemon.start();
    world.sees("role-000007.prod.example", &["10.0.0.8"]);
    world
}

#[test]
fn what_goes_through_all_names_does_not_hold_them() {
    let world = world();
    let program = programs::find(programs::COMMAND);
    let (program, file) = (program.display(), world.dir.join("exported"));
    for (verb, lines) in [
        ("list --json", 1),
        ("list", NAMES),
        ("export --format json", 1),
        ("export --format hosts", NAMES + 3),
        ("export --format dnsmasq", NAMES + 1),
    ] {
        let to = if verb.starts_with("list") {
            format!(">{0}", file.display())
        } else {
            format!("--output {0}", file.display())
        };
        let line = format!("prlimit --data={MOST} {program} {verb} {to}");
        // the second time an export finds that nothing has changed
        for _ in 0..2 {
            let output = run(&mut world.shell(&line));
            assert_eq!(output.status.code(), Some(0), "{verb}: {}", stderr(&output));
        }
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(text.lines().count(), lines, "{verb}");
        if lines == 1 {
            assert_ordered(&text);
        }
    }
    // a reader that has seen enough is no failure
    let line = format!("{program} list --json | head -c 100; {program} export | head -n 1");
    let output = run(&mut world.shell(&line));
    let said = (output.status.code(), stderr(&output));
    assert_eq!(said, (Some(0), String::new()), "{}", stdout(&output));
}

/// The text is the JSON of all roles, in the order of their names.
fn assert_ordered(text: &str) {
    let said: Value = serde_json::from_str(text).unwrap();
    let roles = said["roles"].as_array().unwrap();
    let names: Vec<&str> = roles
        .iter()
        .filter_map(|role| role["role"].as_str())
        .collect();
    assert_eq!(names.len(), NAMES);
    assert!(names.is_sorted());
    assert_eq!(roles[7]["addresses"][0], "10.0.0.8");
    assert_eq!(roles[7]["hash"], "cloudhosts");
}
