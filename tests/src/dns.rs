//! The real `cloudhosts-dns`, inside a sandbox with a network of its own.

use std::fs::File;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};

use crate::process::{Process, Signal, run, stdout};
use crate::sandbox::{Entrance, Sandbox};
use crate::{World, programs, wait};

/// Where it listens unless it is told otherwise.
pub const ADDRESS: &str = "127.0.0.153";

/// The domain that the tests' roles answer in.
pub const DOMAIN: &str = "prod.example.com";

/// A DNS server, running or not.
#[derive(Debug)]
pub struct DnsServer {
    entrance: Entrance,
    log: PathBuf,
    process: Option<Process>,
}

/// What `dig` printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dug {
    /// `NOERROR`, `NXDOMAIN`, ...; empty where nothing was answered.
    pub status: String,
    /// `qr`, `aa`, `tc`, ...
    pub flags: Vec<String>,
    /// The type and the data of each answer: `A 10.0.0.5`.
    pub answers: Vec<String>,
    /// Bytes of the answer.
    pub size: usize,
}

impl DnsServer {
    /// One that does not run yet.
    pub fn new(sandbox: &Sandbox) -> DnsServer {
        DnsServer {
            entrance: sandbox.entrance().clone(),
            log: sandbox.outside("/run/dns.log"),
            process: None,
        }
    }

    /// One for a world with a network of its own, that answers.
    pub fn start(world: &World) -> DnsServer {
        let mut server = DnsServer::new(&world.sandbox);
        server.launch();
        wait::until("the DNS server answers", || {
            let soa = server.dig(&["+tries=1", "+timeout=1", DOMAIN, "SOA"]);
            (!soa.status.is_empty()).then_some(())
        });
        server
    }

    /// Starts it, and does not wait.
    pub fn launch(&mut self) {
        let log = File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .expect("a file of our own");
        let mut command = self.entrance.background(programs::find(programs::DNS));
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a descriptor"))
            .stderr(log);
        self.process = Some(Process::start(command));
    }

    /// Asks it by `dig`.
    pub fn dig(&self, arguments: &[&str]) -> Dug {
        self.dig_at(ADDRESS, arguments)
    }

    /// Asks another address by `dig`.
    pub fn dig_at(&self, server: &str, arguments: &[&str]) -> Dug {
        let mut command = self.entrance.command("dig");
        let output = run(command.arg(format!("@{server}")).args(arguments));
        Dug::read(&stdout(&output))
    }

    /// Waits until a name has these addresses, in any order.
    pub fn sees(&self, name: &str, addresses: &[&str]) {
        let mut expected: Vec<String> = addresses.iter().map(|ip| format!("A {ip}")).collect();
        expected.sort();
        let look = || {
            let mut dug = self.dig(&[name, "A"]);
            dug.answers.sort();
            dug.answers
        };
        wait::until_seen("the addresses of a name", look, |seen| *seen == expected);
    }

    /// Sends it a signal.
    pub fn signal(&mut self, signal: Signal) {
        self.process
            .as_mut()
            .expect("it was started")
            .signal(signal);
    }

    /// Waits until it ends by itself.
    pub fn wait(&mut self) -> ExitStatus {
        self.process.take().expect("it was started").wait()
    }

    /// Whether it runs.
    pub fn runs(&mut self) -> bool {
        self.process
            .as_mut()
            .is_some_and(|process| process.ended().is_none())
    }

    /// Its resident memory, in KiB.
    pub fn memory(&self) -> u64 {
        let id = self.process.as_ref().expect("it was started").id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("it runs");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .expect("the kernel says so");
        let number = line.split_whitespace().next().expect("a number");
        number.parse().expect("a number")
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Dug {
    fn read(text: &str) -> Dug {
        let after = |start: &str, end: char| {
            let rest = text.split_once(start).map(|(_, rest)| rest);
            rest.and_then(|rest| rest.split(end).next())
                .unwrap_or_default()
                .trim()
                .to_owned()
        };
        let section = text.split_once(";; ANSWER SECTION:\n");
        let lines = section.map(|(_, rest)| rest.lines()).into_iter().flatten();
        let answers = lines.take_while(|line| !line.is_empty()).map(|line| {
            let words: Vec<&str> = line.split_whitespace().skip(3).collect();
            words.join(" ")
        });
        Dug {
            status: after("status: ", ','),
            flags: after(";; flags: ", ';')
                .split_whitespace()
                .map(str::to_owned)
                .collect(),
            answers: answers.collect(),
            size: after("MSG SIZE  rcvd: ", '\n').parse().unwrap_or_default(),
        }
    }

    /// Whether a flag is set.
    pub fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|set| set == flag)
    }
}
