//! What a process has cost so far, by /proc.

use std::fs::{read_dir, read_to_string};

/// The totals of one process.
#[derive(Debug, Clone, Copy)]
pub struct Costs {
    /// Processor time of all its threads, in nanoseconds.
    pub cpu: f64,
    /// How often a thread of it gave the processor up, to be woken later.
    pub waits: f64,
    /// Resident memory now, in bytes.
    pub resident: f64,
    /// The most there was of it.
    pub peak: f64,
}

impl Costs {
    /// Of a process now.
    pub fn of(pid: u32) -> Costs {
        let status = read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let mut costs = Costs {
            cpu: 0.0,
            waits: 0.0,
            resident: 1024.0 * number(&status, "VmRSS:"),
            peak: 1024.0 * number(&status, "VmHWM:"),
        };
        let threads = read_dir(format!("/proc/{pid}/task")).expect("the process runs");
        for thread in threads.flatten() {
            let file = |name: &str| read_to_string(thread.path().join(name)).unwrap_or_default();
            let spent = file("schedstat");
            let spent = spent.split_whitespace().next().unwrap_or("0");
            costs.cpu += spent.parse::<f64>().unwrap_or(0.0);
            costs.waits += number(&file("status"), "voluntary_ctxt_switches:");
        }
        costs
    }

    /// What it has spent since then.
    pub fn since(&self, before: &Costs) -> Costs {
        Costs {
            cpu: self.cpu - before.cpu,
            waits: self.waits - before.waits,
            ..*self
        }
    }
}

fn number(text: &str, key: &str) -> f64 {
    let rest = text.lines().find_map(|line| line.strip_prefix(key));
    let word = rest.and_then(|rest| rest.split_whitespace().next());
    word.and_then(|word| word.parse().ok()).unwrap_or(0.0)
}
