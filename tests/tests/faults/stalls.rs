//! One slow answer does not slow the next change down.

use std::time::{Duration, Instant};

use cloudhosts_tests::config::list;
use cloudhosts_tests::world::HASH;
use cloudhosts_tests::{Redis, World, bench};

use crate::common::{fill, soak};
use crate::proxy::Proxy;
use crate::writers::go;

/// How long after an HSET the running process sees it.
fn seen_after(world: &World, hash: &str, field: &str, address: &str) -> Duration {
    world.redis.hset(hash, &[(field, address)]);
    let written = Instant::now();
    world.sees(field, &[address]);
    written.elapsed()
}

#[test]
fn the_change_after_an_answer_that_came_late_is_seen_soon() {
    let start = World::new();
    let redis = Redis::builder(start.directory().join("redis"))
        .tcp()
        .start();
    let proxy = Proxy::before(redis.port());
    let pairs: Vec<(String, String)> = (0..10)
        .map(|number| (format!("role-{number}"), format!("10.0.0.{number}")))
        .collect();
    let pairs: Vec<(&str, &str)> = pairs
        .iter()
        .map(|(field, value)| (field.as_str(), value.as_str()))
        .collect();
    let world = start
        .redis(redis)
        .config("redis.urls", list(&[&proxy.url()]))
        .hash(HASH, &pairs)
        .start();
    world.sees("role-0", &["10.0.0.0"]);
    // less than the time after which a silent Redis is left
    proxy.delay_the_answer_after_a_push(Duration::from_millis(3_500));
    let late = seen_after(&world, HASH, "role-0", "10.0.1.0");
    assert!(
        late > Duration::from_secs(3),
        "the answer came late: {late:?}"
    );
    let next = seen_after(&world, HASH, "role-0", "10.0.1.1");
    println!("a change was seen after {late:.1?}, and the next after {next:.1?}");
    // 2 s, and what a busy machine adds
    assert!(next < Duration::from_secs(8), "{next:?}");
}

#[test]
fn a_large_hash_does_not_hold_up_a_small_one() {
    let fields = if soak() { 300_000 } else { 100_000 };
    let mut world = World::new()
        .config("hashes", list(&["small", "large"]))
        .hash("small", &[("one", "10.0.0.1")])
        .build();
    fill(&world.redis, "large", fields);
    go(&mut world);
    let mut ratios = Vec::new();
    // whatever else the machine does only makes it slower
    for round in 0..=3 {
        let began = Instant::now();
        seen_after(&world, "large", "bulk-0", &format!("10.250.0.{round}"));
        let cost = began.elapsed();
        let small = seen_after(&world, "small", "one", &format!("10.0.1.{round}"));
        println!("{fields} fields: seen after {cost:.1?}; one field: after {small:.1?}");
        // the first change of all has waited for what was read at the start
        if round > 0 {
            ratios.push(small.as_secs_f64() / cost.as_secs_f64());
        }
    }
    let best = ratios.into_iter().fold(f64::INFINITY, f64::min);
    assert!(best < 1.5, "{best} times what the large one took");
}

#[test]
fn a_change_soon_after_a_large_hash_was_read_is_seen_within_the_rest() {
    if !soak() {
        return;
    }
    let mut world = World::new().build();
    const FIELDS: u32 = 1_000_000;
    fill(&world.redis, HASH, FIELDS.into());
    go(&mut world);
    let bare = bench::wire::Wire::new(&world.redis).read_all(HASH, FIELDS);
    let bound = bare * 3 + Duration::from_secs(5);
    for round in 1..=3 {
        let seen = seen_after(&world, HASH, "bulk-0", &format!("10.250.0.{round}"));
        println!("seen after {seen:.1?}; {bare:.1?} to read it all");
        assert!(seen < bound, "{seen:?}, not {bound:?}");
    }
}
