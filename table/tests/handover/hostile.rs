//! Peers that mean harm, or are something else altogether.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use cloudhosts_table::client::AttachError;
use cloudhosts_table::clock::{Monotonic, monotonic};
use cloudhosts_table::handover::HandoverError;
use cloudhosts_table::shm::{EpochPage, MapError, seal_table};
use cloudhosts_table::{OpenError, Settings, Unavailable};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use rustix::io::Errno;
use rustix::net::sockopt::set_socket_linger;

use crate::common::eventually;
use crate::common::peer::{Daemon, Peer, message, send_raw};
use crate::{Setup, alone, descriptors, is, mappings, nth, undisturbed};

/// Lets a peer send this to a client with no table and no file, and returns
/// what the client says. Neither a descriptor nor a mapping may stay.
fn told(text: &[u8], files: Vec<OwnedFd>) -> AttachError {
    let (before, mapped) = (descriptors() - files.len(), mappings());
    let setup = Setup::new();
    let text = text.to_vec();
    let peer = Peer::new(&setup.socket(), move |client| {
        let files: Vec<BorrowedFd<'_>> = files.iter().map(AsFd::as_fd).collect();
        let _ = send_raw(&client, &text, &files);
    });
    let start = Instant::now();
    let answer = setup.web();
    assert!(start.elapsed() < Duration::from_secs(1));
    drop(peer);
    eventually("all is closed", || descriptors() == before);
    assert_eq!(mappings(), mapped);
    match answer {
        Err(Unavailable::NoTable(error)) => error,
        other => panic!("{other:?}"),
    }
}

fn sealed_by(bytes: &[u8], seals: SealFlags) -> OwnedFd {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = memfd_create(c"hostile", flags).unwrap();
    let mut file = File::from(file);
    file.write_all(bytes).unwrap();
    fcntl_add_seals(&file, seals).unwrap();
    file.into()
}

const ALL: SealFlags = SealFlags::SHRINK
    .union(SealFlags::GROW)
    .union(SealFlags::WRITE)
    .union(SealFlags::SEAL);

fn epoch() -> OwnedFd {
    let page = EpochPage::new(monotonic()).unwrap();
    page.announce(1);
    page.file().try_clone_to_owned().unwrap()
}

fn table() -> OwnedFd {
    seal_table(&nth(1)).unwrap()
}

#[test]
fn only_sealed_memory_is_mapped_as_a_table() {
    undisturbed(|| {
        let _alone = alone();
        let (pipe, _writer) = std::io::pipe().unwrap();
        let (socket, _other) = UnixStream::pair().unwrap();
        let without = |seal| sealed_by(&nth(1), ALL.difference(seal));
        let unsealed = AttachError::Map(MapError::Unsealed);
        for (what, file) in [
            ("a pipe", pipe.into()),
            ("a socket", socket.into()),
            ("a directory", File::open("/").unwrap().into()),
            ("a device", File::open("/dev/zero").unwrap().into()),
            ("a file", File::open("/proc/self/exe").unwrap().into()),
            ("nothing sealed", without(ALL)),
            ("can be written to", without(SealFlags::WRITE)),
            ("can shrink", without(SealFlags::SHRINK)),
            ("can grow", without(SealFlags::GROW)),
            ("can be sealed", without(SealFlags::SEAL)),
            ("the epoch", epoch()),
        ] {
            assert_eq!(told(&message(), vec![file, epoch()]), unsealed, "{what}");
        }
    });
}

#[test]
fn only_a_sealed_page_is_mapped_as_an_epoch() {
    undisturbed(|| {
        let _alone = alone();
        let epoch_seals = ALL
            .difference(SealFlags::WRITE)
            .union(SealFlags::FUTURE_WRITE);
        let page = |len: usize, seals| sealed_by(&vec![0; len], seals);
        for (what, file, error) in [
            (
                "unsealed",
                page(4096, SealFlags::empty()),
                MapError::Unsealed,
            ),
            ("a table", table(), MapError::Unsealed),
            (
                "can shrink",
                page(4096, epoch_seals.difference(SealFlags::SHRINK)),
                MapError::Unsealed,
            ),
            ("too short", page(4095, epoch_seals), MapError::Size),
            ("too long", page(8192, epoch_seals), MapError::Size),
            ("empty", page(0, epoch_seals), MapError::Size),
        ] {
            let error = AttachError::Map(error);
            assert_eq!(told(&message(), vec![table(), file]), error, "{what}");
        }
    });
}

#[test]
fn sizes_are_bounded_and_holes_refused() {
    undisturbed(|| {
        let _alone = alone();
        let sparse = |len: u64| {
            let file = sealed_by(&nth(1), SealFlags::empty());
            ftruncate(&file, len).unwrap();
            fcntl_add_seals(&file, ALL).unwrap();
            file
        };
        for (file, error) in [
            (sealed_by(b"", ALL), MapError::Size),
            (sparse(1 << 32), MapError::Size),
            (sparse(u32::MAX.into()), MapError::Holes),
            (sparse(8192), MapError::Holes),
        ] {
            let error = AttachError::Map(error);
            assert_eq!(told(&message(), vec![file, epoch()]), error);
        }
    });
}

/// A page of a huge page file that can't be had is SIGBUS.
#[test]
fn huge_pages_are_refused() {
    undisturbed(|| {
        let _alone = alone();
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING | MemfdFlags::HUGETLB;
        let Ok(file) = memfd_create(c"huge", flags) else {
            eprintln!("skipped: this kernel has no huge pages");
            return;
        };
        ftruncate(&file, 2 << 20).unwrap();
        fcntl_add_seals(&file, ALL).unwrap();
        let unsealed = AttachError::Map(MapError::Unsealed);
        assert_eq!(told(&message(), vec![file, epoch()]), unsealed);
    });
}

#[test]
fn sealed_bytes_that_are_no_table_are_refused() {
    undisturbed(|| {
        let _alone = alone();
        let mut newer = nth(1);
        newer[8] = 77;
        for (bytes, error) in [
            (vec![0; 4096], OpenError::NotATable),
            (nth(1)[..500].to_vec(), OpenError::Truncated),
            (newer, OpenError::Version(77)),
        ] {
            let files = vec![sealed_by(&bytes, ALL), epoch()];
            assert_eq!(told(&message(), files), AttachError::Open(error));
        }
    });
}

#[test]
fn only_the_message_of_this_protocol_is_taken() {
    undisturbed(|| {
        let _alone = alone();
        let right = message();
        let with = |at: usize, byte: u8| {
            let mut message = right.clone();
            message[at] = byte;
            message
        };
        let wrong = HandoverError::Message;
        for (text, error) in [
            (right[..1].to_vec(), wrong),
            (right[..15].to_vec(), wrong),
            ([&*right, b"!"].concat(), wrong),
            (right.repeat(1000), wrong),
            (with(0, b'c'), wrong),
            (with(8, 2), HandoverError::Version(2)),
            (with(11, 1), HandoverError::Version(1 | 1 << 24)),
            (b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), wrong),
        ] {
            let error = AttachError::Handover(error);
            assert_eq!(told(&text, vec![table(), epoch()]), error, "{text:?}");
        }
    });
}

#[test]
fn two_descriptors_are_taken_and_none_leaks() {
    undisturbed(|| {
        let _alone = alone();
        let wrong = AttachError::Handover(HandoverError::Message);
        assert_eq!(told(&message(), vec![]), wrong);
        assert_eq!(told(&message(), vec![table()]), wrong);
        assert_eq!(told(b"junk", (0..20).map(|_| table()).collect()), wrong);
        // The first two count, whatever else is there.
        let twenty = (0..20).map(|_| epoch()).collect();
        let unsealed = AttachError::Map(MapError::Unsealed);
        assert_eq!(told(&message(), twenty), unsealed);
    });
}

/// A TCP socket that takes half a minute to close: it lingers (SO_LINGER) until
/// what was written is read, which nobody does. Its other end comes with it.
fn lingering() -> (OwnedFd, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (other, _) = listener.accept().unwrap();
    set_socket_linger(&socket, Some(Duration::from_secs(30))).unwrap();
    socket.set_nonblocking(true).unwrap();
    while socket.write(&[0; 1 << 16]).is_ok() {}
    (socket.into(), other)
}

/// One that lingers, within a socket that it was sent to.
fn nested() -> (OwnedFd, TcpStream) {
    let (lingers, other) = lingering();
    let (from, to) = UnixStream::pair().unwrap();
    send_raw(&from, b"x", &[lingers.as_fd()]).unwrap();
    (to.into(), other)
}

/// Sends a client these messages, so that what is in them is the client's alone.
fn given(messages: Vec<(&[u8], Vec<OwnedFd>)>) -> Result<String, Unavailable> {
    let setup = Setup::new();
    let own = |(text, files): (&[u8], _)| (text.to_vec(), files);
    let messages: Vec<(Vec<u8>, Vec<OwnedFd>)> = messages.into_iter().map(own).collect();
    let messages = Mutex::new(messages);
    let (sent, all_sent) = mpsc::channel();
    let peer = Peer::new(&setup.socket(), move |client| {
        let mut messages = messages.lock().unwrap();
        for (text, files) in messages.drain(..) {
            let files: Vec<BorrowedFd<'_>> = files.iter().map(AsFd::as_fd).collect();
            let _ = send_raw(&client, &text, &files);
        }
        sent.send(client).unwrap();
    });
    let start = Instant::now();
    let answer = setup.web();
    let took = start.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
    drop((peer, all_sent));
    answer
}

#[test]
fn sockets_that_linger_hold_nobody_up() {
    let _alone = alone();
    for one in [lingering, nested] {
        let right = message();
        let (socket, _other) = one();
        assert!(given(vec![(&right, vec![socket, epoch()])]).is_err());
        let (socket, _other) = one();
        assert!(given(vec![(&right, vec![table(), socket])]).is_err());
        let (socket, _other) = one();
        assert!(given(vec![(b"junk", vec![socket])]).is_err());
        // Behind those that are right.
        let (socket, _other) = one();
        assert_eq!(given(vec![(&right, vec![table(), epoch(), socket])]), is(1));
        // In a message that nobody waits for.
        let (socket, _other) = one();
        let messages = vec![(&right[..], vec![table(), epoch()]), (b"x", vec![socket])];
        assert_eq!(given(messages), is(1));
    }
}

/// Nothing at all, bytes with no end, a queue that is full: each comes to its
/// end in time.
#[test]
fn nobody_waits_for_long() {
    undisturbed(|| {
        let _alone = alone();
        let before = descriptors();
        let silence = AttachError::Handover(HandoverError::Silence);
        let setup = Setup::new();
        let (keep, kept) = mpsc::channel();
        let peer = Peer::new(&setup.socket(), move |client| keep.send(client).unwrap());
        let start = Instant::now();
        assert_eq!(setup.web(), Err(Unavailable::NoTable(silence)));
        let waited = start.elapsed();
        assert!(waited >= Duration::from_millis(40), "{waited:?}");
        assert!(waited < Duration::from_secs(1), "{waited:?}");
        drop((peer, kept, setup));
        eventually("all is closed", || descriptors() == before);

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
        drop((full, waiting));
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

/// A table that changes its mind about itself: the seals have the kernel keep
/// it from that.
#[test]
fn what_is_handed_over_can_not_be_changed() {
    undisturbed(|| {
        let _alone = alone();
        let setup = Setup::new();
        let file = table();
        let again = File::from(file.try_clone().unwrap());
        let peer = Peer::new(&setup.socket(), move |client| {
            let _ = send_raw(&client, &message(), &[file.as_fd(), epoch().as_fd()]);
        });
        assert_eq!(setup.web(), is(1));
        let mut writer = &again;
        writer.seek(SeekFrom::Start(0)).unwrap();
        assert!(writer.write(b"X").is_err());
        assert!(again.set_len(0).is_err());
        assert!(again.set_len(1 << 20).is_err());
        assert_eq!(setup.web(), is(1));
        drop(peer);
    });
}

/// A daemon that says it will live for ever, and dies: the next one is found.
#[test]
fn a_heartbeat_from_the_future_is_none() {
    undisturbed(|| {
        let _alone = alone();
        let setup = Setup::new();
        let daemon = Daemon::new(&setup.socket(), 1, &nth(1));
        assert_eq!(setup.web(), is(1));
        for ahead in [Duration::from_secs(3600), Duration::MAX] {
            daemon.epoch.beat(monotonic() + ahead);
            assert_eq!(setup.web(), is(1));
        }
        drop(daemon);
        let _next = Daemon::new(&setup.socket(), 1, &nth(2));
        // It may have been looked for just now.
        assert_eq!(setup.web_in(Duration::from_secs(2)), is(2));
    });
}

/// How long a table is served that no heart beats for is counted from when it
/// came.
#[test]
fn a_heartbeat_from_the_future_makes_no_table_last_for_ever() {
    undisturbed(|| {
        let _alone = alone();
        let setup = Setup::new();
        let settings = Settings {
            stale_max: Some(Duration::from_secs(60)),
            ..crate::common::settings(1)
        };
        let table = crate::common::table_with(settings, &[("web", "10.0.0.1")]);
        let daemon = Daemon::new(&setup.socket(), 1, &table);
        assert_eq!(setup.web(), is(1));
        daemon.epoch.beat(Monotonic(u64::MAX));
        drop(daemon);
        assert_eq!(setup.web_in(Duration::from_secs(59)), is(1));
        let late = setup.web_in(Duration::from_secs(70));
        assert!(matches!(late, Err(Unavailable::Stale(_))), "{late:?}");
    });
}

/// A hostile daemon in the place of a good one takes no answer away.
#[test]
fn the_table_at_hand_outlives_a_hostile_daemon() {
    undisturbed(|| {
        let _alone = alone();
        let setup = Setup::new();
        let daemon = Daemon::new(&setup.socket(), 1, &nth(1));
        assert_eq!(setup.web(), is(1));
        daemon.epoch.retire();
        drop(daemon);
        let mut ahead = Duration::from_secs(2);
        let empty = sealed_by(b"", ALL);
        let peer = Peer::new(&setup.socket(), move |client| {
            let _ = send_raw(&client, &message(), &[empty.as_fd(), epoch().as_fd()]);
        });
        for _ in 0..20 {
            assert_eq!(setup.web_in(ahead), is(1));
            ahead += Duration::from_secs(2);
        }
        assert_eq!(peer.clients(), 20);
    });
}
