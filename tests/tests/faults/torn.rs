//! Nobody ever sees half of a change, however much else changes meanwhile.

use std::time::{Duration, Instant};

use cloudhosts_tests::World;
use cloudhosts_tests::caller::{Seen, Watch};
use cloudhosts_tests::config::list;
use cloudhosts_tests::machine::Machine;
use cloudhosts_tests::world::HASH;

use crate::common::{RawConnection, churn, fill, soak};
use crate::writers::{go, verb};

/// How long changes are made.
fn length() -> Duration {
    Duration::from_secs(if soak() { 60 } else { 6 })
}

/// Sends commands, one a line, as one transaction.
fn transaction(wire: &mut RawConnection, commands: &str) {
    let lines = ["MULTI"]
        .into_iter()
        .chain(commands.lines())
        .chain(["EXEC"]);
    let commands: Vec<Vec<&[u8]>> = lines
        .map(|line| line.split(' ').map(str::as_bytes).collect())
        .collect();
    wire.send(&commands);
}

/// A pause of some milliseconds, another each time.
fn pause(count: u64, most: u64) {
    std::thread::sleep(Duration::from_millis(1 + count * 7919 % most));
}

/// A watch that has seen where the name is at first; what was before that does not count.
struct Taken {
    watch: Watch,
    from: usize,
}

impl Taken {
    fn after(mut watch: Watch, addresses: &[&str]) -> Taken {
        watch.until(addresses);
        let from = watch.history().len() - 1;
        Taken { watch, from }
    }

    /// Waits for the last state, and sees that each answer until then was one that the data had.
    fn whole_until(mut self, last: &[&str], whole: impl Fn(&[String]) -> bool) {
        self.watch.until(last);
        none_is_torn(&self.watch.history()[self.from..], whole);
    }
}

fn none_is_torn(seen: &[Seen], whole: impl Fn(&[String]) -> bool) {
    let torn: Vec<&Seen> = seen.iter().filter(|one| !whole(&one.addresses)).collect();
    println!(
        "{} answers were seen, {} of them torn",
        seen.len(),
        torn.len()
    );
    assert!(
        torn.is_empty(),
        "{} of {}: {torn:?}",
        torn.len(),
        seen.len()
    );
}

#[test]
fn a_role_that_is_taken_over_in_a_transaction_while_others_change() {
    const MEMBERS: [&str; 2] = ["10.0.0.1", "10.0.0.2"];
    let fields = if soak() { 50_000 } else { 20_000 };
    let mut world = World::new().build();
    fill(&world.redis, HASH, fields);
    world.hset(&[("db-master/a", MEMBERS[0]), ("db-master/b", MEMBERS[1])]);
    go(&mut world);
    let watch = Taken::after(world.watch("db-master"), &MEMBERS);
    let churning = churn(&world.redis, HASH, fields);
    let mut wire = RawConnection::new(&world.redis);
    let taken = |count: u64| format!("10.9.{}.{}", count / 250, 1 + count % 250);
    let take_over = |wire: &mut RawConnection, count: u64| {
        let address = taken(count);
        let set = format!("HSET {HASH} db-master {address}\n");
        transaction(wire, &format!("{set}HDEL {HASH} db-master/a db-master/b"));
    };
    let (began, mut count) = (Instant::now(), 0);
    while began.elapsed() < length() {
        take_over(&mut wire, count);
        pause(count, 40);
        let [a, b] = MEMBERS;
        let back = format!("HSET {HASH} db-master/a {a} db-master/b {b}\nHDEL {HASH} db-master");
        transaction(&mut wire, &back);
        count += 1;
        pause(count, 40);
    }
    take_over(&mut wire, count);
    // although others go on changing
    watch.whole_until(&[&taken(count)], |addresses| {
        addresses == MEMBERS || addresses.len() == 1 && addresses[0].starts_with("10.9.")
    });
    drop(churning);
}

#[test]
fn a_role_that_is_taken_over_by_claim_in_both_views_while_others_change() {
    const FIELDS: u64 = 25_000;
    const VIEWS: [&str; 2] = ["cloudhosts:private", "cloudhosts:public"];
    const STARTS: [&str; 2] = ["10.8.", "203.0."];
    let world = World::new().config("hashes", list(&VIEWS));
    let mut world = world.build();
    for view in VIEWS {
        fill(&world.redis, view, FIELDS);
    }
    go(&mut world);
    // the nth holder and its member, in both views
    let at = |view: usize, count: u64, last: u8| format!("{}{count}.{last}", STARTS[view]);
    let write = |words: &[&str], count: u64, last: u8| {
        let (private, public) = (at(0, count, last), at(1, count, last));
        let addresses = ["--private", &private, "--public", &public];
        verb(&world, &world.redis, &[words, &addresses].concat());
    };
    write(&["claim", "db-master"], 0, 1);
    let elsewhere = Machine::start(&world, "elsewhere", |config| {
        config.set("hashes", list(&[VIEWS[1]]));
    });
    let watches = [
        Taken::after(world.watch("db-master"), &[&at(0, 0, 1)]),
        Taken::after(elsewhere.watch("db-master"), &[&at(1, 0, 1)]),
    ];
    let churning = VIEWS.map(|view| churn(&world.redis, view, FIELDS));
    let (began, mut count) = (Instant::now(), 0);
    while began.elapsed() < length() {
        write(&["join", "db-master", "--member", "a"], count, 2);
        count = (count + 1) % 256;
        write(&["claim", "db-master"], count, 1);
    }
    for (view, watch) in watches.into_iter().enumerate() {
        // a member beside the holder it joined, or the holder alone
        watch.whole_until(&[&at(view, count, 1)], |addresses| match addresses {
            [holder] => holder.ends_with(".1"),
            [holder, member] => {
                holder.rsplit_once('.').map(|(net, _)| net)
                    == member.rsplit_once('.').map(|(net, _)| net)
            }
            _ => false,
        });
    }
    drop(churning);
}

/// Moves `shop` from one hash to the other and back, each time in one transaction, which is `log`
/// too if that is wanted.
fn moves(logged: bool) {
    const FIELDS: u64 = 5_000;
    const HASHES: [&str; 2] = ["one", "two"];
    const AT: [&str; 2] = ["10.8.0.1", "10.8.0.2"];
    let mut world = World::new().config("hashes", list(&HASHES)).build();
    for hash in HASHES {
        fill(&world.redis, hash, FIELDS);
    }
    world.redis.hset(HASHES[0], &[("shop", AT[0])]);
    go(&mut world);
    let watch = Taken::after(world.watch("shop"), &[AT[0]]);
    let mut wire = RawConnection::new(&world.redis);
    let mut shift = |to: usize| {
        let (new, old, address) = (HASHES[to], HASHES[1 - to], AT[to]);
        let log = format!(
            "XADD {old}:log MAXLEN ~ 10000 * -shop gone\n\
             XADD {new}:log MAXLEN ~ 10000 * +shop {address}\n"
        );
        let change = format!("HDEL {old} shop\nHSET {new} shop {address}");
        transaction(
            &mut wire,
            &[if logged { &log } else { "" }, &change].concat(),
        );
    };
    let (began, mut count) = (Instant::now(), 0);
    while began.elapsed() < length() {
        for to in [1, 0] {
            shift(to);
            count += 1;
            pause(count, 10);
        }
    }
    shift(1);
    watch.whole_until(&[AT[1]], |addresses| {
        AT.iter().any(|address| addresses == [*address])
    });
}

#[test]
fn a_role_that_is_moved_from_one_hash_to_another() {
    moves(false);
}

#[test]
fn a_role_that_is_moved_from_one_hash_to_another_and_logged() {
    moves(true);
}
