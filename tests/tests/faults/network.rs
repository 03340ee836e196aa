//! The way to Redis is bad in every manner there is, and nobody who resolves notices.
//!
//! What the daemon makes of each is tested in `registry/tests/follow/hostile.rs`.

use cloudhosts_tests::config::list;
use cloudhosts_tests::world::HASH;
use cloudhosts_tests::{Redis, World};

use crate::common::Steady;
use crate::proxy::{Fault, Proxy};

fn behind_a_proxy(fields: usize) -> (World, Proxy) {
    let start = World::new();
    let redis = Redis::builder(start.directory().join("redis"))
        .tcp()
        .start();
    let commands: String = (0..fields)
        .map(|number| {
            format!(
                "HSET {HASH} bulk-{number} 10.1.{}.{}\n",
                number / 256,
                number % 256
            )
        })
        .collect();
    redis.pipeline(&commands);
    let proxy = Proxy::before(redis.port());
    let urls = list(&[&proxy.url()]);
    let world = start
        .redis(redis)
        .config("redis.urls", urls)
        .hash(HASH, &[("web", "10.0.0.5")])
        .start();
    (world, proxy)
}

/// One fault after the other, each healed, with a change that was made while it lasted.
fn through(world: &World, proxy: &Proxy, fields: usize, faults: &[Fault]) {
    let mut steady = Steady::new(world, "web", &["10.0.0.5"]);
    for (number, &fault) in faults.iter().enumerate() {
        proxy.set(fault);
        world.daemon.wait_for_state("reconnecting");
        // the second begins when the daemon has done with the first
        proxy.wait_until_met(2);
        let address = format!("10.0.2.{number}");
        world.hset(&[("db", &address)]);
        steady.holds(world, &format!("with {fault:?}"));
        for one in (0..fields).step_by(fields / 100 + 1) {
            let answer = world.look_up(&format!("bulk-{one}"));
            assert_eq!(answer.code, "ok", "bulk-{one}, with {fault:?}");
        }
        proxy.set(Fault::None);
        world.sees("db", &[&address]);
        let status = world.daemon.wait_for_state("live");
        assert_eq!(status["hashes"][0]["retained"], 0, "{fault:?}: {status:#}");
        steady.ran(&format!("after {fault:?}"));
    }
}

#[test]
fn connections_and_answers_that_are_cut_take_no_name_away() {
    let (world, proxy) = behind_a_proxy(500);
    // at once, in the greeting, and in the middle of HGETALL
    let cuts = [Fault::Refuse, Fault::CutAfter(10), Fault::CutAfter(5_000)];
    through(&world, &proxy, 500, &cuts);
}

#[test]
fn what_is_no_answer_of_redis_takes_no_name_away() {
    let (world, proxy) = behind_a_proxy(10);
    let noise = Fault::Say(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    through(&world, &proxy, 10, &[noise]);
}

#[test]
fn answers_without_end_take_no_name_away() {
    let (world, proxy) = behind_a_proxy(10);
    let endless = [
        Fault::Endless(b"$9999999999\r\naaaaaaaaaaaaaaaa"),
        Fault::Endless(b"%1\r\n"),
    ];
    through(&world, &proxy, 10, &endless);
}

#[test]
fn errors_for_an_answer_take_no_name_away() {
    let (world, proxy) = behind_a_proxy(10);
    through(
        &world,
        &proxy,
        10,
        &[
            Fault::Say(b"-LOADING Redis is loading the dataset in memory\r\n"),
            Fault::Say(b"-NOAUTH Authentication required.\r\n"),
            Fault::Say(b"-OOM command not allowed when used memory > 'maxmemory'.\r\n"),
            Fault::Say(b"-MASTERDOWN Link with MASTER is down\r\n"),
        ],
    );
}

#[test]
fn a_scan_that_is_cut_takes_no_name_away() {
    let (world, proxy) = behind_a_proxy(12_000);
    through(&world, &proxy, 12_000, &[Fault::CutAfter(100_000)]);
    assert_eq!(world.look_up("bulk-11999").addresses, ["10.1.46.223"]);
}

#[test]
fn a_peer_that_says_nothing_takes_no_name_away() {
    let (world, proxy) = behind_a_proxy(10);
    through(&world, &proxy, 10, &[Fault::Silence]);
}

#[test]
fn byte_by_byte_is_slow_but_right() {
    let (world, proxy) = behind_a_proxy(50);
    let mut steady = Steady::new(&world, "web", &["10.0.0.5"]);
    proxy.set(Fault::Drip);
    world.hset(&[("db", "10.0.0.6")]);
    world.sees("db", &["10.0.0.6"]);
    steady.holds(&world, "byte by byte");
    world.daemon.wait_for_state("live");
}
