//! From HSET to a process that runs already seeing it.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use super::Scale;
use super::chart::Chart;
use super::document::{Bar, Section};
use super::figures::{Sample, count, median, nanos, ratio, time};
use super::names;
use super::peers::{Kind, Peers};
use super::wire::{Change, Wire};
use crate::busy::Busy;
use crate::caller::{Family, Watch};
use crate::config::quote;
use crate::redis::Redis;
use crate::world::{HASH, World};

/// Other names that change, a second, while changes are followed under churn.
const CHURN: u64 = 100;

/// What was measured with so many names.
#[derive(Debug)]
struct PropagationFigures {
    names: u32,
    /// Changes by a verb, as nothing else changes.
    logged: Sample,
    /// Plain HSETs, as nothing else changes.
    quiet: Sample,
    /// Plain HSETs, while others are made.
    churning: Sample,
    /// The bare reads of the same hash.
    bare: f64,
}

impl PropagationFigures {
    /// What a plain HSET may take at most, by the design.
    fn bar(&self) -> f64 {
        1.3 * self.bare + 2e6
    }
}

/// What a change by a verb may take at most, by the design.
const LOGGED_BAR: f64 = 2e6;

/// What is added to that of a plain HSET while changes go on.
const CHURNING_BAR: f64 = 2e9;

/// The 99th percentile, or the worst of too few.
fn p99(sample: &Sample) -> f64 {
    sample.p99().unwrap_or(sample.worst())
}

/// How often something is changed.
#[derive(Debug, Clone, Copy)]
struct Times {
    most: usize,
    least: usize,
    within: Duration,
    /// A change comes at the earliest so long after the one before was seen.
    rest: Duration,
    /// And at all moments up to so much later.
    window: Duration,
}

/// The figures so far.
#[derive(Debug, Default)]
pub struct Propagation {
    tracking: Vec<PropagationFigures>,
    polling: Option<Sample>,
}

/// Names in the hash where it is polled.
const POLLED: u32 = 1_000;

impl Propagation {
    /// Changes one name again and again and sees when a process is told.
    pub fn follow(&mut self, scale: &Scale, peers: &Peers, names: u32) {
        let ours = peers.all.iter().find(|peer| peer.kind == Kind::Cloudhosts);
        let entrance = ours.expect("it is asked for").sandbox.entrance();
        let mut watch = Watch::start(entrance, Family::V4, &names::name(0));
        watch.until(&[&names::address(0).to_string()]);
        let mut wire = Wire::new(&peers.redis);
        let reads = (0..5).map(|_| nanos(wire.read_all(HASH, names)));
        let bare = median(reads.collect::<Vec<_>>());
        let mut series = Series {
            wire: Wire::new(&peers.redis),
            watch: &mut watch,
            nth: 0,
        };
        // the whole rest after a read, and some time without any
        let window = Duration::from_secs_f64((24.0 * bare / 1e9).clamp(0.02, 3.0));
        let churning = Times {
            most: scale.changes,
            least: scale.least_changes,
            within: scale.changing,
            rest: Duration::ZERO,
            window,
        };
        let quiet = Times {
            rest: window,
            ..churning
        };
        let logged = Times {
            within: scale.changing / 3,
            window: Duration::from_millis(20),
            ..churning
        };
        // a log that there was not before is a reason to read the hash once more
        series.change(Change::Logged);
        series.change(Change::Plain);
        let logged = series.measure(Change::Logged, logged);
        let quiet = series.measure(Change::Plain, quiet);
        let churn = (names > 1).then(|| churn(&peers.redis, names));
        let churning = series.measure(Change::Plain, churning);
        drop(churn);
        self.tracking.push(PropagationFigures {
            names,
            logged,
            quiet,
            churning,
            bare,
        });
    }

    /// The same where Redis refuses change tracking.
    pub fn poll(&mut self, scale: &Scale) {
        let builder = World::new();
        let redis = Redis::builder(builder.directory().join("redis"))
            .tcp()
            .user("user poller on >secret ~* &* +@all -client|tracking")
            .start();
        names::register(&redis, POLLED);
        let url = redis.tcp_url();
        let world = builder
            .redis(redis)
            .config("redis.urls", format!("[{}]", quote(&url)))
            .login("poller", "secret")
            .start();
        let mut watch = world.watch(&names::name(0));
        watch.until(&[&names::address(0).to_string()]);
        let mut series = Series {
            wire: Wire::new(&world.redis),
            watch: &mut watch,
            nth: 0,
        };
        let times = Times {
            most: scale.polls,
            least: scale.least_changes,
            within: scale.changing,
            rest: Duration::ZERO,
            // at all moments between two polls
            window: Duration::from_secs(2),
        };
        self.polling = Some(series.measure(Change::Plain, times));
    }

    /// Describes them.
    pub fn section(&self, images: &Path) -> Section {
        let mut section = Section::new("Propagation");
        section.say(&format!(
            "One name is registered anew, and a process that looks it up ten thousand times a second notes when it is \
             told the new address. The changes come one by one, each at some moment after the one before was seen: *by a \
             verb* with an entry in the log, in one step; *by HSET* without one, so that the daemon has to read the \
             hash, after a time without changes in which it has had its rest from the read before (up to 2 s); *under \
             churn* at any moment, while {CHURN} other HSETs a second go on. *Bare read* is a client that reads \
             the same hash over the same kind of socket, as the daemon does (HGETALL, above 10,000 fields HSCAN), and \
             throws it away. Where there were less than 100 changes, p99 is the worst.",
        ));
        type Of = (&'static str, fn(&PropagationFigures) -> &Sample);
        let kinds: [Of; 3] = [
            ("By a verb", |one| &one.logged),
            ("By HSET", |one| &one.quiet),
            ("By HSET, under churn", |one| &one.churning),
        ];
        for (title, sample) in kinds {
            section.head(title);
            let rows = self.tracking.iter().map(|one| {
                let seen = sample(one);
                vec![
                    count(one.names.into()),
                    count(seen.taken as u64),
                    time(seen.median()),
                    time(p99(seen)),
                    time(seen.worst()),
                    time(one.bare),
                    ratio(seen.median() / one.bare),
                ]
            });
            section.table(
                &[
                    "names",
                    "changes",
                    "p50",
                    "p99",
                    "worst",
                    "bare read",
                    "p50 ÷ bare",
                ],
                &rows.collect::<Vec<_>>(),
            );
        }
        section.image(
            "propagation.svg",
            "time to see a change against the number of names",
        );
        if let Some(polling) = &self.polling {
            section.say(&format!(
                "Where Redis refuses change tracking the daemon polls, every 2 s unless `poll_interval` says \
                 otherwise: of {} changes at {} names half were seen within {}, the slowest after {}.",
                polling.taken,
                count(POLLED.into()),
                time(polling.median()),
                time(polling.worst()),
            ));
        }
        section.say(
            "For comparison, not measured: a hosts file that cron writes is up to 60 s late, because \
             cron runs once a minute (crontab(5)); a DNS answer may be cached for as long as its TTL says (RFC 1035, \
             section 3.2.1), commonly 60 to 300 s.",
        );
        self.draw(images);
        for one in &self.tracking {
            let names = count(one.names.into());
            let mut bar = |what: &str, most: f64, sample: &Sample| {
                let what = format!("{what}, p99, {names} names");
                section.bars.push(Bar::new(what, most, p99(sample), time));
            };
            bar("a change by a verb to visible", LOGGED_BAR, &one.logged);
            bar("HSET to visible", one.bar(), &one.quiet);
            bar(
                "HSET to visible under churn",
                one.bar() + CHURNING_BAR,
                &one.churning,
            );
        }
        section
    }

    fn draw(&self, images: &Path) {
        let line = |title: &str, of: fn(&PropagationFigures) -> f64| {
            let points = self
                .tracking
                .iter()
                .map(|one| (f64::from(one.names), of(one)));
            (title.to_owned(), points.collect())
        };
        Chart {
            title: "From a change to a running process",
            axes: ["names in the hash", "time"],
            show: time,
            lines: vec![
                line("bare read of the hash", |one| one.bare),
                line("by a verb, p50", |one| one.logged.median()),
                line("by HSET, p50", |one| one.quiet.median()),
                line("by HSET, p99", |one| p99(&one.quiet)),
                line("by HSET under churn, p99", |one| p99(&one.churning)),
            ],
        }
        .draw(&images.join("propagation.svg"));
    }
}

/// HSETs of all names but the first, again and again.
fn churn(redis: &Redis, names: u32) -> Busy {
    let mut wire = Wire::new(redis);
    Busy::start(move |turn| {
        let nth = u32::try_from(turn * 7_919 % u64::from(names - 1)).expect("less than names");
        let [.., high, low] = turn.to_be_bytes();
        let address = format!("10.190.{high}.{low}");
        wire.change(Change::Plain, HASH, &names::name(1 + nth), &address);
        std::thread::sleep(Duration::from_millis(1_000 / CHURN));
    })
}

/// Changes of one name, each seen before the next.
struct Series<'w> {
    wire: Wire,
    watch: &'w mut Watch,
    nth: usize,
}

impl Series<'_> {
    fn measure(&mut self, change: Change, times: Times) -> Sample {
        let began = Instant::now();
        let mut seen: Vec<u64> = Vec::new();
        while seen.len() < times.least
            || (seen.len() < times.most && began.elapsed() < times.within)
        {
            // the parts of the golden ratio fill the window evenly
            let part = (seen.len() as f64 * 0.618_034).fract();
            std::thread::sleep(times.rest + times.window.mul_f64(part));
            seen.push(self.change(change).as_nanos() as u64);
        }
        Sample::new(seen)
    }

    /// Makes one, and waits until it is seen; how long that took.
    fn change(&mut self, change: Change) -> Duration {
        let nth = self.nth;
        self.nth += 1;
        let (high, middle) = (200 + nth / 62_500, nth / 250 % 250);
        let address = format!("10.{high}.{middle}.{}", 1 + nth % 250);
        let sent = SystemTime::UNIX_EPOCH
            .elapsed()
            .expect("the clock is past 1970");
        self.wire.change(change, HASH, &names::name(0), &address);
        let told = Duration::from_nanos(self.watch.until(&[&address]).at);
        told.saturating_sub(sent)
    }
}
