//! A private Redis Sentinel with a master and a replica.

use std::path::Path;
use std::process::Stdio;

use crate::process::{Process, bounded, mortal, run, stdout};
use crate::redis::{Redis, free_port, wait_for_replica};
use crate::wait;

/// The name under which the master is watched.
pub const MASTER: &str = "roles";

/// A Sentinel, and the two servers it watches.
#[derive(Debug)]
pub struct Sentinel {
    process: Process,
    port: u16,
    replica: Redis,
}

impl Sentinel {
    /// Watches `master`, for which it starts a replica, all in `directory`.
    pub fn start(directory: &Path, master: &Redis) -> Sentinel {
        let replica = Redis::builder(directory.join("replica"))
            .tcp()
            .replica_of(master.port())
            .start();
        wait_for_replica(master);
        let config = directory.join("sentinel.conf");
        let (process, port) = wait::until("redis-sentinel finds a free port and starts", || {
            let port = free_port();
            let text = format!(
                "port {port}\nbind 127.0.0.1\ndir {}\n\
                 sentinel monitor {MASTER} 127.0.0.1 {} 1\n\
                 sentinel down-after-milliseconds {MASTER} 500\n\
                 sentinel failover-timeout {MASTER} 5000\n",
                directory.display(),
                master.port()
            );
            std::fs::write(&config, text).expect("a file of our own");
            let mut command = mortal("redis-server");
            command
                .arg(&config)
                .arg("--sentinel")
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            let mut process = Process::start(command);
            let answers = wait::until("redis-sentinel answers or ends", || {
                if process.ended().is_some() {
                    return Some(false);
                }
                (ask(port, &["PING"]) == "PONG").then_some(true)
            });
            answers.then_some((process, port))
        });
        wait::until("the sentinel knows the replica", || {
            ask(port, &["SENTINEL", "replicas", MASTER])
                .contains(&replica.port().to_string())
                .then_some(())
        });
        Sentinel {
            process,
            port,
            replica,
        }
    }

    /// Where to ask for the master.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The server that is promoted when the master dies.
    pub fn replica(&self) -> &Redis {
        &self.replica
    }

    /// Makes the replica the master, while the old one goes on as if it still were, as when the
    /// sentinels alone do not reach it. Nobody is told.
    pub fn depose(&self) {
        self.replica.cli(&["REPLICAOF", "NO", "ONE"]);
        let port = self.replica.port().to_string();
        ask(self.port, &["SENTINEL", "REMOVE", MASTER]);
        let monitor = ["SENTINEL", "MONITOR", MASTER, "127.0.0.1", &port, "1"];
        assert_eq!(ask(self.port, &monitor), "OK");
    }

    /// Waits until the replica is the master.
    pub fn wait_for_promotion(&mut self) {
        assert_eq!(self.process.ended(), None, "the sentinel has ended");
        let port = self.replica.port().to_string();
        wait::until("the sentinel names the replica as the master", || {
            ask(self.port, &["SENTINEL", "get-master-addr-by-name", MASTER])
                .contains(&port)
                .then_some(())
        });
        wait::until("the replica takes writes", || {
            self.replica
                .cli(&["ROLE"])
                .starts_with("master")
                .then_some(())
        });
    }
}

fn ask(port: u16, arguments: &[&str]) -> String {
    let mut command = bounded("redis-cli");
    command.args(["-p", &port.to_string()]).args(arguments);
    stdout(&run(&mut command)).trim().to_owned()
}
