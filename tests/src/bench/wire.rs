//! Speaks with Redis over its Unix socket, and throws away what it says: a bare client, to compare
//! the daemon with and to write with.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::redis::Redis;

/// Above so many fields the daemon reads with HSCAN (`registry/src/follow/reader.rs`), and so does
/// the bare read it is compared with, in steps of as many fields.
const SCAN_ABOVE: u32 = 10_000;
const STEP: &str = "1000";

/// A connection.
#[derive(Debug)]
pub struct Wire {
    stream: BufReader<UnixStream>,
    received: u64,
    /// Commands that were sent.
    asked: u32,
    /// Entries that were written.
    written: u64,
}

/// A change, as daemons learn of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// With an entry in the log, in one step, as the verbs make it.
    Logged,
    /// A plain HSET.
    Plain,
}

/// What a verb does: the entry first, then the hash.
const LOGGED: &str = "\
local id = redis.call('XADD', KEYS[2], 'MAXLEN', '~', '10000', '*', '+' .. ARGV[1], ARGV[2], \
  '.verb', 'claim', '.by', 'bench', '.nonce', ARGV[3], '.len', redis.call('HLEN', KEYS[1])) \
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) \
return id";

/// A command as Redis reads it.
pub fn command(words: &[&str]) -> Vec<u8> {
    let mut command = format!("*{}\r\n", words.len());
    for word in words {
        write!(command, "${}\r\n{word}\r\n", word.len()).expect("a string takes it");
    }
    command.into_bytes()
}

impl Wire {
    /// Connects.
    pub fn new(redis: &Redis) -> Wire {
        let stream = UnixStream::connect(redis.socket()).expect("Redis runs");
        let limit = Some(Duration::from_secs(60));
        stream.set_read_timeout(limit).expect("a span above zero");
        Wire {
            stream: BufReader::with_capacity(1 << 16, stream),
            received: 0,
            asked: 0,
            written: 0,
        }
    }

    /// Sends a command and reads its answer; the first text in it.
    pub fn send(&mut self, words: &[&str]) -> String {
        self.asked += 1;
        let stream = self.stream.get_mut();
        stream.write_all(&command(words)).expect("Redis reads");
        let mut first = None;
        self.answer(&mut first);
        String::from_utf8(first.unwrap_or_default()).expect("text")
    }

    /// Sets a field; the id of the entry where one is written. The commands of a logged change are
    /// those of a script, and so are told from what daemons send.
    pub fn change(&mut self, change: Change, hash: &str, field: &str, value: &str) -> String {
        if change == Change::Plain {
            return self.send(&["HSET", hash, field, value]);
        }
        self.written += 1;
        let (log, nonce) = (format!("{hash}:log"), format!("{:016x}", self.written));
        self.send(&["EVAL", LOGGED, "2", hash, &log, field, value, &nonce])
    }

    /// Reads the whole hash, which has so many fields, and how long that took.
    pub fn read_all(&mut self, hash: &str, fields: u32) -> Duration {
        let start = Instant::now();
        if fields <= SCAN_ABOVE {
            self.send(&["HGETALL", hash]);
            return start.elapsed();
        }
        let mut cursor = "0".to_owned();
        loop {
            cursor = self.send(&["HSCAN", hash, &cursor, "COUNT", STEP]);
            if cursor == "0" {
                return start.elapsed();
            }
        }
    }

    /// A number of INFO.
    pub fn info(&mut self, section: &str, key: &str) -> f64 {
        let text = self.send(&["INFO", section]);
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        value
            .and_then(|value| value.trim().parse().ok())
            .unwrap_or_else(|| panic!("INFO {section} has no {key}"))
    }

    /// How often some commands have been called, by anyone.
    pub fn calls(&mut self, commands: &[&str]) -> f64 {
        let text = self.send(&["INFO", "commandstats"]);
        let calls = |command: &&str| {
            let prefix = format!("cmdstat_{command}:calls=");
            let line = text.lines().find_map(|line| line.strip_prefix(&prefix));
            let word = line.and_then(|line| line.split(',').next());
            word.and_then(|word| word.parse::<f64>().ok())
                .unwrap_or(0.0)
        };
        commands.iter().map(calls).sum()
    }

    /// Processor time that Redis took for some commands, by anyone, in nanoseconds. What a
    /// transaction does is in its EXEC too.
    pub fn command_time(&mut self, commands: &[&str]) -> f64 {
        let text = self.send(&["INFO", "commandstats"]);
        let spent = |command: &&str| {
            let prefix = format!("cmdstat_{command}:");
            let line = text.lines().find_map(|line| line.strip_prefix(&prefix))?;
            let micros = line
                .split(',')
                .find_map(|part| part.strip_prefix("usec="))?;
            micros.parse::<f64>().ok()
        };
        1e3 * commands.iter().filter_map(spent).sum::<f64>()
    }

    /// Processor time of Redis so far, in nanoseconds.
    pub fn cpu(&mut self) -> f64 {
        1e9 * (self.info("cpu", "used_cpu_user") + self.info("cpu", "used_cpu_sys"))
    }

    /// Commands so far.
    pub fn asked(&self) -> u32 {
        self.asked
    }

    /// Bytes of all answers so far.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Reads one answer of RESP2, whatever it holds; keeps the first text.
    fn answer(&mut self, first: &mut Option<Vec<u8>>) {
        let mut line = Vec::new();
        self.stream
            .read_until(b'\n', &mut line)
            .expect("Redis answers");
        self.received += line.len() as u64;
        let (kind, rest) = line.split_first().expect("Redis answers");
        let rest = rest.trim_ascii_end();
        let number = || -> i64 {
            let text = std::str::from_utf8(rest).expect("a number");
            text.parse().expect("a number")
        };
        match kind {
            b'*' => (0..number()).for_each(|_| self.answer(first)),
            b'$' => {
                let mut text = vec![0; usize::try_from(number()).map_or(0, |len| len + 2)];
                self.stream.read_exact(&mut text).expect("Redis answers");
                self.received += text.len() as u64;
                text.truncate(text.len().saturating_sub(2));
                first.get_or_insert(text);
            }
            b'-' => panic!("Redis: {}", String::from_utf8_lossy(rest)),
            _ => {
                first.get_or_insert(rest.to_vec());
            }
        }
    }
}
