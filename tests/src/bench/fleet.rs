//! Many daemons on one Redis: what each costs it.

use std::time::{Duration, Instant};

use super::Scale;
use super::document::Section;
use super::figures::{bytes, count, nanos, span, time};
use super::names;
use super::process_costs::Costs;
use super::wire::{Change, Wire};
use crate::daemon::Daemon;
use crate::machine;
use crate::wait;
use crate::world::{HASH, World};

/// Changes that are counted together.
const CHANGES: u32 = 4;

/// What one change, with all that daemons make of it, costs Redis.
#[derive(Debug, Clone, Copy, Default)]
pub struct OneChange {
    /// Processor time of Redis, in nanoseconds.
    pub cpu: f64,
    /// Bytes it sent.
    pub sent: f64,
    /// Until all had read it.
    pub spread: f64,
}

/// What one Redis was asked for by so many daemons.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// How many daemons.
    pub daemons: u32,
    /// Names in the hash.
    pub names: u32,
    /// A change by a verb.
    pub logged: OneChange,
    /// A plain HSET, for which each reads the hash.
    pub plain: OneChange,
    /// Memory for one idle connection, in bytes.
    pub connection: f64,
    /// A restart of Redis: processor time, bytes sent, and until all had read.
    pub restart: (f64, f64, Duration),
}

impl Load {
    /// The part of one daemon.
    pub fn each(&self, of: f64) -> f64 {
        of / f64::from(self.daemons)
    }
}

/// Measures all sizes of the fleet.
pub fn measure(scale: &Scale) -> Vec<Load> {
    let fleets = scale.fleets.iter();
    fleets
        .map(|&(daemons, names)| {
            eprintln!("  {daemons} daemons, {} names", count(names.into()));
            load(daemons, names)
        })
        .collect()
}

/// Describes them.
pub fn section(loads: &[Load]) -> Section {
    let mut section = Section::new("A fleet on one Redis");
    section.say(&format!(
        "Real daemons, all on one Redis over its Unix socket. A name is registered anew {CHANGES} times as the verbs do \
         it, with an entry in the log, and as often with a plain HSET; the figures are those of one change. *Spread* is \
         until the last daemon has read, *all back* likewise, from when the old Redis is ended. The daemons share the \
         cores with Redis here, which machines of their own would not.",
    ));
    let rows = loads.iter().map(|load| {
        let (cpu, sent, took) = load.restart;
        let mut row = vec![count(load.daemons.into()), count(load.names.into())];
        for made in [load.logged, load.plain] {
            row.extend([
                time(load.each(made.cpu)),
                bytes(load.each(made.sent)),
                time(made.spread),
            ]);
        }
        row.push(format!("{}, {}, {}", time(cpu), bytes(sent), span(took)));
        row
    });
    section.table(
        &[
            "daemons",
            "names",
            "by a verb: Redis CPU, each",
            "sent, each",
            "spread",
            "by HSET: Redis CPU, each",
            "sent, each",
            "spread",
            "restart of Redis: CPU, sent, all back",
        ],
        &rows.collect::<Vec<_>>(),
    );
    section.say(
        "What this means for thousands of machines is worked out in [scaling.md](scaling.md).",
    );
    section
}

fn load(daemons: u32, names: u32) -> Load {
    let mut world = World::new().build();
    names::register(&world.redis, names);
    let fleet: Vec<Daemon> = (0..daemons)
        .map(|nth| machine::daemon(&world, &format!("machine-{nth}"), world.config.clone()).0)
        .collect();
    for daemon in &fleet {
        daemon.wait_for_state("live");
    }
    let mut wire = Wire::new(&world.redis);
    rest(&mut wire);
    let connection = wire.info("memory", "mem_clients_normal") / f64::from(daemons + 1);
    // what there is no log of yet, a daemon scans for once more
    wire.change(Change::Logged, HASH, &names::name(0), "10.219.0.1");
    rest(&mut wire);
    let question = question(&mut wire);
    let logged = changes(&mut wire, Change::Logged, daemons, question);
    let plain = changes(&mut wire, Change::Plain, daemons, question);
    world.redis.cli(&["SAVE"]);
    drop(wire);
    let start = Instant::now();
    world.redis.restart();
    let mut wire = Wire::new(&world.redis);
    all_read(&mut wire, Change::Plain, f64::from(daemons));
    let took = start.elapsed();
    rest(&mut wire);
    let restart = RedisSpent::so_far(&mut wire);
    Load {
        daemons,
        names,
        logged,
        plain,
        connection,
        restart: (restart.costs.total().cpu, restart.sent, took),
    }
}

/// Makes changes one by one; what one of them cost, without our own questions, each of which costs
/// `question`.
fn changes(wire: &mut Wire, change: Change, daemons: u32, question: f64) -> OneChange {
    let mut made = OneChange::default();
    for nth in 0..CHANGES {
        let (before, asked) = (RedisSpent::so_far(wire), wire.asked());
        let reads = reads(wire, change) + f64::from(daemons);
        let address = format!("10.220.{}.{}", u8::from(change == Change::Plain), nth + 1);
        wire.change(change, HASH, &names::name(0), &address);
        made.spread += nanos(all_read(wire, change, reads));
        rest(wire);
        let after = RedisSpent::so_far(wire);
        let own = f64::from(wire.asked() - asked) * question;
        made.cpu += (after.costs.since(&before.costs).cpu - own).max(0.0);
        made.sent += after.sent - before.sent;
    }
    let one = |sum: f64| sum / f64::from(CHANGES);
    OneChange {
        cpu: one(made.cpu),
        sent: one(made.sent),
        spread: one(made.spread),
    }
}

/// Processor time of Redis for one question as we ask them while we wait, in nanoseconds.
fn question(wire: &mut Wire) -> f64 {
    const TIMES: u32 = 200;
    let before = RedisSpent::so_far(wire).costs;
    for _ in 0..TIMES {
        wire.calls(&["exec"]);
    }
    RedisSpent::so_far(wire).costs.since(&before).cpu / f64::from(TIMES)
}

/// What Redis has spent on the daemons.
struct RedisSpent {
    costs: Costs,
    sent: f64,
}

impl RedisSpent {
    fn so_far(wire: &mut Wire) -> RedisSpent {
        let pid = wire.info("server", "process_id") as u32;
        // what was sent to us is not the daemons'
        let sent = wire.info("stats", "total_net_output_bytes") - wire.received() as f64;
        RedisSpent {
            costs: Costs::of(pid),
            sent,
        }
    }
}

/// How often daemons have read what tells of such a change: the log, in a transaction with the
/// length of the hash, or the hash.
fn reads(wire: &mut Wire, change: Change) -> f64 {
    match change {
        Change::Logged => wire.calls(&["exec"]),
        Change::Plain => wire.calls(&["hgetall"]),
    }
}

/// Waits until that was read so often.
fn all_read(wire: &mut Wire, change: Change, times: f64) -> Duration {
    let start = Instant::now();
    wait::until("all have read", || {
        (reads(wire, change) >= times).then(|| start.elapsed())
    })
}

/// Waits until nobody asks for anything.
fn rest(wire: &mut Wire) {
    wait::until("the fleet rests", || {
        let before = wire.calls(&["hgetall", "hlen"]);
        std::thread::sleep(Duration::from_millis(500));
        (wire.calls(&["hgetall", "hlen"]) <= before).then_some(())
    });
}
