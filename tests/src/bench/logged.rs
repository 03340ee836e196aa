//! What a change by a verb costs one daemon and its Redis, however many names there are.

use super::Scale;
use super::cost::{rested, settled};
use super::document::{Bar, Section};
use super::figures::{count, time};
use super::names;
use super::wire::{Change, Wire};
use crate::config::list;
use crate::wait;
use crate::world::{HASH, World};

/// The roles that the daemon mirrors, and one that it follows and does not mirror: a change of that one
/// is taken in, but makes no new table.
const MIRRORED: &str = "service-*";
const EXCLUDED: &str = "excluded";

/// A name that is mirrored.
const VISIBLE: u32 = 1;

/// What was measured with so many names.
#[derive(Debug)]
struct LogFigures {
    names: u32,
    /// Processor time of Redis for what the daemon asks, in nanoseconds.
    redis: f64,
    /// Processor time of the daemon until it has taken the change in.
    follow: f64,
    /// The same with a table that is made of it.
    publish: f64,
}

/// Measures and describes.
pub fn measure(scale: &Scale) -> Section {
    let (sizes, changes) = scale.logged;
    let all: Vec<LogFigures> = sizes.iter().map(|&names| figures(names, changes)).collect();
    let mut section = Section::new("A change by a verb");
    section.say(&format!(
        "Changes as the verbs make them: an entry in the log and the field of the hash, in one step, {changes} times one \
         by one. *Redis*: processor time of the commands with which one daemon learns of a change (MULTI to EXEC, by \
         `INFO commandstats`; reading and writing the socket is not in it, but in \
         [A fleet on one Redis](#a-fleet-on-one-redis)). *Taken in*: processor time of the daemon, follower and mirror, \
         for a change of a role that `allow` excludes. *Published*: the same for a role that is mirrored, with the table \
         that is built and written to disk. The table is still built as a whole for \
         each change, so *published* grows with the number of names; *Redis* and *taken in* do not.",
    ));
    let rows = all.iter().map(|one| {
        vec![
            count(one.names.into()),
            time(one.redis),
            time(one.follow),
            time(one.publish),
        ]
    });
    section.table(
        &["names", "Redis", "daemon, taken in", "daemon, published"],
        &rows.collect::<Vec<_>>(),
    );
    for one in &all {
        section.bars.push(Bar::new(
            format!(
                "Redis CPU for one daemon, a change by a verb, {} names",
                count(one.names.into())
            ),
            30e3,
            one.redis,
            time,
        ));
    }
    if let [few, .., many] = all.as_slice() {
        let what = format!(
            "the daemon takes a change by a verb in: {} names against {}",
            count(many.names.into()),
            count(few.names.into())
        );
        // twice as much is what noise may make of it
        section
            .bars
            .push(Bar::new(what, 2.0 * few.follow, many.follow, time));
    }
    section
}

fn figures(names: u32, changes: u32) -> LogFigures {
    eprintln!("  {} names", count(names.into()));
    let mut world = World::new().config("allow", list(&[MIRRORED])).build();
    names::register(&world.redis, names);
    world.daemon.start();
    world.daemon.wait_for_state("live");
    let mut wire = Wire::new(&world.redis);
    // a log that there was not before is a reason to read the hash once more
    change(&mut wire, EXCLUDED, "10.240.0.250");
    let (costs, before) = (rested(world.daemon.id()), asked(&mut wire));
    let times = f64::from(changes);
    for nth in 0..changes {
        change(&mut wire, EXCLUDED, &format!("10.240.0.{nth}"));
    }
    let redis = (asked(&mut wire) - before) / times;
    let follow = settled(world.daemon.id()).since(&costs).cpu / times;
    // a table of a million names takes its time
    let few = changes.min(10);
    let (costs, name) = (settled(world.daemon.id()), names::name(VISIBLE));
    for nth in 0..few {
        let address = format!("10.241.0.{nth}");
        change(&mut wire, &name, &address);
        world.sees(&name, &[&address]);
    }
    let publish = settled(world.daemon.id()).since(&costs).cpu / f64::from(few);
    LogFigures {
        names,
        redis,
        follow,
        publish,
    }
}

/// Makes a change, and waits until the daemon has asked for it.
fn change(wire: &mut Wire, name: &str, address: &str) {
    let before = wire.calls(&["exec"]);
    wire.change(Change::Logged, HASH, name, address);
    wait::until("the daemon asks what has changed", || {
        (wire.calls(&["exec"]) > before).then_some(())
    });
}

/// What the daemon's questions have cost Redis so far.
fn asked(wire: &mut Wire) -> f64 {
    wire.command_time(&["multi", "exec"])
}
