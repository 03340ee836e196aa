//! Lookups by several threads at once, and while changes are published.

use std::time::{Duration, Instant};

use super::Scale;
use super::asker::Call;
use super::document::{Bar, Section};
use super::figures::{Sample, count, digits, median, ratio, time};
use super::machine::cores;
use super::names;
use super::peers::{Kind, Peers};
use super::tools::Tools;
use super::wire::Wire;
use crate::world::HASH;

const NAMES: u32 = 1_000;
const THREADS: [usize; 4] = [1, 2, 4, 8];

/// Each process is asked so often, in turns with the others.
const TURNS: u32 = 5;

/// Measures and describes.
pub fn measure(tools: &Tools, scale: &Scale) -> Section {
    let mut section = Section::new("Threads, and changes meanwhile");
    let peers = Peers::start(tools, &Kind::ALL, NAMES);
    section.say(&format!(
        "getaddrinfo (AF_UNSPEC, hits among {} names) by threads of one process: lookups a second, and their \
         ratio to one thread. The machine has {} cores, so no service can do better than {}×.",
        count(NAMES.into()),
        cores(),
        cores(),
    ));
    let mut rates = vec![vec![Vec::new(); THREADS.len()]; peers.all.len()];
    for _ in 0..scale.rounds {
        let mut askers = peers.askers(tools);
        for _ in 0..TURNS {
            for (at, threads) in THREADS.into_iter().enumerate() {
                let span = scale.patience / TURNS;
                for (rates, (asker, peer)) in
                    rates.iter_mut().zip(askers.iter_mut().zip(&peers.all))
                {
                    rates[at].push(asker.threads(peer.names, threads, span));
                }
            }
        }
    }
    let rows = peers.all.iter().zip(&rates).map(|(peer, rates)| {
        let one = median(rates[0].iter().copied());
        let cells = rates.iter().map(|rates| {
            let rate = median(rates.iter().copied());
            format!("{} k/s · {}", digits(rate / 1e3), ratio(rate / one))
        });
        let title = peer.kind.title().to_owned();
        std::iter::once(title).chain(cells).collect()
    });
    let heads = ["", "1 thread", "2", "4", "8"];
    section.table(&heads, &rows.collect::<Vec<_>>());
    let of = |kind: Kind| peers.all.iter().position(|peer| peer.kind == kind);
    if let (Some(floor), Some(ours)) = (of(Kind::Null), of(Kind::Cloudhosts)) {
        // what threads gain, of the same turn
        let lost = |at: usize| {
            let gain = |rates: &[Vec<f64>], turn: usize| rates[at][turn] / rates[0][turn];
            let turns = 0..rates[ours][at].len();
            median(turns.map(|turn| gain(&rates[floor], turn) / gain(&rates[ours], turn)))
        };
        let worst = (1..THREADS.len()).map(lost).fold(0.0, f64::max);
        section.bars.push(Bar::new(
            "2, 4 and 8 threads against one: what the floor gains ÷ what cloudhosts gains",
            1.0 / 0.95,
            worst,
            ratio,
        ));
    }
    changes(tools, scale, &peers, &mut section);
    section
}

/// A process that looks up all the time, while another's registrations change the table.
fn changes(tools: &Tools, scale: &Scale, peers: &Peers, section: &mut Section) {
    let ours = peers.all.iter().find(|peer| peer.kind == Kind::Cloudhosts);
    let ours = ours.expect("it is among all");
    let quiet = look_up(tools, ours, scale.while_changing);
    let publishes = || peers.daemon.status()["publishes"].as_u64().unwrap_or(0);
    let mut wire = Wire::new(&peers.redis);
    let (before, began) = (publishes(), Instant::now());
    let changing = std::thread::scope(|threads| {
        let asker = threads.spawn(|| look_up(tools, ours, scale.while_changing));
        let mut nth = 0;
        while !asker.is_finished() {
            nth += 1;
            let value = format!("10.200.{}.{}", nth / 250 % 250, nth % 250);
            wire.send(&["HSET", HASH, &names::name(0), &value]);
            let due = began + Duration::from_millis(100) * nth;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        asker.join().expect("it did not panic")
    });
    let seconds = began.elapsed().as_secs_f64();
    let published = publishes() - before;
    section.head("While changes are published");
    section.say(&format!(
        "One thread looks up without a pause; a name is registered anew ten times a second. In {seconds:.0} s the \
         daemon published {published} changes, {:.1} a second, each of which the process had at its next lookup.",
        published as f64 / seconds,
    ));
    let row = |title: &str, sample: &Sample| {
        let p99 = sample.p99().unwrap_or(f64::NAN);
        let (median, worst) = (time(sample.median()), time(sample.worst()));
        vec![
            title.to_owned(),
            count(sample.taken as u64),
            median,
            time(p99),
            worst,
        ]
    };
    section.table(
        &["", "lookups", "p50", "p99", "worst"],
        &[row("quiet", &quiet), row("ten changes a second", &changing)],
    );
}

fn look_up(tools: &Tools, ours: &super::peers::Peer, span: Duration) -> Sample {
    let mut asker = super::asker::Asker::start(tools, ours.sandbox.entrance());
    asker.times(Call::Unspec, true, NAMES, 1_000, span);
    asker.times(Call::Unspec, true, NAMES, usize::MAX, span)
}
