//! What a name costs in the mirror.

use std::process::Command;

use cloudhosts_registry::Pairs;

use super::*;

const NAMES: usize = 1_000_000;

/// Most bytes a name of 24 bytes with one IPv4 address takes.
const MOST: usize = 150;

fn pairs() -> Pairs {
    let mut pairs = Pairs::new();
    for n in 0..NAMES {
        // In no order, as Redis tells them.
        let n = n * 611_953 % NAMES;
        let address = format!("10.{}.{}.{}", n >> 16 & 255, n >> 8 & 255, n & 255);
        pairs
            .push(format!("role-{n:019}").as_bytes(), address.as_bytes())
            .unwrap();
    }
    pairs
}

/// Anonymous memory of this process.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:"));
    let digits: String = line.unwrap().chars().filter(char::is_ascii_digit).collect();
    digits.parse::<usize>().unwrap() * 1024
}

/// In a process of its own, since what is measured is the process.
#[test]
fn a_name_takes_no_more_than_150_bytes() {
    let alone = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "mirror::tests::memory::a_million_names",
            "--ignored",
        ])
        .args(["--nocapture", "--test-threads=1"])
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&alone.stdout);
    assert!(alone.status.success(), "{printed}");
    assert!(
        printed.contains("bytes a name"),
        "it was not run: {printed}"
    );
}

#[test]
#[ignore = "measures its process; a_name_takes_no_more_than_150_bytes runs it"]
fn a_million_names() {
    let changes = Changes {
        set: pairs(),
        ..Changes::default()
    };
    let batch = batch(0, changes);
    let mut mirror = Mirror::new(&config(""));
    let before = resident();
    assert_eq!(mirror.apply(&batch), Changed::All);
    let each = resident().saturating_sub(before) / NAMES;
    println!("{each} bytes a name of 24 bytes with one address, at {NAMES} names");
    assert!(each <= MOST, "{each}");
    assert_eq!(mirror.hashes()[0].fields, NAMES);
}
