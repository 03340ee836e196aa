//! What `make demo` shows: roles come, move and go in Redis, and unmodified programs follow.
//!
//! - [`steps`]: what is done and what must be answered
//! - [`stage`]: does it, times it and checks it
//! - [`monitor`]: when Redis was told
//! - [`paint`]: how it looks

mod monitor;
mod paint;
mod stage;
mod steps;

use std::process::ExitCode;
use std::time::Duration;

use paint::Paint;
use stage::Stage;

use crate::http;
use crate::process::run;

/// What the demonstration needs besides what was built.
const NEEDED: [&str; 8] = [
    "redis-server",
    "redis-cli",
    "python3",
    "curl",
    "cc",
    "unshare",
    "nsenter",
    "setpriv",
];

const PAGE: &str = "Welcome to the shop.\n";

/// Shows everything; fails when any answer is not the one expected.
pub fn show() -> ExitCode {
    let paint = Paint::for_stdout();
    let missing: Vec<&str> = NEEDED
        .into_iter()
        .filter(|&program| !installed(program))
        .collect();
    if !missing.is_empty() {
        eprintln!(
            "{} not installed; `make deps` installs what is needed",
            missing.join(", ")
        );
        return ExitCode::FAILURE;
    }
    let machine = std::fs::read("/etc/hosts").unwrap_or_default();
    let mut stage = Stage::new(paint);
    stage.introduce();
    for step in steps::steps(http::serve(PAGE), PAGE) {
        stage.play(&step);
    }
    let unchanged =
        stage.hosts() == machine && std::fs::read("/etc/hosts").unwrap_or_default() == machine;
    stage.finish(unchanged)
}

fn installed(program: &str) -> bool {
    let mut which = std::process::Command::new("sh");
    run(which.args(["-c", "command -v \"$1\"", "sh", program]))
        .status
        .success()
}

/// A duration as people say it.
fn told(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}
