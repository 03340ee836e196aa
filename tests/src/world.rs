//! A Redis, a daemon and a sandbox together: what most tests start from.

use std::cell::{Cell, OnceCell};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::caller::{Answer, Caller, Family, Watch};
use crate::config::{Config, list, quote};
use crate::daemon::Daemon;
use crate::dir::Dir;
use crate::process::{run, stdout};
use crate::programs;
use crate::redis::Redis;
use crate::sandbox::{FILES_THEN_CLOUDHOSTS, Sandbox};

/// The hash that is read unless the configuration says otherwise.
pub const HASH: &str = "cloudhosts";

/// Everything a test needs. What is listed first ends first.
#[derive(Debug)]
pub struct World {
    running: OnceCell<Caller>,
    syncs: Cell<u16>,
    /// The daemon.
    pub daemon: Daemon,
    /// What the daemon is configured with.
    pub config: Config,
    /// The Redis it reads.
    pub redis: Redis,
    /// The namespace all of them are in.
    pub sandbox: Sandbox,
    /// The directory of all files.
    pub dir: Dir,
}

/// A world about to start.
#[derive(Debug)]
pub struct WorldBuilder {
    dir: Dir,
    redis: Option<Redis>,
    config: Config,
    services: String,
    network: bool,
    pairs: Vec<(String, String, String)>,
}

impl World {
    /// A new world, to be shaped.
    #[expect(
        clippy::new_ret_no_self,
        reason = "World::new()...start() reads best in tests"
    )]
    pub fn new() -> WorldBuilder {
        WorldBuilder {
            dir: Dir::new(),
            redis: None,
            config: Config::default(),
            services: FILES_THEN_CLOUDHOSTS.to_owned(),
            network: false,
            pairs: Vec::new(),
        }
    }

    /// A world with these fields in the default hash, started.
    pub fn with(pairs: &[(&str, &str)]) -> World {
        World::new().hash(HASH, pairs).start()
    }

    /// Sets fields of the default hash.
    pub fn hset(&self, pairs: &[(&str, &str)]) {
        self.redis.hset(HASH, pairs);
    }

    /// A process that runs from the first call on; the running process that must follow changes.
    pub fn running(&self) -> &Caller {
        self.running.get_or_init(|| self.caller())
    }

    /// A fresh process.
    pub fn caller(&self) -> Caller {
        Caller::start(self.sandbox.entrance())
    }

    /// A fresh process that looks that name up again and again.
    pub fn watch(&self, name: &str) -> Watch {
        Watch::start(self.sandbox.entrance(), Family::Any, name)
    }

    /// What the running process is told, of any family.
    pub fn look_up(&self, name: &str) -> Answer {
        self.running().look_up(name)
    }

    /// Waits until the running process is told these addresses, in any order.
    pub fn sees(&self, name: &str, addresses: &[&str]) {
        self.running().sees(name, addresses);
    }

    /// Waits until the running process is told that there is no such name.
    pub fn sees_none(&self, name: &str) {
        self.running().sees_none(name);
    }

    /// Waits until what is in the hash now is what the running process sees. A hash is read whole,
    /// so a mark written now is seen no sooner than all that was written before. The mark stays.
    pub fn sync(&self, hash: &str) {
        self.sync_by(&self.redis, hash);
    }

    /// The same where the hash is written through another server, as after a failover.
    pub fn sync_by(&self, redis: &Redis, hash: &str) {
        let count = self.syncs.get() + 1;
        self.syncs.set(count);
        let [high, low] = count.to_be_bytes();
        let address = format!("10.99.{high}.{low}");
        redis.hset(hash, &[("sync-mark", &address)]);
        self.sees("sync-mark", &[&address]);
    }

    /// Runs a program inside, to its end.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Output {
        run(self.sandbox.entrance().command(program).args(arguments))
    }

    /// Runs a program inside; what it prints, whether it succeeds or not.
    pub fn prints(&self, program: &str, arguments: &[&str]) -> String {
        stdout(&self.run(program, arguments))
    }

    /// A line of shell inside, which finds the programs of this world's directory first.
    pub fn shell(&self, line: &str) -> Command {
        let path = std::env::var("PATH").unwrap_or_else(|_| "/usr/bin:/bin".to_owned());
        let mut command = self.sandbox.entrance().command("sh");
        command
            .env("PATH", format!("{}:{path}", self.dir.path().display()))
            .args(["-c", line]);
        command
    }

    /// Runs the built `cloudhosts` command inside.
    pub fn cloudhosts(&self, arguments: &[&str]) -> Output {
        let program = programs::find(programs::COMMAND);
        run(self.sandbox.entrance().command(program).args(arguments))
    }
}

impl World {
    /// Has every daemon give up what it retains of these roles, or of all where there is none.
    pub fn accept(&self, roles: &[&str]) {
        let output = self.cloudhosts(&[&["accept"], roles].concat());
        assert!(output.status.success(), "{output:?}");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- status of the daemon:\n{:#}", self.daemon.status());
            eprintln!("--- log of the daemon:\n{}---", tail(&self.daemon.log()));
        }
    }
}

/// The end of a log, long enough to see what went wrong.
fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    let from = lines.len().saturating_sub(60);
    lines[from..].iter().flat_map(|line| [line, "\n"]).collect()
}

impl WorldBuilder {
    /// The directory of all files, for what a test wants to put there first.
    pub fn directory(&self) -> &Path {
        self.dir.path()
    }

    /// Another Redis than one with a Unix socket alone. `redis.urls` is then to be configured.
    pub fn redis(mut self, redis: Redis) -> WorldBuilder {
        self.redis = Some(redis);
        self
    }

    /// Fields of a hash, set before the daemon starts.
    pub fn hash(mut self, hash: &str, pairs: &[(&str, &str)]) -> WorldBuilder {
        for (field, value) in pairs {
            let pair = (hash.to_owned(), (*field).to_owned(), (*value).to_owned());
            self.pairs.push(pair);
        }
        self
    }

    /// One key of the configuration, its value a literal of TOML.
    pub fn config(mut self, key: &str, literal: impl Into<String>) -> WorldBuilder {
        self.config.set(key, literal);
        self
    }

    /// A file in the directory; its path.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.join(name);
        std::fs::write(&path, text).expect("a file of our own");
        path
    }

    /// The services on the `hosts:` line.
    pub fn services(mut self, services: &str) -> WorldBuilder {
        services.clone_into(&mut self.services);
        self
    }

    /// A network of its own, of which there is the loopback device alone.
    pub fn network(mut self) -> WorldBuilder {
        self.network = true;
        self
    }

    /// Everything but the daemon, which is configured and can be started.
    pub fn build(mut self) -> World {
        let directory = self.dir.path();
        let redis = self.redis.take().unwrap_or_else(|| {
            let redis = Redis::builder(directory.join("redis")).start();
            if !self.config.has("redis.urls") {
                self.config.set("redis.urls", list(&[&redis.unix_url()]));
            }
            redis
        });
        for same in self.pairs.chunk_by(|(one, ..), (next, ..)| one == next) {
            let pairs = same
                .iter()
                .map(|(_, field, value)| (field.as_str(), value.as_str()));
            redis.hset(&same[0].0, &pairs.collect::<Vec<_>>());
        }
        let make = if self.network {
            Sandbox::with_network
        } else {
            Sandbox::new
        };
        let sandbox = make(directory, &self.services);
        let daemon = Daemon::new(&sandbox);
        daemon.configure(&self.config.text());
        World {
            running: OnceCell::new(),
            syncs: Cell::new(0),
            daemon,
            config: self.config,
            redis,
            sandbox,
            dir: self.dir,
        }
    }

    /// Everything, and waits until the daemon has read Redis.
    pub fn start(self) -> World {
        let mut world = self.build();
        world.daemon.start();
        world.daemon.wait_for_state("live");
        world
    }

    /// The password file of a user, and both keys.
    pub fn login(self, user: &str, password: &str) -> WorldBuilder {
        let file = self.file("password", &format!("{password}\n"));
        self.config("redis.username", quote(user))
            .config("redis.password_file", quote(&file.display().to_string()))
    }
}
