//! A private `redis-server`.

use std::fmt::Write as _;
use std::fs::File;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::SystemTime;

use crate::process::{Process, Signal, bounded, mortal, stderr, stdout, succeed};
use crate::tls::Tls;
use crate::wait;

/// A Redis of our own. It always listens on a Unix socket, through which the test itself speaks.
#[derive(Debug)]
pub struct Redis {
    directory: PathBuf,
    settings: Settings,
    port: Option<u16>,
    tls_port: Option<u16>,
    process: Option<Process>,
}

/// How a Redis is to be started.
#[derive(Debug, Default)]
struct Settings {
    tcp: bool,
    tls: Option<Tls>,
    users: Vec<String>,
    cluster: bool,
    replica_of: Option<u16>,
    lines: Vec<String>,
    arguments: Vec<String>,
}

/// A Redis about to be started.
#[derive(Debug)]
pub struct RedisBuilder {
    directory: PathBuf,
    settings: Settings,
}

impl RedisBuilder {
    /// Listen on a free TCP port too.
    pub fn tcp(mut self) -> RedisBuilder {
        self.settings.tcp = true;
        self
    }

    /// Listen with TLS on a free port too.
    pub fn tls(mut self, tls: Tls) -> RedisBuilder {
        self.settings.tls = Some(tls);
        self
    }

    /// A node of a cluster, without slots at first.
    pub fn cluster(mut self) -> RedisBuilder {
        self.settings.cluster = true;
        self.tcp()
    }

    /// One more user, as in an ACL file: `user NAME on >PASSWORD ...`. The default user may do
    /// everything.
    pub fn user(mut self, line: &str) -> RedisBuilder {
        self.settings.users.push(acl_rule(line));
        self
    }

    /// A replica of the Redis on that port.
    pub fn replica_of(mut self, port: u16) -> RedisBuilder {
        self.settings.replica_of = Some(port);
        self
    }

    /// One more line of `redis.conf`, which overrides what a Redis of ours has otherwise.
    pub fn setting(mut self, line: &str) -> RedisBuilder {
        self.settings.lines.push(line.to_owned());
        self
    }

    /// More arguments of `redis-server`, such as `--appendonly yes`.
    pub fn arguments(mut self, arguments: &[&str]) -> RedisBuilder {
        let arguments = arguments.iter().filter_map(|one| acl_word(one));
        self.settings.arguments.extend(arguments);
        self
    }

    /// Starts it, and waits until it answers.
    pub fn start(self) -> Redis {
        std::fs::create_dir_all(&self.directory).expect("a directory of our own");
        let mut redis = Redis {
            directory: self.directory,
            settings: self.settings,
            port: None,
            tls_port: None,
            process: None,
        };
        wait::until("redis-server finds free ports and starts", || {
            redis.port = redis.settings.tcp.then(free_port);
            redis.tls_port = redis.settings.tls.is_some().then(free_port);
            redis.try_start().then_some(())
        });
        redis
    }
}

impl Redis {
    /// A Redis that keeps its files in that directory.
    pub fn builder(directory: impl Into<PathBuf>) -> RedisBuilder {
        RedisBuilder {
            directory: directory.into(),
            settings: Settings::default(),
        }
    }

    /// What `SAVE` writes, and what it has when it starts.
    pub fn dump(&self) -> PathBuf {
        self.directory.join("dump.rdb")
    }

    /// Its Unix socket.
    pub fn socket(&self) -> PathBuf {
        self.directory.join("redis.sock")
    }

    /// Its TCP port.
    pub fn port(&self) -> u16 {
        self.port.expect("built with tcp()")
    }

    /// `redis+unix://` and its socket.
    pub fn unix_url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    /// `redis://` and its port.
    pub fn tcp_url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port())
    }

    /// `rediss://` and its port.
    pub fn tls_url(&self) -> String {
        format!(
            "rediss://127.0.0.1:{}",
            self.tls_port.expect("built with tls()")
        )
    }

    /// Runs `redis-cli` with these arguments; what it said, without the newline at the end.
    ///
    /// # Panics
    /// When Redis answers with an error.
    pub fn cli(&self, arguments: &[&str]) -> String {
        let known = words(arguments);
        let output = self
            .redis_cli()
            .args(&known)
            .stdin(Stdio::null())
            .output()
            .expect("redis-cli starts");
        let said = stdout(&output);
        let said = said.trim_end_matches('\n');
        assert!(
            output.status.success() && !is_error(said),
            "redis-cli {arguments:?}: {said} {}",
            stderr(&output)
        );
        said.to_owned()
    }

    /// Feeds `redis-cli` a script, one command a line, each sent once the one before is answered.
    pub fn script(&self, commands: &str) -> String {
        self.feed(&mut self.redis_cli(), commands)
    }

    /// Sends all commands at once, without waiting for any answer.
    pub fn pipeline(&self, commands: &str) {
        let mut command = self.redis_cli();
        let said = self.feed(command.arg("--pipe"), commands);
        assert!(said.contains("errors: 0,"), "a pipeline: {said}");
    }

    fn feed(&self, command: &mut Command, commands: &str) -> String {
        // from a file, so that neither side waits for the other on a full pipe
        let script = self.directory.join("script");
        std::fs::write(&script, commands).expect("a file of our own");
        let output = command
            .stdin(File::open(&script).expect("a file of our own"))
            .output()
            .expect("redis-cli starts");
        let said = stdout(&output);
        assert!(
            output.status.success() && !said.lines().any(is_error),
            "redis-cli: {said} {}",
            stderr(&output)
        );
        said
    }

    fn redis_cli(&self) -> Command {
        let mut command = bounded("redis-cli");
        command.arg("-s").arg(self.socket());
        command
    }

    /// Gives it slots of its cluster, in a way that Redis 6.0 knows.
    pub fn add_slots(&self, slots: impl IntoIterator<Item = u16>) {
        let slots: Vec<String> = slots.into_iter().map(|slot| slot.to_string()).collect();
        let slots = slots.iter().map(String::as_str);
        let words: Vec<&str> = ["CLUSTER", "ADDSLOTS"].into_iter().chain(slots).collect();
        self.cli(&words);
    }

    /// Sets fields of a hash.
    pub fn hset(&self, hash: &str, pairs: &[(&str, &str)]) {
        let mut arguments = vec!["HSET", hash];
        for (field, value) in pairs {
            arguments.extend([*field, *value]);
        }
        self.cli(&arguments);
    }

    /// How often a command has been called, by anyone, since the start.
    pub fn calls(&self, command: &str) -> u64 {
        let prefix = format!("cmdstat_{command}:calls=");
        self.cli(&["INFO", "commandstats"])
            .lines()
            .find_map(|line| line.strip_prefix(&prefix)?.split(',').next()?.parse().ok())
            .unwrap_or(0)
    }

    /// SIGKILL: what was not saved is lost.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// Sends it a signal, such as STOP and CONT.
    pub fn signal(&mut self, signal: Signal) {
        self.process.as_mut().expect("it runs").signal(signal);
    }

    /// Starts it again on the same ports, with what `SAVE` kept.
    pub fn restart(&mut self) {
        self.kill();
        wait::until("redis-server starts again on its ports", || {
            self.try_start().then_some(())
        });
    }

    /// Starts it; false when it ends instead of answering, as it does when its port is taken.
    fn try_start(&mut self) -> bool {
        let config = self.directory.join("redis.conf");
        std::fs::write(&config, self.config()).expect("a file of our own");
        let log = File::create(self.directory.join("redis.log")).expect("a file of our own");
        let mut command = mortal("redis-server");
        command
            .arg(&config)
            .args(&self.settings.arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a descriptor"))
            .stderr(log);
        let mut process = Process::start(command);
        let answers = wait::until("redis-server answers or ends", || {
            if process.ended().is_some() {
                return Some(false);
            }
            let mut ping = self.redis_cli();
            let output = ping.arg("PING").stdin(Stdio::null()).output();
            (stdout(&output.expect("redis-cli starts")).trim() == "PONG").then_some(true)
        });
        self.process = answers.then_some(process);
        answers
    }

    fn config(&self) -> String {
        let mut text = String::from("save \"\"\nappendonly no\nbind 127.0.0.1\n");
        let mut line = |words: &str| writeln!(text, "{words}").expect("a string takes it");
        line(&format!("port {}", self.port.unwrap_or(0)));
        line(&format!("unixsocket {}", self.socket().display()));
        line(&format!("dir {}", self.directory.display()));
        if let (Some(tls), Some(port)) = (&self.settings.tls, self.tls_port) {
            line(&format!("tls-port {port}"));
            line(&format!("tls-cert-file {}", tls.certificate.display()));
            line(&format!("tls-key-file {}", tls.key.display()));
            line(&format!("tls-ca-cert-file {}", tls.authority.display()));
            line("tls-auth-clients no");
        }
        if let Some(port) = self.settings.replica_of {
            line(&format!("replicaof 127.0.0.1 {port}"));
            line("repl-diskless-sync-delay 0");
        }
        if self.settings.cluster {
            line("cluster-enabled yes");
        }
        for given in self.settings.users.iter().chain(&self.settings.lines) {
            line(given);
        }
        text
    }
}

/// The words of a command, without what only a later server than ours knows of ACL rules.
pub fn words(command: &[&str]) -> Vec<String> {
    if command.first() == Some(&"ACL") {
        command.iter().filter_map(|word| acl_word(word)).collect()
    } else {
        command.iter().map(|&word| word.to_owned()).collect()
    }
}

fn acl_rule(line: &str) -> String {
    let known: Vec<String> = line.split(' ').filter_map(acl_word).collect();
    known.join(" ")
}

/// A word of an ACL rule as our server knows it: Redis 6.0 has no channels, and before 7.0 none has keys that
/// may only be read.
fn acl_word(word: &str) -> Option<String> {
    let of_channels = word.starts_with('&') || word == "resetchannels";
    match word.strip_prefix("%R~") {
        Some(keys) if version() < (7, 0) => Some(format!("~{keys}")),
        _ if of_channels && version() < (6, 2) => None,
        // a subcommand cannot be taken from all
        _ if word == "-client|tracking" && version() < (7, 0) => Some("-client".to_owned()),
        _ => Some(word.to_owned()),
    }
}

/// What makes `redis-server` take DEBUG. Before Redis 7.0 it always does.
pub fn debug_arguments() -> &'static [&'static str] {
    if version() < (7, 0) {
        &[]
    } else {
        &["--enable-debug-command", "yes"]
    }
}

/// The version of `redis-server`, which `make redis-matrix` chooses: (7, 0) of 7.0.15. Valkey has its own.
pub fn version() -> (u32, u32) {
    static VERSION: OnceLock<(u32, u32)> = OnceLock::new();
    *VERSION.get_or_init(|| {
        let said = succeed(bounded("redis-server").arg("--version"));
        let version = said.split(" v=").nth(1).expect("it says its version");
        let mut numbers = version.split('.').map(str::parse);
        let mut next = || numbers.next().expect("a number").expect("a number");
        (next(), next())
    })
}

/// A port that is free now. Below the range the kernel takes for outgoing connections: there, a
/// client that connects again and again to a dead port may in the end connect to itself.
pub fn free_port() -> u16 {
    const RANGE: std::ops::Range<u16> = 20_000..32_000;
    static NEXT: OnceLock<AtomicU16> = OnceLock::new();
    let next = NEXT.get_or_init(|| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let seed = now.expect("the clock is past 1970").subsec_nanos() ^ std::process::id();
        AtomicU16::new(u16::try_from(seed % 12_000).expect("below 12,000"))
    });
    wait::until("a free TCP port", || {
        let port = RANGE.start + next.fetch_add(1, Ordering::Relaxed) % (RANGE.end - RANGE.start);
        TcpListener::bind(("127.0.0.1", port)).ok().map(|_| port)
    })
}

/// Whether `redis-cli` printed an error reply, as in `ERR unknown command`.
fn is_error(said: &str) -> bool {
    let word = said.split(' ').next().unwrap_or("");
    matches!(
        word,
        "ERR"
            | "(error)"
            | "WRONGTYPE"
            | "NOAUTH"
            | "NOPERM"
            | "READONLY"
            | "LOADING"
            | "EXECABORT"
            | "MISCONF"
    )
}

/// Waits until a replica has everything its master has.
pub fn wait_for_replica(master: &Redis) {
    // a new connection has written nothing, so WAIT alone would only count the replicas
    wait::until("the replica has caught up", || {
        let said = master.script("SET waited-for 1\nDEL waited-for\nWAIT 1 1000\n");
        said.trim_end().ends_with("\n1").then_some(())
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reply_is_told_from_an_answer() {
        assert!(is_error("ERR unknown command 'X'"));
        assert!(is_error("WRONGTYPE Operation against a key"));
        assert!(!is_error("OK"));
        assert!(!is_error("web"));
    }

    #[test]
    fn ports_are_below_the_ephemeral_range() {
        assert!((20_000..32_000).contains(&free_port()));
        assert_ne!(free_port(), free_port());
    }
}
