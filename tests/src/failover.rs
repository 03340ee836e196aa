//! A master, its replica, and a Sentinel that watches them.

use std::path::Path;

use cloudhosts_testkit::Sentinel;
pub use cloudhosts_testkit::sentinel::MASTER;

use crate::redis::{Redis, wait_for_replica};
use crate::wait;

/// A Sentinel, and the replica that it promotes when the master dies.
#[derive(Debug)]
pub struct Failover {
    sentinel: Sentinel,
    replica: Redis,
}

impl Failover {
    /// Watches `master`, for which it starts a replica in `directory`.
    pub fn of(directory: &Path, master: &Redis) -> Failover {
        let replica = Redis::builder(directory.join("replica"))
            .tcp()
            .replica_of(master.port())
            .start();
        wait_for_replica(master);
        let sentinel = Sentinel::watching(master.port(), "");
        sentinel.knows(replica.port());
        Failover { sentinel, replica }
    }

    /// Where to ask for the master.
    pub fn url(&self) -> String {
        self.sentinel.url()
    }

    /// The server that is promoted when the master dies.
    pub fn replica(&self) -> &Redis {
        &self.replica
    }

    /// Makes the replica the master, while the old one goes on as if it still were, as when the
    /// sentinels alone do not reach it. Nobody is told.
    pub fn depose(&self) {
        self.replica.cli(&["REPLICAOF", "NO", "ONE"]);
        self.sentinel.monitor(self.replica.port());
    }

    /// Waits until the replica is the master.
    pub fn wait_for_promotion(&mut self) {
        assert!(self.sentinel.runs(), "the sentinel has ended");
        self.sentinel.names(self.replica.port());
        wait::eventually("the replica takes writes", || {
            self.replica.cli(&["ROLE"]).starts_with("master")
        });
    }
}
