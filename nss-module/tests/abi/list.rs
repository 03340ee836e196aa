//! The list of all hosts: setent, getent, endent.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::{ptr, thread};

use libc::{ENOENT, ERANGE};

use crate::common::*;
use crate::fixture::*;

fn list(module: &Module) -> Vec<Answered> {
    std::iter::from_fn(|| module.ask(&Ask::Next).answer).collect()
}

#[test]
fn the_list_has_each_host_once() {
    let (_daemon, module) = attached();
    let hosts = list(&module);
    let mut names: Vec<&str> = hosts.iter().map(|host| host.name.as_str()).collect();
    names.sort_unstable();
    let expected = [
        "both",
        "both",
        "farm-100",
        "farm-1000",
        "farm-25",
        "farm-4000",
        "farm-both",
        "farm-both",
        "one-of",
        "primary",
        "primary",
        "second",
        "second",
        "six",
        "web-master",
        "web-master",
    ];
    assert_eq!(names, expected);
    let primary: Vec<_> = hosts.iter().filter(|host| host.name == "primary").collect();
    assert_eq!(
        primary[0].addresses,
        ["192.0.2.5".parse::<IpAddr>().unwrap()]
    );
    assert_eq!(primary[1].addresses, ["fd00::5".parse::<IpAddr>().unwrap()]);
    assert!(hosts.iter().all(|host| host.aliases.is_empty()));
    // A list shows what there is: whole, whatever a look-up would pick.
    let one_of = hosts.iter().find(|host| host.name == "one-of").unwrap();
    assert_eq!(one_of.addresses.len(), 4);

    let end = Outcome::failed(NOTFOUND, ENOENT, HOST_NOT_FOUND);
    assert_eq!(module.ask(&Ask::Next), end);
    assert_eq!(module.ask(&Ask::Next), end);
    // SAFETY: these take no pointer.
    unsafe {
        assert_eq!((module.sethostent)(0), SUCCESS);
        assert_eq!(module.ask(&Ask::Next).answer.as_ref(), hosts.first());
        assert_eq!((module.sethostent)(1), SUCCESS);
        assert_eq!(list(&module).len(), hosts.len());
        assert_eq!((module.endhostent)(), SUCCESS);
    }
    // A buffer that is too small loses no host.
    let small = Outcome::failed(TRYAGAIN, ERANGE, NETDB_INTERNAL);
    for host in &hosts {
        let mut len = 0;
        let outcome = loop {
            let outcome = module.ask_with(&Ask::Next, &mut Buffer::new(len % 16, len));
            if outcome.status != TRYAGAIN {
                break outcome;
            }
            assert_eq!(outcome, small);
            len = len * 3 / 2 + 13;
        };
        assert_eq!(outcome.answer.as_ref(), Some(host));
    }
    assert_eq!(module.ask(&Ask::Next), end);
}

/// How often each host was listed, by name and family, when the roles are
/// `then` after the first `after` hosts.
fn list_across(module: &Module, after: usize, then: impl FnOnce()) -> BTreeMap<String, usize> {
    let mut hosts: Vec<_> = (0..after)
        .map(|_| module.ask(&Ask::Next).answer.unwrap())
        .collect();
    then();
    hosts.extend(list(module));
    let mut counts = BTreeMap::new();
    for host in &hosts {
        let family = if host.addresses[0].is_ipv6() { 6 } else { 4 };
        *counts.entry(format!("{} {family}", host.name)).or_default() += 1;
    }
    counts
}

/// Many roles change, come and go in the middle of the list; those that stay
/// come once, whatever their addresses.
#[test]
fn the_list_goes_on_while_the_table_changes() {
    let both = |name: &str, n: u32| {
        let address = format!("192.0.2.{}", n % 250);
        entry(name, &[&address, "fd00::1"])
    };
    let named = |prefix: &str, from: u32| {
        let range = 0..200;
        let roles = range.map(|n| both(&format!("{prefix}-{n}"), n + from));
        roles.collect::<Vec<_>>()
    };
    let (daemon, module) = serving([named("stays", 0), named("goes", 0)].concat());
    let counts = list_across(&module, 201, || {
        let then = [named("stays", 7), named("comes", 0)].concat();
        publish(&daemon, &module, 2, then);
    });
    for n in 0..200 {
        for family in [4, 6] {
            let host = format!("stays-{n} {family}");
            assert_eq!(counts.get(&host), Some(&1), "{host}");
        }
    }
    assert!(counts.values().all(|&count| count == 1), "{counts:?}");
}

#[test]
fn the_list_goes_on_where_its_role_lost_a_family() {
    let both = |name| entry(name, &["192.0.2.1", "fd00::1"]);
    let (daemon, module) = serving(vec![both("b"), both("d")]);
    let first = module.ask(&Ask::Next).answer.unwrap().name;
    // Now its second half is due, and is there no more.
    let roles = ["b", "d"].map(|name| {
        if name == first {
            entry(name, &["192.0.2.1"])
        } else {
            both(name)
        }
    });
    let counts = list_across(&module, 0, || {
        publish(&daemon, &module, 2, roles.to_vec());
    });
    let other = if first == "b" { "d" } else { "b" };
    let expected = [4, 6].map(|family| (format!("{other} {family}"), 1));
    assert_eq!(counts, BTreeMap::from(expected));
}

/// A daemon that starts again makes another region: nothing is lost.
#[test]
fn the_list_begins_anew_in_another_region() {
    let roles = (0..100).map(|n| entry(&format!("r-{n}"), &["192.0.2.1"]));
    let (daemon, module) = serving(roles.collect());
    let counts = list_across(&module, 50, || daemon.move_to_a_new_region());
    assert_eq!(counts.len(), 100, "{counts:?}");
    assert_eq!(counts.values().sum::<usize>(), 150);
    // One that goes from region to region makes no list without end.
    // SAFETY: takes no pointer.
    unsafe { (module.sethostent)(0) };
    let mut given = 0;
    while module.ask(&Ask::Next).answer.is_some() {
        given += 1;
        assert!(given < 1000, "a list without end");
        daemon.move_to_a_new_region();
    }
}

#[test]
fn threads_share_one_list() {
    let roles = (0..2000).map(|n| entry(&format!("role-{n:04}"), &["192.0.2.1", "fd00::1"]));
    let (_daemon, module) = serving(roles.collect());
    let mut hosts: Vec<(String, bool)> = thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| list(&module))).collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .map(|host| (host.name, host.addresses[0].is_ipv6()))
            .collect()
    });
    hosts.sort();
    let twice = (0..2000).flat_map(|n| [false, true].map(|six| (format!("role-{n:04}"), six)));
    assert!(hosts.into_iter().eq(twice), "a host was repeated or lost");
}

#[test]
fn a_fork_in_the_middle_of_the_list_does_not_hang() {
    let (_daemon, module) = attached();
    let busy = std::sync::atomic::AtomicBool::new(true);
    let relaxed = std::sync::atomic::Ordering::Relaxed;
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut room = vec![0; 1 << 20];
            // SAFETY: an all-zero hostent has null pointers.
            let mut host = unsafe { std::mem::zeroed() };
            while busy.load(relaxed) {
                let (room, len) = (room.as_mut_ptr(), room.len());
                let n = ptr::null_mut();
                // SAFETY: pointers to locals of this thread.
                if unsafe { (module.gethostent_r)(&raw mut host, room, len, n, n) } != SUCCESS {
                    // SAFETY: takes no pointer.
                    unsafe { (module.sethostent)(0) };
                }
            }
        });
        // The first of the list may be any role: the largest needs this.
        let mut room = vec![0; 1 << 20];
        let alright = (0..300).all(|_| {
            let code = in_child(|| {
                // SAFETY: ends the child should it hang.
                unsafe { libc::alarm(10) };
                // SAFETY: takes no pointer.
                let started = unsafe { (module.sethostent)(0) };
                // SAFETY: an all-zero hostent has null pointers.
                let mut host = unsafe { std::mem::zeroed() };
                let (start, len) = (room.as_mut_ptr(), room.len());
                let n = ptr::null_mut();
                // SAFETY: pointers to locals.
                let next = unsafe { (module.gethostent_r)(&raw mut host, start, len, n, n) };
                i32::from(started == SUCCESS && next == SUCCESS)
            });
            code == Some(1)
        });
        // Before anything fails: the scope waits for the thread.
        busy.store(false, relaxed);
        assert!(alright, "no list in a child");
    });
}
