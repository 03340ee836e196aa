//! What it was measured on, and with.

use std::fs::read_to_string;

use super::tools::{nscd, system, version};

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
        ("nscd", version(nscd(), &["--version"])),
    ]
}

/// How many lookups can run at a time.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
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
