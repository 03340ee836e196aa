//! No daemon: the file that the last one left.

use std::fs::{self, File, FileTimes};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant, SystemTime};

use cloudhosts_table::client::AttachError;
use cloudhosts_table::handover::HandoverError;
use cloudhosts_table::{Unavailable, View};
use rustix::io::Errno;

use crate::common::peer::{Daemon, Peer};
use crate::common::{settings, table_with};
use crate::{Setup, alone, descriptors, is, nth, undisturbed};

/// Where neither is to be had, the missing daemon is what is told.
fn no_daemon(errno: Errno) -> Result<String, Unavailable> {
    let error = HandoverError::Connect(errno);
    Err(Unavailable::NoTable(AttachError::Handover(error)))
}

fn set_age(setup: &Setup, age: Duration) {
    let touched = FileTimes::new().set_modified(SystemTime::now() - age);
    File::options()
        .write(true)
        .open(setup.file)
        .unwrap()
        .set_times(touched)
        .unwrap();
}

#[test]
fn without_a_daemon_the_file_answers() {
    undisturbed(|| {
        let _alone = alone();
        let before = descriptors();
        let setup = Setup::new();
        fs::write(setup.file, nth(4)).unwrap();
        assert_eq!(setup.web(), is(4));
        // Read into memory of its own, so that nothing done to it matters.
        File::options()
            .write(true)
            .open(setup.file)
            .unwrap()
            .set_len(0)
            .unwrap();
        assert_eq!(setup.web(), is(4));
        assert_eq!(descriptors(), before);
        let daemon = Daemon::new(&setup.socket(), 5, &nth(5));
        daemon
            .epoch
            .beat(cloudhosts_table::clock::monotonic() + Duration::from_secs(2));
        assert_eq!(
            setup.web_in(Duration::from_secs(2)),
            is(5),
            "until there is one"
        );
    });
}

#[test]
fn a_daemon_that_has_no_table_yet_leaves_it_to_the_file() {
    undisturbed(|| {
        let _alone = alone();
        let setup = Setup::new();
        let _peer = Peer::new(&setup.socket(), drop::<UnixStream>);
        let nothing = AttachError::Handover(HandoverError::NothingYet);
        assert_eq!(setup.web(), Err(Unavailable::NoTable(nothing)));
        let just_now = Unavailable::NoTable(AttachError::TriedJustNow);
        assert_eq!(setup.web(), Err(just_now));
        fs::write(setup.file, nth(1)).unwrap();
        assert_eq!(setup.web(), Err(just_now), "once a second");
        assert_eq!(setup.web_in(Duration::from_millis(1100)), is(1));
    });
}

#[test]
fn a_file_that_nobody_has_touched_for_too_long_is_stale() {
    undisturbed(|| {
        let _alone = alone();
        let setup = Setup::new();
        fs::write(setup.file, nth(1)).unwrap();
        let (hour, day) = (Duration::from_secs(3600), Duration::from_secs(86_400));
        set_age(&setup, day - hour);
        assert_eq!(setup.web(), is(1));
        assert!(
            matches!(setup.web_in(2 * hour), Err(Unavailable::Stale(_))),
            "it ages on"
        );

        let older = Setup::new();
        fs::write(older.file, nth(1)).unwrap();
        set_age(&older, day + hour);
        let Err(Unavailable::Stale(age)) = older.web() else {
            panic!("a stale table answered");
        };
        assert!(age.abs_diff(day + hour) < hour);

        let forever = Setup::new();
        let mut told = settings(1);
        told.stale_max = None;
        fs::write(forever.file, table_with(told, &[("web", "10.0.0.1")])).unwrap();
        set_age(&forever, 1000 * day);
        assert_eq!(forever.web(), is(1), "unless it may be served for ever");

        let ahead = Setup::new();
        fs::write(ahead.file, nth(1)).unwrap();
        let times = FileTimes::new().set_modified(SystemTime::now() + day);
        File::options()
            .write(true)
            .open(ahead.file)
            .unwrap()
            .set_times(times)
            .unwrap();
        assert_eq!(ahead.web(), is(1), "or comes from a clock that was ahead");
    });
}

#[test]
fn what_is_no_table_file_is_left_alone() {
    undisturbed(|| {
        let _alone = alone();
        let before = descriptors();
        let whole = nth(1);
        let mut corrupt = whole.clone();
        *corrupt.last_mut().unwrap() ^= 1;
        assert!(View::open(&corrupt).is_ok(), "only the checksum tells");
        let mut newer = whole.clone();
        newer[8] += 1;
        let contents = [
            &whole[..whole.len() - 1],
            &corrupt,
            &newer,
            &[],
            b"nonsense",
        ];
        for (number, bytes) in contents.into_iter().enumerate() {
            let setup = Setup::new();
            fs::write(setup.file, bytes).unwrap();
            assert_eq!(setup.web(), no_daemon(Errno::NOENT), "contents {number}");
        }
        type Make = fn(&Setup);
        let kinds: [(&str, Make); 4] = [
            ("FIFO", |setup| {
                let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
                let kind = rustix::fs::FileType::Fifo;
                rustix::fs::mknodat(rustix::fs::CWD, setup.file, kind, mode, 0).unwrap();
            }),
            ("link", |setup| {
                fs::write(setup.dir.at("elsewhere"), nth(1)).unwrap();
                symlink(setup.dir.at("elsewhere"), setup.file).unwrap();
            }),
            ("directory", |setup| fs::create_dir(setup.file).unwrap()),
            ("device", |setup| symlink("/dev/zero", setup.file).unwrap()),
        ];
        for (kind, make) in kinds {
            let setup = Setup::new();
            make(&setup);
            let start = Instant::now();
            assert_eq!(setup.web(), no_daemon(Errno::NOENT), "{kind}");
            assert!(start.elapsed() < Duration::from_secs(1), "{kind}");
        }
        assert_eq!(descriptors(), before);
    });
}

/// As large as a table can be, and empty: what is read of it is bounded.
#[test]
fn a_huge_file_is_given_up_in_time() {
    undisturbed(|| {
        let _alone = alone();
        let setup = Setup::new();
        let file = File::create(setup.file).unwrap();
        for len in [u64::from(u32::MAX), 1 << 40] {
            file.set_len(len).unwrap();
            let start = Instant::now();
            assert_eq!(setup.web_in(Duration::ZERO), no_daemon(Errno::NOENT));
            assert!(start.elapsed() < Duration::from_secs(2));
            std::thread::sleep(Duration::from_millis(1100));
        }
    });
}

#[test]
fn a_dead_socket_and_a_path_too_long_are_told() {
    undisturbed(|| {
        let _alone = alone();
        let setup = Setup::new();
        drop(std::os::unix::net::UnixListener::bind(setup.socket()).unwrap());
        assert_eq!(setup.web(), no_daemon(Errno::CONNREFUSED));
        let client = cloudhosts_table::Client::new();
        let now = cloudhosts_table::clock::monotonic();
        let told = client.with(|| None, now, |_| ());
        assert_eq!(told, Err(Unavailable::NoTable(AttachError::Path)));
        let long = std::ffi::CString::new("x".repeat(109)).unwrap();
        assert!(cloudhosts_table::Paths::at(&long).is_none());
        assert!(cloudhosts_table::Paths::at(c"").is_none());
    });
}
