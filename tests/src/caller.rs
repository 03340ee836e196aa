//! The C program that asks glibc: a running process, and the watch that follows changes.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use rustix::fs::{Access, access};
use serde_json::Value;

use crate::dir::Dir;
use crate::process::{Process, bounded, succeed};
use crate::sandbox::Entrance;
use crate::wait;

const SOURCE: &str = include_str!("../callers/caller.c");

/// How long one look-up (or ten thousand) may take until a test says that it hangs.
const LIMIT: Duration = Duration::from_secs(120);

/// Which addresses are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Any: AF_UNSPEC
    Any,
    /// IPv4: AF_INET
    V4,
    /// IPv6: AF_INET6
    V6,
}

impl Family {
    fn word(self) -> &'static str {
        match self {
            Family::Any => "unspec",
            Family::V4 => "inet",
            Family::V6 => "inet6",
        }
    }
}

/// What glibc answered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// `ok`, or the code's name: `EAI_NONAME`, `HOST_NOT_FOUND`, ...
    pub code: String,
    /// The canonical name, where there is one.
    pub name: String,
    /// The other names.
    pub aliases: Vec<String>,
    /// The addresses, in the order they came.
    pub addresses: Vec<String>,
    /// How often the buffer had to grow.
    pub grown: u64,
}

impl Answer {
    fn new(value: &Value) -> Answer {
        let strings = |key: &str| {
            let list = value[key].as_array();
            let texts = list.into_iter().flatten().filter_map(Value::as_str);
            texts.map(str::to_owned).collect()
        };
        Answer {
            code: value["code"].as_str().unwrap_or_default().to_owned(),
            name: value["name"].as_str().unwrap_or_default().to_owned(),
            aliases: strings("aliases"),
            addresses: strings("addresses"),
            grown: value["grown"].as_u64().unwrap_or(0),
        }
    }

    /// The addresses, sorted.
    pub fn sorted(&self) -> Vec<String> {
        let mut sorted = self.addresses.clone();
        sorted.sort();
        sorted
    }
}

/// A process that runs until dropped, and asks glibc what it is told to ask.
#[derive(Debug)]
pub struct Caller {
    process: Process,
    talk: Mutex<Talk>,
}

#[derive(Debug)]
struct Talk {
    commands: ChildStdin,
    answers: Receiver<String>,
}

impl Caller {
    /// Starts one inside.
    pub fn start(entrance: &Entrance) -> Caller {
        Caller::start_with(entrance, &[])
    }

    /// Starts one inside, with variables in its environment.
    pub fn start_with(entrance: &Entrance, variables: &[(&str, &str)]) -> Caller {
        let mut command = entrance.background(program());
        command
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut process = Process::start(command);
        let commands = process.child().stdin.take().expect("a pipe");
        let answers = lines(&mut process);
        Caller {
            process,
            talk: Mutex::new(Talk { commands, answers }),
        }
    }

    /// Sends a command of `callers/caller.c`, and gives what was answered.
    ///
    /// # Panics
    /// When the process has died, or the look-up hangs.
    pub fn ask(&self, command: &str) -> Value {
        // one that panicked with the lock held left no answer half read
        let mut talk = self
            .talk
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        writeln!(talk.commands, "{command}").expect("the caller runs");
        let line = talk
            .answers
            .recv_timeout(LIMIT)
            .unwrap_or_else(|error| panic!("{command}: no answer: {error}"));
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{command}: {line}: {error}"))
    }

    fn answer(&self, command: &str) -> Answer {
        Answer::new(&self.ask(command))
    }

    /// getaddrinfo for stream sockets, flags as in `canonname,v4mapped`, or `-`.
    pub fn gai(&self, family: Family, flags: &str, name: impl AsRef<[u8]>) -> Answer {
        self.answer(&format!("gai {} {flags} {}", family.word(), escape(name)))
    }

    /// gethostbyname.
    pub fn by_name(&self, name: impl AsRef<[u8]>) -> Answer {
        self.answer(&format!("byname {}", escape(name)))
    }

    /// gethostbyname2.
    pub fn by_name2(&self, family: Family, name: impl AsRef<[u8]>) -> Answer {
        self.answer(&format!("byname2 {} {}", family.word(), escape(name)))
    }

    /// gethostbyname_r, its buffer `size` at first and doubled on ERANGE.
    pub fn by_name_r(&self, size: usize, name: impl AsRef<[u8]>) -> Answer {
        self.answer(&format!("byname_r {size} {}", escape(name)))
    }

    /// gethostbyname2_r, likewise.
    pub fn by_name2_r(&self, size: usize, family: Family, name: impl AsRef<[u8]>) -> Answer {
        self.answer(&format!(
            "byname2_r {size} {} {}",
            family.word(),
            escape(name)
        ))
    }

    /// gethostbyaddr.
    pub fn by_addr(&self, address: &str) -> Answer {
        self.answer(&format!("byaddr {address}"))
    }

    /// gethostbyaddr_r, likewise.
    pub fn by_addr_r(&self, size: usize, address: &str) -> Answer {
        self.answer(&format!("byaddr_r {size} {address}"))
    }

    /// getnameinfo, flags as in `namereqd`, or `-`.
    pub fn name_info(&self, flags: &str, address: &str) -> Answer {
        self.answer(&format!("nameinfo {flags} {address}"))
    }

    /// One enumeration; `restart_after` entries it starts again, once.
    pub fn enumerate(&self, restart_after: Option<usize>) -> Vec<Answer> {
        let value = match restart_after {
            None => self.ask("enumerate"),
            Some(count) => self.ask(&format!("enumerate_restart {count}")),
        };
        let entries = value["entries"].as_array().expect("a list of entries");
        entries.iter().map(Answer::new).collect()
    }

    /// How often each address came first, in so many look-ups by `gai` or `byname`.
    pub fn first(&self, call: &str, times: u32, name: &str) -> BTreeMap<String, u64> {
        let value = self.ask(&format!("first {call} {times} {}", escape(name)));
        let counts = value["first"].as_object().expect("counts");
        let counts = counts
            .iter()
            .map(|(address, count)| (address.clone(), count.as_u64().expect("a count")));
        counts.collect()
    }

    /// What it is told of a name, of any family.
    pub fn look_up(&self, name: &str) -> Answer {
        self.gai(Family::Any, "-", name)
    }

    /// Waits until it is told these addresses, in any order.
    pub fn sees(&self, name: &str, addresses: &[&str]) {
        let mut wanted = addresses.to_vec();
        wanted.sort_unstable();
        wait::until_seen(
            &format!("the running process sees {name} at {wanted:?}"),
            || self.look_up(name),
            |answer| answer.code == "ok" && answer.sorted() == wanted,
        );
    }

    /// Waits until it is told that there is no such name.
    pub fn sees_none(&self, name: &str) {
        wait::until_seen(
            &format!("the running process does not find {name}"),
            || self.look_up(name),
            |answer| answer.code == "EAI_NONAME",
        );
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }
}

/// A process that looks one name up again and again, and notes each change.
#[derive(Debug)]
pub struct Watch {
    _process: Process,
    events: Receiver<String>,
    seen: Vec<Seen>,
}

/// One answer, and when it was first seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Nanoseconds since 1970.
    pub at: u64,
    /// The code.
    pub code: String,
    /// The addresses, sorted.
    pub addresses: Vec<String>,
}

impl Watch {
    /// Starts to watch, inside.
    pub fn start(entrance: &Entrance, family: Family, name: &str) -> Watch {
        Watch::start_with(entrance, &[], family, name)
    }

    /// Starts to watch, inside, with variables in the environment of the process.
    pub fn start_with(
        entrance: &Entrance,
        variables: &[(&str, &str)],
        family: Family,
        name: &str,
    ) -> Watch {
        let mut command = entrance.background(program());
        command
            .envs(variables.iter().copied())
            .args(["watch", family.word(), &escape(name)])
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut process = Process::start(command);
        let events = lines(&mut process);
        Watch {
            _process: process,
            events,
            seen: Vec::new(),
        }
    }

    /// Waits until these are the addresses (sorted); none means that the name is not found.
    pub fn until(&mut self, addresses: &[&str]) -> Seen {
        wait::until_seen(
            &format!("a running process sees {addresses:?}"),
            || self.history().last().cloned(),
            |last| {
                last.as_ref()
                    .is_some_and(|last| last.addresses == addresses)
            },
        )
        .expect("it was seen")
    }

    /// Every answer so far that was not the one before.
    pub fn history(&mut self) -> &[Seen] {
        while let Ok(line) = self.events.try_recv() {
            let value: Value = serde_json::from_str(&line).expect("a line of JSON");
            let answer = Answer::new(&value);
            self.seen.push(Seen {
                at: value["at"].as_u64().expect("a time"),
                code: answer.code,
                addresses: answer.addresses,
            });
        }
        &self.seen
    }
}

/// The lines a process prints, as they come.
fn lines(process: &mut Process) -> Receiver<String> {
    let output = process.child().stdout.take().expect("a pipe");
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines() {
            let Ok(line) = line else { break };
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

/// A name as the caller reads it.
fn escape(name: impl AsRef<[u8]>) -> String {
    let mut escaped = String::from("=");
    for &byte in name.as_ref() {
        if byte.is_ascii_alphanumeric() || b"-_.*".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02x}"));
        }
    }
    escaped
}

/// The compiled program. It stays beside the test executable, where that may be written to: each
/// test is a process, and need not compile it again.
fn program() -> PathBuf {
    static PROGRAM: OnceLock<(Option<Dir>, PathBuf)> = OnceLock::new();
    let (_, program) = PROGRAM.get_or_init(|| {
        let mut hasher = DefaultHasher::new();
        SOURCE.hash(&mut hasher);
        let us = std::env::current_exe().expect("our own path");
        let shared = us.with_file_name(format!("caller-{:016x}", hasher.finish()));
        if shared.exists() {
            return (None, shared);
        }
        if access(us.parent().unwrap_or(&us), Access::WRITE_OK).is_err() {
            let directory = Dir::new();
            let program = compile(directory.join("caller"));
            return (Some(directory), program);
        }
        // others may be at it: whichever is complete takes the place
        let ours = compile(shared.with_extension(std::process::id().to_string()));
        std::fs::rename(ours, &shared).expect("a file of our own");
        (None, shared)
    });
    program.clone()
}

fn compile(to: PathBuf) -> PathBuf {
    let directory = Dir::new();
    let source = directory.join("caller.c");
    std::fs::write(&source, SOURCE).expect("a file of our own");
    let mut compiler = bounded("cc");
    compiler.args([
        "-std=c11", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-pthread", "-o",
    ]);
    succeed(compiler.arg(&to).arg(source));
    to
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_byte_can_be_in_a_name() {
        assert_eq!(escape("a_b-c.d"), "=a_b-c.d");
        assert_eq!(escape(b"\xff %"), "=%ff%20%25");
        assert_eq!(escape(""), "=");
    }
}
