//! `make bench`: what cloudhosts costs beside the floor and beside what people would use instead,
//! measured in one run on one machine, and written down with tables and pictures.
//!
//! - [`figures`], [`document`], [`chart`]: numbers, and how they are shown
//! - [`tools`], [`machine`]: what is measured with, and on
//! - [`names`], [`peers`], [`asker`], [`wire`], [`skim`], [`process_costs`]: what is compared, and how it is asked
//! - [`followers`]: thousands of them, in one thread
//! - [`lookups`], [`threads`], [`first`], [`shared`], [`propagation`], [`cost`], [`logged`], [`leases`],
//!   [`fleet`], [`thousands`], [`dns`], [`gateway`]: one subject each
//! - [`scaling`]: what follows from them for large fleets
//! - [`instructions`]: `make bench-check`

pub mod asker;
pub mod chart;
pub mod cost;
pub mod dns;
pub mod document;
pub mod figures;
pub mod first;
pub mod fleet;
pub mod followers;
pub mod gateway;
pub mod instructions;
pub mod leases;
pub mod logged;
pub mod lookups;
pub mod machine;
pub mod names;
pub mod peers;
pub mod process_costs;
pub mod propagation;
pub mod scaling;
pub mod shared;
pub mod skim;
pub mod thousands;
pub mod threads;
pub mod tools;
pub mod wire;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use document::Section;
use figures::count;
use peers::{Kind, Peers};
use tools::Tools;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// Numbers of names of the lookups.
    pub sizes: &'static [u32],
    /// Processes of each service that look up.
    pub rounds: usize,
    /// How long one call is tried in one of them.
    pub patience: Duration,
    /// How long is looked up while changes are published.
    pub while_changing: Duration,
    /// Turns of fresh processes.
    pub turns: usize,
    /// Processes that share the region, and the names in it.
    pub sharing: (usize, u32),
    /// Numbers of names of which changes are followed.
    pub followed: &'static [u32],
    /// Most and least changes of each kind that are followed, and for how long.
    pub changes: usize,
    /// See `changes`.
    pub least_changes: usize,
    /// See `changes`.
    pub changing: Duration,
    /// Changes that are polled for.
    pub polls: usize,
    /// How long a daemon is watched that has nothing to do, or a storm to follow.
    pub idle: Duration,
    /// Daemons and names of the fleets.
    pub fleets: &'static [(u32, u32)],
    /// Numbers of names at which the cost of a logged change is measured, and how many of them.
    pub logged: (&'static [u32], u32),
    /// Numbers of names at which holding is measured, and how many others hold something.
    pub leases: (&'static [u32], u32),
    /// Followers of one process.
    pub followers: u32,
    /// Numbers of names at which DNS servers are compared.
    pub served: &'static [u32],
    /// Machines that renew through one gateway, and for how long.
    pub renewing: (u32, Duration),
}

/// About fifteen minutes.
pub const FULL: Scale = Scale {
    sizes: &[1, 100, 10_000, 100_000, 1_000_000],
    rounds: 5,
    patience: Duration::from_millis(150),
    while_changing: Duration::from_secs(5),
    turns: 20,
    sharing: (100, 100_000),
    followed: &[10, 1_000, 10_000, 100_000, 1_000_000],
    changes: 200,
    least_changes: 3,
    changing: Duration::from_secs(20),
    polls: 10,
    idle: Duration::from_secs(20),
    fleets: &[
        (1, 1_000),
        (10, 1_000),
        (100, 1_000),
        (500, 1_000),
        (100, 10_000),
    ],
    logged: (&[1_000, 100_000, 1_000_000], 50),
    leases: (&[1_000, 1_000_000], 10_000),
    followers: 8_000,
    served: &[100, 10_000, 100_000, 1_000_000],
    renewing: (10_000, Duration::from_secs(20)),
};

/// About two minutes.
pub const QUICK: Scale = Scale {
    sizes: &[1, 10_000],
    rounds: 2,
    patience: Duration::from_millis(100),
    while_changing: Duration::from_secs(1),
    turns: 3,
    sharing: (20, 10_000),
    followed: &[1_000, 10_000],
    changes: 20,
    least_changes: 2,
    changing: Duration::from_secs(3),
    polls: 2,
    idle: Duration::from_secs(4),
    fleets: &[(1, 1_000), (10, 1_000), (10, 10_000)],
    logged: (&[1_000, 20_000], 10),
    leases: (&[1_000, 20_000], 1_000),
    followers: 500,
    served: &[10_000],
    renewing: (400, Duration::from_secs(5)),
};

const INTRODUCTION: &str = "\
# Benchmarks

Written by `make bench`, which measures everything anew, on any machine: cloudhosts beside the floor and beside
what people would use instead, side by side in one run. Times differ from machine to machine and from hour to
hour; the ratios, taken within one round, much less. Everything runs in private namespaces and directories.

- *floor*: a name service that answers a constant. What a lookup costs there is glibc's own work.
- *cloudhosts*: the built module and daemon, all roles in a Redis hash.
- *nscd*: glibc's caching daemon in front of `files`, its cache shared with the process and warm.
- *dnsmasq*: a DNS server on loopback that has all names in its memory.
- *files*: `/etc/hosts` with a line for each name.

Each stands alone on the `hosts:` line. Names have 24 bytes and one IPv4 address each.

*Busy with other work* is how much of all cores was in use for 2 s before each subject, with nothing of ours running.
On a machine that is not quiet, times are longer than they need be, and p99 and worst most of all; processor times
and ratios suffer less.
";

/// Less than this part of all cores is in use on a machine that is quiet, and so long it is waited for.
const QUIET: f64 = 0.25;
const UNTIL_QUIET: Duration = Duration::from_secs(5 * 60);

/// Runs the subjects whose names are given, or all; writes into `docs`. `when_quiet`: waits before each
/// until the machine is quiet, some minutes at most.
pub fn run(scale: &Scale, only: &[String], docs: &Path, when_quiet: bool) {
    let wanted = |subject: &str| only.is_empty() || only.iter().any(|one| one == subject);
    let images = docs.join("img");
    std::fs::create_dir_all(&images).expect("the directory can be made");
    let began = Instant::now();
    let tools = Tools::new();
    let mut sections = Vec::new();
    let (mut loads, mut thousands) = (Vec::new(), None);
    let mut others = Vec::new();
    let mut subject = |title: &str, measure: &mut dyn FnMut() -> Vec<Section>| {
        if wanted(title) {
            let busy = busy(when_quiet);
            others.push(format!("{title} {:.0} %", 100.0 * busy));
            let start = Instant::now();
            eprintln!("{title} (the machine was {:.0} % busy)", 100.0 * busy);
            sections.extend(measure());
            eprintln!("  took {:.0?}", start.elapsed());
        }
    };
    subject("lookups", &mut || {
        vec![lookups::measure(&tools, scale, &images)]
    });
    subject("threads", &mut || vec![threads::measure(&tools, scale)]);
    subject("first", &mut || vec![first::measure(&tools, scale)]);
    subject("shared", &mut || vec![shared::measure(&tools, scale)]);
    subject("changes", &mut || changes(&tools, scale, &images));
    subject("logged", &mut || vec![logged::measure(scale)]);
    subject("leases", &mut || vec![leases::measure(scale)]);
    subject("fleet", &mut || {
        loads = fleet::measure(scale);
        vec![fleet::section(&loads)]
    });
    subject("thousands", &mut || {
        let measured = thousands::measure(scale);
        let section = measured.section();
        thousands = Some(measured);
        vec![section]
    });
    subject("dns", &mut || vec![dns::measure(scale)]);
    subject("gateway", &mut || vec![gateway::measure(scale)]);
    let text = text(&sections, &others.join(", "), began.elapsed());
    println!("{text}");
    write(&docs.join("benchmarks.md"), &text);
    if let (Some(thousands), false) = (&thousands, loads.is_empty()) {
        write(
            &docs.join("scaling.md"),
            &scaling::document(&loads, thousands),
        );
    }
}

/// How busy the machine is with other work; where it is to be quiet, after a wait for that.
fn busy(when_quiet: bool) -> f64 {
    let start = Instant::now();
    loop {
        let busy = machine::busy();
        if !when_quiet || busy < QUIET || start.elapsed() > UNTIL_QUIET {
            return busy;
        }
    }
}

/// Propagation and cost, which need the same daemons.
fn changes(tools: &Tools, scale: &Scale, images: &Path) -> Vec<Section> {
    let (mut propagation, mut cost) = (propagation::Propagation::default(), cost::Cost::default());
    for &names in scale.followed {
        eprintln!("  {} names", count(names.into()));
        let mut peers = Peers::start(tools, &[Kind::Cloudhosts], names);
        propagation.follow(scale, &peers, names);
        if names == 1_000 {
            cost.storm(scale, &peers, names);
        }
        cost.measure(scale, &mut peers, names);
    }
    eprintln!("  polling");
    propagation.poll(scale);
    vec![propagation.section(images), cost.section(images)]
}

fn text(sections: &[Section], others: &str, took: Duration) -> String {
    let mut text = String::from(INTRODUCTION);
    text.push_str("\n| | |\n| --- | --- |\n");
    for (what, is) in machine::describe() {
        writeln!(text, "| {what} | {is} |").expect("a string takes it");
    }
    writeln!(text, "| busy with other work before | {others} |").expect("a string takes it");
    writeln!(text, "| the run took | {:.0} s |\n", took.as_secs_f64()).expect("a string takes it");
    let links: Vec<String> = sections.iter().map(Section::link).collect();
    writeln!(text, "{}\n", links.join(" · ")).expect("a string takes it");
    text.push_str("## The bars\n\nWhat the design asks for, and what this run measured.\n\n");
    text.push_str(&document::bars(sections));
    for section in sections {
        text.push('\n');
        text.push_str(section.text().trim_end());
        text.push('\n');
    }
    text
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    eprintln!("{}: written", path.display());
}

/// Where the documents of a full run stand, and where those of any other.
pub fn places() -> (PathBuf, PathBuf) {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    (tree.join("docs"), tools::target().join("bench"))
}
