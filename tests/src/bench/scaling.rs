//! `docs/scaling.md`: what one Redis carries, worked out from what was measured of fleets.

use std::cmp::Reverse;
use std::fmt::Write as _;

use super::figures::{bytes, count, digits, nanos, time};
use super::fleet::Load;
use super::thousands::{NAMES as FOLLOWED, Thousands};

/// Machines and names of the tables.
const MACHINES: [u32; 3] = [1_000, 10_000, 100_000];
const NAMES: [u32; 3] = [100, 1_000, 10_000];

/// What a server with a fast network sends in a second, in bytes: 10 Gbit/s.
const LINK: f64 = 10e9 / 8.0;

/// A change should be everywhere within this, in seconds.
const SPREAD: f64 = 1.0;

const INTRODUCTION: &str = "\
# How far it scales

Worked out on paper from what `make bench` measured of fleets on one Redis, on the machine and at the date that
[benchmarks.md](benchmarks.md) names. What is measured is said to be; all the rest is arithmetic, shown so that it
can be done again with other numbers.

Every machine has one daemon, and every daemon one connection. What a change costs depends on who made it:

- **A verb of `cloudhosts`, or a script that appends its own entry to the log**, writes down what changed. Each
  daemon reads that entry and nothing else. It costs Redis the same for ten names as for a million, so it grows
  with the machines alone.
- **A plain HSET** tells only *that* the hash changed, so each daemon reads the hash anew. That grows with
  machines × names. So that they do not all come at once, each daemon waits at random first, up to the time that
  the scans of all of them take together.

Lookups never leave the machine they are made on, and cost Redis nothing.
";

const SPLITTING: &str = "\
## What to do when it is too much

**Have the verbs make the changes**, or append to the log what your own script changes
([cloudhosts-registry(7)](../man/cloudhosts-registry.7)). Nothing else gains as much.

**Replicas as read endpoints.** Daemons only read, so they need not read from the master: name a replica in
`redis.urls` (the others of the list are tried when it fails). The master then sends each *change* once to each
replica, some dozens of bytes, and the replicas carry the reads. R replicas divide machines by R. Tracking works
on a replica as on a master. What is lost is the replication's delay. `redis.sentinel` is left out here: it
finds the master.

**Hashes split by zone.** `hashes` is an ordered list: `[\"cloudhosts:eu-1\", \"cloudhosts\"]` has a machine follow
the roles of its zone and the common ones, and nothing else. A change of one zone's role then is read by that
zone's machines alone, and each reads that zone's names alone: Z zones of equal size divide machines *and* names
by Z for it, which is Z² in what Redis sends after a plain HSET. Only roles that are asked for everywhere belong
into the common hash. Zones can live on Redis servers of their own, as long as what one machine follows is on one.

**Fewer names.** `allow` does not help here: it is applied by the daemon to what it has read.

**Many changes at a time cost no more than few**: what comes while a daemon reads, or waits to read, is read once.

**Resyncs** (`resync_interval`) are paced by what a scan costs and by how many clients Redis has, so that those of
the whole fleet take a twentieth of Redis at most.

**A restart of Redis** has all daemons read once, spread over up to 5 s by their back-off with full jitter;
meanwhile every machine answers from the table it has.
";

/// The document.
pub fn document(loads: &[Load], thousands: &Thousands) -> String {
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
    let scan = Scan {
        few,
        many,
        thousands,
    };
    measured(&mut text, loads, thousands);
    fit(&mut text, &scan);
    by_a_verb(&mut text, thousands);
    by_hset(&mut text, &scan);
    text.push_str(SPLITTING);
    zones(&mut text, &scan);
    text
}

/// What it costs to read a hash whole.
struct Scan<'a> {
    few: &'a Load,
    many: &'a Load,
    thousands: &'a Thousands,
}

impl Scan<'_> {
    /// Processor time of Redis, in nanoseconds.
    fn cpu(&self, names: f64) -> f64 {
        let each = |load: &Load| load.each(load.plain.cpu);
        let (least, most) = (f64::from(self.few.names), f64::from(self.many.names));
        if most <= least {
            return each(self.few) * names / least;
        }
        let slope = ((each(self.many) - each(self.few)) / (most - least)).max(0.0);
        (each(self.few) - slope * least).max(0.0) + slope * names
    }

    /// Bytes a name.
    fn sent(&self) -> f64 {
        self.many.each(self.many.plain.sent) / f64::from(self.many.names)
    }

    /// How long so many machines spread their scans over, in nanoseconds.
    fn spread(&self, machines: u32, names: u32) -> f64 {
        let a_name = nanos(self.thousands.scan) / f64::from(FOLLOWED);
        f64::from(machines) * f64::from(names) * a_name
    }
}

fn measured(text: &mut String, loads: &[Load], thousands: &Thousands) {
    text.push_str(
        "\n## What a change costs Redis for each daemon\n\nMeasured, names of 24 bytes with one address each. The \
         last row is not of daemons but of connections that speak as they do.\n\n",
    );
    table(
        text,
        &[
            "daemons",
            "names",
            "by a verb: CPU",
            "bytes",
            "by HSET: CPU",
            "bytes",
            "bytes a name",
            "memory an idle connection",
        ],
    );
    for load in loads {
        let bytes_each = load.each(load.plain.sent);
        row(
            text,
            &[
                count(load.daemons.into()),
                count(load.names.into()),
                time(load.each(load.logged.cpu)),
                bytes(load.each(load.logged.sent)),
                time(load.each(load.plain.cpu)),
                bytes(bytes_each),
                digits(bytes_each / f64::from(load.names)),
                bytes(load.connection),
            ],
        );
    }
    let each = |of: f64| of / f64::from(thousands.followers);
    row(
        text,
        &[
            count(thousands.followers.into()),
            count(FOLLOWED.into()),
            time(each(thousands.logged.cpu)),
            bytes(each(thousands.logged.sent)),
            time(each(thousands.plain.cpu)),
            bytes(each(thousands.plain.sent)),
            digits(each(thousands.plain.sent) / f64::from(FOLLOWED)),
            bytes(thousands.connection),
        ],
    );
}

fn fit(text: &mut String, scan: &Scan<'_>) {
    let (thousands, base) = (scan.thousands, scan.cpu(0.0));
    let each = |of: f64| of / f64::from(thousands.followers);
    writeln!(
        text,
        "\nSo a change by a verb takes Redis about {} of one core and {} of network for each machine, by the last row. \
         A read of N names takes about {} + N × {:.0} ns (a straight line through the fleet of {} daemons with {} names \
         and that of {} with {}), and N × {:.0} bytes.\n",
        time(each(thousands.logged.cpu)),
        bytes(each(thousands.logged.sent)),
        time(base),
        scan.cpu(1.0) - base,
        count(scan.few.daemons.into()),
        count(scan.few.names.into()),
        count(scan.many.daemons.into()),
        count(scan.many.names.into()),
        scan.sent(),
    )
    .expect("a string takes it");
}

fn by_a_verb(text: &mut String, thousands: &Thousands) {
    writeln!(
        text,
        "## One change by a verb, all machines on one Redis\n\n\
         - *CPU* = machines × CPU a change; Redis works with one core, so this is also how long it is busy, and until \
         the last machine has it.\n\
         - *Sent* = machines × bytes a change.\n\
         - *Changes* = how many a second Redis has time for, one by one. More of them are not refused: what comes \
         while a daemon asks is in the next answer.\n\
         - *Connections* = machines × {} of memory.\n\
         - *Idle* = the part of one core that signs of life take while nothing changes (measured with {} followers, \
         times machines).\n",
        bytes(thousands.connection),
        count(thousands.followers.into()),
    )
    .expect("a string takes it");
    table(
        text,
        &["machines", "CPU", "sent", "changes", "connections", "idle"],
    );
    let each = |of: f64| of / f64::from(thousands.followers);
    for machines in MACHINES.map(f64::from) {
        let cpu = machines * each(thousands.logged.cpu);
        row(
            text,
            &[
                count(machines as u64),
                time(cpu),
                bytes(machines * each(thousands.logged.sent)),
                format!("{} a second", digits(1e9 / cpu)),
                bytes(machines * thousands.connection),
                format!("{} %", digits(machines * each(thousands.idle) / 1e7)),
            ],
        );
    }
    text.push('\n');
}

fn by_hset(text: &mut String, scan: &Scan<'_>) {
    writeln!(
        text,
        "## One plain HSET, all machines on one Redis\n\n\
         - *CPU* = machines × CPU a read, for which Redis is busy.\n\
         - *Sent* = machines × names × {:.0} bytes; beside it how long a network of 10 Gbit/s needs for it.\n\
         - *Spread* = the time over which the machines come, each at a random moment: as long as all scans take, by \
         what one takes a daemon that is alone (measured: {} at {} names). Until then the last machine answers what it \
         answered before.\n\
         - *Servers* = replicas among which the machines must be divided so that each is done within {SPREAD:.0} s, by \
         CPU and network alike, rounded up.\n",
        scan.sent(),
        time(nanos(scan.thousands.scan)),
        count(FOLLOWED.into()),
    )
    .expect("a string takes it");
    table(
        text,
        &[
            "machines",
            "names",
            "CPU",
            "sent",
            "at 10 Gbit/s",
            "spread",
            "servers",
        ],
    );
    for machines in MACHINES {
        for names in NAMES {
            let each = f64::from(machines);
            let volume = each * f64::from(names) * scan.sent();
            let cpu = each * scan.cpu(f64::from(names));
            row(
                text,
                &[
                    count(machines.into()),
                    count(names.into()),
                    time(cpu),
                    bytes(volume),
                    time(volume / LINK * 1e9),
                    time(scan.spread(machines, names)),
                    count(servers(cpu, volume)),
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

fn zones(text: &mut String, scan: &Scan<'_>) {
    const ZONES: u32 = 10;
    writeln!(
        text,
        "\n## A plain HSET with {ZONES} zones\n\nA role of one zone changes; machines and names are spread evenly over \
         {ZONES} zones, each with a hash of its own.\n",
    )
    .expect("a string takes it");
    table(
        text,
        &[
            "machines",
            "names",
            "read by",
            "each reads",
            "CPU",
            "sent",
            "spread",
            "servers",
        ],
    );
    for machines in MACHINES {
        for names in NAMES {
            let (few, own) = (machines / ZONES, names / ZONES);
            let each = f64::from(few);
            let volume = each * f64::from(own) * scan.sent();
            let cpu = each * scan.cpu(f64::from(own));
            row(
                text,
                &[
                    count(machines.into()),
                    count(names.into()),
                    count(few.into()),
                    format!("{} names", count(own.into())),
                    time(cpu),
                    bytes(volume),
                    time(scan.spread(few, own)),
                    count(servers(cpu, volume)),
                ],
            );
        }
    }
}

/// The head of a table of numbers.
fn table(text: &mut String, heads: &[&str]) {
    row(
        text,
        &heads.iter().map(ToString::to_string).collect::<Vec<_>>(),
    );
    writeln!(text, "|{}", " ---: |".repeat(heads.len())).expect("a string takes it");
}

fn row(text: &mut String, cells: &[String]) {
    writeln!(text, "| {} |", cells.join(" | ")).expect("a string takes it");
}
