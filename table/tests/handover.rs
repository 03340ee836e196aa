//! How a region gets into a process, over real sockets: from a daemon, from
//! those who mean harm; and what there is without one. Descriptors and mappings are
//! counted for the whole process, so each test needs one of its own: nextest sees to that.
#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub)]

mod common;
#[path = "handover/daemon.rs"]
mod daemon;
#[path = "handover/file.rs"]
mod file;
#[path = "handover/hostile.rs"]
mod hostile;
#[path = "handover/places.rs"]
mod places;
#[path = "handover/scarce.rs"]
mod scarce;
#[path = "handover/wait.rs"]
mod wait;

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cloudhosts_table::clock::{Monotonic, monotonic};
use cloudhosts_table::{Client, Paths, RegionWriter, Unavailable};
use cloudhosts_testkit::Dir;
use common::{ask, region};

/// Runs a test that holds the client to the times of its contract (50, 20 and
/// 2 ms). Where the machine was held up meanwhile, which a thread that only
/// sleeps can tell, a failure means nothing, and it runs again.
fn undisturbed(test: impl Fn()) {
    const TRIES: usize = 20;
    for left in (0..TRIES).rev() {
        let (ended, held_up) = (AtomicBool::new(false), AtomicBool::new(false));
        let result = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !ended.load(Ordering::SeqCst) {
                    let start = Instant::now();
                    std::thread::sleep(Duration::from_micros(200));
                    if start.elapsed() > Duration::from_millis(2) {
                        held_up.store(true, Ordering::SeqCst);
                    }
                }
            });
            let result = catch_unwind(AssertUnwindSafe(&test));
            ended.store(true, Ordering::SeqCst);
            result
        });
        match result {
            Ok(()) => return,
            Err(_) if left > 0 && held_up.load(Ordering::SeqCst) => {
                eprintln!("the machine was held up: once more");
            }
            Err(failure) => resume_unwind(failure),
        }
    }
}

/// A client with a place of its own for socket and file.
struct Setup {
    dir: Dir,
    client: Client,
    file: &'static Path,
}

impl Setup {
    fn new() -> Setup {
        let dir = Dir::new();
        let file = Box::leak(dir.join("last-good.table").into_boxed_path());
        let client = Client::new();
        Setup { dir, client, file }
    }

    fn socket(&self) -> std::path::PathBuf {
        self.dir.join("socket")
    }

    fn paths(&self) -> Option<Paths> {
        let socket = CString::new(self.socket().as_os_str().as_bytes()).unwrap();
        Some(Paths::at(&socket)?.with_last_good(self.file))
    }

    /// What `web` is, asked so long from now.
    fn web_in(&self, ahead: Duration) -> Result<String, Unavailable> {
        self.web_at(monotonic() + ahead)
    }

    fn web_at(&self, now: Monotonic) -> Result<String, Unavailable> {
        self.client
            .with(|| self.paths(), now, |view| ask(view, "web"))
    }

    fn web(&self) -> Result<String, Unavailable> {
        self.web_in(Duration::ZERO)
    }

    /// Saves a region as the file.
    fn save(&self, region: &RegionWriter) {
        let new = self.file.with_extension("new");
        std::fs::write(&new, common::file_of(region)).unwrap();
        std::fs::rename(&new, self.file).unwrap();
    }
}

/// A region in which `web` is `10.0.0.N`.
fn nth(n: u8) -> RegionWriter {
    region(&[("web", &format!("10.0.0.{n}"))])
}

/// What [`Setup::web`] then answers.
fn is(n: u8) -> Result<String, Unavailable> {
    Ok(format!("web 10.0.0.{n}"))
}

/// The descriptors this process has. A [`Setup`] has one of its own, so that its directory is
/// removed however the process ends.
fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// The mappings of regions that this process may only read.
fn mappings() -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    maps.lines()
        .filter(|line| line.contains("r--s") && line.contains("memfd:"))
        .count()
}

/// Runs `body` in a forked child, which may give up rights and places; what it
/// returns must be true.
fn in_child(body: impl FnOnce() -> bool) {
    // SAFETY: the child uses the client, which is made for this, and exits.
    let child = match unsafe { libc::fork() } {
        0 => {
            let right = catch_unwind(AssertUnwindSafe(body)).unwrap_or(false);
            // SAFETY: ends the child without running anything of the parent's.
            unsafe { libc::_exit(i32::from(!right)) }
        }
        child => child,
    };
    let mut status = 0;
    // SAFETY: waits for the child just made.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!(status, 0, "the child failed");
}
