//! A running `tests/bench/lookups.c`: a process that looks up and says how long it took.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::figures::Sample;
use super::tools::Tools;
use crate::process::Process;
use crate::sandbox::Entrance;

/// Nothing that is asked takes longer.
const LIMIT: Duration = Duration::from_secs(120);

/// The process, until dropped.
#[derive(Debug)]
pub struct Asker {
    commands: ChildStdin,
    answers: Receiver<String>,
    _process: Process,
}

/// What is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// getaddrinfo with AF_UNSPEC.
    Unspec,
    /// getaddrinfo with AF_INET.
    Inet,
    /// gethostbyname_r.
    ByName,
    /// gethostbyaddr_r.
    ByAddr,
}

impl Call {
    /// Its word in the program's commands.
    pub fn word(self) -> &'static str {
        match self {
            Call::Unspec => "unspec",
            Call::Inet => "inet",
            Call::ByName => "byname",
            Call::ByAddr => "byaddr",
        }
    }
}

impl Asker {
    /// Starts one inside.
    pub fn start(tools: &Tools, entrance: &Entrance) -> Asker {
        let mut command = entrance.background(&tools.lookups);
        command
            .arg("stay")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut process = Process::start(command);
        let commands = process.child().stdin.take().expect("a pipe");
        let output = process.child().stdout.take().expect("a pipe");
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Asker {
            commands,
            answers,
            _process: process,
        }
    }

    /// Times of lookups of names drawn from the first `names`: so many, or as many as the span
    /// holds.
    pub fn times(
        &mut self,
        call: Call,
        hit: bool,
        names: u32,
        most: usize,
        span: Duration,
    ) -> Sample {
        let (call, hit, span) = (call.word(), u8::from(hit), span.as_millis());
        Sample::read(&self.ask(&format!("time {call} {hit} {names} {most} {span}")))
    }

    /// Lookups a second by so many threads.
    pub fn threads(&mut self, names: u32, count: usize, span: Duration) -> f64 {
        let line = self.ask(&format!(
            "threads unspec {names} {count} {}",
            span.as_millis()
        ));
        line.trim().parse().expect("a number")
    }

    /// Memory that is this process's alone, in bytes.
    pub fn own_memory(&mut self) -> f64 {
        let kib: f64 = self.ask("memory").trim().parse().expect("a number");
        1024.0 * kib
    }

    fn ask(&mut self, command: &str) -> String {
        writeln!(self.commands, "{command}").expect("the program runs");
        self.answers
            .recv_timeout(LIMIT)
            .unwrap_or_else(|error| panic!("{command}: no answer: {error}"))
    }
}
