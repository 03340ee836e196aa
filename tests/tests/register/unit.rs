//! The unit `cloudhosts-hold@.service`. What systemd makes of it is seen where one runs, in
//! `tests/packages/booted.rs`.

use cloudhosts_tests::process::{bounded, run, stderr};
use cloudhosts_tests::programs;

const UNIT: &str = include_str!("../../../packaging/cloudhosts-hold@.service");

#[test]
fn it_holds_what_its_instance_says() {
    let line = |key: &str| {
        let found = UNIT
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        found.unwrap_or_else(|| panic!("{key} is missing"))
    };
    // READY=1 comes when the role is held, however long that takes
    assert_eq!(
        (line("Type"), line("TimeoutStartSec")),
        ("notify", "infinity")
    );
    // for ever, unless the command line is wrong
    assert_eq!(line("Restart"), "always");
    assert_eq!(line("StartLimitIntervalSec"), "0");
    // or somebody has claimed the role
    assert_eq!(line("RestartPreventExitStatus"), "2 4");
    assert_eq!(line("SuccessExitStatus"), "4");
    assert_eq!(line("KillMode"), "mixed");
    let start = line("ExecStart");
    assert_eq!(start, "/usr/bin/cloudhosts hold %i $OPTIONS");
    // as systemd would run it, for an instance and options of the man page
    let words = start
        .replace("/usr/bin/cloudhosts ", "")
        .replace(
            "$OPTIONS",
            "--lease 30s --private 10.0.0.5 --public 203.0.113.5 --dry-run",
        )
        .replace("%i", "db-master");
    let mut command = bounded(programs::find(programs::COMMAND));
    let output = run(command
        .args(["--config", "/dev/null"])
        .args(words.split(' ')));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        said.contains("HSET cloudhosts:private db-master/"),
        "{said}{}",
        stderr(&output)
    );
}

#[test]
fn the_options_that_it_names_in_comments_are_options() {
    let examples = UNIT
        .lines()
        .filter_map(|line| line.strip_prefix("# OPTIONS="));
    let mut count = 0;
    for options in examples {
        // systemd splits them as a shell does, quotes and all
        let mut command = bounded("sh");
        let line = format!("exec \"$0\" --config /dev/null hold web 10.0.0.5 {options} --dry-run");
        let line = line.replace("--config /etc/cloudhosts/register.toml", "--member a");
        let output = run(command
            .args(["-c", &line])
            .arg(programs::find(programs::COMMAND)));
        assert!(output.status.success(), "{options}: {}", stderr(&output));
        count += 1;
    }
    assert_eq!(count, 3);
}
