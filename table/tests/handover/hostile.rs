//! Peers that mean harm, or are something else altogether.

use std::fs::File;
use std::io::Write;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use cloudhosts_table::client::AttachError;
use cloudhosts_table::clock::monotonic;
use cloudhosts_table::handover::{HandoverError, PROTOCOL};
use cloudhosts_table::shm::MapError;
use cloudhosts_table::{OpenError, Unavailable};
use cloudhosts_testkit::{Daemon, Peer, eventually};
use rustix::fs::{
    FallocateFlags, MemfdFlags, SealFlags, fallocate, fcntl_add_seals, ftruncate, memfd_create,
};
use rustix::io::Errno;

use crate::common::file_of;
use crate::common::peer::{message, send_raw};
use crate::{Setup, descriptors, is, mappings, nth, undisturbed};

/// Lets a peer send this to a client with no region and no file, and returns
/// what the client says. No mapping may stay, and of the descriptors only those
/// that it takes no risk with.
fn told(text: &[u8], files: Vec<OwnedFd>, left_open: usize) -> AttachError {
    let setup = Setup::new();
    let (before, mapped) = (descriptors() - files.len(), mappings());
    let text = text.to_vec();
    let peer = Peer::new(&setup.socket(), move |client| {
        let files: Vec<BorrowedFd<'_>> = files.iter().map(AsFd::as_fd).collect();
        let _ = send_raw(&client, &text, &files);
    });
    let start = Instant::now();
    let answer = setup.web();
    assert!(start.elapsed() < Duration::from_secs(1));
    drop(peer);
    eventually("all is closed", || descriptors() == before + left_open);
    assert_eq!(mappings(), mapped);
    match answer {
        Err(Unavailable::NoTable(error)) => error,
        other => panic!("{other:?}"),
    }
}

/// A memory file of a page and these bytes.
fn sealed_by(bytes: &[u8], seals: SealFlags) -> OwnedFd {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = memfd_create(c"hostile", flags).unwrap();
    let mut file = File::from(file);
    file.write_all(&[0; 4096]).unwrap();
    file.write_all(bytes).unwrap();
    fcntl_add_seals(&file, seals).unwrap();
    file.into()
}

const ALL: SealFlags = SealFlags::SHRINK
    .union(SealFlags::GROW)
    .union(SealFlags::FUTURE_WRITE)
    .union(SealFlags::SEAL);

/// The file of a table, which is a region if it is put into sealed memory.
fn table() -> Vec<u8> {
    file_of(&nth(1))
}

fn region() -> OwnedFd {
    sealed_by(&table(), ALL)
}

#[test]
fn only_sealed_memory_is_mapped() {
    undisturbed(|| {
        let (pipe, _writer) = std::io::pipe().unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let without = |seal| sealed_by(&table(), ALL.difference(seal));
        for (what, file) in [
            ("a pipe", pipe.into()),
            ("a socket", socket.into()),
            ("nothing sealed", without(ALL)),
            ("can be written to", without(SealFlags::FUTURE_WRITE)),
            ("can shrink", without(SealFlags::SHRINK)),
            ("can grow", without(SealFlags::GROW)),
            ("can be sealed", without(SealFlags::SEAL)),
        ] {
            let said = told(&message(), vec![file], 0);
            assert_eq!(said, AttachError::Map(MapError::Unsealed), "{what}");
        }
    });
}

/// To close a file may wait for whoever stands behind its file system (FUSE):
/// it stays open, and its sender is never asked again.
#[test]
fn what_may_not_be_closed_is_left_open_once() {
    undisturbed(|| {
        for path in ["/", "/dev/zero", "/proc/self/exe"] {
            let file = File::open(path).unwrap().into();
            let said = told(&message(), vec![file], 1);
            assert_eq!(
                said,
                AttachError::Handover(HandoverError::UnsafeDescriptor),
                "{path}"
            );
        }
        let setup = Setup::new();
        let peer = Peer::new(&setup.socket(), |client| {
            let file = File::open("/").unwrap();
            let _ = send_raw(&client, &message(), &[file.as_fd()]);
        });
        let before = descriptors();
        setup.save(&nth(3));
        for seconds in 0..20 {
            assert_eq!(setup.web_in(Duration::from_secs(seconds)), is(3));
        }
        assert_eq!(peer.clients(), 1);
        eventually("one is left", || descriptors() == before + 1);
    });
}

/// Sockets that take a minute to close: what they have to send nobody reads.
fn lingering(count: usize) -> (Vec<TcpStream>, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let sockets = (0..count).map(|_| {
        let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        socket.set_nonblocking(true).unwrap();
        let minute = Some(Duration::from_secs(60));
        rustix::net::sockopt::set_socket_linger(&socket, minute).unwrap();
        while (&socket).write(&[0; 65536]).is_ok() {}
        socket
    });
    (sockets.collect(), listener)
}

/// A socket that lingers takes as long to close as its sender says, whoever
/// closes it last; also one in a message that is never read. The client is
/// stopped while all is sent, so that it is the last to have them.
#[test]
fn sockets_that_linger_hold_nobody_up() {
    for (with_message, more) in [(1, 0), (3, 0), (0, 2), (2, 3)] {
        let (sockets, _listener) = lingering(with_message + more);
        let setup = Setup::new();
        let listener = std::os::unix::net::UnixListener::bind(setup.socket()).unwrap();
        // SAFETY: the child uses the client, which is made for this, and exits.
        let child = match unsafe { libc::fork() } {
            0 => {
                // What it has of the parent's shall not count.
                for socket in &sockets {
                    // SAFETY: the child exits without closing it again.
                    drop(unsafe { OwnedFd::from_raw_fd(socket.as_raw_fd()) });
                }
                let refused = setup.web().is_err();
                // SAFETY: ends the child at once.
                unsafe { libc::_exit(i32::from(!refused)) }
            }
            child => child,
        };
        let (client, _) = listener.accept().unwrap();
        let signal = |signal| {
            // SAFETY: the child made above, which has not been waited for.
            assert_eq!(unsafe { libc::kill(child, signal) }, 0);
        };
        signal(libc::SIGSTOP);
        let region = region();
        let files: Vec<_> = sockets.iter().map(AsFd::as_fd).collect();
        let (first, rest) = files.split_at(with_message);
        let first = [&[region.as_fd()], first].concat();
        send_raw(&client, &message(), &first).unwrap();
        for socket in rest {
            send_raw(&client, b"more", &[*socket]).unwrap();
        }
        drop((sockets, client));
        signal(libc::SIGCONT);
        let start = Instant::now();
        let mut status = 0;
        // SAFETY: as above.
        unsafe { libc::waitpid(child, &raw mut status, 0) };
        let took = start.elapsed();
        assert_eq!(status, 0);
        assert!(took < Duration::from_secs(10), "{took:?}");
    }
}

/// One that lingers may wait in the queue of a Unix socket, and is closed with
/// that.
#[test]
fn a_socket_that_lingers_within_another_holds_nobody_up() {
    undisturbed(|| {
        let (mut sockets, _listener) = lingering(1);
        let (from, to) = UnixStream::pair().unwrap();
        send_raw(&from, b"x", &[sockets[0].as_fd()]).unwrap();
        sockets.clear();
        drop(from);
        let start = Instant::now();
        let intruder = AttachError::Handover(HandoverError::UnsafeDescriptor);
        assert_eq!(told(&message(), vec![to.into()], 1), intruder);
        assert!(start.elapsed() < Duration::from_secs(10));
    });
}

#[test]
fn sizes_are_bounded_and_missing_pages_refused() {
    undisturbed(|| {
        let sparse = |len: u64| {
            let file = sealed_by(&table(), SealFlags::empty());
            ftruncate(&file, 4096 + len).unwrap();
            fcntl_add_seals(&file, ALL).unwrap();
            file
        };
        let size = AttachError::Map(MapError::Size);
        assert_eq!(told(&message(), vec![sealed_by(b"", ALL)], 0), size);
        // What is missing is not part of it, so the size is wrong.
        let truncated = AttachError::Open(OpenError::Truncated);
        for file in [sparse(1 << 20), sparse(1 << 33)] {
            assert_eq!(told(&message(), vec![file], 0), truncated);
        }
        // As many pages as it should have, but behind its end.
        let bytes = table();
        let len = bytes.len().next_multiple_of(4096) as u64;
        let file = sealed_by(b"", SealFlags::empty());
        let (whole, keep) = (4096 + len, FallocateFlags::KEEP_SIZE);
        ftruncate(&file, whole).unwrap();
        rustix::io::pwrite(&file, &bytes[..512], 4096).unwrap();
        fallocate(&file, keep, whole, 64 * len).unwrap();
        fcntl_add_seals(&file, ALL).unwrap();
        assert!(rustix::fs::fstat(&file).unwrap().st_blocks as u64 * 512 >= whole);
        assert_eq!(told(&message(), vec![file], 0), truncated);
    });
}

/// A page of a huge page file that can't be had is SIGBUS.
#[test]
fn huge_pages_are_refused() {
    undisturbed(|| {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING | MemfdFlags::HUGETLB;
        let Ok(file) = memfd_create(c"huge", flags) else {
            eprintln!("skipped: this kernel has no huge pages");
            return;
        };
        ftruncate(&file, 2 << 20).unwrap();
        fcntl_add_seals(&file, ALL).unwrap();
        let said = told(&message(), vec![file], 0);
        assert_eq!(said, AttachError::Map(MapError::System(Errno::INVAL)));
    });
}

#[test]
fn sealed_bytes_that_are_no_table_are_refused() {
    undisturbed(|| {
        let mut newer = table();
        newer[8] = 77;
        let mut damaged = table();
        damaged[100] ^= 1;
        for (bytes, error) in [
            (vec![0; 4096], OpenError::NotATable),
            (table()[..500].to_vec(), OpenError::Truncated),
            (newer, OpenError::Version(77)),
            (damaged, OpenError::Damaged),
        ] {
            // To whole pages, so that it is its bytes that are refused.
            let said = told(&message(), vec![sealed_by(&bytes, ALL)], 0);
            assert!(
                said == AttachError::Open(error) || said == AttachError::Open(OpenError::Truncated),
                "{said:?}"
            );
        }
    });
}

#[test]
fn only_the_message_of_this_protocol_is_taken() {
    undisturbed(|| {
        let right = message();
        let with = |at: usize, byte: u8| {
            let mut message = right.clone();
            message[at] = byte;
            message
        };
        let wrong = HandoverError::Message;
        for (text, error) in [
            (right[..1].to_vec(), wrong),
            (right[..23].to_vec(), wrong),
            ([&*right, b"!"].concat(), wrong),
            (right.repeat(1000), wrong),
            (with(0, b'c'), wrong),
            (with(8, 1), HandoverError::Version(1)),
            (with(11, 1), HandoverError::Version(PROTOCOL | 1 << 24)),
            (b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), wrong),
        ] {
            let error = AttachError::Handover(error);
            assert_eq!(told(&text, vec![region()], 0), error, "{text:?}");
        }
    });
}

#[test]
fn one_descriptor_is_taken_and_none_leaks() {
    undisturbed(|| {
        let wrong = AttachError::Handover(HandoverError::Message);
        assert_eq!(told(&message(), vec![], 0), wrong);
        assert_eq!(told(&message(), vec![region(), region()], 0), wrong);
        let many = |count: usize| (0..count).map(|_| region()).collect();
        assert_eq!(told(b"junk", many(20), 0), wrong);
        assert_eq!(told(&message(), many(253), 0), wrong);
    });
}

/// Nothing at all, bytes with no end, a message without an end, a queue that is
/// full: each comes to its end in time.
#[test]
fn nobody_waits_for_long() {
    undisturbed(|| {
        let before = descriptors();
        let silence = AttachError::Handover(HandoverError::Silence);
        for with_message in [false, true] {
            let setup = Setup::new();
            let (keep, kept) = mpsc::channel();
            let peer = Peer::new(&setup.socket(), move |client| {
                if with_message {
                    let _ = send_raw(&client, &message(), &[region().as_fd()]);
                }
                keep.send(client).unwrap();
            });
            let start = Instant::now();
            assert_eq!(setup.web(), Err(Unavailable::NoTable(silence)));
            let waited = start.elapsed();
            assert!(waited >= Duration::from_millis(40), "{waited:?}");
            assert!(waited < Duration::from_secs(1), "{waited:?}");
            drop((peer, kept, setup));
            eventually("all is closed", || descriptors() == before);
        }

        let setup = Setup::new();
        let full = std::os::unix::net::UnixListener::bind(setup.socket()).unwrap();
        let mut waiting = Vec::new();
        while let Some(client) = connect_now(&setup) {
            waiting.push(client);
        }
        let start = Instant::now();
        let refused = AttachError::Handover(HandoverError::Connect(Errno::AGAIN));
        assert_eq!(setup.web(), Err(Unavailable::NoTable(refused)));
        assert!(start.elapsed() < Duration::from_secs(1));
        drop((full, waiting, setup));
        eventually("all is closed", || descriptors() == before);
    });
}

/// Connects unless the queue is full.
fn connect_now(setup: &Setup) -> Option<OwnedFd> {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket =
        rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap();
    let path = SocketAddrUnix::new(setup.socket()).unwrap();
    rustix::net::connect(&socket, &path).ok().map(|()| socket)
}

/// Whoever has the file of a region can't change it: the kernel keeps them from
/// it.
#[test]
fn what_is_handed_over_can_not_be_changed() {
    let region = nth(1);
    let file = File::from(region.region().file().try_clone_to_owned().unwrap());
    assert!((&file).write(b"X").is_err());
    assert!(file.set_len(0).is_err());
    assert!(file.set_len(1 << 30).is_err());
    let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    assert_eq!(fallocate(&file, punch, 4096, 4096), Err(Errno::PERM));
    let behind = fallocate(&file, FallocateFlags::KEEP_SIZE, 1 << 30, 4096);
    assert_eq!(behind, Err(Errno::PERM));
    let (access, shared) = (
        rustix::mm::ProtFlags::READ | rustix::mm::ProtFlags::WRITE,
        rustix::mm::MapFlags::SHARED,
    );
    // SAFETY: the kernel chooses the address, and refuses.
    let mapped = unsafe { rustix::mm::mmap(std::ptr::null_mut(), 4096, access, shared, &file, 0) };
    assert_eq!(mapped.err(), Some(Errno::PERM));
}

/// A heart that beats in the future is none: the daemon that comes after is
/// found.
#[test]
fn a_heartbeat_in_the_future_is_not_believed() {
    undisturbed(|| {
        let setup = Setup::new();
        let hostile = nth(1);
        let peer = Daemon::new(&setup.socket(), &hostile);
        hostile
            .region()
            .beat(monotonic() + Duration::from_secs(1 << 30));
        // There is none better, so it answers, for as long as it may.
        let stale = setup.web();
        assert!(matches!(stale, Err(Unavailable::Stale(_))), "{stale:?}");
        drop(peer);
        let good = nth(2);
        let _daemon = Daemon::new(&setup.socket(), &good).keep_beating();
        assert_eq!(setup.web_in(Duration::from_millis(1100)), is(2));
    });
}

/// A region that nobody serves does not take the place of the one at hand.
#[test]
fn a_region_without_a_daemon_takes_no_answer_away() {
    undisturbed(|| {
        let setup = Setup::new();
        let good = nth(1);
        let daemon = Daemon::new(&setup.socket(), &good);
        assert_eq!(setup.web(), is(1));
        good.region().retire();
        drop(daemon);
        let (late, ahead) = (nth(2), nth(3));
        late.region().retire();
        let far = monotonic() + Duration::from_secs(1 << 30);
        ahead.region().beat(far);
        for (seconds, hostile) in [(2, &late), (4, &ahead)] {
            let _peer = Daemon::new(&setup.socket(), hostile);
            assert_eq!(setup.web_in(Duration::from_secs(seconds)), is(1));
        }
    });
}

/// A hostile daemon in the place of a good one takes no answer away.
#[test]
fn the_region_at_hand_outlives_a_hostile_daemon() {
    undisturbed(|| {
        let setup = Setup::new();
        let good = nth(1);
        let daemon = Daemon::new(&setup.socket(), &good);
        assert_eq!(setup.web(), is(1));
        good.region().retire();
        drop(daemon);
        let mut ahead = Duration::from_secs(2);
        let empty = sealed_by(b"", ALL);
        let peer = Peer::new(&setup.socket(), move |client| {
            let _ = send_raw(&client, &message(), &[empty.as_fd()]);
        });
        for _ in 0..20 {
            assert_eq!(setup.web_in(ahead), is(1));
            ahead += Duration::from_secs(2);
        }
        assert_eq!(peer.clients(), 20);
    });
}
