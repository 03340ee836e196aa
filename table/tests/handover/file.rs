//! No daemon, or none within reach: the file that it keeps.

use std::fs::{self, File, FileTimes};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant, SystemTime};

use cloudhosts_table::Unavailable;
use cloudhosts_table::client::{AttachError, touch_interval};
use cloudhosts_table::clock::monotonic;
use cloudhosts_table::handover::HandoverError;
use cloudhosts_testkit::{Daemon, Peer};
use rustix::io::Errno;

use crate::common::peer::publish;
use crate::common::{empty, file_of, region_with, settings};
use crate::{Setup, descriptors, is, nth, undisturbed};

/// Where neither is to be had, the missing daemon is what is told.
fn no_daemon(errno: Errno) -> Result<String, Unavailable> {
    let error = HandoverError::Connect(errno);
    Err(Unavailable::NoTable(AttachError::Handover(error)))
}

fn set_time(setup: &Setup, time: SystemTime) {
    let touched = FileTimes::new().set_modified(time);
    File::options()
        .write(true)
        .open(setup.file)
        .unwrap()
        .set_times(touched)
        .unwrap();
}

fn set_age(setup: &Setup, age: Duration) {
    set_time(setup, SystemTime::now() - age);
}

#[test]
fn without_a_daemon_the_file_answers_and_is_followed() {
    undisturbed(|| {
        let setup = Setup::new();
        let before = descriptors();
        for n in 4..60 {
            setup.save(&nth(n));
            assert_eq!(setup.web(), is(n), "each lookup sees the file as it is");
        }
        fs::remove_file(setup.file).unwrap();
        assert!(setup.web().is_err(), "nothing of it is held");
        setup.save(&nth(70));
        assert_eq!(descriptors(), before);
        let region = nth(5);
        let _daemon = Daemon::new(&setup.socket(), &region).keep_beating();
        assert_eq!(setup.web(), is(70), "within a second of the last attempt");
        let later = Duration::from_millis(1100);
        assert_eq!(setup.web_in(later), is(5), "until there is a daemon");
    });
}

/// Names, aliases, wildcards and addresses are found in the file as in memory,
/// and a role of many addresses comes whole.
#[test]
fn the_file_answers_whatever_is_asked() {
    let setup = Setup::new();
    let farm: Vec<String> = (0..3000)
        .map(|n| format!("10.1.{}.{}", n / 250, n % 250))
        .collect();
    let farm = farm.join(" ");
    let mut told = settings();
    told.domain = "prod.example".into();
    let region = region_with(
        told,
        &[
            ("farm", &*farm),
            ("www", "-> farm"),
            ("*.apps", "-> web"),
            ("web", "10.0.0.1 fd00::1"),
        ],
    );
    setup.save(&region);
    let asked = setup.client.with(
        || setup.paths(),
        monotonic(),
        |view| {
            let found = |name| crate::common::ask(view, name);
            let names = crate::common::names(view, "10.1.11.249");
            let all = crate::common::all(view);
            (
                found("www"),
                found("x.apps"),
                found("web.prod.example"),
                names,
                all,
            )
        },
    );
    let web = "web 10.0.0.1 fd00::1".to_string();
    let names = ["farm", "www"].map(String::from).to_vec();
    let all = ["farm", "web", "www"].map(String::from).to_vec();
    let expected = (format!("farm {farm}"), web.clone(), web, names, all);
    assert_eq!(asked, Ok(expected));
}

/// What a lookup needs of the file is checked: damage is no answer, neither yes
/// nor no.
#[test]
fn damage_in_the_file_is_no_answer() {
    let whole = file_of(&nth(1));
    let mut told = 0;
    for at in whole.len() - 40..whole.len() {
        let setup = Setup::new();
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(setup.file, &bytes).unwrap();
        match setup.web() {
            Err(Unavailable::Unreadable) => told += 1,
            other => assert_eq!(other, is(1), "byte {at}"),
        }
    }
    // The last record is that of `web`; before it stands that of the hashes.
    assert_eq!(told, 24);
}

#[test]
fn a_daemon_that_has_no_table_yet_leaves_it_to_the_file() {
    undisturbed(|| {
        let setup = Setup::new();
        let peer = Peer::new(&setup.socket(), drop::<UnixStream>);
        let nothing = AttachError::Handover(HandoverError::NothingYet);
        assert_eq!(setup.web(), Err(Unavailable::NoTable(nothing)));
        let just_now = Unavailable::NoTable(AttachError::TriedJustNow);
        assert_eq!(setup.web(), Err(just_now));
        setup.save(&nth(1));
        assert_eq!(setup.web(), is(1), "the file is looked at each time");
        assert_eq!(peer.clients(), 1);
    });
}

/// The daemon that cannot be reached is alive, and touches its file: it never
/// gets stale. One that nobody touches does.
#[test]
fn a_file_is_as_fresh_as_it_was_touched() {
    undisturbed(|| {
        let setup = Setup::new();
        setup.save(&nth(1));
        let (hour, day) = (Duration::from_secs(3600), Duration::from_secs(86_400));
        set_age(&setup, day - hour);
        assert_eq!(setup.web(), is(1));
        set_age(&setup, day + hour);
        let Err(Unavailable::Stale(age)) = setup.web() else {
            panic!("a stale table answered");
        };
        assert!(age.abs_diff(day + hour) < hour);
        set_age(&setup, Duration::ZERO);
        assert_eq!(setup.web(), is(1), "touched again");
        set_time(&setup, SystemTime::now() + day);
        assert_eq!(setup.web(), is(1), "by a clock that was ahead");

        let mut told = settings();
        told.stale_max = None;
        setup.save(&region_with(told, &[("web", "10.0.0.1")]));
        set_age(&setup, 1000 * day);
        assert_eq!(setup.web(), is(1), "it may be served for ever");
    });
}

#[test]
fn a_file_is_touched_often_enough_for_its_stale_max() {
    let interval = |seconds| touch_interval(Some(Duration::from_secs(seconds)));
    assert_eq!(touch_interval(None), Duration::from_secs(60));
    assert_eq!(interval(86_400), Duration::from_secs(60));
    assert_eq!(interval(30), Duration::from_secs(10));
    assert_eq!(interval(1), Duration::from_secs(1) / 3);
}

/// Its region has no daemon any more, and the file is kept by another that it
/// can't reach: what is newer answers.
#[test]
fn whichever_is_newer_answers() {
    undisturbed(|| {
        let setup = Setup::new();
        let mut region = nth(1);
        let daemon = Daemon::new(&setup.socket(), &region);
        setup.save(&region);
        assert_eq!(setup.web(), is(1));
        publish(&mut region, "10.0.0.2");
        region.region().retire();
        drop(daemon);
        assert_eq!(setup.web(), is(2), "the file is older");
        let mut told = settings();
        told.generation = region.generation();
        let mut next = empty(told);
        publish(&mut next, "10.0.0.3");
        setup.save(&next);
        assert_eq!(setup.web(), is(3), "the file is newer");
        set_age(&setup, Duration::from_secs(100_000));
        assert_eq!(setup.web(), is(2), "but stale");
        let day = Duration::from_secs(86_410);
        assert!(matches!(setup.web_in(day), Err(Unavailable::Stale(_))));
        set_age(&setup, Duration::ZERO);
        assert_eq!(setup.web_in(day), is(3), "the region is stale");
    });
}

#[test]
fn what_is_no_table_file_is_left_alone() {
    undisturbed(|| {
        let before = descriptors();
        let whole = file_of(&nth(1));
        let mut newer = whole.clone();
        newer[8] += 1;
        let contents = [
            &whole[..whole.len() - 1],
            &whole[..whole.len() - 8],
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
                fs::write(setup.dir.join("elsewhere"), file_of(&nth(1))).unwrap();
                symlink(setup.dir.join("elsewhere"), setup.file).unwrap();
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

/// What is read of it does not depend on its size: one of 3,000,000 names is as
/// quick as one of three, and a huge one that is empty is no table.
#[test]
fn a_large_file_costs_no_more_than_a_small_one() {
    undisturbed(|| {
        let setup = Setup::new();
        let file = File::create(setup.file).unwrap();
        for len in [u64::from(u32::MAX) & !7, 1 << 40] {
            file.set_len(len).unwrap();
            let start = Instant::now();
            assert!(setup.web().is_err());
            assert!(start.elapsed() < Duration::from_millis(100));
        }
    });
}

#[test]
fn a_dead_socket_and_a_path_too_long_are_told() {
    undisturbed(|| {
        let setup = Setup::new();
        drop(std::os::unix::net::UnixListener::bind(setup.socket()).unwrap());
        assert_eq!(setup.web(), no_daemon(Errno::CONNREFUSED));
        let client = cloudhosts_table::Client::new();
        let told = client.with(|| None, monotonic(), |_| ());
        assert_eq!(told, Err(Unavailable::NoTable(AttachError::Path)));
        let long = std::ffi::CString::new("x".repeat(109)).unwrap();
        assert!(cloudhosts_table::Paths::at(&long).is_none());
        assert!(cloudhosts_table::Paths::at(c"").is_none());
    });
}
