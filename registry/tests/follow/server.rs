//! A private Redis that dies with its test.

use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long anything may take before its test fails; much, because a machine
/// that builds beside the tests is slow.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A directory that is removed with its test.
pub struct Dir(PathBuf);

impl Dir {
    pub fn new() -> Dir {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("chr-{}-{n}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        Dir(dir)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Waits until something holds.
pub fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A port that is free now.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

pub struct Redis {
    pub dir: Dir,
    child: Child,
    pub port: u16,
    args: Vec<String>,
    admin: Option<redis::Connection>,
}

impl Redis {
    /// Starts with a Unix socket, a TCP port and these arguments.
    pub fn start(args: &[&str]) -> Redis {
        Redis::start_in(Dir::new(), args)
    }

    pub fn start_in(dir: Dir, args: &[&str]) -> Redis {
        let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
        let end = Instant::now() + PATIENCE;
        loop {
            // Another test may take the port first.
            let port = free_port();
            if let Some(child) = spawn(&dir, port, &args) {
                let admin = None;
                return Redis {
                    dir,
                    child,
                    port,
                    args,
                    admin,
                };
            }
            assert!(Instant::now() < end, "redis-server does not start");
        }
    }

    pub fn url(&self) -> String {
        format!("redis+unix://{}/s", self.dir.path().display())
    }

    pub fn tcp_url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Runs a command as the administrator. Words are split at blanks.
    pub fn run(&mut self, command: &str) -> redis::Value {
        let words: Vec<&str> = command.split(' ').collect();
        self.command(&words)
    }

    pub fn command(&mut self, words: &[&str]) -> redis::Value {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        let end = Instant::now() + PATIENCE;
        loop {
            match command.query(self.admin()) {
                // A failover cuts the administrator off as well.
                Err(error) if error.is_connection_dropped() && Instant::now() < end => {
                    self.admin = None;
                }
                answer => return answer.unwrap(),
            }
        }
    }

    /// Writes fields (`None` deletes) of the hash and logs it, as the verbs do.
    pub fn logged(&mut self, fields: &[(&str, Option<&str>)]) {
        self.logged_in("cloudhosts", fields, &[]);
    }

    /// The same with another hash, and with more in the entry.
    pub fn logged_in(
        &mut self,
        hash: &str,
        fields: &[(&str, Option<&str>)],
        more: &[(&str, &str)],
    ) {
        let mut change = redis::pipe();
        change.atomic();
        log_change(&mut change, hash, fields, more);
        change.exec(self.admin()).unwrap();
    }

    /// Appends an entry to the log of the hash, and changes nothing.
    pub fn entry(&mut self, fields: &[(&str, &str)]) {
        self.logged_in("cloudhosts", &[], fields);
    }

    /// How often a command was called.
    pub fn calls(&mut self, command: &str) -> u64 {
        let line = format!("cmdstat_{command}:calls=");
        self.info("commandstats", &line)
    }

    /// What Redis says of itself: the number that follows this.
    pub fn info(&mut self, section: &str, before: &str) -> u64 {
        let text: String = redis::cmd("INFO").arg(section).query(self.admin()).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(before));
        let digits =
            |line: &str| -> String { line.chars().take_while(char::is_ascii_digit).collect() };
        line.map_or(0, |line| digits(line).parse().unwrap())
    }

    pub fn fields(&mut self, hash: &str) -> std::collections::BTreeMap<String, String> {
        redis::cmd("HGETALL").arg(hash).query(self.admin()).unwrap()
    }

    /// A hash of so many fields, `role-0` and so on.
    pub fn fill(&mut self, hash: &str, fields: usize) {
        let mut fill = redis::pipe();
        fill.cmd("PING").ignore();
        for n in 0..fields {
            let field = format!("role-{n}");
            fill.cmd("HSET")
                .arg(hash)
                .arg(field)
                .arg("10.0.0.1")
                .ignore();
        }
        fill.exec(self.admin()).unwrap();
    }

    /// Cuts off everybody but the administrator.
    pub fn cut(&mut self) {
        self.run("CLIENT KILL TYPE normal SKIPME yes");
    }

    /// Cuts off those to whom changes are pushed.
    pub fn cut_followers(&mut self) {
        let clients: String = redis::cmd("CLIENT")
            .arg("LIST")
            .query(self.admin())
            .unwrap();
        for client in clients.lines().filter(|client| client.contains(" flags=t")) {
            let id = client.split(' ').find_map(|word| word.strip_prefix("id="));
            let kill = ["KILL", "ID", id.unwrap()];
            // It may be gone by itself.
            let _ = redis::cmd("CLIENT").arg(&kill).exec(self.admin());
        }
    }

    pub fn admin(&mut self) -> &mut redis::Connection {
        let url = format!("redis+unix://{}/s", self.dir.path().display());
        let connect = || redis::Client::open(url).unwrap().get_connection().unwrap();
        self.admin.get_or_insert_with(connect)
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub fn kill(&mut self) {
        self.admin = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(self.dir.path().join("s"));
    }

    /// Starts it again, on the same port, with the data it saved.
    pub fn start_again(&mut self) {
        let mut child = None;
        wait_for("redis-server starts again", || {
            child = spawn(&self.dir, self.port, &self.args);
            child.is_some()
        });
        self.child = child.unwrap();
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Starts redis-server and waits until it answers; `None` when it left.
fn spawn(dir: &Dir, port: u16, args: &[String]) -> Option<Child> {
    let socket = dir.path().join("s");
    let log = fs::File::create(dir.path().join("log")).unwrap();
    let mut child = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args([
            "--unixsocket",
            socket.to_str().unwrap(),
            "--dir",
            dir.path().to_str().unwrap(),
        ])
        .args(["--save", "", "--loglevel", "warning"])
        .args(args)
        .stdout(Stdio::from(log))
        .spawn()
        .unwrap();
    let end = Instant::now() + PATIENCE;
    loop {
        if child.try_wait().unwrap().is_some() {
            return None;
        }
        let url = format!("redis+unix://{}", socket.display());
        let answers = redis::Client::open(url).unwrap().get_connection();
        // Not before it has read what it saved.
        let loaded = |mut to: redis::Connection| redis::cmd("PING").exec(&mut to).is_ok();
        if answers.is_ok_and(loaded) {
            return Some(child);
        }
        assert!(Instant::now() < end, "redis-server does not answer");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A change of some fields and its entry, the entry first.
pub fn log_change(
    change: &mut redis::Pipeline,
    hash: &str,
    fields: &[(&str, Option<&str>)],
    more: &[(&str, &str)],
) {
    static NONCE: AtomicU32 = AtomicU32::new(1);
    let nonce = format!("{:016x}", NONCE.fetch_add(1, Ordering::Relaxed));
    let mut entry = redis::cmd("XADD");
    entry
        .arg(format!("{hash}:log"))
        .arg(&["MAXLEN", "~", "10000", "*"]);
    entry.arg(".nonce").arg(nonce);
    for (field, value) in more {
        entry.arg(field).arg(value);
    }
    for (field, value) in fields {
        match value {
            Some(value) => entry.arg(format!("+{field}")).arg(value),
            None => entry.arg(format!("-{field}")).arg(""),
        };
    }
    change.add_command(entry).ignore();
    for (field, value) in fields {
        match value {
            Some(value) => change.cmd("HSET").arg(hash).arg(field).arg(value).ignore(),
            None => change.cmd("HDEL").arg(hash).arg(field).ignore(),
        };
    }
}
