//! hosts(5) lines, all or none.

use std::fmt::Write as _;
use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};

use cloudhosts_tests::process::{bounded, stderr, stdout, succeed};
use cloudhosts_tests::programs;
use serde_json::{Value, json};

use crate::common::{LOG, Registry, map};

const HOSTS: &str = "127.0.0.1 localhost\n::1 ip6-localhost\n\n# ours\n10.0.0.5 db db.internal\n\
                     fd00::5\tDB. # both\n10.0.0.6 web\n";

fn file(registry: &Registry, text: &str) -> String {
    let path = registry.dir.join("hosts");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_file_is_merged() {
    let registry = Registry::new();
    registry
        .redis
        .hset("cloudhosts", &[("web", "10.0.0.1"), ("app", "10.0.0.2")]);
    let path = file(&registry, HOSTS);
    let said = registry.prints(&["import", &path]);
    assert_eq!(
        said,
        format!(
            "imported 3 names from {path} into cloudhosts; skipped 2 lines about this machine alone\n"
        )
    );
    let all = [
        ("app", "10.0.0.2"),
        ("db", "10.0.0.5 fd00::5"),
        ("db.internal", "10.0.0.5"),
        ("web", "10.0.0.6"),
    ];
    assert_eq!(registry.hash(), map(&all));
}

#[test]
fn standard_input_is_read_and_json_told() {
    let registry = Registry::new();
    let path = file(&registry, HOSTS);
    let mut command = registry.command(&["import", "--json", "--hash", "other"]);
    let output = command.stdin(File::open(path).unwrap()).output().unwrap();
    let said: Value = serde_json::from_str(&stdout(&output)).unwrap();
    let wanted = json!({"verb": "import", "hash": "other", "names": 3, "skipped": 2,
                        "replaced": false, "published": null,
                        "unpublished": null});
    assert_eq!(said, wanted, "{}", stderr(&output));
    assert_eq!(registry.hash_called("other").len(), 3);
}

#[test]
fn a_file_replaces_everything_in_one_step() {
    let registry = Registry::new();
    registry
        .redis
        .hset("cloudhosts", &[("old", "10.0.0.1"), ("db/a", "10.0.0.2")]);
    let path = file(&registry, HOSTS);
    registry.prints(&["import", "--replace", &path]);
    let all = [
        ("db", "10.0.0.5 fd00::5"),
        ("db.internal", "10.0.0.5"),
        ("web", "10.0.0.6"),
    ];
    assert_eq!(registry.hash(), map(&all));
    assert_eq!(
        registry.redis.cli(&["DBSIZE"]),
        "2",
        "nothing is left behind but the hash and its log"
    );

    // an older set-up whose query failed does not empty the registry
    let empty = file(&registry, "127.0.0.1 localhost\n");
    let said = registry.fails(2, &["import", "--replace", &empty]);
    assert!(said.contains("--allow-empty"), "{said}");
    assert_eq!(registry.hash(), map(&all));
    registry.prints(&["import", "--replace", "--allow-empty", &empty]);
    assert_eq!(registry.redis.cli(&["KEYS", "*"]), LOG);
}

#[test]
fn one_bad_line_and_nothing_is_imported() {
    let registry = Registry::new();
    let path = file(
        &registry,
        "10.0.0.5 db\n10.0.0.6:80 web\n10.0.0.7\n10.0.0.8 w\u{1b}b\n",
    );
    let said = registry.fails(2, &["import", &path]);
    for (line, what) in [(2, "10.0.0.6:80"), (3, "10.0.0.7"), (4, "w")] {
        assert!(
            said.contains(&format!("{path}:{line}: ")) && said.contains(what),
            "{said}"
        );
    }
    assert!(!said.contains('\u{1b}'), "{said}");
    assert!(!registry.has("cloudhosts"));
    let said = registry.fails(2, &["import", "/no/such/file"]);
    assert!(said.contains("/no/such/file"), "{said}");
    registry.redis.cli(&["SET", "cloudhosts", "junk"]);
    let good = file(&registry, HOSTS);
    let said = registry.fails(3, &["import", &good]);
    assert!(said.contains("WRONGTYPE") && said.contains("DEL"), "{said}");
}

#[test]
fn a_hundred_thousand_lines_are_one_step() {
    let registry = Registry::new();
    registry.redis.hset("cloudhosts", &[("old", "10.0.0.1")]);
    let mut text = String::new();
    for n in 0..100_000 {
        writeln!(
            text,
            "10.{}.{}.{} host-{n}",
            1 + n / 62_500,
            n / 250 % 250,
            1 + n % 250
        )
        .unwrap();
    }
    let path = file(&registry, &text);
    // bytes that it may have of its own: 200 a line, which an object for each is beyond
    let mut limited = bounded("prlimit");
    let config = registry.dir.join("cloudhosts.toml");
    limited
        .arg("--data=20000000")
        .arg(programs::find(programs::COMMAND));
    limited.arg("--config").arg(config);
    succeed(limited.args(["import", "--replace", &path]));
    assert_eq!(registry.redis.cli(&["HLEN", "cloudhosts"]), "100000");
    assert_eq!(registry.hash()["host-99999"], "10.2.149.250");
    assert_eq!(registry.redis.calls("exec"), 1);
}

#[test]
fn a_hash_that_changes_all_the_time_is_replaced_all_the_same() {
    let registry = Registry::new();
    let mut text = String::new();
    for n in 0..5_000 {
        writeln!(text, "10.1.{}.{} host-{n}", n / 250, 1 + n % 250).unwrap();
    }
    let path = file(&registry, &text);
    registry.prints(&["import", &path]);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let busy = "HSET cloudhosts busy 10.0.0.1\nHSET cloudhosts busy 10.0.0.2\n";
            while !stop.load(Ordering::Relaxed) {
                registry.redis.pipeline(&busy.repeat(5_000));
            }
        });
        let few = file(&registry, &text.replace(" host-7\n", " host-x\n"));
        for _ in 0..3 {
            registry.prints(&["import", "--replace", &few]);
            let entry = registry.log().pop().unwrap();
            assert_eq!(entry.get(".verb"), "import");
            let hash = registry.hash();
            assert!(hash.contains_key("host-x") && !hash.contains_key("host-7"));
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_dry_run_prints_what_redis_cli_does() {
    let registry = Registry::new();
    let path = file(&registry, HOSTS);
    let printed = registry.prints(&["import", "--dry-run", "--replace", &path]);
    assert!(!registry.has("cloudhosts"));
    registry.redis.script(&printed);
    assert_eq!(registry.hash()["db"], "10.0.0.5 fd00::5");
    assert_eq!(registry.hash().len(), 3);
}
