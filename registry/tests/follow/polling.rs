//! Where Redis pushes nothing.

use cloudhosts_registry::Mode;

use crate::server::Redis;
use crate::watcher::Watcher;

const USER: &str = "ACL SETUSER cloudhosts on >secret resetkeys %R~cloudhosts \
                    resetchannels -@all +hlen +hgetall +hscan +hkeys +hstrlen +hmget +ping";

/// HELLO has another name. (Redis 6.0 loses an empty argument, which would take it away.)
const NO_HELLO: [&str; 3] = ["--rename-command", "HELLO", "hidden"];

fn polling(redis: &Redis) -> Watcher {
    let mut url = redis.url();
    url.push_str("?user=cloudhosts&pass=secret");
    Watcher::with(&format!(
        "poll_interval = \"50ms\"\n[redis]\nurls = [\"{url}\"]\n"
    ))
}

/// Changes are seen. What is gone is retained, where it cannot be told why.
fn changes_are_seen(redis: &mut Redis, watcher: &mut Watcher) {
    redis.run("HSET cloudhosts a 1");
    watcher.until_holds(&[("a", "1")]);
    redis.run("HSET cloudhosts a 2");
    watcher.until_holds(&[("a", "2")]);
    redis.run("HSET cloudhosts b 3");
    watcher.until_holds(&[("a", "2"), ("b", "3")]);
}

#[test]
fn without_the_right_to_track_it_polls_and_says_why() {
    let mut redis = Redis::start(&[]);
    redis.run(USER);
    let mut watcher = polling(&redis);
    let Mode::Polling { why } = watcher.connected().1 else {
        panic!("it tracks without the right to");
    };
    assert!(
        why.contains("NOPERM") && why.contains("cloudhosts acl"),
        "{why}"
    );
    changes_are_seen(&mut redis, &mut watcher);
    redis.run("FLUSHALL");
    watcher.until_retains(&[], &[("a", "2"), ("b", "3")]);
    redis.run("HSET cloudhosts a 4");
    watcher.until_retains(&[("a", "4")], &[("b", "3")]);
}

#[test]
fn without_hello_it_polls_and_never_shows_the_password() {
    let mut redis = Redis::start(&NO_HELLO);
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
    redis.run("DEL cloudhosts");
    watcher.until_holds(&[]);
    changes_are_seen(&mut redis, &mut watcher);
    // The first machine to register again is there before the next poll.
    let mut flush = redis::pipe();
    flush
        .cmd("FLUSHALL")
        .cmd("HSET")
        .arg(&["cloudhosts", "c", "4"]);
    flush.exec(redis.admin()).unwrap();
    watcher.until_retains(&[("c", "4")], &[("a", "2"), ("b", "3")]);
}

#[test]
fn with_the_log_a_poll_knows_what_was_deleted() {
    let mut redis = Redis::start(&NO_HELLO);
    redis.run(USER);
    redis.run("ACL SETUSER cloudhosts %R~cloudhosts:log +multi +exec +xrange +xrevrange");
    redis.logged(&[("a", Some("1")), ("b", Some("2"))]);
    let mut watcher = polling(&redis);
    watcher.until_holds(&[("a", "1"), ("b", "2")]);
    redis.logged(&[("a", None)]);
    watcher.until_holds(&[("b", "2")]);
    redis.run("DEL cloudhosts:log");
    redis.run("HDEL cloudhosts b");
    // Our entry is gone, and without INFO it cannot be told why.
    watcher.until_retains(&[], &[("b", "2")]);
    redis.entry(&[(".drop", "b")]);
    watcher.until_holds(&[]);
}

#[test]
fn a_large_hash_that_is_polled_is_never_seen_in_part() {
    let mut redis = Redis::start(&NO_HELLO);
    redis.run(USER);
    redis.run("ACL SETUSER cloudhosts +info +multi +exec +xrange +xrevrange");
    redis.fill("cloudhosts", 12_000);
    let mut watcher = polling(&redis);
    watcher.full();
    redis.run("HDEL cloudhosts role-7");
    watcher.until_mirror("the deletion", |hashes| {
        hashes[0].answered().len() == 11_999
    });
    assert!(watcher.hashes[0].retained.is_empty());
}

#[test]
fn a_large_hash_is_polled_in_steps() {
    let mut redis = Redis::start(&NO_HELLO);
    redis.run(USER);
    redis.fill("cloudhosts", 12_000);
    let mut watcher = polling(&redis);
    watcher.full();
    assert_eq!(watcher.hashes[0].fields.len(), 12_000);
}
