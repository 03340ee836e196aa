//! One client, many threads, and children that are forked from among them,
//! while a writer changes the region and goes on to others. Mappings are counted
//! for the whole process, so each test needs one of its own: nextest sees to that.
#![allow(clippy::unwrap_used, unreachable_pub)]

mod common;

use std::ffi::{CStr, CString};
use std::net::Ipv4Addr;
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use cloudhosts_table::clock::monotonic;
use cloudhosts_table::{Client, Name, Paths, RegionWriter, Unavailable, View};
use cloudhosts_testkit::{Daemon, Dir, eventually};
use common::{commit, region, set};

/// Makes the `n`th change: each name has the address `10.N`, `web` as often as
/// its record has room for the number twice, so that it is told when it is torn.
fn change(writer: &mut RegionWriter, n: u32) {
    let address = Ipv4Addr::from(10 << 24 | n).to_string();
    let web = [&*address; 40].join(" ");
    set(writer, "web", &web).unwrap();
    set(writer, "*.apps", &address).unwrap();
    set(writer, &format!("extra-{}", n % 7), &address).unwrap();
    writer.remove(&format!("extra-{}", (n + 3) % 7)).unwrap();
    commit(writer);
}

fn first() -> RegionWriter {
    let mut writer = region(&[("www", "-> web"), ("web", "10.0.0.1")]);
    change(&mut writer, 1);
    writer
}

/// Which change answers for a name: all of its addresses say the same. None
/// when they do not. Allocates nothing, so that a forked child may ask as well.
fn which(view: &View<'_>, raw: &[u8]) -> Option<u32> {
    let name = Name::parse(raw).ok()?;
    let answer = view.lookup(&name)?;
    let mut number = None;
    for address in answer.v4() {
        let found = u32::from_be_bytes(address) & 0x00ff_ffff;
        if *number.get_or_insert(found) != found {
            return None;
        }
    }
    number
}

/// The changes of three names, which are looked up in the order that is the
/// other way round of the one they are written in, twice.
fn ask(client: &Client, socket: &CStr) -> Result<Option<u32>, Unavailable> {
    client.with(
        || Paths::at(socket),
        monotonic(),
        |view| {
            let mut last = None;
            for raw in [&b"x.apps"[..], b"web", b"www"] {
                let number = which(view, raw)?;
                // Written after, so at least as new.
                if last.is_some_and(|last| raw != b"web" && number < last) {
                    return None;
                }
                last = Some(number);
                std::thread::yield_now();
            }
            last
        },
    )
}

/// The mappings of regions that may only be read in this process, counted
/// without allocating.
fn mappings() -> usize {
    let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC;
    let mode = rustix::fs::Mode::empty();
    let Ok(maps) = rustix::fs::open(c"/proc/self/maps", flags, mode) else {
        return usize::MAX;
    };
    let (mut buffer, mut kept, mut count) = ([0u8; 8192], 0, 0);
    // The writers' own mappings are `rw-s`.
    let wanted = b"r--s 00001000";
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
    CString::new(dir.join("socket").as_os_str().as_bytes()).unwrap()
}

#[test]
fn every_answer_is_one_that_was_written() {
    const CHANGES: u32 = 3000;
    let dir = Dir::new();
    let socket = socket_of(&dir);
    let mut writer = first();
    let daemon = Daemon::new(&dir.join("socket"), &writer).keep_beating();
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
                assert!(last > CHANGES / 2, "followed as far as {last}");
            });
        }
        for n in 2..=CHANGES {
            newest.store(n, Ordering::SeqCst);
            change(&mut writer, n);
            if n % 20 == 0 {
                let next = writer.rebuild(monotonic()).unwrap();
                daemon.move_to(&next);
                writer = next;
                // Until somebody has it, so that each is installed by one while
                // others read.
                eventually("it is seen", || ask(&client, &socket).unwrap() == Some(n));
                most.fetch_max((mappings() - mapped) as u32, Ordering::SeqCst);
            }
        }
        eventually("it is seen", || {
            ask(&client, &socket).unwrap() == Some(CHANGES)
        });
    });
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

/// The life of a forked child: it resolves, follows some regions, and its
/// mappings become no more. Calls nothing that may hang after a fork.
fn child(client: &Client, socket: &CStr) -> i32 {
    let before = mappings();
    let start = Instant::now();
    let (mut last, mut seen) = (0, 0);
    while seen < 200 {
        match ask(client, socket) {
            Ok(Some(number)) if number >= last => {
                seen += number - last.max(number.saturating_sub(50));
                last = number;
            }
            Ok(_) => return WRONG,
            Err(_) => return UNAVAILABLE,
        }
        if start.elapsed() > Duration::from_secs(20) {
            return LEFT_BEHIND;
        }
    }
    // One that some thread of the parent was in, and one that was being
    // installed, at the moment of the fork may be left.
    if mappings() > before + 1 { GREW } else { 0 }
}

#[test]
fn a_forked_child_goes_on_by_itself() {
    let dir = Dir::new();
    let socket = socket_of(&dir);
    let mut writer = first();
    let daemon = Daemon::new(&dir.join("socket"), &writer).keep_beating();
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
        let (daemon, done) = (&daemon, &done);
        // Its own, to the end: ThreadSanitizer does not see that it is joined.
        scope.spawn(move || {
            for n in 2.. {
                if done.load(Ordering::SeqCst) {
                    break;
                }
                change(&mut writer, n);
                if n % 30 == 0 {
                    let next = writer.rebuild(monotonic()).unwrap();
                    daemon.move_to(&next);
                    writer = next;
                }
            }
        });
        for number in 0..30 {
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
            return if libc::WIFEXITED(status) {
                libc::WEXITSTATUS(status)
            } else {
                -libc::WTERMSIG(status)
            };
        }
        if start.elapsed() > Duration::from_secs(40) {
            // SAFETY: a child of ours that has not been waited for.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Reading much of the table as of one moment: no mixture of two changes, unless
/// the writer was held up in the middle of one for longer than readers wait.
#[test]
fn what_is_read_settled_is_of_one_change() {
    let mut writer = region(&[("a", "10.0.0.1"), ("b", "10.0.0.1"), ("c", "10.0.0.1")]);
    let region = std::sync::Arc::clone(writer.region());
    let (done, seen) = (AtomicBool::new(false), AtomicU32::new(0));
    // How long each change took.
    let mut took = vec![Duration::MAX; 2];
    let mixtures = std::thread::scope(|scope| {
        let _ends = Ends(&done);
        let reads = scope.spawn(|| {
            let view = region.view();
            let mut mixtures = Vec::new();
            while !done.load(Ordering::SeqCst) {
                let numbers = view.settled(|| {
                    let ask = |raw| {
                        std::thread::yield_now();
                        which(&view, raw)
                    };
                    [ask(b"a"), ask(b"b"), ask(b"c")]
                });
                if numbers != [numbers[0]; 3] {
                    mixtures.push(numbers);
                }
                seen.fetch_add(1, Ordering::SeqCst);
            }
            mixtures
        });
        for n in 2..500 {
            let address = Ipv4Addr::from(10 << 24 | n).to_string();
            let start = Instant::now();
            for name in ["c", "a", "b"] {
                set(&mut writer, name, &address).unwrap();
                std::thread::yield_now();
            }
            commit(&mut writer);
            took.push(start.elapsed());
            // Changes that never end may be read as a mixture: there is a read after each.
            let before = seen.load(Ordering::SeqCst);
            while seen.load(Ordering::SeqCst) == before && !reads.is_finished() {
                std::thread::yield_now();
            }
        }
        done.store(true, Ordering::SeqCst);
        reads.join().unwrap()
    });
    for numbers in mixtures {
        let change = *numbers.iter().flatten().max().expect("a number");
        // A reader looks 20 times, 1 ms apart.
        let held_up = took[change as usize] > Duration::from_millis(15);
        assert!(held_up, "a mixture: {numbers:?}");
    }
}
