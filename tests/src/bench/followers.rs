//! Thousands of followers in one thread: on as many connections, each says what a daemon says
//! (`registry/src/follow`), and throws away what it is told. So what is measured is Redis and the
//! protocol, and not thousands of daemons on the cores of one machine.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::names;
use super::skim::{Skim, number};
use super::wire::{Change, Wire, command};
use crate::redis::Redis;

/// A daemon that hears nothing for so long asks whether Redis lives, as in
/// `registry/src/follow/session.rs`.
const IDLE: Duration = Duration::from_millis(3_200);

/// A silence that is put up with is so long, and longer with each client, as in
/// `registry/src/follow/load.rs`.
const SILENCE: Duration = Duration::from_secs(4);
const LONGEST_SILENCE: Duration = Duration::from_secs(60);
const SLOWER: u32 = 3;

/// So many clients may scan at once without a wait, likewise.
const HANDFUL: u32 = 8;

/// What a scan costs before its first field, and the rest after it, as in
/// `registry/src/follow/pacer.rs`.
const BASE: Duration = Duration::from_micros(20);
const REST: u32 = 9;
const LONGEST_REST: Duration = Duration::from_secs(2);

/// So often it is looked who is silent.
const LOOK: Duration = Duration::from_millis(100);

/// No change takes longer than this to be everywhere.
const LIMIT: Duration = Duration::from_secs(240);

/// What a follower is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// No answer is to come.
    Rest,
    /// Answers to these are to come.
    Asked(Question),
    /// It gave up.
    Gone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Question {
    Tracking,
    Log,
    Scan,
    Ping,
}

impl Question {
    /// Answers that Redis gives: to each command of a transaction, and to all of them at its end.
    fn answers(self) -> u32 {
        match self {
            Question::Tracking => 2,
            Question::Log => 4,
            Question::Scan => 7,
            Question::Ping => 1,
        }
    }
}

/// How far a scan is that a push has made necessary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// There is none.
    Nothing,
    /// It waits for its turn.
    Waits,
    /// It is due, and the length of the hash is asked first.
    Due,
    /// The length is known.
    Sized,
}

#[derive(Debug)]
struct Follower {
    stream: UnixStream,
    skim: Skim,
    at: At,
    /// Answers to come.
    left: u32,
    /// When there was a byte last.
    heard: Instant,
    /// What was pushed since the last question.
    log_pushed: bool,
    hash_pushed: bool,
    wish: Wish,
    /// The rest after the scan before is over.
    rested: Instant,
    /// Whether it has the change.
    has: bool,
}

/// How a change came to all of them.
#[derive(Debug, Clone, Copy)]
pub struct Spread {
    /// Until half of them had it.
    pub half: Duration,
    /// Until the last had it.
    pub all: Duration,
    /// Connections that were given up.
    pub dropped: usize,
}

/// All of them.
#[derive(Debug)]
pub struct Followers {
    epoll: OwnedFd,
    all: Vec<Follower>,
    hash: String,
    log: String,
    /// What a scan costs Redis.
    cost: Duration,
    /// The last entry that all have.
    position: String,
    due: BinaryHeap<Reverse<(Instant, usize)>>,
    /// When it was last looked who is silent.
    minded: Instant,
    chunk: Vec<u8>,
}

/// How many followers one Redis and this process can have, of those that are wanted.
pub fn possible(redis: &Redis, wanted: u32) -> u32 {
    let limit = getrlimit(Resource::Nofile);
    let all = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, all).expect("up to the hard limit anyone may");
    let said = redis.cli(&["CONFIG", "GET", "maxclients"]);
    let most = said.lines().last().and_then(|line| line.parse().ok());
    let own = limit
        .maximum
        .map_or(u32::MAX, |own| own.try_into().unwrap_or(u32::MAX));
    let spared = own.min(most.unwrap_or(u32::MAX)).saturating_sub(200);
    wanted.min(spared)
}

impl Followers {
    /// Connects that many, who reckon that a scan of the hash costs so much, and waits until each
    /// follows it.
    pub fn start(redis: &Redis, count: u32, hash: &str, cost: Duration) -> Followers {
        let mut wire = Wire::new(redis);
        let position = wire.change(Change::Logged, hash, &names::name(0), "10.0.0.1");
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("the kernel has epoll");
        let mut followers = Followers {
            epoll,
            all: Vec::new(),
            hash: hash.to_owned(),
            log: format!("{hash}:log"),
            cost: BASE + cost,
            position,
            due: BinaryHeap::new(),
            minded: Instant::now(),
            chunk: vec![0; 64 << 10],
        };
        for nth in 0..count {
            followers.connect(redis, nth);
        }
        let start = Instant::now();
        while followers.all.iter().any(|one| one.at != At::Rest) {
            assert!(start.elapsed() < LIMIT, "they do not come to rest");
            followers.turn();
        }
        followers
    }

    fn connect(&mut self, redis: &Redis, nth: u32) {
        let stream = UnixStream::connect(redis.socket()).expect("Redis listens");
        stream.set_nonblocking(true).expect("a socket of ours");
        let data = epoll::EventData::new_u64(nth.into());
        epoll::add(&self.epoll, &stream, data, epoll::EventFlags::IN).expect("a socket of ours");
        self.all.push(Follower {
            stream,
            skim: Skim::default(),
            at: At::Rest,
            left: 0,
            heard: Instant::now(),
            // which it reads once it is tracked
            log_pushed: true,
            hash_pushed: false,
            wish: Wish::Nothing,
            rested: Instant::now(),
            has: false,
        });
        self.ask(self.all.len() - 1, Question::Tracking);
        self.turn();
    }

    /// Makes a change, and waits until all have it or have given up.
    pub fn follow(&mut self, change: Change, wire: &mut Wire, address: &str) -> Spread {
        let gone = self.gone();
        for one in &mut self.all {
            one.has = false;
        }
        let start = Instant::now();
        let next = wire.change(change, &self.hash, &names::name(0), address);
        let mut half = None;
        loop {
            self.turn();
            let having = self.all.iter().filter(|one| one.has).count();
            if having * 2 >= self.all.len() {
                half.get_or_insert(start.elapsed());
            }
            if having + self.gone() >= self.all.len() {
                break;
            }
            assert!(start.elapsed() < LIMIT, "{having} have the change");
        }
        let all = start.elapsed();
        if change == Change::Logged {
            self.position = next;
        }
        Spread {
            half: half.unwrap_or(all),
            all,
            dropped: self.gone() - gone,
        }
    }

    /// Has them reckon from now on that a scan costs so much, and forget the rest that follows from
    /// what they reckoned before.
    pub fn reckon(&mut self, cost: Duration) {
        self.cost = BASE + cost;
        for one in &mut self.all {
            one.rested = Instant::now();
        }
    }

    /// Goes on for a while, as a fleet that has nothing to do but what it is pushed.
    pub fn idle(&mut self, time: Duration) {
        let start = Instant::now();
        while start.elapsed() < time {
            self.turn();
        }
    }

    /// How many there are, with those that gave up.
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// How many have given up.
    pub fn gone(&self) -> usize {
        self.all.iter().filter(|one| one.at == At::Gone).count()
    }

    /// Waits for something to happen, at most some milliseconds, and does what follows from it.
    fn turn(&mut self) {
        let mut events: Vec<epoll::Event> = Vec::with_capacity(1_024);
        let wait = Timespec {
            tv_sec: 0,
            tv_nsec: 5_000_000,
        };
        match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&wait)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("epoll: {error}"),
        }
        for event in events {
            let data = event.data;
            self.read(usize::try_from(data.u64()).expect("an index"));
        }
        let now = Instant::now();
        while let Some(&Reverse((due, nth))) = self.due.peek() {
            if due > now {
                break;
            }
            self.due.pop();
            if self.all[nth].wish == Wish::Waits {
                self.all[nth].wish = Wish::Due;
                self.next(nth);
            }
        }
        self.mind_the_silent(now);
    }

    /// Who has nothing to do asks for a sign of life now and then; who is not answered gives up.
    fn mind_the_silent(&mut self, now: Instant) {
        if now.saturating_duration_since(self.minded) < LOOK {
            return;
        }
        self.minded = now;
        let clients = u32::try_from(self.all.len()).expect("so many are wanted");
        let queue = self.cost * clients + self.spread() * (SLOWER - 1);
        let patience = (SILENCE + queue).min(LONGEST_SILENCE);
        for nth in 0..self.all.len() {
            let one = &self.all[nth];
            let silence = now.saturating_duration_since(one.heard);
            match one.at {
                At::Rest if silence > IDLE => self.ask(nth, Question::Ping),
                At::Asked(_) if silence > patience => self.give_up(nth),
                _ => {}
            }
        }
    }

    fn give_up(&mut self, nth: usize) {
        let one = &mut self.all[nth];
        one.at = At::Gone;
        let _ = one.stream.shutdown(std::net::Shutdown::Both);
        let _ = epoll::delete(&self.epoll, &one.stream);
    }

    fn ask(&mut self, nth: usize, question: Question) {
        let (hash, log) = (self.hash.as_str(), self.log.as_str());
        let length = ["HLEN", hash];
        let entries = ["XRANGE", log, &self.position, "+", "COUNT", "256"];
        let all = ["HGETALL", hash];
        let lives = ["PTTL", hash];
        let info = ["INFO", "replication"];
        let commands: &[&[&str]] = match question {
            Question::Tracking => &[&["HELLO", "3"], &["CLIENT", "TRACKING", "ON"]],
            Question::Log => &[&["MULTI"], &length, &entries, &["EXEC"]],
            Question::Scan => &[
                &["MULTI"],
                &length,
                &entries,
                &all,
                &lives,
                &info,
                &["EXEC"],
            ],
            Question::Ping => &[&["PING"]],
        };
        let bytes: Vec<u8> = commands.iter().flat_map(|words| command(words)).collect();
        let one = &mut self.all[nth];
        // a question fits into the buffer of a socket that has been read
        if one.stream.write(&bytes).ok() != Some(bytes.len()) {
            self.give_up(nth);
            return;
        }
        one.at = At::Asked(question);
        one.left = question.answers();
        one.heard = Instant::now();
        one.hash_pushed = false;
        if question != Question::Tracking {
            one.log_pushed = false;
        }
        if question == Question::Scan {
            one.wish = Wish::Nothing;
        }
    }

    fn read(&mut self, nth: usize) {
        let rest = (self.cost * REST).min(LONGEST_REST).max(self.spread());
        let one = &mut self.all[nth];
        if one.at == At::Gone {
            return;
        }
        let count = match one.stream.read(&mut self.chunk) {
            Ok(count) if count > 0 => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            _ => return self.give_up(nth),
        };
        one.heard = Instant::now();
        let mut skim = std::mem::take(&mut one.skim);
        let log = self.log.as_bytes();
        skim.feed(&self.chunk[..count], |head| one.take(head, log, rest));
        one.skim = skim;
        self.next(nth);
    }

    /// How long the scans of all take, over which they are spread.
    fn spread(&self) -> Duration {
        let others = u32::try_from(self.all.len()).expect("so many are wanted");
        self.cost * others.saturating_sub(HANDFUL)
    }

    /// What follows from what was pushed and answered.
    fn next(&mut self, nth: usize) {
        let spread = self.spread();
        let one = &mut self.all[nth];
        if one.hash_pushed && !one.log_pushed && one.wish == Wish::Nothing && !one.is_scanning() {
            one.wish = Wish::Waits;
            let due = (Instant::now() + spread.mul_f64(random())).max(one.rested);
            self.due.push(Reverse((due, nth)));
        }
        let one = &self.all[nth];
        if one.at != At::Rest {
            return;
        }
        if one.wish == Wish::Sized {
            self.ask(nth, Question::Scan);
        } else if one.wish == Wish::Due || one.log_pushed {
            self.ask(nth, Question::Log);
        }
    }
}

impl Follower {
    fn is_scanning(&self) -> bool {
        self.at == At::Asked(Question::Scan)
    }

    /// Takes in how an answer or a push begins. A scan is followed by that rest.
    fn take(&mut self, head: &[u8], log: &[u8], rest: Duration) {
        assert!(
            !head.starts_with(b"-"),
            "Redis: {}",
            String::from_utf8_lossy(head)
        );
        if head.starts_with(b">") {
            if head.windows(log.len()).any(|window| window == log) {
                self.log_pushed = true;
            } else {
                self.hash_pushed = true;
            }
            return;
        }
        let At::Asked(question) = self.at else {
            panic!("nothing was asked: {}", String::from_utf8_lossy(head));
        };
        self.left -= 1;
        if self.left > 0 {
            return;
        }
        self.at = At::Rest;
        match question {
            // the entry that was the last, and a newer one
            Question::Log => {
                self.has |= entries(head) > 1;
                if self.wish == Wish::Due {
                    self.wish = Wish::Sized;
                }
            }
            Question::Scan => {
                self.has = true;
                self.rested = Instant::now() + rest;
            }
            Question::Tracking | Question::Ping => {}
        }
    }
}

/// How many entries are in the answer to a transaction that asks for HLEN and XRANGE.
fn entries(head: &[u8]) -> i64 {
    let mut lines = head.split(|&byte| byte == b'\n');
    let line = lines.nth(2).unwrap_or_default();
    line.strip_prefix(b"*").and_then(number).unwrap_or(0)
}

/// From 0 to 1.
fn random() -> f64 {
    use std::hash::{BuildHasher, RandomState};
    (RandomState::new().hash_one(0u8) >> 11) as f64 / (1u64 << 53) as f64
}
