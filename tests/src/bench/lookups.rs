//! Lookups in a running process, against the floor and the peers.

use std::path::Path;
use std::time::Duration;

use super::Scale;
use super::asker::Call;
use super::chart::Chart;
use super::document::{Bar, Section};
use super::figures::{Sample, count, median, ratio, time};
use super::peers::{CACHED, Kind, Peers, SERVED};
use super::tools::Tools;

/// What is asked, and whether it is there.
const QUESTIONS: [(Call, bool, &str); 6] = [
    (Call::Unspec, true, "getaddrinfo, AF_UNSPEC, hit"),
    (Call::Unspec, false, "getaddrinfo, AF_UNSPEC, miss"),
    (Call::Inet, true, "getaddrinfo, AF_INET, hit"),
    (Call::Inet, false, "getaddrinfo, AF_INET, miss"),
    (Call::ByName, true, "gethostbyname_r, hit"),
    (Call::ByAddr, true, "gethostbyaddr_r, hit"),
];

/// Lookups of one kind in one process.
const MOST: usize = 20_000;

/// They are made in so many parts, in turns with the other services, so that what else the machine
/// does falls on all of them.
const TURNS: usize = 5;

/// What was measured of one service, with so many names.
#[derive(Debug, Clone)]
struct LookupFigures {
    names: u32,
    question: usize,
    kind: Kind,
    median: f64,
    p99: f64,
    /// Times the floor's median of the same turn.
    floor: f64,
    /// Times ours of the same turn.
    ours: f64,
}

/// Measures and describes.
pub fn measure(tools: &Tools, scale: &Scale, images: &Path) -> Section {
    let mut figures = Vec::new();
    for &names in scale.sizes {
        eprintln!("  {} names", count(names.into()));
        let peers = Peers::start(tools, &Kind::ALL, names);
        figures.extend(with_names(tools, scale, &peers, names));
    }
    let mut section = Section::new("Lookups");
    section.say(&format!(
        "Each figure is the median of {} processes of each kind, started in turn; each took the time of up to \
         {} calls of one kind one by one (as many as {} ms hold, where they are slow), in {TURNS} parts, in turns with \
         the others; ratios are of the same turn. The names of hits are \
         drawn at random from all there are, but for nscd, which is asked for {} names that it has cached; and dnsmasq \
         has {} names at most, because with 1,000,000 it does not answer within a minute of its start. \
         Of the cells, the first number is the time, the second its ratio to the floor, the third to cloudhosts.",
        scale.rounds,
        count(MOST as u64),
        scale.patience.as_millis(),
        CACHED,
        count(SERVED.into()),
    ));
    section.say(
        "nscd is below the floor because glibc asks it before it looks into nsswitch.conf. It is a cache: an answer \
         stays until its time to live is over, whatever happened meanwhile, and a name that it does not have costs \
         what *files* costs. In a large table a hit takes longer than a miss, because it waits for the memory of \
         the record as well as for that of the index.",
    );
    section.say(&conclusion(&figures));
    for (at, (_, _, title)) in QUESTIONS.iter().enumerate() {
        section.head(title);
        section.table(&heads("names"), &rows(scale, &figures, at, median_cell));
    }
    section.head("p99");
    section.say("The 99th percentile of getaddrinfo, AF_UNSPEC, hit; where a process got less than 100 answers there is none.");
    section.table(
        &heads("names"),
        &rows(scale, &figures, 0, |one| time(one.p99)),
    );
    picture(scale, &figures, images);
    section.image("lookups.svg", "getaddrinfo against the number of names");
    for (question, what) in [(0, "hit"), (1, "miss")] {
        let worst = |sizes: &dyn Fn(u32) -> bool| {
            let ours = figures.iter().filter(|one| {
                one.kind == Kind::Cloudhosts && one.question == question && sizes(one.names)
            });
            ours.map(|one| one.floor).fold(f64::NAN, f64::max)
        };
        let mut bar = |sizes: &str, most: f64, was: f64| {
            if !was.is_nan() {
                let what = format!("getaddrinfo, {what}, {sizes}: p50 against the floor");
                section.bars.push(Bar::new(what, most, was, ratio));
            }
        };
        bar("1 to 100,000 names", 1.15, worst(&|names| names <= 100_000));
        bar("1,000,000 names", 1.15, worst(&|names| names > 100_000));
    }
    section
}

/// What the figures say in one sentence.
fn conclusion(figures: &[LookupFigures]) -> String {
    let range = |kind: Kind, of: fn(&LookupFigures) -> f64| {
        let all = figures.iter().filter(|one| one.kind == kind).map(of);
        let (least, most) = all.fold((f64::MAX, f64::MIN), |(least, most), one| {
            (least.min(one), most.max(one))
        });
        format!("{} to {}", ratio(least), ratio(most))
    };
    format!(
        "Over all calls and sizes of this run cloudhosts took {} the floor; against cloudhosts, dnsmasq took {}, files \
         {} and nscd, warm, {}.",
        range(Kind::Cloudhosts, |one| one.floor),
        range(Kind::Dns, |one| one.ours),
        range(Kind::Files, |one| one.ours),
        range(Kind::Nscd, |one| one.ours),
    )
}

fn with_names(tools: &Tools, scale: &Scale, peers: &Peers, names: u32) -> Vec<LookupFigures> {
    // of each turn, for each question, what each peer took
    let mut turns: Vec<Vec<Vec<Sample>>> = Vec::new();
    for _ in 0..scale.rounds {
        let mut askers = peers.askers(tools);
        let mut round = vec![Vec::new(); TURNS];
        for (call, hit, _) in QUESTIONS {
            for (asker, peer) in askers.iter_mut().zip(&peers.all) {
                let (warm_up, patience) = match peer.kind {
                    // until all of its names are cached
                    Kind::Nscd => (20 * CACHED as usize, Duration::from_secs(20)),
                    _ => (MOST / 2, scale.patience / 4),
                };
                asker.times(call, hit, peer.names, warm_up, patience);
            }
            for turn in &mut round {
                let samples = askers.iter_mut().zip(&peers.all).map(|(asker, peer)| {
                    let patience = scale.patience / TURNS as u32;
                    asker.times(call, hit, peer.names, MOST / TURNS, patience)
                });
                turn.push(samples.collect());
            }
        }
        turns.append(&mut round);
    }
    let mut figures = Vec::new();
    for question in 0..QUESTIONS.len() {
        for (at, peer) in peers.all.iter().enumerate() {
            let of = |figure: &dyn Fn(&[Sample]) -> f64| {
                median(turns.iter().map(|turn| figure(&turn[question])))
            };
            let against = |kind: Kind| {
                let other = peers.all.iter().position(|peer| peer.kind == kind);
                other.map_or(f64::NAN, |other| {
                    of(&|turn| turn[at].median() / turn[other].median())
                })
            };
            figures.push(LookupFigures {
                names,
                question,
                kind: peer.kind,
                median: of(&|turn| turn[at].median()),
                p99: of(&|turn| turn[at].p99().unwrap_or(f64::NAN)),
                floor: against(Kind::Null),
                ours: against(Kind::Cloudhosts),
            });
        }
    }
    figures
}

fn heads(first: &str) -> Vec<&str> {
    let titles = Kind::ALL.iter().map(|kind| kind.title());
    std::iter::once(first).chain(titles).collect()
}

fn rows(
    scale: &Scale,
    figures: &[LookupFigures],
    question: usize,
    cell: fn(&LookupFigures) -> String,
) -> Vec<Vec<String>> {
    let of = |names: u32| {
        let cells = figures
            .iter()
            .filter(move |one| one.names == names && one.question == question)
            .map(cell);
        std::iter::once(count(names.into())).chain(cells).collect()
    };
    scale.sizes.iter().map(|&names| of(names)).collect()
}

fn median_cell(one: &LookupFigures) -> String {
    match one.kind {
        Kind::Null => time(one.median),
        Kind::Cloudhosts => format!("**{} · {}**", time(one.median), ratio(one.floor)),
        _ => {
            let (floor, ours) = (ratio(one.floor), ratio(one.ours));
            format!("{} · {floor} · {ours}", time(one.median))
        }
    }
}

fn picture(scale: &Scale, figures: &[LookupFigures], images: &Path) {
    let line = |kind: Kind| {
        let points = scale.sizes.iter().filter_map(|&names| {
            let one = figures
                .iter()
                .find(|one| one.kind == kind && one.question == 0 && one.names == names)?;
            Some((f64::from(names), one.median))
        });
        (kind.title().to_owned(), points.collect())
    };
    Chart {
        title: "getaddrinfo (AF_UNSPEC, hit), median",
        axes: ["names", "time of a lookup"],
        show: time,
        lines: Kind::ALL.into_iter().map(line).collect(),
    }
    .draw(&images.join("lookups.svg"));
}
