//! What the daemon costs: memory, processor, start-up.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use super::Scale;
use super::chart::Chart;
use super::document::{Bar, Section};
use super::figures::{bytes, count, digits, ratio, span, time};
use super::names;
use super::peers::{Kind, Peers};
use super::process_costs::Costs;
use super::wire::{Change, Wire};
use crate::daemon::Daemon;
use crate::wait;
use crate::world::HASH;

/// The threads of an idle daemon: its loop, and the handover. Those that do work end after a while.
const THREADS: usize = 2;

/// What was measured with so many names.
#[derive(Debug)]
struct CostFigures {
    names: u32,
    table: f64,
    resident: f64,
    peak: f64,
    /// Processor time of one read of everything.
    full_read: f64,
    /// Processor time of a second in which nothing changes.
    idle: f64,
    /// Wake-ups in such a second.
    wakes: f64,
    from_redis: Duration,
    from_file: Duration,
}

/// The figures so far.
#[derive(Debug, Default)]
pub struct Cost {
    sizes: Vec<CostFigures>,
    storm: Option<Storm>,
}

/// A storm of changes.
#[derive(Debug)]
struct Storm {
    names: u32,
    changes: f64,
    daemon: f64,
    redis: f64,
    publishes: f64,
}

impl Cost {
    /// Measures a daemon that has followed changes already. At the end it is stopped.
    pub fn measure(&mut self, scale: &Scale, peers: &mut Peers, names: u32) {
        let pid = peers.daemon.id();
        let status = peers.daemon.status();
        let table = status["table_bytes"].as_f64().unwrap_or(f64::NAN);
        let before = rested(pid);
        let read_before = status["last_full_read"]["at"].clone();
        // which is not in the log, so that it reads everything
        let mut wire = Wire::new(&peers.redis);
        wire.change(Change::Plain, HASH, &names::name(0), "10.211.0.1");
        peers.daemon.wait_for("everything is read again", |status| {
            status["last_full_read"]["at"] != read_before
        });
        let still = rested(pid);
        let full_read = still.since(&before).cpu;
        wait::until("the threads that did the work have ended", || {
            std::thread::sleep(Duration::from_millis(500));
            (Costs::of(pid).threads() <= THREADS).then_some(())
        });
        let still = Costs::of(pid);
        std::thread::sleep(scale.idle);
        let idle = Costs::of(pid).since(&still);
        let seconds = scale.idle.as_secs_f64();
        let used = Costs::of(pid);
        let [(from_redis, redis_peak), (from_file, file_peak)] = starts(peers);
        self.sizes.push(CostFigures {
            names,
            table,
            resident: used.resident,
            peak: used.peak.max(redis_peak).max(file_peak),
            full_read,
            idle: idle.cpu / seconds,
            wakes: idle.waits / seconds,
            from_redis,
            from_file,
        });
    }

    /// A storm: changes as fast as one connection sends them.
    pub fn storm(&mut self, scale: &Scale, peers: &Peers, names: u32) {
        let mut wire = Wire::new(&peers.redis);
        let redis = wire.info("server", "process_id") as u32;
        let publishes = || peers.daemon.status()["publishes"].as_f64().unwrap_or(0.0);
        let before = (Costs::of(peers.daemon.id()), Costs::of(redis), publishes());
        let (began, mut changes) = (Instant::now(), 0u32);
        while began.elapsed() < scale.idle {
            let value = format!("10.210.{}.{}", changes / 250 % 250, changes % 250);
            wire.send(&["HSET", HASH, &names::name(changes % names), &value]);
            changes += 1;
        }
        let seconds = began.elapsed().as_secs_f64();
        let share = |after: Costs, before: &Costs| after.since(before).cpu / seconds / 1e7;
        self.storm = Some(Storm {
            names,
            changes: f64::from(changes) / seconds,
            daemon: share(Costs::of(peers.daemon.id()), &before.0),
            redis: share(Costs::of(redis), &before.1),
            publishes: (publishes() - before.2) / seconds,
        });
    }

    /// Describes them.
    pub fn section(&self, images: &Path) -> Section {
        let mut section = Section::new("Cost of the daemon");
        section.say(
            "Of a daemon that has followed the changes above. *Full read* is the processor time in which it reads \
             the whole hash once more, as it does every `resync_interval`. *Region* is the memory that all processes \
             share, with its room for changes, and counts among the daemon's. *Ready* is from its start until a \
             process is handed it: from a Redis with all names, and from \
             `last-good.table` with no Redis there.",
        );
        let rows = self.sizes.iter().map(|one| {
            vec![
                count(one.names.into()),
                bytes(one.table),
                digits(one.table / f64::from(one.names)),
                bytes(one.resident),
                bytes(one.peak),
                ratio(one.peak / one.table),
                time(one.full_read),
                span(one.from_redis),
                span(one.from_file),
            ]
        });
        section.table(
            &[
                "names",
                "region",
                "bytes a name",
                "resident",
                "peak",
                "peak ÷ region",
                "full read",
                "ready, Redis",
                "ready, file",
            ],
            &rows.collect::<Vec<_>>(),
        );
        let rows = self.sizes.iter().map(|one| {
            vec![
                count(one.names.into()),
                digits(one.wakes),
                format!("{} a second", time(one.idle)),
            ]
        });
        section.say("Idle (the daemon sends PING when the connection is silent, and updates its heartbeat once a second):");
        section.table(
            &["names", "wake-ups a second", "processor time"],
            &rows.collect::<Vec<_>>(),
        );
        if let Some(storm) = &self.storm {
            section.say(&format!(
                "In a storm of {} HSETs a second, among {} names, the daemon used {:.1} % of one core and \
                 published {:.1} changes a second; Redis, which the changes themselves cost most, used {:.1} %.",
                count(storm.changes as u64),
                count(storm.names.into()),
                storm.daemon,
                storm.publishes,
                storm.redis,
            ));
        }
        let line = |title: &str, of: fn(&CostFigures) -> f64| {
            let points = self.sizes.iter().map(|one| (f64::from(one.names), of(one)));
            (title.to_owned(), points.collect())
        };
        Chart {
            title: "Memory of the daemon",
            axes: ["names", "bytes"],
            show: bytes,
            lines: vec![
                line("peak", |one| one.peak),
                line("resident", |one| one.resident),
                line("region", |one| one.table),
            ],
        }
        .draw(&images.join("memory.svg"));
        section.image(
            "memory.svg",
            "memory of the daemon against the number of names",
        );
        self.bars(&mut section);
        section
    }

    fn bars(&self, section: &mut Section) {
        let Some(largest) = self.sizes.last() else {
            return;
        };
        let names = count(largest.names.into());
        let each = largest.table / f64::from(largest.names);
        let show: fn(f64) -> String = |bytes| format!("{bytes:.1} B");
        section.bars.push(Bar::new(
            format!("region, a name, at {names}"),
            110.0,
            each,
            show,
        ));
        // with few names it is the program itself that weighs
        if largest.names >= 1_000_000 {
            let what = format!("memory of the daemon ÷ region, peaks included, {names} names");
            let was = largest.peak / largest.table;
            section.bars.push(Bar::new(what, 3.0, was, ratio));
        }
        // The number of names makes no difference, and the edges of so short a time do.
        let wakes: f64 = self.sizes.iter().map(|one| one.wakes).sum();
        section.bars.push(Bar::new(
            "idle daemon, wake-ups a second",
            2.0,
            wakes / self.sizes.len() as f64,
            digits,
        ));
    }
}

/// The costs of a daemon once they have stopped growing: the file is written after the table.
pub fn settled(pid: u32) -> Costs {
    let mut last = Costs::of(pid);
    wait::until("the daemon rests", || {
        std::thread::sleep(Duration::from_millis(300));
        let now = Costs::of(pid);
        let rests = now.since(&last).cpu < 5e6;
        last = now.clone();
        rests.then_some(now)
    })
}

/// The costs of a daemon that has nothing more to do: it rests for 2 s at most between two scans, and
/// has used next to nothing for longer than that.
pub fn rested(pid: u32) -> Costs {
    let mut last = Costs::of(pid);
    wait::until("the daemon has nothing more to do", || {
        std::thread::sleep(Duration::from_millis(2_500));
        let now = Costs::of(pid);
        let rests = now.since(&last).cpu < 5e6;
        last = now.clone();
        rests.then_some(now)
    })
}

/// How long until a process gets a table, from Redis and from the file alone; and the memory each
/// start took at most.
fn starts(peers: &mut Peers) -> [(Duration, f64); 2] {
    let ours = peers.all.iter().find(|peer| peer.kind == Kind::Cloudhosts);
    let sandbox = &ours.expect("it is asked for").sandbox;
    let file = sandbox.outside("/var/lib/cloudhosts/last-good.table");
    let socket = sandbox.outside("/run/cloudhosts/cached.sock");
    let ready = |daemon: &mut Daemon| {
        let start = Instant::now();
        daemon.start();
        wait::until("a table is handed over", || {
            let handed =
                UnixStream::connect(&socket).and_then(|mut stream| stream.read(&mut [0; 16]));
            handed.is_ok_and(|bytes| bytes > 0).then_some(())
        });
        let took = start.elapsed();
        let peak = settled(daemon.id()).peak;
        daemon.terminate();
        (took, peak)
    };
    peers.daemon.terminate();
    std::fs::remove_file(&file).expect("it was written");
    let from_redis = ready(&mut peers.daemon);
    peers.redis.kill();
    [from_redis, ready(&mut peers.daemon)]
}
