//! Finding the master through sentinels.

use crate::server::{Dir, PATIENCE, Redis, free_port, wait_for};
use crate::watcher::Watcher;
use cloudhosts_registry::Trust;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

struct Sentinel {
    child: Child,
    _dir: Dir,
    port: u16,
}

impl Sentinel {
    fn watching(master: &Redis) -> Sentinel {
        let (dir, port) = (Dir::new(), free_port());
        let file = dir.file(
            "sentinel.conf",
            &format!(
                "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor main 127.0.0.1 {} 1\n\
                 sentinel down-after-milliseconds main 1000\nsentinel failover-timeout main 4000\n",
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
    assert_eq!(watcher.until_holds(&[("a", "1")]), Trust::Reconnected);
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
    watcher.pass();
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
    assert!(why.contains("watches no master called \"nobody\""), "{why}");
}
