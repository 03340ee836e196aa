//! A region that something hostile writes to, from another process, while many
//! threads look up in it: whatever stands there at whatever moment, a lookup
//! comes to its end and touches nothing it must not.
#![allow(clippy::unwrap_used, unreachable_pub)]

mod common;

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cloudhosts_table::clock::monotonic;
use cloudhosts_table::{Client, Paths};
use cloudhosts_testkit::{Dir, Peer};
use common::everything::{NAMES, ask_everything, ask_name};
use common::peer::{message, send_raw};
use common::{file_of, region};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap};

/// A sealed memory file of a table, and its words, which only children of this
/// process can write to.
fn hostile() -> (OwnedFd, &'static [AtomicU64]) {
    let farm: Vec<String> = (0..500)
        .map(|n| format!("10.0.{}.{}", n / 250, n % 250))
        .collect();
    let farm = farm.join(" ");
    let mut roles = vec![
        ("*.apps.internal", "10.0.0.1"),
        ("db", "10.0.0.1 10.0.0.2 fd00::1 pick=1"),
        ("www", "-> web"),
        ("zz", "-> x.apps.internal 10.0.0.9"),
        ("lost", ""),
    ];
    roles.push(("web", &farm));
    let mut bytes = file_of(&region(&roles));
    // A region is whole pages: the arena is as much longer.
    let len = bytes.len().next_multiple_of(4096);
    let more = (len - bytes.len()) as u32 / 8;
    bytes.resize(len, 0);
    let add = |bytes: &mut [u8], at: usize| {
        let value = u32::from_le_bytes(*bytes[at..].first_chunk().unwrap()) + more;
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    };
    add(&mut bytes, 24);
    add(&mut bytes, 76);
    let sum = xxhash_rust::xxh3::xxh3_64(&bytes[24..512]);
    bytes[16..24].copy_from_slice(&sum.to_le_bytes());

    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = memfd_create(c"scribble", flags).unwrap();
    ftruncate(&file, 4096 + len as u64).unwrap();
    let access = ProtFlags::READ | ProtFlags::WRITE;
    let shared = MapFlags::SHARED;
    // SAFETY: the kernel chooses the address.
    let start = unsafe { mmap(std::ptr::null_mut(), len, access, shared, &file, 4096) }.unwrap();
    // SAFETY: so many words are mapped there for good, only touched as atomics.
    let words: &[AtomicU64] = unsafe { std::slice::from_raw_parts(start.cast(), len / 8) };
    for (word, bytes) in words.iter().zip(bytes.as_chunks().0) {
        word.store(u64::from_le_bytes(*bytes), Ordering::Relaxed);
    }
    let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::FUTURE_WRITE | SealFlags::SEAL;
    fcntl_add_seals(&file, seals).unwrap();
    (file, words)
}

/// Writes over the region for as long as the parent lets it: bytes at random,
/// words from elsewhere in it, references that lead anywhere, and what was there
/// at first.
fn scribble(words: &[AtomicU64]) -> ! {
    let first: Vec<u64> = words
        .iter()
        .map(|word| word.load(Ordering::Relaxed))
        .collect();
    let mut seed = monotonic().0 | 1;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let end = Instant::now() + Duration::from_secs(60);
    while Instant::now() < end {
        for _ in 0..1000 {
            let at = random() as usize % words.len();
            let from = random() as usize % words.len();
            let now = words[at].load(Ordering::Relaxed);
            let value = match random() % 8 {
                0 => random(),
                1 => now ^ 1 << (random() % 64),
                2 => words[from].load(Ordering::Relaxed),
                3 => (now & 0xffff_ffff_0000_0000) | (random() % words.len() as u64),
                4 => u64::MAX,
                _ => first[at],
            };
            words[at].store(value, Ordering::Relaxed);
        }
        // The daemon seems to be alive, so that its region is what answers.
        words[65].store(monotonic().0, Ordering::Relaxed);
        words[64].store(1, Ordering::Relaxed);
    }
    // SAFETY: ends the child at once.
    unsafe { libc::_exit(0) }
}

#[test]
fn a_region_that_is_scribbled_over_harms_nobody() {
    let seconds = if std::env::var_os("CLOUDHOSTS_SOAK").is_some() {
        60
    } else {
        3
    };
    let dir = Dir::new();
    let socket = CString::new(dir.join("socket").as_os_str().as_bytes()).unwrap();
    let (file, words) = hostile();
    let _peer = Peer::new(&dir.join("socket"), move |client| {
        let _ = send_raw(&client, &message(), &[file.as_fd()]);
    });
    words[65].store(monotonic().0, Ordering::Relaxed);
    let client = Client::new();
    let with = |f: &dyn Fn(&cloudhosts_table::View<'_>)| {
        client.with(|| Paths::at(&socket), monotonic(), f)
    };
    let found = |name: &str| {
        let mut text = String::new();
        let asked = client.with(
            || Paths::at(&socket),
            monotonic(),
            |view| common::ask(view, name),
        );
        text.push_str(&asked.unwrap());
        text
    };
    assert_eq!(found("db"), "db 10.0.0.1 10.0.0.2 fd00::1 pick=1");
    // SAFETY: the child only writes to the shared memory, and exits.
    let child = match unsafe { libc::fork() } {
        0 => scribble(words),
        child => child,
    };
    let end = Instant::now() + Duration::from_secs(seconds);
    let (slowest, lookups) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for thread in 0..6 {
            let (with, slowest, lookups) = (&with, &slowest, &lookups);
            scope.spawn(move || {
                let mut count = 0;
                while Instant::now() < end {
                    let start = Instant::now();
                    let name = NAMES[count % NAMES.len()];
                    let _ = with(&|view| ask_name(view, name));
                    slowest.fetch_max(start.elapsed().as_micros() as u64, Ordering::Relaxed);
                    if thread == 0 && count % 50 == 0 {
                        let _ = with(&|view| ask_everything(view));
                    }
                    count += 1;
                }
                lookups.fetch_add(count as u64, Ordering::Relaxed);
            });
        }
    });
    // SAFETY: the child made above, which has not been waited for.
    unsafe { libc::kill(child, libc::SIGKILL) };
    // SAFETY: as above.
    unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
    let lookups = lookups.load(Ordering::Relaxed);
    assert!(lookups > 1000, "{lookups}");
    println!(
        "{lookups} rounds, the slowest {} us",
        slowest.load(Ordering::Relaxed)
    );
}
