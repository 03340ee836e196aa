//! Finding the master through sentinels.

use crate::server::{Dir, PATIENCE, Redis, free_port, wait_for};
use crate::watcher::Watcher;
use cloudhosts_registry::Event;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The rights that the README gives a user at a sentinel.
const RIGHTS: &str = "-@all resetchannels +auth +hello +sentinel|get-master-addr-by-name \
    +sentinel|master +subscribe &+switch-master &+failover-state-reconf-slaves";

struct Sentinel {
    child: Child,
    _dir: Dir,
    port: u16,
}

impl Sentinel {
    fn watching(master: &Redis) -> Sentinel {
        Sentinel::with(master, RIGHTS, "")
    }

    /// One that logs in at the servers as a user of its own, and sees them no more when that
    /// user is switched off.
    fn as_user(master: &Redis) -> Sentinel {
        let lines = "sentinel auth-user main watch\nsentinel auth-pass main word\n";
        Sentinel::with(master, RIGHTS, lines)
    }

    /// One whose user `mirror` has these rights.
    fn with(master: &Redis, rights: &str, lines: &str) -> Sentinel {
        let (dir, port) = (Dir::new(), free_port());
        let file = dir.file(
            "sentinel.conf",
            &format!(
                "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor main 127.0.0.1 {} 1\n\
                 sentinel down-after-milliseconds main 1000\nsentinel failover-timeout main 4000\n\
                 user mirror on >secret {rights}\n{lines}",
                dir.path().display(),
                master.port
            ),
        );
        let child = Command::new("redis-server")
            .arg(file)
            .arg("--sentinel")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Sentinel {
            child,
            _dir: dir,
            port,
        }
    }

    fn ask(&self, words: &[&str]) -> Option<redis::Value> {
        let url = format!("redis://127.0.0.1:{}", self.port);
        let mut connection = redis::Client::open(url).ok()?.get_connection().ok()?;
        redis::cmd(words[0])
            .arg(&words[1..])
            .query(&mut connection)
            .ok()
    }

    /// Waits until it names this master.
    fn names(&self, master: &Redis) {
        let words = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main"];
        self.until("named", &words, &master.port.to_string());
    }

    /// Waits until it knows this replica.
    fn knows(&self, replica: &Redis) {
        let words = ["SENTINEL", "REPLICAS", "main"];
        self.until("known", &words, &replica.port.to_string());
    }

    /// Begins a failover that is meant.
    fn fail_over(&self) {
        wait_for("the failover is begun", || {
            self.ask(&["SENTINEL", "FAILOVER", "main"]).is_some()
        });
    }

    /// Gives it another master by hand, of which it tells nobody.
    fn monitor(&self, master: &Redis) {
        self.ask(&["SENTINEL", "REMOVE", "main"]);
        let port = master.port.to_string();
        self.ask(&["SENTINEL", "MONITOR", "main", "127.0.0.1", &port, "1"]);
        self.names(master);
    }

    fn until(&self, what: &str, words: &[&str], text: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            let answer = self.ask(words).map(|value| format!("{value:?}"));
            if answer.as_ref().is_some_and(|answer| answer.contains(text)) {
                return;
            }
            assert!(Instant::now() < end, "never {what}: {answer:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(sentinel: &Sentinel, name: &str) -> String {
    let dead = free_port();
    format!(
        "resync_interval = \"500ms\"\n[redis]\nsentinel = \"{name}\"\n\
         urls = [\"redis://127.0.0.1:{dead}\", \"redis://127.0.0.1:{}\"]\n",
        sentinel.port
    )
}

/// These sentinels, asked again after this time.
fn asking(sentinels: &[&Sentinel], resync: &str) -> String {
    let urls: Vec<String> = sentinels
        .iter()
        .map(|sentinel| format!("\"redis://mirror:secret@127.0.0.1:{}\"", sentinel.port))
        .collect();
    format!(
        "resync_interval = \"{resync}\"\n[redis]\nsentinel = \"main\"\nurls = [{}]\n",
        urls.join(", ")
    )
}

/// A master and a replica of it, at which the sentinel has a user of its own.
fn pair() -> (Redis, Redis) {
    let mut first = Redis::start(&[]);
    let mut second = Redis::start(&[]);
    for redis in [&mut first, &mut second] {
        redis.run("ACL SETUSER watch on >word ~* &* +@all");
    }
    first.run("HSET cloudhosts a 1");
    second.run(&format!("REPLICAOF 127.0.0.1 {}", first.port));
    wait_for("the replica has the data", || {
        second.run("EXISTS cloudhosts") == redis::Value::Int(1)
    });
    (first, second)
}

/// The sentinel sees the master no more, which everybody else does.
fn hide(master: &mut Redis) {
    master.run("ACL SETUSER watch off");
    // whom it falls back to
    master.run("ACL SETUSER default -ping -replicaof -slaveof");
    master.run("CLIENT KILL USER watch");
}

fn until_connected(watcher: &mut Watcher, redis: &Redis) {
    while watcher.connected().0 != redis.tcp_url() {}
}

#[test]
fn a_deposed_master_that_still_answers_is_left() {
    let (mut first, mut second) = pair();
    let sentinel = Sentinel::as_user(&first);
    sentinel.knows(&second);
    let mut watcher = Watcher::with(&asking(&[&sentinel], "60s"));
    assert_eq!(watcher.connected().0, first.tcp_url());
    watcher.until_holds(&[("a", "1")]);
    hide(&mut first);
    sentinel.names(&second);
    second.run("HSET cloudhosts a 2");
    until_connected(&mut watcher, &second);
    watcher.until_holds(&[("a", "2")]);
    assert_eq!(
        first.run("HGET cloudhosts a"),
        redis::Value::BulkString(b"1".to_vec()),
        "the first master is reached all the time, and has the old data"
    );
}

#[test]
fn of_sentinels_that_disagree_the_one_with_the_newest_configuration_counts() {
    let (mut first, second) = pair();
    let sentinel = Sentinel::as_user(&first);
    sentinel.knows(&second);
    hide(&mut first);
    sentinel.names(&second);
    // These see the first master alone, and know of no failover; they are asked first, and more.
    let stale = [Sentinel::watching(&first), Sentinel::watching(&first)];
    stale.iter().for_each(|stale| stale.names(&first));
    let all = [&stale[0], &stale[1], &sentinel];
    let mut watcher = Watcher::with(&asking(&all, "500ms"));
    assert_eq!(watcher.connected().0, second.tcp_url());
    watcher.until_holds(&[("a", "1")]);
    for _ in 0..5 {
        let event = watcher.event();
        assert!(matches!(event, Event::Changes(_)), "{event:?}");
    }
}

#[test]
fn a_failover_that_is_meant_is_followed_at_once() {
    let (first, mut second) = pair();
    let sentinels = [Sentinel::as_user(&first), Sentinel::as_user(&first)];
    sentinels
        .iter()
        .for_each(|sentinel| sentinel.knows(&second));
    let [gone, sentinel] = sentinels;
    let mut watcher = Watcher::with(&asking(&[&gone, &sentinel], "60s"));
    watcher.until_holds(&[("a", "1")]);
    // Whichever of the two was listened to, now it is this one.
    drop(gone);
    sentinel.until("listened to", &["CLIENT", "LIST"], "sub=2");
    sentinel.fail_over();
    sentinel.names(&second);
    let named = Instant::now();
    until_connected(&mut watcher, &second);
    watcher.until_holds(&[("a", "1")]);
    let took = named.elapsed();
    println!("followed {took:?} after the sentinel named the new master");
    // It takes the old master 10 s to cut its clients off.
    assert!(took < Duration::from_secs(5), "{took:?}");
    second.run("HSET cloudhosts a 2");
    watcher.until_holds(&[("a", "2")]);
}

#[test]
fn the_sentinels_are_asked_again_at_each_resync() {
    // also one that lets us neither subscribe nor know how new its word is
    let less = RIGHTS
        .replace("+subscribe", "")
        .replace("+sentinel|master", "");
    for rights in [RIGHTS, &less] {
        let (first, mut second) = pair();
        let sentinel = Sentinel::with(&first, rights, "");
        let mut watcher = Watcher::with(&asking(&[&sentinel], "500ms"));
        watcher.until_holds(&[("a", "1")]);
        second.run("REPLICAOF NO ONE");
        sentinel.monitor(&second);
        until_connected(&mut watcher, &second);
    }
}

#[test]
fn a_master_is_followed_though_all_sentinels_are_gone() {
    let mut first = Redis::start(&[]);
    let sentinel = Sentinel::watching(&first);
    sentinel.names(&first);
    let mut watcher = Watcher::with(&asking(&[&sentinel], "300ms"));
    watcher.connected();
    drop(sentinel);
    for n in 0..10 {
        first.run(&format!("HSET cloudhosts a {n}"));
        // several resyncs
        for _ in 0..2 {
            let event = watcher.event();
            assert!(matches!(event, Event::Changes(_)), "{event:?}");
        }
    }
}

#[test]
fn the_master_is_found_and_followed_through_a_failover() {
    let mut first = Redis::start(&[]);
    let mut second = Redis::start(&[]);
    first.run("HSET cloudhosts a 1");
    second.run(&format!("REPLICAOF 127.0.0.1 {}", first.port));
    wait_for("the replica has the data", || {
        second.run("EXISTS cloudhosts") == redis::Value::Int(1)
    });
    let sentinel = Sentinel::watching(&first);
    let port = second.port.to_string();
    sentinel.until("known", &["SENTINEL", "REPLICAS", "main"], &port);
    let mut watcher = Watcher::with(&text(&sentinel, "main"));
    assert_eq!(watcher.connected().0, first.tcp_url());
    watcher.until_holds(&[("a", "1")]);
    first.kill();
    sentinel.until(
        "promoted",
        &["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main"],
        &port,
    );
    loop {
        if watcher.connected().0 == second.tcp_url() {
            break;
        }
    }
    // It has the data of the one before: what is gone there was deleted.
    watcher.until_holds(&[("a", "1")]);
    second.run("HSET cloudhosts a 2");
    watcher.until_holds(&[("a", "2")]);
}

#[test]
fn a_master_that_was_demoted_is_left() {
    let first = Redis::start(&[]);
    let mut second = Redis::start(&[]);
    second.run(&format!("REPLICAOF 127.0.0.1 {}", first.port));
    let sentinel = Sentinel::watching(&first);
    let port = second.port.to_string();
    sentinel.until("known", &["SENTINEL", "REPLICAS", "main"], &port);
    let mut watcher = Watcher::with(&text(&sentinel, "main"));
    assert_eq!(watcher.connected().0, first.tcp_url());
    watcher.full();
    wait_for("the failover is begun", || {
        sentinel.ask(&["SENTINEL", "FAILOVER", "main"]).is_some()
    });
    let master = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main"];
    sentinel.until("promoted", &master, &port);
    loop {
        if watcher.connected().0 == second.tcp_url() {
            break;
        }
    }
    second.run("HSET cloudhosts a 2");
    watcher.until_holds(&[("a", "2")]);
}

#[test]
fn demotion_without_a_cut_is_noticed_at_the_next_full_read() {
    let mut first = Redis::start(&[]);
    let other = Redis::start(&[]);
    let sentinel = Sentinel::watching(&first);
    sentinel.until("there", &["PING"], "PONG");
    let mut watcher = Watcher::with(&text(&sentinel, "main"));
    watcher.connected();
    first.run(&format!("REPLICAOF 127.0.0.1 {}", other.port));
    let why = watcher.disconnected();
    assert!(why.contains("no longer the master"), "{why}");
    let why = watcher.disconnected();
    assert!(why.contains("it is a replica"), "{why}");
}

#[test]
fn a_name_no_sentinel_knows_is_said() {
    let first = Redis::start(&[]);
    let sentinel = Sentinel::watching(&first);
    sentinel.until("there", &["PING"], "PONG");
    let why = Watcher::with(&text(&sentinel, "nobody")).disconnected();
    assert!(
        why.contains("monitors no master called \"nobody\""),
        "{why}"
    );
}

#[test]
fn the_rights_that_the_readme_gives_are_these() {
    let readme = include_str!("../../../README.md").replace("\n ", "");
    let rights = RIGHTS.strip_prefix("-@all resetchannels ").unwrap();
    assert!(readme.contains(rights), "{rights}");
}
