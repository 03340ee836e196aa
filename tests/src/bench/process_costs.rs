//! What a process has cost so far, by /proc.

use std::collections::HashMap;
use std::fs::{read_dir, read_to_string};

/// The state of one process at one moment.
#[derive(Debug, Clone)]
pub struct Costs {
    /// Resident memory now, in bytes.
    pub resident: f64,
    /// The most there was of it.
    pub peak: f64,
    threads: HashMap<String, ThreadCosts>,
}

/// What threads have spent.
#[derive(Debug, Clone, Copy, Default)]
pub struct ThreadCosts {
    /// Processor time, in nanoseconds.
    pub cpu: f64,
    /// How often the processor was given up, to be woken later.
    pub waits: f64,
}

impl Costs {
    /// Of a process now.
    pub fn of(pid: u32) -> Costs {
        let status = read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let threads = read_dir(format!("/proc/{pid}/task")).expect("the process runs");
        let spent = threads.flatten().map(|thread| {
            let file = |name: &str| read_to_string(thread.path().join(name)).unwrap_or_default();
            let cpu = file("schedstat");
            let cpu = cpu
                .split_whitespace()
                .next()
                .and_then(|word| word.parse().ok());
            let spent = ThreadCosts {
                cpu: cpu.unwrap_or(0.0),
                waits: number(&file("status"), "voluntary_ctxt_switches:"),
            };
            (thread.file_name().to_string_lossy().into_owned(), spent)
        });
        Costs {
            resident: 1024.0 * number(&status, "VmRSS:"),
            peak: 1024.0 * number(&status, "VmHWM:"),
            threads: spent.collect(),
        }
    }

    /// How many threads it has.
    pub fn threads(&self) -> usize {
        self.threads.len()
    }

    /// What its threads have spent so far.
    pub fn total(&self) -> ThreadCosts {
        self.since(&Costs {
            threads: HashMap::new(),
            ..*self
        })
    }

    /// What its threads have spent since then. Of one that has ended meanwhile nothing is known.
    pub fn since(&self, before: &Costs) -> ThreadCosts {
        let mut all = ThreadCosts::default();
        for (thread, now) in &self.threads {
            let then = before.threads.get(thread).copied().unwrap_or_default();
            all.cpu += now.cpu - then.cpu;
            all.waits += now.waits - then.waits;
        }
        all
    }
}

fn number(text: &str, key: &str) -> f64 {
    let rest = text.lines().find_map(|line| line.strip_prefix(key));
    let word = rest.and_then(|rest| rest.split_whitespace().next());
    word.and_then(|word| word.parse().ok()).unwrap_or(0.0)
}
