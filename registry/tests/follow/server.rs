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
        if answers.is_ok() {
            return Some(child);
        }
        assert!(Instant::now() < end, "redis-server does not answer");
        std::thread::sleep(Duration::from_millis(5));
    }
}
