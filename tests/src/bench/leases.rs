//! What it costs Redis to hold a role, and for how long it is held up by a verb.

use std::fmt::Write as _;
use std::process::{Command, Stdio};

use super::Scale;
use super::document::{Bar, Section};
use super::figures::{bytes, count, median, time};
use super::names;
use super::wire::{Wire, command};
use crate::dir::Dir;
use crate::process::{Process, bounded, mortal, run};
use crate::programs;
use crate::redis::Redis;
use crate::wait;
use crate::world::HASH;

/// How often it is renewed, and how often that is measured; the median counts.
const RENEWALS: u32 = 200;
const ROUNDS: u32 = 25;

/// Commands that take longer than this are looked at, in microseconds.
const SLOW: &str = "50";

/// What was measured.
#[derive(Debug)]
struct LeaseFigures {
    names: u32,
    /// Time of Redis for a renewal, in nanoseconds.
    renewal: f64,
    /// Bytes of a renewal, both ways.
    wire: f64,
    /// For each verb the longest that one command of it took, in nanoseconds.
    verbs: Vec<(&'static str, f64)>,
}

/// Measures and describes.
pub fn measure(scale: &Scale) -> Section {
    let (sizes, others) = scale.leases;
    let all: Vec<LeaseFigures> = sizes.iter().map(|&names| figures(names, others)).collect();
    let mut section = Section::new("Holding a role");
    section.say(&format!(
        "A holder renews beside {} others, which hold other roles of the same hash. *Redis* is the time of a renewal \
         by `INFO commandstats`, {RENEWALS} in a row, *wire* its bytes both ways. Below it the longest that any one \
         command took of which a verb consists, by Redis's slow log: for so long others waited.",
        count(others.into()),
    ));
    let rows = all
        .iter()
        .map(|one| vec![count(one.names.into()), time(one.renewal), bytes(one.wire)]);
    section.table(&["names", "Redis", "wire"], &rows.collect::<Vec<_>>());
    if let Some(first) = all.first() {
        let verbs = first.verbs.iter().map(|(verb, _)| *verb);
        let heads: Vec<&str> = std::iter::once("names").chain(verbs).collect();
        let rows = all.iter().map(|one| {
            let longest = one.verbs.iter().map(|(_, longest)| time(*longest));
            std::iter::once(count(one.names.into()))
                .chain(longest)
                .collect()
        });
        section.table(&heads, &rows.collect::<Vec<_>>());
    }
    for one in &all {
        let names = count(one.names.into());
        section.bars.push(Bar::new(
            format!(
                "Redis time of a renewal, {names} names, {} holders",
                count(others.into())
            ),
            25e3,
            one.renewal,
            time,
        ));
        section.bars.push(Bar::new(
            format!("bytes of a renewal, {names} names"),
            300.0,
            one.wire,
            bytes,
        ));
        let longest = one
            .verbs
            .iter()
            .map(|(_, longest)| *longest)
            .fold(0.0, f64::max);
        section.bars.push(Bar::new(
            format!("longest command of any verb, {names} names"),
            5e6,
            longest,
            time,
        ));
    }
    section
}

fn figures(names: u32, others: u32) -> LeaseFigures {
    eprintln!("  {} names", count(names.into()));
    let dir = Dir::new();
    let redis = Redis::builder(dir.join("redis")).start();
    names::register(&redis, names);
    hold_others(&redis, others);
    let (renewal, wire) = renewals(&redis, others);
    let file = dir.join("hosts");
    std::fs::write(&file, "10.0.0.7 imported\n").expect("a file can be written");
    let file = file.to_str().expect("text");
    let verbs: [(&str, &[&str]); 8] = [
        ("claim", &["claim", "web", "10.0.0.5"]),
        (
            "claim --if",
            &["claim", "web", "10.0.0.6", "--if", "10.0.0.5"],
        ),
        ("join", &["join", "web", "10.0.0.5"]),
        ("leave", &["leave", "web"]),
        ("release", &["release", "web"]),
        ("hold", &["hold", "web", "10.0.0.5", "--", "true"]),
        ("import", &["import", file]),
        ("accept", &["accept", "web"]),
    ];
    let verbs = verbs.map(|(name, words)| (name, longest(&redis, words)));
    LeaseFigures {
        names,
        renewal,
        wire,
        verbs: verbs.to_vec(),
    }
}

/// Writes down so many others, a hundred of each role, as holding scripts do.
fn hold_others(redis: &Redis, others: u32) {
    let mut commands = String::new();
    for nth in 0..others {
        let (role, field) = (nth / 100, format!("farm-{}/i-{nth:08x}", nth / 100));
        writeln!(
            commands,
            "HSET {HASH}:held {field} \"member 00c0ffee 15000 1 1 - root@i-{nth:08x} 10.0.0.5\"\n\
             ZADD {HASH}:held:farm-{role} {nth} {field}"
        )
        .expect("a string takes it");
    }
    redis.pipeline(&commands);
}

/// Lets one hold a role, and renews for it again and again; the time and the bytes of one renewal.
fn renewals(redis: &Redis, others: u32) -> (f64, f64) {
    let mut holder = mortal(programs::find(programs::COMMAND));
    to(&mut holder, redis);
    let member = ["--member", "i-0abc12ef", "--lease", "60s"];
    holder.args(["hold", "db-master", "10.0.0.5"]).args(member);
    holder.stderr(Stdio::null());
    let _holder = Process::start(holder);
    let mut wire = Wire::new(redis);
    wait::until("it holds", || {
        let held = redis.cli(&["HLEN", &format!("{HASH}:held")]);
        (held == (others + 1).to_string()).then_some(())
    });
    redis.cli(&["CONFIG", "SET", "slowlog-log-slower-than", "0"]);
    let words = wait::until("it renews", || renewal(redis));
    redis.cli(&["CONFIG", "SET", "slowlog-log-slower-than", "-1"]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let rounds = (0..ROUNDS).map(|_| {
        let before = wire.command_time(&["evalsha"]);
        for _ in 0..RENEWALS {
            assert_eq!(wire.send(&words), "1", "it is a mere renewal");
        }
        (wire.command_time(&["evalsha"]) - before) / f64::from(RENEWALS)
    });
    let answer = b":1\r\n".len();
    let bytes = u32::try_from(command(&words).len() + answer).expect("a few hundred");
    (median(rounds), f64::from(bytes))
}

/// The words of a mere renewal, as Redis has heard them.
fn renewal(redis: &Redis) -> Option<Vec<String>> {
    let said = redis.cli(&["SLOWLOG", "GET", "-1"]);
    let lines: Vec<&str> = said.lines().collect();
    let at = lines
        .windows(3)
        .position(|at| at[0] == "EVALSHA" && at[2] == "4")?;
    // the keys, the field, the nonce and the value
    let words = lines.get(at..at + 3 + 4 + 3)?;
    Some(words.iter().map(|word| (*word).to_owned()).collect())
}

/// Runs a verb; the longest of its commands.
fn longest(redis: &Redis, words: &[&str]) -> f64 {
    redis.cli(&["CONFIG", "SET", "slowlog-max-len", "100000"]);
    redis.cli(&["CONFIG", "SET", "slowlog-log-slower-than", SLOW]);
    redis.cli(&["SLOWLOG", "RESET"]);
    let mut verb = bounded(programs::find(programs::COMMAND));
    to(&mut verb, redis);
    let output = run(verb.args(words));
    assert!(output.status.success(), "{words:?}: {output:?}");
    redis.cli(&["CONFIG", "SET", "slowlog-log-slower-than", "-1"]);
    let said = redis.cli(&["SLOWLOG", "GET", "-1"]);
    let lines: Vec<&str> = said.lines().collect();
    // each entry begins with its number, one less each time, a time and how long it took
    let mut number: Option<u64> = None;
    let mut longest = 0.0_f64;
    for at in lines.windows(3) {
        let (Ok(id), Ok(_), Ok(took)) = (
            at[0].parse::<u64>(),
            at[1].parse::<u64>(),
            at[2].parse::<f64>(),
        ) else {
            continue;
        };
        if number.is_none_or(|number| id + 1 == number) {
            number = Some(id);
            longest = longest.max(took * 1e3);
        }
    }
    longest
}

/// Names this Redis on the command line.
fn to(command: &mut Command, redis: &Redis) {
    command.args(["--config", "/dev/null", "--redis-url", &redis.unix_url()]);
}
