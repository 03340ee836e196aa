//! From HSET to a process that runs already seeing it.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use super::Scale;
use super::chart::Chart;
use super::document::{Bar, Section};
use super::figures::{Sample, count, median, nanos, ratio, time};
use super::names;
use super::peers::{Kind, Peers};
use super::wire::Wire;
use crate::caller::{Family, Watch};
use crate::config::quote;
use crate::redis::Redis;
use crate::world::{HASH, World};

/// What was measured with so many names.
#[derive(Debug)]
struct Figures {
    names: u32,
    seen: Sample,
    /// The bare reads of the same hash.
    bare: f64,
}

impl Figures {
    /// The 99th percentile, or the worst of too few.
    fn p99(&self) -> f64 {
        self.seen.p99().unwrap_or(self.seen.worst())
    }

    fn bar(&self) -> f64 {
        3.0 * self.bare + 2e6
    }
}

/// The figures so far.
#[derive(Debug, Default)]
pub struct Propagation {
    tracking: Vec<Figures>,
    polling: Option<Figures>,
}

impl Propagation {
    /// Changes one name again and again and sees when a process is told.
    pub fn follow(&mut self, scale: &Scale, peers: &Peers, names: u32) {
        let ours = peers.all.iter().find(|peer| peer.kind == Kind::Cloudhosts);
        let entrance = ours.expect("it is asked for").sandbox.entrance();
        let mut watch = Watch::start(entrance, Family::V4, &names::name(0));
        watch.until(&[&names::address(0).to_string()]);
        // the daemon rests nine times as long as a read took; a change then is seen at once
        let mut wire = Wire::new(&peers.redis);
        let bare = wire.read_all(HASH, names).as_secs_f64();
        let rest = || {
            let cost = peers.daemon.status()["last_full_read"]["cost_ms"].as_f64();
            let cost = (cost.unwrap_or(0.0) / 1e3).max(bare);
            Duration::from_secs_f64(cost * 12.0) + Duration::from_millis(20)
        };
        let figures = changes(&peers.redis, &mut watch, names, scale, rest);
        self.tracking.push(figures);
    }

    /// The same where Redis refuses change tracking.
    pub fn poll(&mut self, scale: &Scale) {
        const NAMES: u32 = 1_000;
        let builder = World::new();
        let redis = Redis::builder(builder.directory().join("redis"))
            .tcp()
            .user("user poller on >secret ~* &* +@all -client|tracking")
            .start();
        names::register(&redis, NAMES);
        let url = redis.tcp_url();
        let world = builder
            .redis(redis)
            .config("redis.urls", format!("[{}]", quote(&url)))
            .login("poller", "secret")
            .start();
        let mut watch = world.watch(&names::name(0));
        watch.until(&[&names::address(0).to_string()]);
        let mut nth = 0;
        // at all moments between two polls
        let rest = || {
            nth += 1;
            Duration::from_millis(2_000 + 370 * nth % 2_000)
        };
        let few = Scale {
            changes: scale.polls,
            ..*scale
        };
        self.polling = Some(changes(&world.redis, &mut watch, NAMES, &few, rest));
    }

    /// Describes them.
    pub fn section(&self, images: &Path) -> Section {
        let mut section = Section::new("Propagation");
        section.say(
            "One name is registered anew with HSET, and a process that looks it up ten thousand times a second \
             notes when it is told the new address. The changes come one by one, each after the daemon has rested \
             from the one before (it rests nine times as long as a read took). *Bare read* is a client that reads \
             the same hash over the same kind of socket, as the daemon does (HGETALL, above 10,000 fields HSCAN), \
             and throws it away. Where there were less than 100 changes, p99 is the worst.",
        );
        let rows = self.tracking.iter().map(|one| {
            vec![
                count(one.names.into()),
                count(one.seen.taken as u64),
                time(one.seen.median()),
                time(one.p99()),
                time(one.seen.worst()),
                time(one.bare),
                ratio(one.seen.median() / one.bare),
                time(one.bar()),
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
                "bar (3 × bare + 2 ms)",
            ],
            &rows.collect::<Vec<_>>(),
        );
        section.image(
            "propagation.svg",
            "time to see a change against the number of names",
        );
        if let Some(polling) = &self.polling {
            section.say(&format!(
                "Where Redis refuses change tracking the daemon polls, every 2 s unless `poll_interval` says \
                 otherwise: of {} changes at {} names half were seen within {}, the slowest after {}.",
                polling.seen.taken,
                count(polling.names.into()),
                time(polling.seen.median()),
                time(polling.seen.worst()),
            ));
        }
        section.say(
            "What it replaces, as facts and not as runs: a hosts file that cron writes is up to 60 s late, because \
             cron runs once a minute (crontab(5)); a DNS answer may be kept for as long as its TTL says (RFC 1035, \
             section 3.2.1), commonly 60 to 300 s.",
        );
        let line = |title: &str, of: fn(&Figures) -> f64| {
            let points = self
                .tracking
                .iter()
                .map(|one| (f64::from(one.names), of(one)));
            (title.to_owned(), points.collect())
        };
        Chart {
            title: "From HSET to a running process",
            axes: ["names in the hash", "time"],
            show: time,
            lines: vec![
                line("p50", |one| one.seen.median()),
                line("p99", Figures::p99),
                line("bare read of the hash", |one| one.bare),
                line("3 × bare read + 2 ms", Figures::bar),
            ],
        }
        .draw(&images.join("propagation.svg"));
        for one in &self.tracking {
            section.bars.push(Bar::new(
                format!("HSET to visible, p99, {} names", count(one.names.into())),
                one.bar(),
                one.p99(),
                time,
            ));
        }
        section
    }
}

fn changes(
    redis: &Redis,
    watch: &mut Watch,
    names: u32,
    scale: &Scale,
    mut rest: impl FnMut() -> Duration,
) -> Figures {
    let mut wire = Wire::new(redis);
    let (mut seen, mut bare) = (Vec::new(), Vec::new());
    let began = Instant::now();
    while seen.len() < scale.least_changes
        || (seen.len() < scale.changes && began.elapsed() < scale.changing)
    {
        std::thread::sleep(rest());
        let nth = seen.len();
        let address = format!(
            "10.{}.{}.{}",
            200 + nth / 62_500,
            nth / 250 % 250,
            1 + nth % 250
        );
        let sent = SystemTime::UNIX_EPOCH
            .elapsed()
            .expect("the clock is past 1970");
        wire.send(&["HSET", HASH, &names::name(0), &address]);
        let told = Duration::from_nanos(watch.until(&[&address]).at);
        seen.push(told.saturating_sub(sent).as_nanos() as u64);
        if bare.len() < 25 {
            bare.push(nanos(wire.read_all(HASH, names)));
        }
    }
    Figures {
        names,
        seen: Sample::new(seen),
        bare: median(bare),
    }
}
