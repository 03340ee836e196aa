//! The built module, a daemon's side of the handover to go with it, and calls
//! of its functions that see what was written where.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::missing_transmute_annotations,
    clippy::multiple_unsafe_ops_per_block,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "each test uses a part of it, and a test that fails should stop"
)]

mod buffer;
mod built;
mod call;
mod daemon;
mod module;

use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs, process, thread};

pub use buffer::{Answered, Buffer};
pub use built::{MODULE, built};
pub use call::*;
pub use daemon::{Daemon, Entry, entry, pointer};
pub use module::Module;

/// Runs the rest of a test in a process of its own, which has its own module,
/// and `CLOUDHOSTS_SOCKET` set before anything could read it.
///
/// Called with the test's `module_path!()` and name. True in that process; in
/// the test itself it returns false when all is over.
pub fn in_own_process(module: &str, test: &str) -> bool {
    if env::var_os(MODULE).is_some() {
        return true;
    }
    let folder = env::temp_dir().join(format!("cloudhosts-abi-{}-{test}", process::id()));
    fs::create_dir_all(&folder).unwrap();
    // The first part is the test program's own name.
    let module = module.split_once("::").unwrap().1;
    let full = format!("{module}::{test}");
    let output = Command::new(env::current_exe().unwrap())
        .args([&full, "--exact", "--nocapture", "--test-threads=1"])
        .env(MODULE, built())
        .env("CLOUDHOSTS_SOCKET", folder.join("cached.sock"))
        .output();
    let _ = fs::remove_dir_all(&folder);
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{}\n{said}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    false
}

/// Waits until something holds, for as long as a slow machine may need.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(20), "never: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
