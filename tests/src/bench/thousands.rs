//! One change, and thousands of followers on one Redis.

use std::time::Duration;

use super::Scale;
use super::document::{Bar, Section};
use super::figures::{bytes, count, nanos, span, time};
use super::followers::{Followers, Spread, possible};
use super::names;
use super::wire::{Change, Wire};
use crate::world::{HASH, World};

/// Names in the hash: as many as are still read in one answer.
pub const NAMES: u32 = 10_000;

/// How long the followers rest before a change.
const REST: Duration = Duration::from_secs(1);

/// What so many followers made of changes of one kind.
#[derive(Debug, Clone)]
pub struct Made {
    /// How each of the changes came to all.
    pub spreads: Vec<Spread>,
    /// Processor time of Redis for one change, in nanoseconds.
    pub cpu: f64,
    /// Bytes it sent for one change.
    pub sent: f64,
}

impl Made {
    /// The slowest.
    fn worst(&self) -> Duration {
        let all = self.spreads.iter().map(|spread| spread.all);
        all.max().unwrap_or_default()
    }

    fn half(&self) -> Duration {
        let halves = self.spreads.iter().map(|spread| spread.half);
        halves.max().unwrap_or_default()
    }

    fn dropped(&self) -> usize {
        self.spreads.iter().map(|spread| spread.dropped).sum()
    }
}

/// What was measured.
#[derive(Debug, Clone)]
pub struct Thousands {
    /// How many followers there were.
    pub followers: u32,
    /// By a verb.
    pub logged: Made,
    /// By HSET.
    pub plain: Made,
    /// What they reckon that a scan costs.
    pub scan: Duration,
    /// Processor time of Redis in a second in which nothing changes, in nanoseconds.
    pub idle: f64,
    /// Memory for one idle connection, in bytes.
    pub connection: f64,
}

/// Measures.
pub fn measure(scale: &Scale) -> Thousands {
    let mut world = World::new().build();
    names::register(&world.redis, NAMES);
    let scan = reckoned(&mut world);
    let redis = &world.redis;
    let count = possible(redis, scale.followers);
    eprintln!("  {count} followers, {NAMES} names");
    let mut wire = Wire::new(redis);
    let mut followers = Followers::start(redis, count, HASH, scan);
    let connection = wire.info("memory", "mem_clients_normal") / f64::from(count + 1);
    let before = wire.cpu();
    followers.idle(scale.idle);
    let idle = (wire.cpu() - before) / scale.idle.as_secs_f64();
    let mut make = |change: Change, times: u8| {
        let mut made = Made {
            spreads: Vec::new(),
            cpu: 0.0,
            sent: 0.0,
        };
        for nth in 0..times {
            followers.idle(REST);
            let (cpu, sent) = (wire.cpu(), sent(&mut wire));
            let address = format!("10.230.{}.{nth}", u8::from(change == Change::Plain));
            made.spreads
                .push(followers.follow(change, &mut wire, &address));
            made.cpu += (wire.cpu() - cpu) / f64::from(times);
            made.sent += (self::sent(&mut wire) - sent) / f64::from(times);
        }
        made
    };
    let logged = make(Change::Logged, 5);
    let plain = make(Change::Plain, 1);
    Thousands {
        followers: count,
        logged,
        plain,
        scan,
        idle,
        connection,
    }
}

/// What a scan costs, as a daemon reckons it that is alone: the best of several, each of which a
/// plain HSET makes necessary.
fn reckoned(world: &mut World) -> Duration {
    world.daemon.start();
    world.daemon.wait_for_state("live");
    let costs = (1..=5).map(|nth| {
        let before = world.daemon.status()["last_full_read"]["at"].clone();
        let address = format!("10.229.0.{nth}");
        world.redis.hset(HASH, &[(&names::name(0), &address)]);
        let status = world.daemon.wait_for("the hash is read again", |status| {
            status["last_full_read"]["at"] != before
        });
        let cost = status["last_full_read"]["cost_ms"].as_f64();
        Duration::from_secs_f64(cost.expect("it was read") / 1e3)
    });
    let best = costs.min().expect("there were some");
    world.daemon.terminate();
    best
}

/// What Redis has sent to others than us.
fn sent(wire: &mut Wire) -> f64 {
    wire.info("stats", "total_net_output_bytes") - wire.received() as f64
}

impl Thousands {
    /// What is said of it.
    pub fn section(&self) -> Section {
        let mut section = Section::new("Thousands of followers");
        section.say(&format!(
            "{} connections of one process to one Redis, at {} names: each speaks as a daemon does (RESP3, tracking, \
             the log in one MULTI with the length of the hash, a scan by HGETALL after a random wait), and throws away \
             what it is told. *All* is until the last of them has the change, *half* until half of them have, the \
             slowest of {} changes by a verb and {} by HSET; a connection is *dropped* when a follower gives up \
             waiting for an answer. Before an HSET is read each waits at random, up to what all scans take together: \
             {}, by the best of five scans of a real daemon that was alone.",
            count(self.followers.into()),
            count(NAMES.into()),
            self.logged.spreads.len(),
            self.plain.spreads.len(),
            span(self.scan * self.followers),
        ));
        let each = f64::from(self.followers);
        let rows = [("by a verb", &self.logged), ("by HSET", &self.plain)].map(|(what, made)| {
            vec![
                what.to_owned(),
                span(made.half()),
                span(made.worst()),
                made.dropped().to_string(),
                time(made.cpu),
                time(made.cpu / each),
                bytes(made.sent / each),
            ]
        });
        section.table(
            &[
                "change",
                "half",
                "all",
                "dropped",
                "Redis CPU",
                "each",
                "sent, each",
            ],
            &rows,
        );
        section.say(&format!(
            "With nothing to do they cost Redis {} of processor time a second, for signs of life (without resyncs, \
             which are paced to a twentieth of Redis at most), and {} of memory each.",
            time(self.idle),
            bytes(self.connection),
        ));
        let who = format!(
            "{} followers, {} names",
            count(self.followers.into()),
            count(NAMES.into())
        );
        section.bars.push(Bar::new(
            format!("{who}, a change by a verb: all have it"),
            5e8,
            nanos(self.logged.worst()),
            time,
        ));
        section.bars.push(Bar::new(
            format!("{who}, a change by a verb: Redis CPU for each"),
            30e3,
            self.logged.cpu / each,
            time,
        ));
        for (what, made) in [
            ("a change by a verb", &self.logged),
            ("an HSET", &self.plain),
        ] {
            section.bars.push(Bar::new(
                format!("{who}, {what}: connections dropped"),
                0.0,
                made.dropped() as f64,
                |number| format!("{number:.0}"),
            ));
        }
        section
    }
}
