//! Processes in which something is missing or in the way.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use cloudhosts_table::client::AttachError;
use cloudhosts_table::clock::monotonic;
use cloudhosts_table::handover::HandoverError;
use cloudhosts_table::{Client, Paths, Unavailable};
use cloudhosts_testkit::{Daemon, Peer};

use crate::common::ask;
use crate::{Setup, descriptors, nth, undisturbed};

/// Where the child finds the socket; set in the child alone.
const SOCKET: &str = "TABLE_TEST_SOCKET";
const FILE: &str = "TABLE_TEST_FILE";

/// Has this thread's poll(2) and ppoll(2) fail with EINTR, always: no signal
/// can do that, but a filter can (seccomp(2)).
fn interrupt_every_poll() {
    let step = |code: u32, jump: u8, value: u32| libc::sock_filter {
        code: code as u16,
        jt: jump,
        jf: 0,
        k: value,
    };
    let is = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let give = libc::BPF_RET | libc::BPF_K;
    let mut steps = vec![step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0)];
    #[cfg(target_arch = "x86_64")]
    steps.push(step(is, 2, libc::SYS_poll as u32));
    steps.push(step(is, 1, libc::SYS_ppoll as u32));
    steps.push(step(give, 0, libc::SECCOMP_RET_ALLOW));
    steps.push(step(give, 0, libc::SECCOMP_RET_ERRNO | libc::EINTR as u32));
    let program = libc::sock_fprog {
        len: steps.len() as u16,
        filter: steps.as_mut_ptr(),
    };
    // SAFETY: a plain call.
    let set = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    assert_eq!(set, 0);
    let mode = libc::SECCOMP_MODE_FILTER;
    // SAFETY: the program and its steps live until the call is over.
    let set = unsafe { libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const program) };
    assert_eq!(set, 0);
}

#[test]
fn a_wait_that_is_always_interrupted_comes_to_an_end() {
    let setup = Setup::new();
    let (keep, _kept) = mpsc::channel();
    let _silent = Peer::new(&setup.socket(), move |client| keep.send(client).unwrap());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            interrupt_every_poll();
            let start = Instant::now();
            let silence = AttachError::Handover(HandoverError::Silence);
            assert_eq!(setup.web(), Err(Unavailable::NoTable(silence)));
            assert!(start.elapsed() < Duration::from_secs(5));
        });
    });
}

/// With every descriptor taken there is no table, and no harm; with a few
/// free, there is. The child has the limits to itself.
#[test]
fn every_descriptor_may_be_taken() {
    if let Some(socket) = std::env::var_os(SOCKET) {
        return with_few_descriptors(socket);
    }
    let setup = Setup::new();
    setup.save(&nth(2));
    let region = nth(1);
    let _daemon = Daemon::new(&setup.socket(), &region).keep_beating();
    let status = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "scarce::every_descriptor_may_be_taken",
            "--nocapture",
        ])
        .env(SOCKET, setup.socket())
        .env(FILE, setup.file)
        .status()
        .unwrap();
    assert!(status.success());
}

fn with_few_descriptors(socket: std::ffi::OsString) {
    use std::os::unix::ffi::OsStringExt;
    let limit = libc::rlimit {
        rlim_cur: 64,
        rlim_max: 64,
    };
    // SAFETY: a plain call with a pointer to a local.
    let set = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
    assert_eq!(set, 0);
    let socket = std::ffi::CString::new(socket.into_vec()).unwrap();
    let file = std::path::PathBuf::from(std::env::var_os(FILE).unwrap());
    let file: &'static std::path::Path = Box::leak(file.into_boxed_path());
    let paths = || Some(Paths::at(&socket)?.with_last_good(file));

    let mut taken: Vec<OwnedFd> = Vec::new();
    while let Ok(null) = File::open("/dev/null") {
        taken.push(null.into());
    }
    // One for the socket, or then for the file; two for socket and region.
    for (free, expected) in [(0, None), (1, Some(2)), (2, Some(1)), (3, Some(1))] {
        taken.truncate(taken.len() - free);
        let client = Client::new();
        let answer = client.with(paths, monotonic(), |view| ask(view, "web"));
        match expected {
            Some(n) => assert_eq!(answer, crate::is(n), "{free} free"),
            None => assert!(matches!(answer, Err(Unavailable::NoTable(_))), "{answer:?}"),
        }
        let mut refilled = 0;
        while let Ok(null) = File::open("/dev/null") {
            taken.push(null.into());
            refilled += 1;
        }
        assert_eq!(refilled, free, "a descriptor has leaked");
    }
}

static SIGNALS: AtomicU32 = AtomicU32::new(0);

extern "C" fn count_signal(_: libc::c_int) {
    SIGNALS.fetch_add(1, Ordering::Relaxed);
}

/// Interrupted every 100 us, an attach neither fails early nor waits longer.
#[test]
fn signals_neither_break_nor_stretch_an_attach() {
    undisturbed(|| {
        let setup = Setup::new();
        let before = descriptors();
        let peer = Peer::new(&setup.socket(), |client| {
            std::thread::sleep(Duration::from_millis(300));
            drop(client);
        });
        let handler: extern "C" fn(libc::c_int) = count_signal;
        // SAFETY: all zero is a valid action; no SA_RESTART, so that calls fail
        // with EINTR.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = handler as libc::sighandler_t;
        // SAFETY: the handler only counts, which a signal may do anywhere.
        let set =
            unsafe { libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut()) };
        assert_eq!(set, 0);
        // SAFETY: no arguments.
        let thread = unsafe { libc::pthread_self() };
        let start = Instant::now();
        let done = std::sync::atomic::AtomicBool::new(false);
        let answer = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    // SAFETY: that thread lives until the scope ends.
                    unsafe { libc::pthread_kill(thread, libc::SIGUSR1) };
                    std::thread::sleep(Duration::from_micros(100));
                }
            });
            let answer = setup.web();
            done.store(true, Ordering::SeqCst);
            answer
        });
        let waited = start.elapsed();
        let silence = AttachError::Handover(HandoverError::Silence);
        assert_eq!(answer, Err(Unavailable::NoTable(silence)));
        assert!(waited >= Duration::from_millis(40), "{waited:?}");
        assert!(waited < Duration::from_secs(1), "{waited:?}");
        assert!(SIGNALS.load(Ordering::Relaxed) > 20);
        drop(peer);
        assert_eq!(descriptors(), before);
    });
}
