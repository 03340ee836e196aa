//! A role that is always where the follower does not look. Before each request of the follower it is
//! moved, in one transaction, to a hash that this request does not read: so it is in Redis at every
//! moment, and only a request that reads all hashes shows where.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::peer::Peer;
use crate::server::{PATIENCE, Redis};
use crate::watcher::{Contents, Mirrored, Watcher};

const HASHES: [&str; 3] = ["one", "two", "three"];

/// Writes to Redis between the requests of the follower, each of which it sees before Redis does.
struct Adversary {
    writer: redis::Connection,
    /// The field that the role has in each hash.
    fields: Vec<&'static str>,
    /// The hash that has the role. None once it is deleted.
    at: Option<usize>,
    /// How many requests have read a hash, or fields of it.
    reads: usize,
    /// Whether it moves the role.
    moves: bool,
}

impl Adversary {
    fn sees(&mut self, request: &[Vec<String>]) {
        let reads = |hash: usize| {
            let is = |words: &Vec<String>| {
                let command = ["HGETALL", "HSCAN", "HMGET"].contains(&&words[0][..]);
                command && words[1] == HASHES[hash]
            };
            request.iter().any(is)
        };
        let hashes = 0..self.fields.len();
        if !hashes.clone().any(reads) {
            return;
        }
        self.reads += 1;
        if let Some(at) = self.at.filter(|_| self.moves) {
            let unread = hashes.clone().find(|&hash| !reads(hash));
            self.go(unread.unwrap_or((at + 1) % hashes.len()));
        }
    }

    /// Moves the role, in one transaction.
    fn go(&mut self, to: usize) {
        if self.at == Some(to) {
            return;
        }
        let mut change = redis::pipe();
        change.atomic();
        if let Some(at) = self.at {
            change.cmd("HDEL").arg(&[HASHES[at], self.fields[at]]);
        }
        let set = [HASHES[to], self.fields[to], "10.0.0.1"];
        change.cmd("HSET").arg(&set);
        change.exec(&mut self.writer).unwrap();
        self.at = Some(to);
    }

    fn delete(&mut self) {
        if let Some(at) = self.at.take() {
            let delete = [HASHES[at], self.fields[at]];
            redis::cmd("HDEL")
                .arg(&delete)
                .exec(&mut self.writer)
                .unwrap();
        }
    }
}

/// Redis with hashes of these sizes and the role, and an adversary between it and the follower.
struct Chase {
    redis: Redis,
    adversary: Arc<Mutex<Adversary>>,
    peer: Peer,
    sizes: Vec<usize>,
    ticks: usize,
}

impl Chase {
    fn new(redis: &[&str], sizes: &[usize], fields: &[&'static str]) -> Chase {
        let mut redis = Redis::start(redis);
        for (hash, &size) in HASHES.iter().zip(sizes) {
            redis.fill(hash, size);
        }
        let writer = redis::Client::open(redis.url()).unwrap();
        let mut adversary = Adversary {
            writer: writer.get_connection().unwrap(),
            fields: fields.to_vec(),
            at: None,
            reads: 0,
            moves: false,
        };
        adversary.go(0);
        let adversary = Arc::new(Mutex::new(adversary));
        let sees = adversary.clone();
        let peer = Peer::asking(redis.port, move |request| {
            sees.lock().unwrap().sees(request);
        });
        Chase {
            redis,
            adversary,
            peer,
            sizes: sizes.to_vec(),
            ticks: 0,
        }
    }

    fn watcher(&self) -> Watcher {
        let hashes = &HASHES[..self.sizes.len()];
        let url = &self.peer.url;
        Watcher::with(&format!(
            "hashes = {hashes:?}\npoll_interval = \"50ms\"\n[redis]\nurls = [\"{url}\"]\n"
        ))
    }

    fn reads(&self) -> usize {
        self.adversary.lock().unwrap().reads
    }

    fn is_read_at_once(&self) -> bool {
        self.sizes.iter().sum::<usize>() < 100_000
    }

    /// Another field changes, so that there is something to read, and what was told of it is taken.
    fn tick(&mut self, watcher: &mut Watcher) {
        let hash = HASHES[self.ticks % self.sizes.len()];
        self.ticks += 1;
        self.redis.run(&format!("HSET {hash} tick {}", self.ticks));
        watcher.event_within(Duration::from_millis(20));
    }
}

fn is_somewhere(hashes: &[Mirrored]) -> bool {
    hashes.iter().any(|hash| {
        let answered = [&hash.fields, &hash.retained];
        // "0" is what follows "/".
        let has =
            |fields: &Contents| fields.range("shop".to_owned().."shop0".to_owned()).count() > 0;
        answered.into_iter().any(has)
    })
}

/// The role is never lost while it moves, and is gone once it is deleted.
fn chase(redis: &[&str], sizes: &[usize], fields: &[&'static str]) {
    let mut chase = Chase::new(redis, sizes, fields);
    let mut watcher = chase.watcher();
    watcher.full();
    chase.adversary.lock().unwrap().moves = true;
    let (from, end) = (chase.reads(), Instant::now() + PATIENCE);
    let long = Instant::now() + Duration::from_secs(4);
    while Instant::now() < long || chase.reads() < from + 20 && Instant::now() < end {
        chase.tick(&mut watcher);
        assert!(
            is_somewhere(&watcher.hashes),
            "it is nowhere, after {} requests",
            chase.reads() - from
        );
    }
    chase.adversary.lock().unwrap().delete();
    let (from, end) = (chase.reads(), Instant::now() + 2 * PATIENCE);
    while is_somewhere(&watcher.hashes) {
        if Instant::now() >= end {
            watcher.fail("the end of the role");
        }
        if chase.is_read_at_once() {
            chase.tick(&mut watcher);
        } else {
            // Under changes this takes several scans in many steps.
            watcher.event_within(Duration::from_millis(20));
        }
    }
    println!("gone after {} requests", chase.reads() - from);
}

const SAME: [&str; 3] = ["shop"; 3];
const OWN: [&str; 3] = ["shop/a", "shop/b", "shop/c"];

/// Together they are more than one request reads of hashes that are quiet.
#[test]
fn between_two_hashes() {
    chase(&[], &[5_000, 5_001], &SAME[..2]);
    chase(&[], &[5_000, 5_001], &OWN[..2]);
}

#[test]
fn between_three_hashes() {
    chase(&[], &[4_000; 3], &SAME);
    chase(&[], &[4_000; 3], &OWN);
}

#[test]
fn between_hashes_of_which_one_is_large() {
    chase(&[], &[4_000, 12_000], &OWN[..2]);
    chase(&[], &[60_000, 100], &OWN[..2]);
}

/// No one request reads all of them, but one reads the fields of the role in all.
#[test]
fn between_hashes_of_which_one_is_read_in_steps() {
    chase(&[], &[100, 110_000, 10], &SAME);
}

#[test]
fn between_hashes_that_are_polled() {
    let no_tracking = ["--rename-command", "HELLO", ""];
    chase(&no_tracking, &[5_000, 5_001], &SAME[..2]);
    chase(&no_tracking, &[5_000, 5_001], &OWN[..2]);
}

/// Whatever the first scans show, it is one moment.
#[test]
fn under_the_first_scans() {
    for fields in [&SAME[..2], &OWN[..2]] {
        let chase = Chase::new(&[], &[5_000, 5_001], fields);
        chase.adversary.lock().unwrap().moves = true;
        for _ in 0..3 {
            let mut watcher = chase.watcher();
            watcher.full();
            assert!(is_somewhere(&watcher.hashes), "{fields:?}");
        }
    }
}
