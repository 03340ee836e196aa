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

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::{env, process};

pub use buffer::{Answered, Buffer};
pub use built::built;
pub use call::*;
pub use cloudhosts_testkit::eventually;
pub use daemon::{Daemon, Entry, entry, pointer};
pub use module::Module;

/// The socket that this process has to itself, and that the module looks for.
pub fn socket() -> &'static Path {
    static SOCKET: OnceLock<PathBuf> = OnceLock::new();
    SOCKET.get_or_init(|| {
        let path = env::temp_dir().join(format!("cloudhosts-abi-{}.sock", process::id()));
        // SAFETY: before the module is loaded; no other thread of a test's own
        // process reads the environment.
        unsafe { env::set_var("CLOUDHOSTS_SOCKET", &path) };
        path
    })
}
