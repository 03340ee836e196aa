//! `docs/scaling.md`: what one Redis carries, worked out from what was measured of a fleet.

use std::cmp::Reverse;
use std::fmt::Write as _;

use super::figures::{bytes, count, digits, time};
use super::fleet::Load;

/// Machines and names of the tables.
const MACHINES: [u32; 3] = [1_000, 10_000, 100_000];
const NAMES: [u32; 3] = [100, 1_000, 10_000];

/// What a server with a fast network sends in a second, in bytes: 10 Gbit/s.
const LINK: f64 = 10e9 / 8.0;

/// A change should be everywhere within this, in seconds.
const SPREAD: f64 = 1.0;

const INTRODUCTION: &str = "\
# How far it scales

Worked out on paper from what `make bench` measured of fleets of real daemons on one Redis, on the machine and
at the date that [benchmarks.md](benchmarks.md) names. What is measured is said to be; all the rest is
arithmetic, shown so that it can be done again with other numbers.

Every machine has one daemon, every daemon one connection, and a change makes each of them read the hash anew.
So what Redis has to do for a change grows with machines × names, and is the only thing that does: look-ups
never leave the machine they are made on.
";

const SPLITTING: &str = "\
## What to do when it is too much

**Replicas as read endpoints.** Daemons only read, so they need not read from the master: name a replica in
`redis.urls` (the others of the list are tried when it fails). The master then sends each *change* once to each
replica, some dozens of bytes, and the replicas carry the reads. R replicas divide machines by R. Tracking works
on a replica as on a master. What is lost is the replication's delay. `redis.sentinel` is left out here: it
finds the master.

**Hashes split by zone.** `hashes` is an ordered list: `[\"cloudhosts:eu-1\", \"cloudhosts\"]` has a machine follow
the roles of its zone and the common ones, and nothing else. A change of one zone's role then is read by that
zone's machines alone, and each reads that zone's names alone: Z zones of equal size divide machines *and* names
by Z for it, which is Z² in what Redis sends. Only roles that are asked for everywhere belong into the common
hash. Zones can live on Redis servers of their own, as long as what one machine follows is on one.

**Fewer names.** `allow` does not help here: it is applied by the daemon to what it has read.

**Many changes at a time cost no more than one**: after a read that took T a daemon rests for 9 T, and reads
once for all that happened meanwhile. So the worst that changes can do is to keep each daemon reading a tenth
of the time, which the tables' last column bounds.

**A restart of Redis** has all daemons read once, spread over up to 5 s by their back-off with full jitter;
meanwhile every machine answers from the table it has.
";

/// The document.
pub fn document(loads: &[Load]) -> String {
    let mut text = String::from(INTRODUCTION);
    // the largest fleets with the fewest and the most names: between them lies what a name costs
    let (Some(few), Some(many)) = (
        loads
            .iter()
            .max_by_key(|load| (Reverse(load.names), load.daemons)),
        loads.iter().max_by_key(|load| (load.names, load.daemons)),
    ) else {
        return text;
    };
    let cpu = |names: u32| cpu_of_a_read(few, many, f64::from(names));
    let sent = many.sent_each();
    text.push_str(
        "\n## What one read costs Redis\n\nMeasured, names of 24 bytes with one address each:\n\n",
    );
    row(
        &mut text,
        &[
            "daemons",
            "names",
            "Redis CPU a read",
            "bytes a read",
            "bytes a name",
            "memory an idle connection",
        ]
        .map(str::to_owned),
    );
    text.push_str("| ---: | ---: | ---: | ---: | ---: | ---: |\n");
    for load in loads {
        let each = load.sent / f64::from(load.daemons);
        row(
            &mut text,
            &[
                count(load.daemons.into()),
                count(load.names.into()),
                time(load.cpu_each()),
                bytes(each),
                digits(load.sent_each()),
                bytes(load.connection),
            ],
        );
    }
    let base = cpu(0);
    writeln!(
        text,
        "\nSo a read of N names takes Redis about {} + N × {:.0} ns of one core (a straight line through the fleet \
         of {} daemons with {} names and that of {} with {}), and N × {sent:.0} bytes of network.\n",
        time(base),
        cpu(1) - base,
        count(few.daemons.into()),
        count(few.names.into()),
        count(many.daemons.into()),
        count(many.names.into()),
    )
    .expect("a string takes it");
    sizes(&mut text, cpu, sent, many.connection);
    text.push_str(SPLITTING);
    zones(&mut text, cpu, sent);
    text
}

fn cpu_of_a_read(few: &Load, many: &Load, names: f64) -> f64 {
    let (least, most) = (f64::from(few.names), f64::from(many.names));
    if most <= least {
        return few.cpu_each() * names / least;
    }
    let slope = ((many.cpu_each() - few.cpu_each()) / (most - least)).max(0.0);
    (few.cpu_each() - slope * least).max(0.0) + slope * names
}

fn sizes(text: &mut String, cpu: impl Fn(u32) -> f64, sent: f64, connection: f64) {
    writeln!(
        text,
        "## One change, all machines on one Redis\n\n\
         - *CPU* = machines × CPU a read; Redis reads with one core, so this is also how long it is busy.\n\
         - *Sent* = machines × names × {sent:.0} bytes; beside it how long a network of 10 Gbit/s needs for it. Redis \
         holds what it has not sent yet in memory, up to as much.\n\
         - *Servers* = replicas among which the machines must be divided so that each is done within {SPREAD:.0} s, by \
         CPU and network alike, rounded up.\n\
         - *Connections* = machines × {} of memory, all servers together.\n\
         - *Reads* = the most reads a second that one machine makes, however fast things change.\n",
        bytes(connection),
    )
    .expect("a string takes it");
    row(
        text,
        &[
            "machines",
            "names",
            "CPU",
            "sent",
            "at 10 Gbit/s",
            "servers",
            "connections",
            "reads",
        ]
        .map(str::to_owned),
    );
    text.push_str("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n");
    for machines in MACHINES {
        for names in NAMES {
            let each = f64::from(machines);
            let volume = each * f64::from(names) * sent;
            // a daemon rests nine times as long as its read, which takes at least what Redis needs for it
            let most = 1e9 / (10.0 * cpu(names));
            row(
                text,
                &[
                    count(machines.into()),
                    count(names.into()),
                    time(each * cpu(names)),
                    bytes(volume),
                    time(volume / LINK * 1e9),
                    count(servers(each * cpu(names), volume)),
                    bytes(each * connection),
                    digits(most),
                ],
            );
        }
    }
    text.push('\n');
}

/// Servers that are done within the spread.
fn servers(cpu: f64, volume: f64) -> u64 {
    let busy = (cpu / 1e9).max(volume / LINK);
    (busy / SPREAD).ceil().max(1.0) as u64
}

fn zones(text: &mut String, cpu: impl Fn(u32) -> f64, sent: f64) {
    const ZONES: u32 = 10;
    writeln!(
        text,
        "\n## The same with {ZONES} zones\n\nA role of one zone changes; machines and names are spread evenly over {ZONES} zones, each \
         with a hash of its own.\n",
    )
    .expect("a string takes it");
    row(
        text,
        &[
            "machines",
            "names",
            "read by",
            "each reads",
            "CPU",
            "sent",
            "servers",
        ]
        .map(str::to_owned),
    );
    text.push_str("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n");
    for machines in MACHINES {
        for names in NAMES {
            let (few, own) = (machines / ZONES, names / ZONES);
            let each = f64::from(few);
            let volume = each * f64::from(own) * sent;
            row(
                text,
                &[
                    count(machines.into()),
                    count(names.into()),
                    count(few.into()),
                    format!("{} names", count(own.into())),
                    time(each * cpu(own)),
                    bytes(volume),
                    count(servers(each * cpu(own), volume)),
                ],
            );
        }
    }
}

fn row(text: &mut String, cells: &[String]) {
    writeln!(text, "| {} |", cells.join(" | ")).expect("a string takes it");
}
