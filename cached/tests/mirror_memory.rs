//! What a name costs in the mirror. In a process of its own, because what is
//! measured is the process.
#![allow(clippy::unwrap_used)]

use cloudhosts_cached::mirror::{Changed, Mirror};
use cloudhosts_config::Config;
use cloudhosts_registry::Pairs;
use cloudhosts_registry::follow::{Batch, Changes, Checkpoint, HashBatch};

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

fn batch(set: Pairs) -> Batch {
    let changes = Changes {
        set,
        ..Changes::default()
    };
    Batch {
        hashes: vec![HashBatch {
            hash: 0,
            outcome: Ok(changes),
        }],
        full: None,
        checkpoint: Checkpoint::default(),
    }
}

/// Anonymous memory of this process.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:"));
    let digits: String = line.unwrap().chars().filter(char::is_ascii_digit).collect();
    digits.parse::<usize>().unwrap() * 1024
}

#[test]
fn a_name_takes_no_more_than_150_bytes() {
    let directory = std::env::temp_dir().join(format!("mirror-memory-{}", std::process::id()));
    std::fs::write(&directory, "").unwrap();
    let config = Config::load(Some(&directory)).unwrap();
    std::fs::remove_file(directory).unwrap();
    let batch = batch(pairs());
    let mut mirror = Mirror::new(&config);
    let before = resident();
    assert_eq!(mirror.apply(&batch), Changed::All);
    let each = resident().saturating_sub(before) / NAMES;
    println!("{each} bytes a name of 24 bytes with one address, at {NAMES} names");
    assert!(each <= MOST, "{each}");
    assert_eq!(mirror.hashes()[0].fields, NAMES);
}
