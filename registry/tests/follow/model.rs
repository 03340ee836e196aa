//! Writers who log and writers who do not, at random, and everything that can
//! happen to a log and a connection: what is followed is right in the end, and
//! no change is ever seen in part.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::server::{PATIENCE, Redis, log_change};
use crate::watcher::{Contents, Mirrored, Watcher};

const HASHES: [&str; 2] = ["a", "b"];

/// Numbers that look random, and are the same for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % sides
    }
}

/// A writer with roles of its own, each of which is held by one field of one
/// hash, and with fields that have the same value.
struct Writer {
    name: String,
    logs: bool,
    dice: Dice,
    to: redis::Connection,
    /// Where each of its roles is.
    held: Vec<(usize, String)>,
}

impl Writer {
    fn new(redis: &Redis, name: &str, logs: bool, seed: u64) -> Writer {
        let mut writer = Writer {
            name: name.to_owned(),
            logs,
            dice: Dice(seed | 1),
            to: redis::Client::open(redis.url())
                .unwrap()
                .get_connection()
                .unwrap(),
            held: Vec::new(),
        };
        for role in 0..4 {
            let field = format!("{name}-{role}");
            writer.change(&[(0, &field, Some("0"))]);
            writer.held.push((0, field));
        }
        writer
    }

    /// Makes one change, in one transaction.
    fn change(&mut self, fields: &[(usize, &str, Option<&str>)]) {
        let mut change = redis::pipe();
        change.atomic();
        for (index, hash) in HASHES.iter().enumerate() {
            let of_hash = fields.iter().filter(|(at, ..)| *at == index);
            let of_hash: Vec<_> = of_hash.map(|&(_, field, value)| (field, value)).collect();
            if of_hash.is_empty() {
                continue;
            }
            if self.logs {
                log_change(&mut change, hash, &of_hash, &[]);
                continue;
            }
            for (field, value) in of_hash {
                match value {
                    Some(value) => change.cmd("HSET").arg(&[hash, field, value]),
                    None => change.cmd("HDEL").arg(&[hash, field]),
                };
            }
        }
        change.exec(&mut self.to).unwrap();
    }

    fn turn(&mut self) {
        let value = self.dice.roll(1_000_000).to_string();
        match self.dice.roll(4) {
            // A role moves to another field, perhaps of the other hash.
            0 | 1 => {
                let role = self.dice.roll(4) as usize;
                let hash = self.dice.roll(2) as usize;
                let member = self.dice.roll(1_000);
                let field = format!("{}-{role}/{member}", self.name);
                let (old_hash, old) = self.held[role].clone();
                if old == field {
                    return;
                }
                self.change(&[(hash, &field, Some(&value)), (old_hash, &old, None)]);
                self.held[role] = (hash, field);
            }
            // Two fields get the same value, which are always there.
            2 => {
                let pair = format!("{}-pair", self.name);
                let (one, other) = (format!("{pair}/1"), format!("{pair}/2"));
                let hash = self.dice.roll(2) as usize;
                self.change(&[(hash, &one, Some(&value)), (hash, &other, Some(&value))]);
            }
            // Fields come and go.
            _ => {
                let hash = self.dice.roll(2) as usize;
                let field = format!("noise-{}", self.dice.roll(50));
                let value = (self.dice.roll(2) == 0).then_some(&value[..]);
                self.change(&[(hash, &field, value)]);
            }
        }
    }
}

/// What must hold of everything that is told.
fn check(hashes: &[Mirrored], writers: &[&str]) {
    for hash in hashes {
        assert!(hash.retained.is_empty(), "{:?}", hash.retained);
    }
    for name in writers {
        for role in 0..4 {
            let role = format!("{name}-{role}");
            let holds = |hash: &Mirrored| -> Vec<String> {
                let of_role = |field: &&String| field.split('/').next() == Some(&role);
                hash.fields.keys().filter(of_role).cloned().collect()
            };
            // The first hash that has a role decides it.
            let holders: Vec<Vec<String>> = hashes.iter().map(holds).collect();
            let first = holders.iter().find(|fields| !fields.is_empty());
            assert!(
                first.is_some_and(|fields| fields.len() == 1),
                "{role}: {holders:?}"
            );
        }
        for hash in hashes {
            let value = |n: u8| hash.fields.get(&format!("{name}-pair/{n}"));
            assert_eq!(value(1), value(2), "{name}-pair");
        }
    }
}

/// Something that happens to the log or to the connection, and to no name.
fn disturb(dice: &mut Dice, redis: &mut Redis) {
    match dice.roll(12) {
        0 => drop(redis.run("DEL a:log")),
        1 => drop(redis.run("XTRIM a:log MAXLEN 0")),
        2 => drop(redis.run("XTRIM b:log MAXLEN 3")),
        3 => drop(redis.run("XADD b:log * junk 1 .drop not/a/role")),
        4 => drop(redis.run("XADD a:log * .drop nobody")),
        5 => redis.cut_followers(),
        6 => {
            let mut flush = redis::pipe();
            flush
                .cmd("SELECT")
                .arg("3")
                .cmd("FLUSHDB")
                .cmd("SELECT")
                .arg("0");
            flush.exec(redis.admin()).unwrap();
        }
        _ => {}
    }
}

fn run(seed: u64, filler: usize, duration: Duration) {
    let mut redis = Redis::start(&[]);
    redis.fill("a", filler);
    redis.fill("b", filler / 2);
    let names = ["logger-1", "logger-2", "plain-1", "plain-2"];
    let writer = |name: &&str| {
        let mut number = seed;
        number = number.wrapping_mul(31).wrapping_add(name.len() as u64);
        let last = name.bytes().last().unwrap();
        Writer::new(
            &redis,
            name,
            name.starts_with("log"),
            number ^ u64::from(last) << 32,
        )
    };
    let writers: Vec<Writer> = names.iter().map(writer).collect();
    let mut watcher = Watcher::with(&format!(
        "hashes = [\"a\", \"b\"]\nresync_interval = \"700ms\"\n[redis]\nurls = [\"{}\"]\n",
        redis.url()
    ));
    watcher.full();
    check(&watcher.hashes, &names);
    let stop = AtomicBool::new(false);
    let mut batches = 0;
    std::thread::scope(|scope| {
        for mut writer in writers {
            let stop = &stop;
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    writer.turn();
                    // Now and then without a pause.
                    if writer.dice.roll(4) != 0 {
                        std::thread::sleep(Duration::from_micros(writer.dice.roll(8_000)));
                    }
                }
            });
        }
        struct Stop<'s>(&'s AtomicBool);
        impl Drop for Stop<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let _stop = Stop(&stop);
        let mut dice = Dice(seed | 1);
        let end = Instant::now() + duration;
        let mut next = Instant::now();
        while Instant::now() < end || batches <= 20 && Instant::now() < end + PATIENCE {
            if watcher.event_within(Duration::from_millis(100)).is_some() {
                batches += 1;
                check(&watcher.hashes, &names);
            }
            if Instant::now() >= next {
                disturb(&mut dice, &mut redis);
                next = Instant::now() + Duration::from_millis(dice.roll(100));
            }
        }
    });
    let truth: BTreeMap<usize, Contents> = HASHES
        .iter()
        .map(|hash| redis.fields(hash))
        .enumerate()
        .collect();
    watcher.until_mirror("the truth", |hashes| {
        (0..HASHES.len()).all(|hash| hashes[hash].fields == truth[&hash])
    });
    check(&watcher.hashes, &names);
    assert!(batches > 20, "only {batches} batches");
}

/// The seed is told when it fails.
fn run_told(filler: usize) {
    let seed = std::env::var("MODEL_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| RandomState::new().build_hasher().finish());
    println!("MODEL_SEED={seed}");
    let seconds = std::env::var("MODEL_SECONDS").ok();
    let seconds = seconds
        .and_then(|seconds| seconds.parse().ok())
        .unwrap_or(15);
    run(seed, filler, Duration::from_secs(seconds));
}

#[test]
fn small_hashes() {
    run_told(20);
}

#[test]
fn large_hashes() {
    run_told(14_000);
}
