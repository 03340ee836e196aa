//! The unit `cloudhosts-hold@.service`.

use cloudhosts_tests::process::{bounded, run, stderr};
use cloudhosts_tests::{dir::Dir, programs};

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
    assert_eq!(line("Restart"), "always");
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
fn systemd_finds_nothing_wrong_where_there_is_one() {
    if !std::path::Path::new("/usr/bin/systemd-analyze").exists() {
        eprintln!("no systemd-analyze here: not checked");
        return;
    }
    let dir = Dir::new();
    let unit = dir.join("cloudhosts-hold@.service");
    let true_ = UNIT.replace("/usr/bin/cloudhosts", "/bin/true");
    std::fs::write(&unit, true_).unwrap();
    let instance = dir.join("cloudhosts-hold@web.service");
    std::os::unix::fs::symlink(&unit, &instance).unwrap();
    let output = run(bounded("systemd-analyze")
        .args(["verify", "--man=no"])
        .arg(&instance));
    assert!(output.status.success(), "{}", stderr(&output));
}
