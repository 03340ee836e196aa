//! Processes that have shut themselves in: whoever is attached follows on.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use cloudhosts_table::clock::monotonic;
use cloudhosts_testkit::{Daemon, Peer, eventually};

use crate::common::peer::{message, publish, send_raw};
use crate::{Setup, in_child, is, nth, undisturbed};

/// Tells a child by a pipe that it may go on, and waits until it has.
struct Signal {
    reader: std::io::PipeReader,
    writer: std::io::PipeWriter,
}

impl Signal {
    fn new() -> Signal {
        let (reader, writer) = std::io::pipe().unwrap();
        Signal { reader, writer }
    }

    fn send(&self) {
        use std::io::Write;
        (&self.writer).write_all(b"!").unwrap();
    }

    fn wait(&self) {
        use std::io::Read;
        (&self.reader).read_exact(&mut [0]).unwrap();
    }
}

/// Rights over namespaces, for those who are not root.
fn become_root_of_a_namespace() {
    // SAFETY: no arguments but a number.
    if unsafe { libc::geteuid() } != 0 {
        // SAFETY: as above.
        assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWUSER) }, 0);
    }
}

fn shut_in_a_directory() {
    become_root_of_a_namespace();
    fs::create_dir_all("/tmp/cloudhosts-empty").unwrap();
    // SAFETY: a string that ends in zero.
    let done = unsafe { libc::chroot(c"/tmp/cloudhosts-empty".as_ptr()) };
    assert_eq!(done, 0);
    std::env::set_current_dir("/").unwrap();
}

fn use_up_all_descriptors() {
    let limit = libc::rlimit {
        rlim_cur: 64,
        rlim_max: 64,
    };
    // SAFETY: a plain call with a pointer to a local.
    unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
    while let Ok(null) = File::open("/dev/null") {
        std::mem::forget(null);
    }
}

/// In a chroot made after the attach, with no descriptor left, and with the
/// daemon's queue full, a process follows every change.
#[test]
fn a_process_that_has_shut_itself_in_follows_on() {
    undisturbed(|| {
        let setup = Setup::new();
        let mut region = nth(1);
        let daemon = Daemon::new(&setup.socket(), &region).keep_beating();
        let (ready, go) = (Signal::new(), Signal::new());
        for shut_in in [shut_in_a_directory, use_up_all_descriptors] {
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    ready.wait();
                    for n in 2..100 {
                        publish(&mut region, &format!("10.0.0.{n}"));
                    }
                    go.send();
                    ready.wait();
                    publish(&mut region, "10.0.0.1");
                });
                in_child(|| {
                    let before = setup.web() == is(1);
                    shut_in();
                    ready.send();
                    go.wait();
                    let after = setup.web() == is(99);
                    ready.send();
                    before && after
                });
            });
            eventually("it is as before", || setup.web() == is(1));
        }
        // The first child has its own, the second that of this process.
        assert_eq!(daemon.clients(), 2);
    });
}

/// In a time namespace of its own a process attaches once, and follows the
/// daemon's heart by the clock it told; also one that was attached before.
#[test]
fn clocks_of_other_time_namespaces_are_told_apart() {
    undisturbed(|| {
        for offset in [200_000i64, 3_600, -1] {
            let setup = Setup::new();
            let region = nth(1);
            let daemon = Daemon::new(&setup.socket(), &region).keep_beating();
            assert_eq!(setup.web(), is(1));
            in_child(|| {
                become_root_of_a_namespace();
                // SAFETY: no arguments but a number.
                if unsafe { libc::unshare(0x80) } != 0 {
                    eprintln!("skipped: no time namespaces here");
                    return true;
                }
                let offsets = format!("monotonic {offset} 0\n");
                fs::write("/proc/self/timens_offsets", offsets).unwrap();
                // It is in force for children.
                in_child(|| {
                    let inherited = setup.web() == is(1);
                    let fresh = cloudhosts_table::Client::new();
                    let ask = || {
                        let ask =
                            |view: &cloudhosts_table::View<'_>| crate::common::ask(view, "web");
                        fresh.with(|| setup.paths(), monotonic(), ask)
                    };
                    let mut right = inherited && ask() == is(1);
                    for _ in 0..13 {
                        std::thread::sleep(Duration::from_millis(100));
                        right &= ask() == is(1) && setup.web() == is(1);
                    }
                    right
                });
                true
            });
            // One for this process, one for the client that the child inherited, if
            // the offset is not too small to matter, one for the fresh one.
            let clients = daemon.clients();
            assert!((1..=3).contains(&clients), "{offset}: {clients}");
        }
    });
}

/// With all memory to be locked and little that may be, a region can't be
/// mapped: the file answers.
#[test]
fn where_memory_can_not_be_locked_the_file_answers() {
    let setup = Setup::new();
    let mut region = nth(1);
    let _daemon = Daemon::new(&setup.socket(), &region).keep_beating();
    setup.save(&nth(7));
    let open = |path: &std::path::Path, mode| {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    };
    open(&setup.socket(), 0o666);
    open(setup.file, 0o644);
    open(setup.file.parent().unwrap(), 0o755);
    in_child(|| {
        let limit = libc::rlimit {
            rlim_cur: 1 << 16,
            rlim_max: 1 << 16,
        };
        // SAFETY: plain calls with numbers, and a pointer to a local.
        let set = unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const limit) };
        // SAFETY: as above.
        let user = unsafe { libc::setresuid(65_534, 65_534, 65_534) };
        // SAFETY: as above.
        let locked = unsafe { libc::mlockall(libc::MCL_FUTURE) };
        if set != 0 || locked != 0 || user != 0 {
            eprintln!("skipped: memory can't be locked here");
            return true;
        }
        setup.web() == is(7)
    });
    assert_eq!(setup.web(), is(1));
    publish(&mut region, "10.0.0.2");
    assert_eq!(setup.web(), is(2));
}

/// A thread that takes its time with the attach for the whole process, and one
/// that never comes back to it (siglongjmp): the others answer by themselves.
#[test]
fn who_never_ends_attaching_holds_the_others_up_once() {
    undisturbed(|| {
        let setup = Setup::new();
        let first = std::sync::atomic::AtomicBool::new(true);
        let region = nth(4);
        let offered = std::sync::Arc::clone(region.region());
        let _peer = Peer::new(&setup.socket(), move |client| {
            // Silent to the first, which has the turn for all its time.
            if first.swap(false, std::sync::atomic::Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(60));
                return;
            }
            let _ = send_raw(&client, &message(), &[offered.file()]);
        });
        std::thread::scope(|scope| {
            let slow = scope.spawn(|| setup.web());
            std::thread::sleep(Duration::from_millis(10));
            let start = std::time::Instant::now();
            let other = setup.web();
            assert!(start.elapsed() < Duration::from_millis(300));
            assert!(other.is_err() || other == is(4));
            assert!(slow.join().unwrap().is_err());
        });
        assert_eq!(setup.web_in(Duration::from_millis(1100)), is(4));
    });
}
