//! A private Redis Sentinel.

use std::process::Stdio;

use crate::dir::Dir;
use crate::process::{Process, bounded, mortal, run, stdout};
use crate::redis::free_port;
use crate::wait;

/// The name under which the master is watched.
pub const MASTER: &str = "roles";

/// A Sentinel of our own, which decides by itself.
#[derive(Debug)]
pub struct Sentinel {
    process: Process,
    _dir: Dir,
    port: u16,
}

impl Sentinel {
    /// Watches the Redis on that port, and has these lines more in its configuration.
    pub fn watching(port_of_master: u16, lines: &str) -> Sentinel {
        let dir = Dir::new();
        let (process, port) = wait::until("a sentinel finds a free port and starts", || {
            let port = free_port();
            let text = format!(
                "port {port}\nbind 127.0.0.1\ndir {}\n\
                 sentinel monitor {MASTER} 127.0.0.1 {port_of_master} 1\n\
                 sentinel down-after-milliseconds {MASTER} 1000\n\
                 sentinel failover-timeout {MASTER} 4000\n{lines}",
                dir.path().display(),
            );
            let mut command = mortal("redis-server");
            command
                .arg(dir.file("sentinel.conf", &text))
                .arg("--sentinel")
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            let mut process = Process::start(command);
            let answers = wait::until("a sentinel answers or ends", || {
                if process.ended().is_some() {
                    return Some(false);
                }
                (ask(port, &["PING"]) == "PONG").then_some(true)
            });
            answers.then_some((process, port))
        });
        Sentinel {
            process,
            _dir: dir,
            port,
        }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where to ask for the master.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Runs a command there; what it answers.
    pub fn ask(&self, arguments: &[&str]) -> String {
        ask(self.port, arguments)
    }

    /// Waits until its answer to a command has this text in it.
    pub fn until(&self, command: &[&str], text: &str) {
        wait::until_seen(
            &format!("{command:?} has {text:?} in it"),
            || self.ask(command),
            |answer| answer.contains(text),
        );
    }

    /// Waits until it names the Redis on that port as the master.
    pub fn names(&self, port: u16) {
        let command = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER];
        self.until(&command, &port.to_string());
    }

    /// Waits until it knows the replica on that port.
    pub fn knows(&self, port: u16) {
        self.until(&["SENTINEL", "REPLICAS", MASTER], &port.to_string());
    }

    /// Begins a failover that is meant.
    pub fn fail_over(&self) {
        self.until(&["SENTINEL", "FAILOVER", MASTER], "OK");
    }

    /// Gives it another master by hand, of which it tells nobody.
    pub fn monitor(&self, port: u16) {
        self.ask(&["SENTINEL", "REMOVE", MASTER]);
        let text = port.to_string();
        let monitor = ["SENTINEL", "MONITOR", MASTER, "127.0.0.1", &text, "1"];
        assert_eq!(self.ask(&monitor), "OK");
        self.names(port);
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.process.ended().is_none()
    }
}

fn ask(port: u16, arguments: &[&str]) -> String {
    let mut command = bounded("redis-cli");
    command.args(["-p", &port.to_string()]).args(arguments);
    stdout(&run(&mut command)).trim().to_owned()
}
