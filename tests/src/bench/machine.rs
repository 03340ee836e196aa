//! What it was measured on, and with.

use std::fs::read_to_string;
use std::time::Duration;

use super::tools::{system, unpacked, version};

/// The lines that say where the figures of a run come from.
pub fn describe() -> Vec<(&'static str, String)> {
    let kernel = read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    vec![
        ("date", version("date", &["-u", "+%Y-%m-%d %H:%M UTC"])),
        (
            "revision",
            version("git", &["describe", "--always", "--dirty"]),
        ),
        ("processor", processor()),
        ("memory", memory()),
        ("system", distribution()),
        ("kernel", kernel.trim().to_owned()),
        ("C library", version("ldd", &["--version"])),
        ("Rust", version("rustc", &["--version"])),
        ("Redis", version("redis-server", &["--version"])),
        ("dnsmasq", version(system("dnsmasq"), &["--version"])),
        ("nscd", version(unpacked("nscd"), &["--version"])),
    ]
}

/// How many lookups can run at a time.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The part of all cores that is busy while nothing is measured, over some seconds.
pub fn busy() -> f64 {
    let before = jiffies();
    std::thread::sleep(Duration::from_secs(2));
    let after = jiffies();
    1.0 - (after.1 - before.1) / (after.0 - before.0)
}

/// All time of all cores so far, and that in which they had nothing to do.
fn jiffies() -> (f64, f64) {
    let text = read_to_string("/proc/stat").unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    let numbers: Vec<f64> = line
        .split_whitespace()
        .skip(1)
        // of these, guests are in the first two already
        .take(8)
        .map_while(|word| word.parse().ok())
        .collect();
    let idle = numbers.iter().skip(3).take(2).sum();
    (numbers.iter().sum(), idle)
}

fn processor() -> String {
    let text = read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .and_then(|rest| rest.split_once(':'))
        .map_or("unknown", |(_, model)| model.trim());
    format!("{model}, {} cores", cores())
}

fn memory() -> String {
    let text = read_to_string("/proc/meminfo").unwrap_or_default();
    let total = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next())
        .and_then(|kib| kib.parse::<f64>().ok());
    super::figures::bytes(total.unwrap_or(f64::NAN) * 1024.0)
}

fn distribution() -> String {
    let text = read_to_string("/etc/os-release").unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))
        .unwrap_or("unknown")
        .trim_matches('"')
        .to_owned()
}
