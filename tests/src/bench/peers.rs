//! What is compared: each name service alone on its `hosts:` line, in a sandbox of its own, all
//! with the same names.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::asker::Asker;
use super::names;
use super::tools::{Tools, system, unpacked};
use crate::config::{Config, list};
use crate::daemon::Daemon;
use crate::dir::Dir;
use crate::process::{Process, run, stderr};
use crate::programs::install;
use crate::redis::Redis;
use crate::sandbox::Sandbox;
use crate::wait;

/// A name service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The floor.
    Null,
    /// Ours.
    Cloudhosts,
    /// nscd's shared cache in front of `files`.
    Nscd,
    /// dnsmasq on loopback.
    Dns,
    /// `/etc/hosts`.
    Files,
}

impl Kind {
    /// All of them; the floor first.
    pub const ALL: [Kind; 5] = [
        Kind::Null,
        Kind::Cloudhosts,
        Kind::Nscd,
        Kind::Dns,
        Kind::Files,
    ];

    /// What it is called in the tables.
    pub fn title(self) -> &'static str {
        match self {
            Kind::Null => "floor",
            Kind::Cloudhosts => "cloudhosts",
            Kind::Nscd => "nscd",
            Kind::Dns => "dnsmasq",
            Kind::Files => "files",
        }
    }

    fn service(self) -> &'static str {
        match self {
            Kind::Null => "null",
            Kind::Cloudhosts => "cloudhosts",
            Kind::Dns => "dns",
            Kind::Nscd | Kind::Files => "files",
        }
    }
}

/// One of them, running.
#[derive(Debug)]
pub struct Peer {
    /// Which.
    pub kind: Kind,
    /// Where it is asked.
    pub sandbox: Sandbox,
    /// How many of the names are looked up.
    pub names: u32,
    _server: Option<Process>,
}

/// All of them with so many names. What is listed first ends first.
#[derive(Debug)]
pub struct Peers {
    /// In the order asked for.
    pub all: Vec<Peer>,
    /// The daemon of ours.
    pub daemon: Daemon,
    /// What it reads.
    pub redis: Redis,
    _dir: Dir,
}

/// nscd caches what was asked for; more names than these are not asked of it, because each costs
/// a walk through the whole file first.
pub const CACHED: u32 = 20;

/// With more names dnsmasq does not answer within a minute of its start.
pub const SERVED: u32 = 100_000;

impl Peers {
    /// Starts these, each with the first `count` names, and waits until each answers.
    pub fn start(tools: &Tools, kinds: &[Kind], count: u32) -> Peers {
        let dir = Dir::new();
        let redis = Redis::builder(dir.join("redis")).start();
        names::register(&redis, count);
        let ours = place(tools, &dir, Kind::Cloudhosts);
        let mut config = Config::default();
        config.set("redis.urls", list(&[&redis.unix_url()]));
        let mut daemon = Daemon::new(&ours);
        daemon.configure(&config.text());
        daemon.start();
        daemon.wait_for_state("live");
        let mut ours = Some(ours);
        let all = kinds.iter().map(|&kind| {
            let given = ours.take_if(|_| kind == Kind::Cloudhosts);
            let sandbox = given.unwrap_or_else(|| place(tools, &dir, kind));
            Peer::start(tools, kind, sandbox, &dir.join(kind.title()), count)
        });
        Peers {
            all: all.collect(),
            daemon,
            redis,
            _dir: dir,
        }
    }

    /// A process in front of each.
    pub fn askers(&self, tools: &Tools) -> Vec<Asker> {
        let start = |peer: &Peer| Asker::start(tools, peer.sandbox.entrance());
        self.all.iter().map(start).collect()
    }
}

fn place(tools: &Tools, dir: &Dir, kind: Kind) -> Sandbox {
    let directory = dir.join(kind.title());
    let sandbox = Sandbox::with_network(&directory, kind.service());
    install(&tools.null, &directory.join("modules/libnss_null.so.2"));
    // A file, as on most machines. The link through the sandbox's own directories would cost each lookup
    // as much as the name service does, and not the same in each sandbox.
    let resolver = directory.join("etc/resolv.conf");
    let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let _ = std::fs::remove_file(&resolver);
    write(&resolver, &text);
    sandbox
}

impl Peer {
    fn start(tools: &Tools, kind: Kind, sandbox: Sandbox, directory: &Path, count: u32) -> Peer {
        let hosts = directory.join("etc/hosts");
        let server = match kind {
            Kind::Null | Kind::Cloudhosts => None,
            Kind::Files => {
                write(&hosts, &names::hosts(count));
                None
            }
            Kind::Nscd => {
                write(&hosts, &names::hosts(count));
                Some(start_nscd(&sandbox, directory))
            }
            Kind::Dns => Some(start_dnsmasq(&sandbox, directory, count.min(SERVED))),
        };
        let peer = Peer {
            kind,
            sandbox,
            names: match kind {
                Kind::Nscd => count.min(CACHED),
                Kind::Dns => count.min(SERVED),
                _ => count,
            },
            _server: server,
        };
        let first = names::name(0);
        wait::until(&format!("{} answers", kind.title()), || {
            let entrance = peer.sandbox.entrance();
            let output = run(entrance.command(&tools.lookups).args(["first", &first]));
            let known = stderr(&output).contains("was not found");
            assert!(output.status.success() || known, "{}", stderr(&output));
            output.status.success().then_some(())
        });
        peer
    }
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).expect("a file of our own");
}

fn start_nscd(sandbox: &Sandbox, directory: &Path) -> Process {
    let config = directory.join("nscd.conf");
    write(
        &config,
        "threads 4\nparanoia no\nenable-cache hosts yes\npositive-time-to-live hosts 3600\n\
         negative-time-to-live hosts 3600\nsuggested-size hosts 211\ncheck-files hosts no\n\
         persistent hosts no\nshared hosts yes\nmax-db-size hosts 33554432\n",
    );
    std::fs::create_dir_all(directory.join("run/nscd")).expect("a directory of our own");
    serve(
        sandbox,
        directory,
        unpacked("nscd"),
        &["-F", "-f", &text(&config)],
    )
}

fn start_dnsmasq(sandbox: &Sandbox, directory: &Path, count: u32) -> Process {
    write(
        &directory.join("etc/resolv.conf"),
        "nameserver 127.0.0.1\nsearch .\n",
    );
    let arguments = dnsmasq(&directory.join("dns-hosts"), count);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    serve(sandbox, directory, system("dnsmasq"), &arguments)
}

/// Writes the names to a file for dnsmasq; its arguments.
pub fn dnsmasq(hosts: &Path, count: u32) -> Vec<String> {
    write(hosts, &names::hosts(count));
    let hosts = format!("--addn-hosts={}", text(hosts));
    let arguments = [
        // which also stays the user it is: in a namespace of a user's own it could become no other
        "--no-daemon",
        "--conf-file=/dev/null",
        "--no-resolv",
        "--no-hosts",
        "--listen-address=127.0.0.1",
        "--bind-interfaces",
        "--local=/internal/",
        "--pid-file",
        "--log-facility=-",
        &hosts,
    ];
    arguments.map(str::to_owned).to_vec()
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn serve(sandbox: &Sandbox, directory: &Path, program: PathBuf, arguments: &[&str]) -> Process {
    let log = std::fs::File::create(directory.join("log")).expect("a file of our own");
    let mut command = sandbox.entrance().background(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a descriptor"))
        .stderr(log);
    Process::start(command)
}
