//! DNS servers, asked by dnsperf: how many queries they answer a second, and how long one takes.

use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::Scale;
use super::document::{Bar, Section};
use super::figures::{Sample, count, digits, median, ratio, time};
use super::machine::cores;
use super::names;
use super::peers::{SERVED, dnsmasq};
use super::tools::{system, unpacked};
use crate::config::quote;
use crate::process::{Process, run, stdout, succeed};
use crate::{World, dns, programs, wait};

/// The zone that all names are in.
const ZONE: &str = "internal";

/// Most names that dnsperf asks for in turn.
const ASKED: u32 = 200_000;

/// The queries a second among which the time of one is taken: what each of the servers can answer.
const LOAD: &str = "20000";

/// How long dnsperf asks each time, in seconds.
const SPAN: &str = "1";

/// A DNS server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Ours.
    Cloudhosts,
    Dnsmasq,
    /// With a `local-data` line for each name; measured where it is installed.
    Unbound,
}

/// One of them, with all names.
#[derive(Debug)]
struct Server {
    kind: Kind,
    address: &'static str,
    _process: Process,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Question {
    Hit,
    Miss,
}

/// Figures of one server: queries a second and median times, one of each round.
#[derive(Debug, Default, Clone)]
struct Figures {
    rates: Vec<f64>,
    medians: Vec<f64>,
}

/// Where the servers and dnsperf run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cores {
    /// The server on one core, dnsperf on the others.
    One,
    /// Everything on all of them.
    All,
}

/// Measures and describes.
pub fn measure(scale: &Scale) -> Section {
    let mut section = Section::new("DNS");
    section.say(&format!(
        "`cloudhosts-dns`, dnsmasq and Unbound with `local-data`: A records, asked by dnsperf. \
         Queries a second are those of 8 sockets with 100 queries outstanding; p50 is the time of a query where 20,000 a second are asked. \
         The machine has {} cores, which dnsperf shares. *One core*: the server has a core of its own. \
         The others have {} names at most.",
        cores(),
        count(SERVED.into()),
    ));
    for &names in scale.served {
        eprintln!("  {} names", count(names.into()));
        measure_at(scale, names, &mut section);
    }
    section
}

fn measure_at(scale: &Scale, count_of_names: u32, section: &mut Section) {
    let mut world = World::new().network().config("domain", quote(ZONE)).build();
    names::register(&world.redis, count_of_names);
    world.daemon.start();
    world.daemon.wait_for_state("live");
    let questions = [Question::Hit, Question::Miss];
    let mut rows = Vec::new();
    for place in [Cores::One, Cores::All] {
        if place == Cores::One && cores() < 2 {
            continue;
        }
        let servers = start_all(&world, place, count_of_names);
        for question in questions {
            let mut figures = vec![Figures::default(); servers.len()];
            for _ in 0..scale.rounds.min(3) {
                for (server, figures) in servers.iter().zip(&mut figures) {
                    let file = write_questions(&world, question, server.kind.names(count_of_names));
                    figures.rates.push(rate(&world, place, server, &file));
                    figures
                        .medians
                        .push(median_time(&world, place, server, &file));
                }
            }
            rows.extend(servers.iter().zip(&figures).map(|(server, figures)| {
                vec![
                    format!(
                        "{}, {}, {}",
                        server.kind.title(),
                        question.title(),
                        place.title()
                    ),
                    format!("{} k/s", digits(figures.rate() / 1e3)),
                    time(figures.median()),
                ]
            }));
            let what = format!(
                "{}, {}, {} names",
                question.title(),
                place.title(),
                count(count_of_names.into())
            );
            compare(&servers, &figures, &what, section);
        }
    }
    section.head(&format!("{} names", count(count_of_names.into())));
    section.table(&["", "queries a second", "p50"], &rows);
}

/// The bars: more queries a second than dnsmasq, and a lower p50.
fn compare(servers: &[Server], figures: &[Figures], what: &str, section: &mut Section) {
    let of = |kind: Kind| {
        let at = servers.iter().position(|server| server.kind == kind)?;
        figures.get(at)
    };
    let (Some(ours), Some(theirs)) = (of(Kind::Cloudhosts), of(Kind::Dnsmasq)) else {
        return;
    };
    let slower = theirs.rate() / ours.rate();
    let title = format!("DNS, {what}: dnsmasq's queries a second ÷ ours");
    section.bars.push(Bar::new(title, 1.0, slower, ratio));
    let longer = ours.median() / theirs.median();
    let title = format!("DNS, {what}: our p50 ÷ dnsmasq's");
    section.bars.push(Bar::new(title, 1.0, longer, ratio));
}

impl Kind {
    fn title(self) -> &'static str {
        match self {
            Kind::Cloudhosts => "cloudhosts-dns",
            Kind::Dnsmasq => "dnsmasq",
            Kind::Unbound => "Unbound",
        }
    }

    /// How many of the names it has.
    fn names(self, count: u32) -> u32 {
        match self {
            Kind::Cloudhosts => count,
            Kind::Dnsmasq | Kind::Unbound => count.min(SERVED),
        }
    }
}

impl Question {
    fn title(self) -> &'static str {
        match self {
            Question::Hit => "hit",
            Question::Miss => "miss",
        }
    }
}

impl Cores {
    fn title(self) -> String {
        match self {
            Cores::One => "one core".to_owned(),
            Cores::All => format!("{} cores", cores()),
        }
    }

    /// Where the server runs, as taskset(1) has it.
    fn of_server(self) -> String {
        let last = cores() - 1;
        match self {
            Cores::One => last.to_string(),
            Cores::All => format!("0-{last}"),
        }
    }

    /// Where dnsperf runs.
    fn of_client(self) -> String {
        let last = cores() - 1;
        match self {
            Cores::One => format!("0-{}", last - 1),
            Cores::All => format!("0-{last}"),
        }
    }
}

impl Figures {
    fn rate(&self) -> f64 {
        median(self.rates.iter().copied())
    }

    fn median(&self) -> f64 {
        median(self.medians.iter().copied())
    }
}

/// What dnsperf asks, a line each, in an order that visits all of memory.
fn write_questions(world: &World, question: Question, count: u32) -> PathBuf {
    let mut text = String::new();
    for nth in 0..count.min(ASKED) {
        let nth = (u64::from(nth) * 7_919 % u64::from(count)) as u32;
        let name = names::name(nth);
        match question {
            Question::Hit => writeln!(text, "{name} A"),
            Question::Miss => writeln!(text, "absent-{name} A"),
        }
        .expect("a string takes it");
    }
    let path = world.dir.join(question.title());
    std::fs::write(&path, text).expect("a file of our own");
    path
}

fn start_all(world: &World, place: Cores, count: u32) -> Vec<Server> {
    let start = |kind: Kind, address, program: PathBuf, arguments: &[String]| {
        let log = File::create(world.dir.join("dns.log")).expect("a file of our own");
        let mut command = world.sandbox.entrance().background("taskset");
        command
            .args(["-c", &place.of_server()])
            .arg(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a descriptor"))
            .stderr(log);
        Server {
            kind,
            address,
            _process: Process::start(command),
        }
    };
    let mut servers = vec![
        start(
            Kind::Cloudhosts,
            dns::ADDRESS,
            programs::find(programs::DNS),
            &[],
        ),
        start(
            Kind::Dnsmasq,
            "127.0.0.1",
            system("dnsmasq"),
            &dnsmasq(&world.dir.join("dns-hosts"), Kind::Dnsmasq.names(count)),
        ),
    ];
    let unbound = unpacked("unbound");
    if unbound.exists() {
        let config = configure_unbound(&world.dir.join("unbound.conf"), Kind::Unbound.names(count));
        servers.push(start(Kind::Unbound, "127.0.0.2", unbound, &config));
    }
    for server in &servers {
        wait::until(&format!("{} answers", server.kind.title()), || {
            let mut dig = world.sandbox.entrance().command("dig");
            let at = format!("@{}", server.address);
            dig.args([&at, &names::name(0), "A", "+short", "+tries=1", "+time=1"]);
            stdout(&run(&mut dig)).starts_with("10.").then_some(())
        });
    }
    servers
}

/// Writes Unbound's configuration; its arguments.
fn configure_unbound(path: &Path, count: u32) -> Vec<String> {
    let mut text = format!(
        "server:\n interface: 127.0.0.2\n username: \"\"\n chroot: \"\"\n directory: \"\"\n pidfile: \"\"\n use-syslog: no\n \
         num-threads: {}\n so-reuseport: yes\n module-config: iterator\n local-zone: {ZONE}. static\n",
        cores(),
    );
    for nth in 0..count {
        let (name, address) = (names::name(nth), names::address(nth));
        writeln!(text, " local-data: \"{name}. A {address}\"").expect("a string takes it");
    }
    std::fs::write(path, text).expect("a file of our own");
    ["-d", "-c", &path.display().to_string()]
        .map(str::to_owned)
        .to_vec()
}

/// What dnsperf prints when it asks so.
fn dnsperf(world: &World, place: Cores, server: &Server, file: &Path, how: &[&str]) -> String {
    let mut command = world.sandbox.entrance().command("taskset");
    command
        .args([
            "-c",
            &place.of_client(),
            "dnsperf",
            "-s",
            server.address,
            "-d",
        ])
        .arg(file)
        .args(["-l", SPAN])
        .args(how);
    succeed(&mut command)
}

/// Queries answered in a second.
fn rate(world: &World, place: Cores, server: &Server, file: &Path) -> f64 {
    let threads = if place == Cores::One { "1" } else { "2" };
    let said = dnsperf(
        world,
        place,
        server,
        file,
        &["-c", "8", "-q", "100", "-T", threads],
    );
    let line = said
        .lines()
        .find_map(|line| line.trim().strip_prefix("Queries per second:"));
    let number = line.unwrap_or_else(|| panic!("dnsperf says no rate:\n{said}"));
    number.trim().parse().expect("a number")
}

/// The median time of a query among [`LOAD`] a second, in nanoseconds.
fn median_time(world: &World, place: Cores, server: &Server, file: &Path) -> f64 {
    let said = dnsperf(
        world,
        place,
        server,
        file,
        &["-c", "8", "-q", "100", "-Q", LOAD, "-v"],
    );
    // > NOERROR service-0000001.internal A 0.000031
    let times = said.lines().filter_map(|line| {
        let seconds: f64 = line.strip_prefix("> ")?.rsplit(' ').next()?.parse().ok()?;
        Some((seconds * 1e9) as u64)
    });
    let times: Vec<u64> = times.collect();
    assert!(!times.is_empty(), "dnsperf was not answered:\n{said}");
    Sample::new(times).median()
}
