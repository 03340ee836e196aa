//! The first lookup of a fresh process, and where its time goes.

use super::Scale;
use super::document::{Bar, Section};
use super::figures::{Sample, bytes, count, median, ratio, time};
use super::names;
use super::peers::{Kind, Peer, Peers};
use super::tools::Tools;
use crate::process::succeed;
use crate::programs;

const NAMES: u32 = 1_000;

/// Processes started in one turn of one service.
const TURN: usize = 10;

/// One fresh process.
struct First {
    /// The lookup alone, in nanoseconds.
    alone: f64,
    faults: f64,
    /// From before the process was made to its answer.
    whole: f64,
}

/// Measures and describes.
pub fn measure(tools: &Tools, scale: &Scale) -> Section {
    let mut section = Section::new("First lookup of a process");
    let peers = Peers::start(tools, &Kind::ALL, NAMES);
    section.say(&format!(
        "A small C program is started {} times for each service, in turns of {TURN}, and makes one call of \
         getaddrinfo (AF_UNSPEC) for one of {} names. *Lookup* is that call alone, in which glibc reads \
         nsswitch.conf and loads the module, and the module gets its table; *start to answer* begins before the \
         process is made.",
        TURN * scale.turns,
        count(NAMES.into()),
    ));
    let mut firsts: Vec<Vec<Vec<First>>> = peers.all.iter().map(|_| Vec::new()).collect();
    for _ in 0..scale.turns {
        for (turns, peer) in firsts.iter_mut().zip(&peers.all) {
            turns.push(turn(tools, peer));
        }
    }
    let median_of = |at: usize, of: fn(&First) -> f64| {
        median(firsts[at].iter().map(|turn| median(turn.iter().map(of))))
    };
    let place = |kind: Kind| peers.all.iter().position(|peer| peer.kind == kind);
    // against another of the same turn
    let against = |at: usize, other: Kind, of: fn(&First) -> f64| {
        let other = place(other).expect("it is among all");
        let turns = firsts[at].iter().zip(&firsts[other]);
        median(turns.map(|(own, other)| median(own.iter().map(of)) / median(other.iter().map(of))))
    };
    let rows = peers.all.iter().enumerate().map(|(at, peer)| {
        let all: Vec<u64> = firsts[at]
            .iter()
            .flatten()
            .map(|one| one.alone as u64)
            .collect();
        let p99 = Sample::new(all).p99().unwrap_or(f64::NAN);
        vec![
            peer.kind.title().to_owned(),
            time(median_of(at, |one| one.alone)),
            ratio(against(at, Kind::Null, |one| one.alone)),
            ratio(against(at, Kind::Cloudhosts, |one| one.alone)),
            time(p99),
            format!("{:.0}", median_of(at, |one| one.faults)),
            time(median_of(at, |one| one.whole)),
            ratio(against(at, Kind::Null, |one| one.whole)),
            ratio(against(at, Kind::Cloudhosts, |one| one.whole)),
        ]
    });
    section.table(
        &[
            "",
            "lookup",
            "× floor",
            "× cloudhosts",
            "p99",
            "page faults",
            "start to answer",
            "× floor",
            "× cloudhosts",
        ],
        &rows.collect::<Vec<_>>(),
    );
    let was =
        place(Kind::Cloudhosts).map_or(f64::NAN, |at| against(at, Kind::Null, |one| one.alone));
    section.bars.push(Bar::new(
        "first lookup in a fresh process, against the floor's",
        2.0,
        was,
        ratio,
    ));
    parts(tools, scale, &peers, &mut section);
    library(tools, &peers, &mut section);
    section
}

fn turn(tools: &Tools, peer: &Peer) -> Vec<First> {
    let mut command = peer.sandbox.entrance().command(&tools.lookups);
    let said = succeed(command.args(["starts", &TURN.to_string(), &names::name(0)]));
    let line = |line: &str| {
        let [alone, faults, whole] = numbers(line);
        First {
            alone,
            faults,
            whole,
        }
    };
    said.lines().map(line).collect()
}

fn numbers<const N: usize>(line: &str) -> [f64; N] {
    let words = line
        .split_whitespace()
        .map(|word| word.parse::<f64>().expect("a number"));
    words
        .collect::<Vec<_>>()
        .try_into()
        .expect("so many numbers")
}

/// The module as glibc uses it, step by step.
fn parts(tools: &Tools, scale: &Scale, peers: &Peers, section: &mut Section) {
    const STEPS: [&str; 3] = [
        "load and relocate the module (dlopen)",
        "its first call (ours: and attach)",
        "its second call",
    ];
    let modules = [(Kind::Null, "null"), (Kind::Cloudhosts, "cloudhosts")];
    let mut taken: [Vec<[f64; 6]>; 2] = [Vec::new(), Vec::new()];
    for _ in 0..TURN * scale.turns {
        for ((kind, service), taken) in modules.iter().zip(&mut taken) {
            let peer = peers
                .all
                .iter()
                .find(|peer| peer.kind == *kind)
                .expect("it is among all");
            let mut command = peer.sandbox.entrance().command(&tools.lookups);
            let (module, prefix) = (format!("libnss_{service}.so.2"), format!("_nss_{service}"));
            command.args(["parts", &module, &prefix, &names::name(0)]);
            taken.push(numbers(succeed(&mut command).trim()));
        }
    }
    section.head("Where the time goes");
    section.say("Medians of as many fresh processes, which load the module themselves and call it without glibc's lookup around it.");
    let rows = STEPS.iter().enumerate().map(|(at, step)| {
        let cells = taken.iter().flat_map(|taken| {
            let of = |at: usize| median(taken.iter().map(|parts| parts[at]));
            [time(of(2 * at)), format!("{:.0}", of(2 * at + 1))]
        });
        std::iter::once((*step).to_owned()).chain(cells).collect()
    });
    section.table(
        &["", "floor", "page faults", "cloudhosts", "page faults"],
        &rows.collect::<Vec<_>>(),
    );
}

/// What the library adds to a process.
fn library(tools: &Tools, peers: &Peers, section: &mut Section) {
    let module = programs::find(programs::MODULE);
    let size = std::fs::metadata(&module).map_or(f64::NAN, |file| file.len() as f64);
    let relocations = succeed(
        std::process::Command::new("readelf")
            .arg("-rW")
            .arg(&module),
    );
    let relocations = relocations
        .lines()
        .filter(|line| line.contains("R_"))
        .count();
    let grown: Vec<f64> = peers
        .all
        .iter()
        .filter(|peer| [Kind::Null, Kind::Cloudhosts].contains(&peer.kind))
        .map(|peer| {
            let mut asker = super::asker::Asker::start(tools, peer.sandbox.entrance());
            let before = asker.own_memory();
            asker.times(
                super::asker::Call::Unspec,
                true,
                peer.names,
                1,
                std::time::Duration::ZERO,
            );
            asker.own_memory() - before
        })
        .collect();
    section.say(&format!(
        "The library has {}, {relocations} relocations, and needs libc alone. After its first lookup a process has \
         {} more memory of its own (anonymous pages) than before it, with the floor's module {}; the difference is \
         what cloudhosts adds to each process. The table is shared by all of them.",
        bytes(size),
        bytes(grown[1]),
        bytes(grown[0]),
    ));
}
