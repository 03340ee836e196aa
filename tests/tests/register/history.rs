//! `cloudhosts history`: the change log, as people and scripts are shown it.

use cloudhosts_tests::process::{Signal, stderr};
use serde_json::{Value, json};

use crate::common::{LOG, Registry};

/// The words of each line, without the time.
fn lines(printed: &str) -> Vec<String> {
    printed
        .lines()
        .map(|line| {
            let (time, rest) = line.split_once("  ").unwrap();
            assert!(time.len() == 24 && time.ends_with('Z'), "{line}");
            rest.to_owned()
        })
        .collect()
}

/// Who writes here.
fn author(registry: &Registry) -> String {
    registry.log()[0].get(".by").to_owned()
}

#[test]
fn it_says_when_who_and_what() {
    let registry = Registry::new();
    registry.prints(&["join", "db-master", "10.0.0.4", "--member", "a"]);
    registry.prints(&["claim", "db-master", "10.0.0.9"]);
    registry.prints(&["claim", "web", "10.0.1.1"]);
    registry.prints(&["release", "web"]);
    registry.prints(&["release", "web"]);
    let by = author(&registry);
    let all = [
        format!("{by}  join  db-master/a = 10.0.0.4"),
        format!("{by}  claim  db-master = 10.0.0.9 (removed db-master/a)"),
        format!("{by}  claim  web = 10.0.1.1"),
        format!("{by}  release  removed web"),
        format!("{by}  release  nothing that was lost of web is retained any longer"),
    ];
    assert_eq!(lines(&registry.prints(&["history"])), all);
    assert_eq!(
        lines(&registry.prints(&["history", "DB-Master."])),
        all[..2]
    );
    let output = registry.run(&["history", "app"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("app") && stderr(&output).contains("cloudhosts:log"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_script_is_given_an_object_a_line() {
    let registry = Registry::new();
    registry.prints(&["join", "web", "10.0.0.4", "--member", "a"]);
    registry.prints(&["claim", "web", "10.0.0.9"]);
    let said = registry.prints(&["history", "--json"]);
    let last: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    let entry = registry.log().pop().unwrap();
    assert_eq!(
        last,
        json!({
            "time": last["time"], "id": entry.id, "hash": "cloudhosts", "by": entry.get(".by"),
            "verb": "claim", "set": {"web": "10.0.0.9"}, "removed": ["web/a"], "dropped": ["web"],
            "reset": false, "length": 1, "tx": null,
        })
    );
    assert_eq!(last["time"].as_str().unwrap().len(), 24);
}

#[test]
fn several_logs_are_one_in_the_order_of_time() {
    let registry = Registry::new();
    let hashes = ["--hash", "a", "--hash", "b"];
    for n in 0..300 {
        for hash in ["a", "b"] {
            let (key, id) = (format!("{hash}:log"), format!("{}-{n}", 1000 + n / 3));
            let field = format!("+{hash}{n}");
            registry
                .redis
                .cli(&["XADD", &key, &id, &field, "10.0.0.1", ".verb", "test"]);
        }
    }
    let said = registry.prints(&[&hashes[..], &["history"]].concat());
    let said = lines(&said);
    assert_eq!(said.len(), 600);
    for (n, pair) in said.chunks_exact(2).enumerate() {
        assert_eq!(pair[0], format!("-  test  a{n} = 10.0.0.1 in a"));
        assert_eq!(pair[1], format!("-  test  b{n} = 10.0.0.1 in b"));
    }
}

#[test]
fn since_a_time_or_for_so_long() {
    let registry = Registry::new();
    registry
        .redis
        .cli(&["XADD", LOG, "1700000000000-0", "+old", "10.0.0.1"]);
    registry
        .redis
        .cli(&["XADD", LOG, "1700000000000-1", "+also", "10.0.0.1"]);
    registry.prints(&["claim", "new", "10.0.0.1"]);
    let since = |text: &str| {
        let said = registry.prints(&["history", "--since", text]);
        lines(&said).len()
    };
    assert_eq!(since("1h"), 1);
    assert_eq!(since("100years"), 3);
    assert_eq!(since("2023-11-14T22:13:20Z"), 3);
    assert_eq!(since("2023-11-14 22:13:20"), 3);
    assert_eq!(since("2023-11-14T22:13:20.001Z"), 1);
    let said = registry.fails(1, &["history", "--since", "2200-01-01T00:00:00Z"]);
    assert!(said.contains("since then"), "{said}");
    for bad in ["soon", "1", "2023-13-14T22:13:20Z"] {
        let said = registry.fails(2, &["history", "--since", bad]);
        assert!(said.contains("--since"), "{bad}: {said}");
    }
}

#[test]
fn what_comes_is_followed_through_outages() {
    let mut registry = Registry::new();
    registry.prints(&["claim", "web", "10.0.0.1"]);
    let mut following = registry.background(&["history", "--follow", "web"], &[]);
    following.says("web = 10.0.0.1");
    registry.prints(&["claim", "app", "10.0.0.1"]);
    registry.prints(&["claim", "web", "10.0.0.2"]);
    following.says("web = 10.0.0.2");
    registry.redis.cli(&["SAVE"]);
    registry.redis.kill();
    following.says("trying again");
    registry.redis.restart();
    registry.prints(&["claim", "web", "10.0.0.3"]);
    following.says("web = 10.0.0.3");
    let said = following.said();
    assert_eq!(said.matches("web = 10.0.0.1").count(), 1, "{said}");
    assert!(!said.contains("app"), "{said}");
    // a log that begins anew goes on
    registry.redis.cli(&["FLUSHALL"]);
    registry.prints(&["claim", "web", "10.0.0.4"]);
    following.says("web = 10.0.0.4");
    // What a shell starts in the background ignores SIGINT, and so do its children.
    following.process.signal(Signal::TERM);
    following.process.wait();
    // from nothing at all
    registry.redis.cli(&["FLUSHALL"]);
    let since = [
        "history", "--follow", "--since", "1h", "--hash", "x", "--hash", "y",
    ];
    let following = registry.background(&since, &[]);
    registry.prints(&["--hash", "y", "claim", "web", "10.0.0.5"]);
    following.says("web = 10.0.0.5 in y");
}

#[test]
fn what_strangers_write_is_shown_and_obeyed_by_no_terminal() {
    let registry = Registry::new();
    let said = registry.fails(1, &["history"]);
    assert!(said.contains("cloudhosts:log"), "{said}");
    // as the manual page has it
    registry.redis.script(
        "MULTI\nXADD cloudhosts:log MAXLEN ~ 10000 * +web 10.0.0.5\nHSET cloudhosts web 10.0.0.5\n\
         EXEC\n",
    );
    for fields in [
        &["+\u{1b}[31mred", "\u{1b}]0;x\u{7}"][..],
        &[".by", "\u{1b}[31m", ".verb", "\u{202e}x", "-a", ""],
        &["junk", "junk"],
        &["", ""],
        &[".len", "x", ".drop", "\u{ff}", ".nonce", "y"],
    ] {
        registry.redis.cli(&[&["XADD", LOG, "*"], fields].concat());
    }
    registry
        .redis
        .cli(&["XADD", LOG, "18446744073709551615-7", "+late", "1"]);
    let output = registry.run(&["history"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    let said: Vec<&str> = said.lines().collect();
    assert_eq!(said.len(), 7, "{said:?}");
    assert!(said[0].ends_with("  -  -  web = 10.0.0.5"), "{said:?}");
    assert!(said[1].contains("\\x1b[31mred"), "{said:?}");
    assert!(said[6].starts_with("18446744073709551615-7  "), "{said:?}");
    let printable = |line: &&str| line.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    assert!(said.iter().all(printable), "{said:?}");
    let json = registry.prints(&["history", "--json"]);
    assert!(!json.contains('\u{1b}'), "{json}");
    for line in json.lines() {
        serde_json::from_str::<Value>(line).unwrap();
    }
    // the very last id there is
    let last = ["history", "--json", "--since", "1h"];
    assert_eq!(registry.prints(&last).lines().count(), 7);
}

#[test]
fn what_cannot_be_read_is_said() {
    let mut registry = Registry::new();
    registry.redis.cli(&["SET", LOG, "a note"]);
    for words in [&["history"][..], &["history", "--follow"]] {
        let said = registry.fails(3, words);
        assert!(said.contains("cloudhosts:log"), "{said}");
    }
    let said = registry.fails(2, &["history", "web/a"]);
    assert!(said.contains("write the role alone"), "{said}");
    registry.redis.kill();
    let said = registry.fails(3, &["history"]);
    assert!(said.contains("cannot connect"), "{said}");
}

#[test]
fn who_reads_no_further_ends_it() {
    let registry = Registry::new();
    let entries = "XADD cloudhosts:log * +web 10.0.0.1\n".repeat(9_000);
    registry.redis.pipeline(&entries);
    let mut command = registry.command(&["history", "--follow"]);
    let mut child = command
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
}
