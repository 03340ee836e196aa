//! A Redis of a test's own, and the command that writes to it.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use cloudhosts_tests::dir::Dir;
use cloudhosts_tests::process::{Process, Signal, bounded, mortal, run, stderr, stdout};
use cloudhosts_tests::world::HASH;
use cloudhosts_tests::{Redis, programs, wait};

/// The change log.
pub(crate) const LOG: &str = "cloudhosts:log";
/// The records of those who hold something.
pub(crate) const HELD: &str = "cloudhosts:held";
/// What expires.
pub(crate) const EXPIRING: &str = "cloudhosts:expiring";

/// What `cloudhosts hold` says of itself, as far as a test has to wait for it.
pub(crate) mod word {
    pub(crate) const HELD: &str = "held at";
    pub(crate) const NOT_HELD: &str = "not held yet";
    pub(crate) const STANDBY: &str = "standing by";
    pub(crate) const NOT_RENEWED: &str = "not renewed";
    pub(crate) const GIVEN_UP: &str = "given up";
    pub(crate) const CHECK_FAILS: &str = "the check fails";
    pub(crate) const LEFT: &str = "left cloudhosts";
}

/// When those who hold a role have renewed.
pub(crate) fn times(role: &str) -> String {
    format!("{HELD}:{role}")
}

/// A registry. What is listed first ends first.
pub(crate) struct Registry {
    pub(crate) redis: Redis,
    pub(crate) dir: Dir,
    config: PathBuf,
    counter: AtomicU32,
}

impl Registry {
    /// With a Redis on a Unix socket.
    pub(crate) fn new() -> Registry {
        let dir = Dir::new();
        let redis = Redis::builder(dir.join("redis")).start();
        Registry::with(dir, redis, "")
    }

    /// With that Redis, and more lines in the configuration.
    pub(crate) fn with(dir: Dir, redis: Redis, lines: &str) -> Registry {
        let config = dir.join("cloudhosts.toml");
        let text = if lines.contains("urls") {
            lines.to_owned()
        } else {
            format!("{lines}\n[redis]\nurls = ['{}']\n", redis.unix_url())
        };
        std::fs::write(&config, text).unwrap();
        Registry {
            redis,
            dir,
            config,
            counter: AtomicU32::new(0),
        }
    }

    /// The command, with these arguments.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = bounded(programs::find(programs::COMMAND));
        command.arg("--config").arg(&self.config).args(arguments);
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        run(&mut self.command(arguments))
    }

    /// Runs it; what it prints. It must say nothing else, and succeed.
    pub(crate) fn prints(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(
            (output.status.code(), stderr(&output).as_str()),
            (Some(0), ""),
            "{arguments:?}: {}",
            stdout(&output)
        );
        stdout(&output)
    }

    /// Runs it; it must fail with that exit code. What it says.
    pub(crate) fn fails(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(
            (output.status.code(), stdout(&output).as_str()),
            (Some(code), ""),
            "{arguments:?}: {}",
            stderr(&output)
        );
        stderr(&output)
    }

    /// Starts `cloudhosts hold` in the background.
    pub(crate) fn hold(&self, arguments: &[&str]) -> Holding {
        self.background(&[&["hold"], arguments].concat(), &[])
    }

    /// The same with variables in its environment.
    pub(crate) fn background(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Holding {
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        let log = self.dir.join(format!("said-{number}"));
        let file = File::create(&log).unwrap();
        let mut command = mortal(programs::find(programs::COMMAND));
        command
            .arg("--config")
            .arg(&self.config)
            .args(arguments)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file);
        Holding {
            process: Process::start(command),
            log,
        }
    }

    /// What is in the hash.
    pub(crate) fn hash(&self) -> BTreeMap<String, String> {
        self.hash_called(HASH)
    }

    /// What is in that hash.
    pub(crate) fn hash_called(&self, key: &str) -> BTreeMap<String, String> {
        let said = self.redis.cli(&["HGETALL", key]);
        let lines: Vec<&str> = said.lines().filter(|line| !line.is_empty()).collect();
        let pairs = lines.chunks_exact(2);
        pairs
            .map(|pair| (pair[0].to_owned(), pair[1].to_owned()))
            .collect()
    }

    /// Waits until these are the fields of the hash.
    pub(crate) fn until(&self, pairs: &[(&str, &str)]) {
        let wanted = map(pairs);
        wait::until_seen(
            "the hash is as wanted",
            || self.hash(),
            |now| *now == wanted,
        );
    }

    /// The fields that somebody holds, or stands by for, and what is known of each.
    pub(crate) fn held(&self) -> BTreeMap<String, String> {
        self.hash_called(HELD)
    }

    /// Whether there is such a key.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.redis.cli(&["EXISTS", key]) == "1"
    }
}

/// Fields and values.
pub(crate) fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = pairs
        .iter()
        .map(|&(field, value)| (field.into(), value.into()));
    owned.collect()
}

/// A `cloudhosts hold` that runs.
pub(crate) struct Holding {
    pub(crate) process: Process,
    log: PathBuf,
}

impl Holding {
    /// All it has said.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until it says that.
    pub(crate) fn says(&self, text: &str) {
        wait::until_seen(
            &format!("a holder says {text:?}"),
            || self.said(),
            |said| said.contains(text),
        );
    }

    /// Ends it with a signal; its exit code.
    pub(crate) fn end(&mut self, signal: Signal) -> Option<i32> {
        self.process.signal(signal);
        self.process.wait().code()
    }
}
