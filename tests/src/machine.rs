//! Another machine of the fleet: a daemon with a socket and files of its own, on the same Redis.

use crate::caller::{Caller, Family, Watch};
use crate::config::{Config, quote};
use crate::daemon::Daemon;
use crate::sandbox::Entrance;
use crate::world::World;

/// A daemon that runs, and a process that asks it.
#[derive(Debug)]
pub struct Machine {
    /// What looks up there.
    pub caller: Caller,
    /// The daemon.
    pub daemon: Daemon,
    entrance: Entrance,
    socket: String,
}

impl Machine {
    /// Starts one with the configuration of the world's own daemon, but for what `change` does to
    /// it.
    pub fn start(world: &World, name: &str, change: impl FnOnce(&mut Config)) -> Machine {
        let mut config = world.config.clone();
        change(&mut config);
        let (daemon, socket) = daemon(world, name, config);
        let entrance = world.sandbox.entrance().clone();
        Machine {
            caller: Caller::start_with(&entrance, &[("CLOUDHOSTS_SOCKET", socket.as_str())]),
            daemon,
            entrance,
            socket,
        }
    }

    /// A fresh process there that looks that name up again and again.
    pub fn watch(&self, name: &str) -> Watch {
        let variables = [("CLOUDHOSTS_SOCKET", self.socket.as_str())];
        Watch::start_with(&self.entrance, &variables, Family::Any, name)
    }
}

/// The daemon of such a machine alone, started, and its socket.
pub fn daemon(world: &World, name: &str, mut config: Config) -> (Daemon, String) {
    let directory = world.dir.join(name);
    std::fs::create_dir(&directory).expect("a directory of our own");
    let at = |file: &str| directory.join(file).display().to_string();
    let socket = at("socket");
    config.set("socket", quote(&socket));
    config.set("state_dir", quote(&at("state")));
    config.set("status_file", quote(&at("status.json")));
    let mut daemon = Daemon::elsewhere(&world.sandbox, &directory);
    daemon.configure(&config.text());
    daemon.start();
    (daemon, socket)
}
