//! A private Redis, and what its administrator does there.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use cloudhosts_testkit::redis::words as known_words;
pub use cloudhosts_testkit::redis::{debug_arguments, free_port};
/// How long anything may take before its test fails.
pub use cloudhosts_testkit::wait::DEADLINE as PATIENCE;
pub use cloudhosts_testkit::{Dir, eventually as wait_for};
use rustix::process::Signal;

/// A Redis with an administrator's connection.
pub struct Redis {
    server: cloudhosts_testkit::Redis,
    pub dir: Dir,
    pub port: u16,
    admin: Option<redis::Connection>,
}

impl Redis {
    /// Starts with a Unix socket, a TCP port and these arguments.
    pub fn start(args: &[&str]) -> Redis {
        Redis::start_in(Dir::new(), args)
    }

    pub fn start_in(dir: Dir, args: &[&str]) -> Redis {
        let server = cloudhosts_testkit::Redis::builder(dir.path())
            .tcp()
            .arguments(args)
            .start();
        let port = server.port();
        Redis {
            server,
            dir,
            port,
            admin: None,
        }
    }

    pub fn url(&self) -> String {
        self.server.unix_url()
    }

    pub fn tcp_url(&self) -> String {
        self.server.tcp_url()
    }

    /// Runs a command as the administrator. Words are split at blanks.
    pub fn run(&mut self, command: &str) -> redis::Value {
        let words: Vec<&str> = command.split(' ').collect();
        self.command(&words)
    }

    pub fn command(&mut self, words: &[&str]) -> redis::Value {
        let words = known_words(words);
        let mut command = redis::cmd(&words[0]);
        command.arg(&words[1..]);
        let end = Instant::now() + PATIENCE;
        loop {
            match command.query(self.admin()) {
                // A failover cuts the administrator off as well.
                Err(error) if error.is_connection_dropped() && Instant::now() < end => {
                    self.admin = None;
                }
                // SAVE, while a replica is sent its first copy.
                Err(error)
                    if error.to_string().contains("save already in progress")
                        && Instant::now() < end =>
                {
                    std::thread::sleep(Duration::from_millis(20));
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
        let url = self.url();
        let connect = || redis::Client::open(url).unwrap().get_connection().unwrap();
        self.admin.get_or_insert_with(connect)
    }

    pub fn signal(&mut self, signal: Signal) {
        self.server.signal(signal);
    }

    pub fn kill(&mut self) {
        self.admin = None;
        self.server.kill();
    }

    /// Starts it again, on the same port, with the data it saved.
    pub fn start_again(&mut self) {
        self.server.restart();
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
