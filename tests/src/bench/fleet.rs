//! Many daemons on one Redis: what each costs it.

use std::time::{Duration, Instant};

use super::Scale;
use super::document::Section;
use super::figures::{bytes, count, nanos, span, time};
use super::names;
use super::process_costs::Costs;
use super::wire::Wire;
use crate::daemon::Daemon;
use crate::machine;
use crate::wait;
use crate::world::{HASH, World};

/// Changes that are counted together.
const CHANGES: u32 = 4;

/// What one Redis was asked for by so many daemons.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// How many daemons.
    pub daemons: u32,
    /// Names in the hash.
    pub names: u32,
    /// Processor time of Redis for one change, in nanoseconds.
    pub cpu: f64,
    /// Bytes it sent for one change.
    pub sent: f64,
    /// Until all had read it.
    pub spread: f64,
    /// Memory for one idle connection, in bytes.
    pub connection: f64,
    /// A restart of Redis: processor time, bytes sent, and until all had read.
    pub restart: (f64, f64, Duration),
}

impl Load {
    /// Processor time for one daemon that reads the hash once, in nanoseconds.
    pub fn cpu_each(&self) -> f64 {
        self.cpu / f64::from(self.daemons)
    }

    /// Bytes for one daemon and one name.
    pub fn sent_each(&self) -> f64 {
        self.sent / f64::from(self.daemons) / f64::from(self.names)
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
        "Real daemons, all on one Redis over its Unix socket. A name is registered anew {CHANGES} times; the \
         figures are those of one change, all daemons together. *Spread* is until the last daemon has read, *all back* \
         likewise, from when the old Redis is ended. The \
         daemons share the cores with Redis here, which machines of their own would not.",
    ));
    let rows = loads.iter().map(|load| {
        let (cpu, sent, took) = load.restart;
        vec![
            count(load.daemons.into()),
            count(load.names.into()),
            time(load.cpu),
            time(load.cpu_each()),
            bytes(load.sent),
            bytes(load.sent / f64::from(load.daemons)),
            time(load.spread),
            format!("{}, {}, {}", time(cpu), bytes(sent), span(took)),
        ]
    });
    section.table(
        &[
            "daemons",
            "names",
            "Redis CPU",
            "each",
            "sent",
            "each",
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
    let (mut cpu, mut sent, mut spread) = (0.0, 0.0, 0.0);
    for nth in 0..CHANGES {
        let before = Spent::so_far(&mut wire);
        wire.send(&[
            "HSET",
            HASH,
            &names::name(0),
            &format!("10.220.0.{}", nth + 1),
        ]);
        spread += nanos(all_read(&mut wire, before.reads + f64::from(daemons)));
        rest(&mut wire);
        let after = Spent::so_far(&mut wire);
        cpu += after.costs.since(&before.costs).cpu;
        sent += after.sent - before.sent;
    }
    world.redis.cli(&["SAVE"]);
    drop(wire);
    let start = Instant::now();
    world.redis.restart();
    let mut wire = Wire::new(&world.redis);
    all_read(&mut wire, f64::from(daemons));
    let took = start.elapsed();
    rest(&mut wire);
    let restart = Spent::so_far(&mut wire);
    let times = f64::from(CHANGES);
    Load {
        daemons,
        names,
        cpu: cpu / times,
        sent: sent / times,
        spread: spread / times,
        connection,
        restart: (restart.costs.total().cpu, restart.sent, took),
    }
}

/// What Redis has spent on the daemons.
struct Spent {
    costs: Costs,
    sent: f64,
    reads: f64,
}

impl Spent {
    fn so_far(wire: &mut Wire) -> Spent {
        let pid = wire.info("server", "process_id") as u32;
        // what was sent to us is not the daemons'
        let sent = wire.info("stats", "total_net_output_bytes") - wire.received() as f64;
        Spent {
            costs: Costs::of(pid),
            sent,
            reads: wire.calls(&["hgetall"]),
        }
    }
}

/// Waits until Redis was read so often.
fn all_read(wire: &mut Wire, reads: f64) -> Duration {
    let start = Instant::now();
    wait::until("all have read", || {
        (wire.calls(&["hgetall"]) >= reads).then(|| start.elapsed())
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
