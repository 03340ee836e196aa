//! One change, and thousands of followers on one Redis.

use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use super::Scale;
use super::document::{Bar, Section};
use super::figures::{Sample, bytes, count, digits, nanos, span, time};
use super::followers::{Followers, Spread, possible};
use super::names;
use super::wire::{Change, Wire};
use crate::busy::Busy;
use crate::redis::Redis;
use crate::world::{HASH, World};

/// Names in the hash: as many as are still read in one answer.
pub const NAMES: u32 = 10_000;

/// Scans of a real daemon, the best of which it reckons with.
const SCANS: u8 = 10;

/// How long the followers rest before a change.
const REST: Duration = Duration::from_secs(1);

/// So often another client asks for a sign of life, and somebody writes a plain HSET all the time.
const PINGS: Duration = Duration::from_millis(5);
const WRITES: Duration = Duration::from_millis(100);

/// What so many followers made of changes of one kind.
#[derive(Debug, Clone, Default)]
pub struct Burst {
    /// How each of the changes came to all.
    pub spreads: Vec<Spread>,
    /// Processor time of Redis for one change, in nanoseconds.
    pub cpu: f64,
    /// Bytes it sent for one change.
    pub sent: f64,
    /// How long another client waited for an answer meanwhile.
    pub others: Sample,
}

impl Burst {
    /// The slowest.
    pub fn worst(&self) -> Duration {
        let all = self.spreads.iter().map(|spread| spread.all);
        all.max().unwrap_or_default()
    }

    fn half(&self) -> Duration {
        let halves = self.spreads.iter().map(|spread| spread.half);
        halves.max().unwrap_or_default()
    }

    /// Connections that were given up.
    pub fn dropped(&self) -> usize {
        self.spreads.iter().map(|spread| spread.dropped).sum()
    }
}

/// What they made of plain HSETs without an end.
#[derive(Debug, Clone, Default)]
pub struct Ceaseless {
    /// How long it was watched.
    pub time: Duration,
    /// The part of one core that Redis was busy.
    pub share: f64,
    /// Scans of one follower in that time.
    pub scans: f64,
    /// Connections that were given up.
    pub dropped: usize,
    /// How long another client waited for an answer.
    pub others: Sample,
}

/// What was measured.
#[derive(Debug, Clone)]
pub struct Thousands {
    /// How many followers there were.
    pub followers: u32,
    /// By a verb.
    pub logged: Burst,
    /// By HSET, by followers who reckon as a real daemon did.
    pub plain: Burst,
    /// By HSET, by followers who reckon with the least that a scan can take.
    pub hasty: Burst,
    /// By HSETs without an end, likewise.
    pub steady: Ceaseless,
    /// What a real daemon reckons that a scan costs.
    pub scan: Duration,
    /// The least that it can take: a client that throws away what it reads.
    pub bare: Duration,
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
    eprintln!("  {count} followers, {NAMES} names, {} a scan", span(scan));
    let mut wire = Wire::new(redis);
    let bare = (0..10).map(|_| wire.read_all(HASH, NAMES)).min();
    let bare = bare.expect("there were some");
    let mut followers = Followers::start(redis, count, HASH, scan);
    let connection = wire.info("memory", "mem_clients_normal") / f64::from(count + 1);
    let before = wire.cpu();
    followers.idle(scale.idle);
    let idle = (wire.cpu() - before) / scale.idle.as_secs_f64();
    let logged = make(&mut followers, redis, Change::Logged, 5);
    let plain = make(&mut followers, redis, Change::Plain, 1);
    eprintln!("  the same, {} a scan", span(bare));
    followers.reckon(bare);
    let hasty = make(&mut followers, redis, Change::Plain, 1);
    let steady = steady(&mut followers, redis, bare * count);
    Thousands {
        followers: count,
        logged,
        plain,
        hasty,
        steady,
        scan,
        bare,
        idle,
        connection,
    }
}

/// Makes changes one by one.
fn make(followers: &mut Followers, redis: &Redis, change: Change, times: u8) -> Burst {
    let (mut wire, mut made) = (Wire::new(redis), Burst::default());
    let mut waited = Vec::new();
    for nth in 0..times {
        followers.idle(REST);
        let (cpu, sent) = (wire.cpu(), sent(&mut wire));
        let address = format!("10.230.{}.{nth}", u8::from(change == Change::Plain));
        let other = Other::start(redis);
        made.spreads
            .push(followers.follow(change, &mut wire, &address));
        waited.extend(other.waited());
        made.cpu += (wire.cpu() - cpu) / f64::from(times);
        made.sent += (self::sent(&mut wire) - sent) / f64::from(times);
    }
    made.others = Sample::new(waited);
    made
}

/// Writes plain HSETs without an end, and watches once the first of them has come to all, for as
/// long as that takes.
fn steady(followers: &mut Followers, redis: &Redis, spread: Duration) -> Ceaseless {
    let (mut wire, mut writer) = (Wire::new(redis), Wire::new(redis));
    let gone = followers.gone();
    let busy = Busy::start(move |turn| {
        let [.., high, low] = turn.to_be_bytes();
        let address = format!("10.231.{high}.{low}");
        writer.change(Change::Plain, HASH, &names::name(1), &address);
        std::thread::sleep(WRITES);
    });
    followers.idle(spread);
    let (cpu, scans, start) = (wire.cpu(), wire.calls(&["hgetall"]), Instant::now());
    let other = Other::start(redis);
    followers.idle(spread.max(REST));
    let time = start.elapsed();
    let others = Sample::new(other.waited());
    let scans = wire.calls(&["hgetall"]) - scans;
    let share = (wire.cpu() - cpu) / nanos(start.elapsed());
    drop(busy);
    Ceaseless {
        time,
        share,
        scans: scans / followers.count() as f64,
        dropped: followers.gone() - gone,
        others,
    }
}

/// Another client of the same Redis, which asks for a sign of life again and again.
struct Other {
    busy: Busy,
    waited: Receiver<u64>,
}

impl Other {
    fn start(redis: &Redis) -> Other {
        let mut wire = Wire::new(redis);
        let (tell, waited) = channel();
        let busy = Busy::start(move |_| {
            let asked = Instant::now();
            wire.send(&["PING"]);
            // whoever asked may have all it wanted
            let _ = tell.send(nanos(asked.elapsed()) as u64);
            std::thread::sleep(PINGS);
        });
        Other { busy, waited }
    }

    /// Ends it; how long each answer took, in nanoseconds.
    fn waited(self) -> Vec<u64> {
        drop(self.busy);
        self.waited.iter().collect()
    }
}

/// What a scan costs, as a daemon reckons it that is alone: the best of several, each of which a
/// plain HSET makes necessary.
fn reckoned(world: &mut World) -> Duration {
    world.daemon.start();
    world.daemon.wait_for_state("live");
    let costs = (1..=SCANS).map(|nth| {
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
            "{} connections of one process to one Redis, at {} names. Each speaks as a daemon does: RESP3 and tracking; \
             the log and the length of the hash in one MULTI; after a plain HSET a random wait, and then a read of the \
             whole hash. It throws away what it is told, so this measures Redis and the protocol. The process shares \
             the cores with Redis.",
            count(self.followers.into()),
            count(NAMES.into()),
        ));
        section.say(&format!(
            "How long a daemon waits at random depends on what it estimates that a read costs. *Typical* followers \
             estimate {}: the best of {SCANS} reads by a real daemon (`last_full_read.cost_ms`), which is what a daemon \
             estimates, or a little more. *Hasty* followers estimate {}: the best of 10 reads by a client that does \
             nothing with what it reads. No daemon on this machine estimates less.",
            span(self.scan),
            span(self.bare),
        ));
        section.say(
            "*Half* and *all*: until half of the followers, and the last of them, have the change; the slowest of all \
             changes of that kind. *Dropped*: followers that gave up waiting for an answer. *Another client*: how long \
             a client that does not follow waits meanwhile for the answer to PING, p50 and worst.",
        );
        let each = f64::from(self.followers);
        let rows = [
            ("by a verb", &self.logged),
            ("by HSET, typical", &self.plain),
            ("by HSET, hasty", &self.hasty),
        ]
        .map(|(what, made)| {
            vec![
                what.to_owned(),
                made.spreads.len().to_string(),
                span(made.half()),
                span(made.worst()),
                made.dropped().to_string(),
                time(made.cpu),
                time(made.cpu / each),
                bytes(made.sent / each),
                format!(
                    "{}, {}",
                    time(made.others.median()),
                    time(made.others.worst())
                ),
            ]
        });
        section.table(
            &[
                "change",
                "changes",
                "half",
                "all",
                "dropped",
                "Redis CPU",
                "each",
                "sent, each",
                "another client",
            ],
            &rows,
        );
        let steady = &self.steady;
        section.say(&format!(
            "With {} plain HSETs a second that do not end, and hasty followers: for {} each follower read the hash {} \
             times, Redis was busy {:.0} % of the time, {} connections were dropped, and another client waited {} \
             (p50) and at most {}.",
            (1.0 / WRITES.as_secs_f64()).round(),
            span(steady.time),
            digits(steady.scans),
            100.0 * steady.share,
            steady.dropped,
            time(steady.others.median()),
            time(steady.others.worst()),
        ));
        section.say(&format!(
            "When idle, the followers take {} of Redis's processor time a second, for PING, and {} of \
             its memory each. Resyncs are not in this; they are limited to a twentieth of Redis.",
            time(self.idle),
            bytes(self.connection),
        ));
        self.bars(&mut section);
        section
    }

    fn bars(&self, section: &mut Section) {
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
            self.logged.cpu / f64::from(self.followers),
            time,
        ));
        for (what, dropped) in [
            ("a change by a verb", self.logged.dropped()),
            ("an HSET", self.plain.dropped()),
            ("an HSET, hasty", self.hasty.dropped()),
            ("HSETs without an end, hasty", self.steady.dropped),
        ] {
            section.bars.push(Bar::new(
                format!("{who}, {what}: connections dropped"),
                0.0,
                dropped as f64,
                |number| format!("{number:.0}"),
            ));
        }
    }
}
