//! Where Redis pushes nothing.

use crate::server::Redis;
use crate::watcher::Watcher;
use cloudhosts_registry::{Mode, Trust};

const USER: &str = "ACL SETUSER cloudhosts on >secret resetkeys %R~cloudhosts \
                    resetchannels -@all +hlen +hgetall +hscan +hkeys +hstrlen +hmget +ping";

fn polling(redis: &Redis) -> Watcher {
    let mut url = redis.url();
    url.push_str("?user=cloudhosts&pass=secret");
    Watcher::with(&format!(
        "poll_interval = \"50ms\"\n[redis]\nurls = [\"{url}\"]\n"
    ))
}

fn changes_are_seen(redis: &mut Redis, watcher: &mut Watcher) {
    redis.run("HSET cloudhosts a 1");
    watcher.until_holds(&[("a", "1")]);
    redis.run("HSET cloudhosts a 2");
    assert_eq!(watcher.until_holds(&[("a", "2")]), Trust::Live);
    redis.run("DEL cloudhosts");
    assert_eq!(watcher.until_holds(&[]), Trust::Live);
    redis.run("HSET cloudhosts a 3");
    watcher.until_holds(&[("a", "3")]);
}

#[test]
fn without_the_right_to_track_it_polls_and_says_why() {
    let mut redis = Redis::start(&[]);
    redis.run(USER);
    let mut watcher = polling(&redis);
    let Mode::Polling { why } = watcher.connected().1 else {
        panic!("it tracks without the right to");
    };
    assert!(why.contains("NOPERM") && why.contains("README"), "{why}");
    changes_are_seen(&mut redis, &mut watcher);
    redis.run("FLUSHALL");
    let trust = watcher.until_holds(&[]);
    assert_eq!(
        trust,
        Trust::Live,
        "without INFO a flush cannot be told from a DEL"
    );
}

#[test]
fn without_hello_it_polls_and_never_shows_the_password() {
    let mut redis = Redis::start(&["--rename-command", "HELLO", ""]);
    redis.run(USER);
    let mut watcher = polling(&redis);
    let Mode::Polling { why } = watcher.connected().1 else {
        panic!("it tracks without RESP3");
    };
    assert!(why.contains("RESP3") && !why.contains("secret"), "{why}");
    changes_are_seen(&mut redis, &mut watcher);
}

#[test]
fn with_the_right_to_ask_a_flush_is_told_from_a_del() {
    let mut redis = Redis::start(&[]);
    redis.run(USER);
    redis.run("ACL SETUSER cloudhosts +info");
    redis.run("FLUSHALL");
    redis.run("HSET cloudhosts a 0");
    let mut watcher = polling(&redis);
    changes_are_seen(&mut redis, &mut watcher);
    redis.run("FLUSHALL");
    assert_eq!(watcher.until_holds(&[]), Trust::Flushed);
    redis.run("HSET cloudhosts a 4");
    watcher.until_holds(&[("a", "4")]);
    assert_eq!(watcher.until_holds(&[("a", "4")]), Trust::Live);
    redis.run("DEL cloudhosts");
    assert_eq!(watcher.until_holds(&[]), Trust::Live);
}

#[test]
fn a_large_hash_is_polled_in_steps() {
    let mut redis = Redis::start(&["--rename-command", "HELLO", ""]);
    redis.run(USER);
    let mut fill = redis::pipe();
    for n in 0..12_000 {
        fill.cmd("HSET")
            .arg("cloudhosts")
            .arg(format!("role-{n}"))
            .arg("10.0.0.1")
            .ignore();
    }
    fill.exec(redis.admin()).unwrap();
    let mut watcher = polling(&redis);
    let pass = watcher.pass();
    assert_eq!(pass.hashes[0].outcome.as_ref().unwrap().len(), 12_000);
}
