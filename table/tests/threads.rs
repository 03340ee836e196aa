//! One client, many threads, and children that are forked from among them,
//! while tables come and go.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub
)]

mod common;

use std::ffi::{CStr, CString};
use std::net::Ipv4Addr;
use std::os::unix::ffi::OsStrExt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use cloudhosts_table::clock::monotonic;
use cloudhosts_table::{Client, Name, Paths, Unavailable, View};
use common::peer::Daemon;
use common::{Dir, settings, table_with};

/// One test at a time: mappings are counted for the whole process.
static ALONE: Mutex<()> = Mutex::new(());

/// The `n`th table: each of its names has the address `10.N`.
fn nth(n: u32) -> Vec<u8> {
    let address = Ipv4Addr::from(10 << 24 | n).to_string();
    let twice = format!("{address} {address}");
    let roles = [("*.apps", &*address), ("db", &address), ("web", &twice)];
    table_with(settings(n.into()), &roles)
}

/// Which table answers; none when its answers do not agree with each other.
/// Allocates nothing, so that a forked child may ask as well.
fn which(view: &View<'_>) -> Option<u32> {
    let mut number = None;
    for _ in 0..3 {
        for raw in [&b"web"[..], b"db", b"x.apps"] {
            let name = Name::parse(raw).ok()?;
            for &address in view.lookup(&name)?.v4 {
                let found = u32::from_be_bytes(address) & 0x00ff_ffff;
                if *number.get_or_insert(found) != found {
                    return None;
                }
            }
        }
        // Lets a table be replaced while it is read.
        std::thread::yield_now();
    }
    number.filter(|&number| u64::from(number) == view.generation())
}

fn ask(client: &Client, socket: &CStr) -> Result<Option<u32>, Unavailable> {
    client.with(|| Paths::at(socket), monotonic(), which)
}

/// The mappings of tables in this process, counted without allocating.
fn mappings() -> usize {
    let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC;
    let mode = rustix::fs::Mode::empty();
    let Ok(maps) = rustix::fs::open(c"/proc/self/maps", flags, mode) else {
        return usize::MAX;
    };
    let (mut buffer, mut kept, mut count) = ([0u8; 8192], 0, 0);
    let wanted = b"/memfd:cloudhosts-table";
    while let Ok(read @ 1..) = rustix::io::read(&maps, &mut buffer[kept..]) {
        let len = kept + read;
        count += buffer[..len]
            .windows(wanted.len())
            .filter(|text| text == wanted)
            .count();
        // What may be the beginning of one.
        kept = len.min(wanted.len() - 1);
        buffer.copy_within(len - kept..len, 0);
    }
    count
}

fn socket_of(dir: &Dir) -> CString {
    CString::new(dir.at("socket").as_os_str().as_bytes()).unwrap()
}

#[test]
fn every_answer_is_one_that_some_table_held() {
    const TABLES: u32 = 2000;
    let _alone = ALONE.lock();
    let dir = Dir::new();
    let socket = socket_of(&dir);
    let daemon = Daemon::new(&dir.at("socket"), 1, &nth(1)).keep_beating();
    let tables: Vec<_> = (1..=TABLES).map(nth).collect();
    let (client, mapped) = (Client::new(), mappings());
    let (newest, done) = (AtomicU32::new(1), AtomicBool::new(false));
    let most = AtomicU32::new(0);
    std::thread::scope(|scope| {
        let _ends = Ends(&done);
        for _ in 0..8 {
            scope.spawn(|| {
                let mut last = 0;
                while !done.load(Ordering::SeqCst) {
                    let number = ask(&client, &socket).unwrap().expect("a torn answer");
                    assert!(number >= last, "{number} after {last}");
                    assert!(number <= newest.load(Ordering::SeqCst));
                    last = number;
                }
                assert!(last > TABLES / 2, "followed as far as {last}");
            });
        }
        for n in 2..=TABLES {
            newest.store(n, Ordering::SeqCst);
            daemon.publish(n.into(), &tables[n as usize - 1]);
            // Until somebody has it, so that each is installed by one while
            // others read.
            common::eventually("it is seen", || ask(&client, &socket).unwrap() == Some(n));
            most.fetch_max((mappings() - mapped) as u32, Ordering::SeqCst);
        }
    });
    assert_eq!(ask(&client, &socket), Ok(Some(TABLES)));
    let left = mappings() - mapped;
    assert!(left <= 2, "{left} mappings");
    let most = most.load(Ordering::SeqCst);
    assert!(most <= 10, "{most} mappings at once for 9 readers");
}

/// Ends the threads of a test, also when it fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// What a child found wrong.
const UNAVAILABLE: i32 = 10;
const WRONG: i32 = 11;
const LEFT_BEHIND: i32 = 12;
const GREW: i32 = 13;

/// The life of a forked child: it resolves, follows twenty more tables, and
/// its mappings become no more. Calls nothing that may hang after a fork.
fn child(client: &Client, socket: &CStr) -> i32 {
    let before = mappings();
    let start = Instant::now();
    let (mut last, mut seen) = (0, 0);
    while seen < 20 {
        match ask(client, socket) {
            Ok(Some(number)) if number >= last => {
                seen += u32::from(number > last);
                last = number;
            }
            Ok(_) => return WRONG,
            Err(_) => return UNAVAILABLE,
        }
        if start.elapsed() > Duration::from_secs(10) {
            return LEFT_BEHIND;
        }
    }
    // One that was being installed at the moment of the fork may be left.
    if mappings() > before { GREW } else { 0 }
}

#[test]
fn a_forked_child_goes_on_by_itself() {
    let _alone = ALONE.lock();
    let dir = Dir::new();
    let socket = socket_of(&dir);
    let daemon = Daemon::new(&dir.at("socket"), 1, &nth(1)).keep_beating();
    let (client, done) = (Client::new(), AtomicBool::new(false));
    assert_eq!(ask(&client, &socket), Ok(Some(1)));
    std::thread::scope(|scope| {
        let _ends = Ends(&done);
        for _ in 0..4 {
            scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    assert!(ask(&client, &socket).unwrap().is_some());
                }
            });
        }
        scope.spawn(|| {
            for n in 2.. {
                if done.load(Ordering::SeqCst) {
                    break;
                }
                daemon.publish(n.into(), &nth(n));
            }
        });
        for number in 0..60 {
            assert_eq!(wait(fork(&client, &socket)), 0, "child {number}");
        }
    });
}

fn fork(client: &Client, socket: &CStr) -> libc::pid_t {
    // SAFETY: the child calls only `child`, which neither allocates nor takes
    // a lock, and then leaves without running anything of the parent's.
    match unsafe { libc::fork() } {
        0 => {
            let code = child(client, socket);
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(code) }
        }
        pid => {
            assert!(pid > 0);
            pid
        }
    }
}

/// How a child ended; killed when it does not.
fn wait(pid: libc::pid_t) -> i32 {
    let start = Instant::now();
    loop {
        let mut status = 0;
        // SAFETY: a child of ours, and a pointer to a local.
        if unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG) } == pid {
            return match libc::WIFEXITED(status) {
                true => libc::WEXITSTATUS(status),
                false => -libc::WTERMSIG(status),
            };
        }
        if start.elapsed() > Duration::from_secs(20) {
            // SAFETY: a child of ours that has not been waited for.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}
