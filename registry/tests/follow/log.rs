//! The change log: what it saves, and that it is never relied on too much.

use std::time::Duration;

use cloudhosts_registry::Event;

use crate::server::{Redis, log_change};
use crate::watcher::Watcher;

/// The commands that read a hash, and how often they were called.
fn reads(redis: &mut Redis) -> Vec<u64> {
    let commands = ["hgetall", "hscan", "hmget", "hkeys"];
    commands.map(|command| redis.calls(command)).to_vec()
}

#[test]
fn a_logged_change_is_one_question_whatever_the_size() {
    for fields in [0, 100, 20_000] {
        let mut redis = Redis::start(&[]);
        redis.fill("cloudhosts", fields);
        let mut watcher = Watcher::of(&redis.url());
        watcher.full();
        let (before, asked) = (reads(&mut redis), redis.calls("exec"));
        let infos = redis.calls("info");
        for n in 0..50 {
            // The first entry there is as well as any other.
            let (old, new) = (format!("web/{n}"), format!("web/{}", n + 1));
            redis.logged(&[(&new, Some("10.0.0.2")), (&old, None)]);
            watcher.until_mirror("the change", |hashes| {
                hashes[0].fields.contains_key(&new) && !hashes[0].fields.contains_key(&old)
            });
        }
        assert_eq!(reads(&mut redis), before, "{fields} fields");
        // The administrator's own are 50 as well.
        let asked = redis.calls("exec") - asked - 50;
        assert!(
            (50..=60).contains(&asked),
            "{asked} questions for 50 changes"
        );
        // These are the administrator's: calls() asks INFO.
        assert_eq!(redis.calls("info") - infos, 6);
        assert!(watcher.hashes[0].retained.is_empty());
    }
}

#[test]
fn many_logged_changes_at_once_are_read_in_pages() {
    let mut redis = Redis::start(&[]);
    redis.fill("cloudhosts", 12_000);
    let mut watcher = Watcher::of(&redis.url());
    watcher.full();
    let before = reads(&mut redis);
    let mut changes = redis::pipe();
    changes.atomic();
    for n in 0..3_000 {
        let field = format!("role-{n}");
        log_change(
            &mut changes,
            "cloudhosts",
            &[(&field, Some("10.9.9.9"))],
            &[],
        );
    }
    changes.exec(redis.admin()).unwrap();
    // All of one transaction, or nothing of it.
    let changed = |watcher: &Watcher| {
        let fields = &watcher.hashes[0].fields;
        fields.values().filter(|value| *value == "10.9.9.9").count()
    };
    while changed(&watcher) == 0 {
        watcher.event();
    }
    assert_eq!(changed(&watcher), 3_000);
    assert_eq!(reads(&mut redis), before);
}

#[test]
fn a_change_that_is_not_logged_is_seen_among_logged_ones() {
    for fields in [10, 11_000] {
        let mut redis = Redis::start(&[]);
        redis.fill("cloudhosts", fields);
        let mut watcher = Watcher::of(&redis.url());
        watcher.full();
        for n in 0..20 {
            let value = format!("10.0.0.{n}");
            // Before a logged one, beside it, and after it, once that is known.
            // (One that comes after it and before it is known changes no length
            // and is not pushed: only a resync sees it.)
            redis.run(&format!("HSET cloudhosts role-1 {value}"));
            let mut both = redis::pipe();
            both.atomic();
            both.cmd("HSET").arg(&["cloudhosts", "role-2", &value]);
            log_change(&mut both, "cloudhosts", &[("role-3", Some(&value))], &[]);
            both.exec(redis.admin()).unwrap();
            let truth = redis.fields("cloudhosts");
            watcher.until_mirror("the truth", |hashes| hashes[0].fields == truth);
            redis.run(&format!("HSET cloudhosts role-4 {value}"));
            let truth = redis.fields("cloudhosts");
            watcher.until_mirror("the truth", |hashes| hashes[0].fields == truth);
            assert!(watcher.hashes[0].retained.is_empty());
        }
    }
}

#[test]
fn a_new_field_in_the_shadow_of_a_logged_change_shows_in_the_length() {
    let mut redis = Redis::start(&[]);
    let mut watcher = Watcher::of(&redis.url());
    watcher.full();
    for n in 0..20 {
        // Nothing is pushed of the second: the hash was not read again yet.
        let mut both = redis::pipe();
        both.atomic();
        log_change(&mut both, "cloudhosts", &[("a", Some("1"))], &[]);
        both.cmd("HSET")
            .arg(&["cloudhosts", &format!("new-{n}"), "2"]);
        both.exec(redis.admin()).unwrap();
        let truth = redis.fields("cloudhosts");
        watcher.until_mirror("the truth", |hashes| hashes[0].fields == truth);
    }
}

#[test]
fn an_entry_of_a_user_needs_no_nonce() {
    let mut redis = Redis::start(&[]);
    redis.fill("cloudhosts", 20);
    let mut watcher = Watcher::of(&redis.url());
    watcher.full();
    let before = reads(&mut redis);
    for n in 0..10 {
        let value = format!("10.0.0.{n}");
        let mut change = redis::pipe();
        change.atomic();
        change
            .cmd("XADD")
            .arg(&["cloudhosts:log", "*", "+web", &value]);
        change.cmd("HSET").arg(&["cloudhosts", "web", &value]);
        change.exec(redis.admin()).unwrap();
        watcher.until_mirror("the change", |hashes| {
            hashes[0].fields.get("web") == Some(&value)
        });
    }
    assert_eq!(reads(&mut redis), before);
}

#[test]
fn a_change_of_two_hashes_is_told_at_once() {
    let mut redis = Redis::start(&[]);
    redis.logged_in("b", &[("shop", Some("10.0.0.1"))], &[]);
    let mut watcher = Watcher::with(&format!(
        "hashes = [\"a\", \"b\"]\n[redis]\nurls = [\"{}\"]\n",
        redis.url()
    ));
    watcher.full();
    for n in 0..200 {
        let (to, from) = if n % 2 == 0 { ("a", "b") } else { ("b", "a") };
        let mut change = redis::pipe();
        change.atomic();
        log_change(
            &mut change,
            to,
            &[("shop", Some("10.0.0.1"))],
            &[(".tx", "x")],
        );
        log_change(&mut change, from, &[("shop", None)], &[(".tx", "x")]);
        change.exec(redis.admin()).unwrap();
        let there = |hash: usize, watcher: &Watcher| watcher.hashes[hash].fields.len();
        let index = usize::from(to == "b");
        loop {
            let sum = there(0, &watcher) + there(1, &watcher);
            assert_eq!(sum, 1, "after {n} moves");
            if there(index, &watcher) == 1 {
                break;
            }
            watcher.event();
        }
    }
}

#[test]
fn what_is_no_log_is_done_without() {
    let junk: [&dyn Fn(&mut Redis); 6] = [
        &|redis| drop(redis.run("XTRIM cloudhosts:log MAXLEN 0")),
        &|redis| drop(redis.run("DEL cloudhosts:log")),
        &|redis| {
            redis.run("DEL cloudhosts:log");
            redis.run("SET cloudhosts:log text");
        },
        &|redis| {
            redis.run("DEL cloudhosts:log");
            redis.run("RPUSH cloudhosts:log a b c");
        },
        &|redis| {
            for _ in 0..300 {
                redis.run("XADD cloudhosts:log * x y");
                redis.run("XADD cloudhosts:log * .drop x/y .len x .reset2 1 web 2");
            }
        },
        &|redis| {
            let large = "x".repeat(2_000_000);
            redis.command(&["XADD", "cloudhosts:log", "*", "junk", &large]);
            redis.command(&["XADD", "cloudhosts:log", "*", &large, &large]);
        },
    ];
    for (n, spoil) in junk.iter().enumerate() {
        let mut redis = Redis::start(&[]);
        redis.logged(&[("a", Some("1")), ("b", Some("2"))]);
        let mut watcher = Watcher::of(&redis.url());
        watcher.full();
        spoil(&mut redis);
        redis.run("HSET cloudhosts a 3");
        watcher.until_holds(&[("a", "3"), ("b", "2")]);
        redis.run("HDEL cloudhosts b");
        watcher.until_holds(&[("a", "3")]);
        let log = matches!(redis.run("TYPE cloudhosts:log"), redis::Value::SimpleString(kind) if kind == "stream" || kind == "none");
        if log {
            redis.logged(&[("c", Some("4"))]);
            watcher.until_holds(&[("a", "3"), ("c", "4")]);
        }
        // The connection has held all the time, and so does the next.
        redis.cut();
        watcher.disconnected();
        watcher.full();
        redis.run("HSET cloudhosts a 5");
        watcher.until_mirror("the change", |hashes| hashes[0].fields["a"] == "5");
        assert!(watcher.hashes[0].retained.is_empty(), "{n}");
    }
}

#[test]
fn entries_too_large_for_one_answer_are_read_in_smaller_pages() {
    let mut redis = Redis::start(&[]);
    redis.logged(&[("a", Some("1"))]);
    let mut watcher = Watcher::of(&redis.url());
    watcher.full();
    let large = "x".repeat(1_000_000);
    let mut change = redis::pipe();
    change.atomic();
    for n in 0..100 {
        let field = format!("f{n}");
        log_change(&mut change, "cloudhosts", &[(&field, Some(&large))], &[]);
    }
    change.cmd("HSET").arg(&["cloudhosts", "a", "2"]);
    change.exec(redis.admin()).unwrap();
    watcher.until_mirror("the change", |hashes| {
        hashes[0].fields["a"] == "2" && hashes[0].fields.len() == 101
    });
}

#[test]
fn a_change_too_large_to_be_listed_is_scanned() {
    let mut redis = Redis::start(&[]);
    redis.fill("cloudhosts", 2_000);
    let mut watcher = Watcher::of(&redis.url());
    watcher.full();
    let mut import = redis::pipe();
    import.atomic();
    log_change(&mut import, "cloudhosts", &[], &[(".reset", "")]);
    for n in 0..1_500 {
        import
            .cmd("HSET")
            .arg(&["cloudhosts", &format!("role-{n}"), "10.7.7.7"]);
    }
    import.cmd("HDEL").arg(&["cloudhosts", "role-1999"]);
    import.exec(redis.admin()).unwrap();
    let truth = redis.fields("cloudhosts");
    watcher.until_mirror("the import", |hashes| hashes[0].fields == truth);
    assert!(watcher.hashes[0].retained.is_empty());
}

#[test]
fn what_was_logged_while_nobody_followed_is_known() {
    for entries in [1, 700] {
        let mut redis = Redis::start(&[]);
        redis.logged(&[("a", Some("1")), ("b", Some("2"))]);
        let mut watcher = Watcher::of(&redis.url());
        watcher.full();
        let past = watcher.end();
        redis.logged(&[("b", None)]);
        for n in 0..entries {
            redis.logged(&[("c", Some(&n.to_string()))]);
        }
        let text = format!("[redis]\nurls = [\"{}\"]\n", redis.url());
        let mut watcher = Watcher::since(&past, &text);
        let last = (entries - 1).to_string();
        watcher.until_holds(&[("a", "1"), ("c", &last)]);
    }
}

#[test]
fn after_a_cut_logged_changes_are_told_before_everything_is_read() {
    let mut redis = Redis::start(&[]);
    redis.fill("cloudhosts", 150_000);
    let mut watcher = Watcher::of(&redis.url());
    watcher.full();
    redis.logged(&[("a", Some("1"))]);
    watcher.until_mirror("a", |hashes| hashes[0].fields.contains_key("a"));
    let mut change = redis::pipe();
    change
        .cmd("CLIENT")
        .arg(&["KILL", "TYPE", "normal", "SKIPME", "yes"]);
    log_change(
        &mut change,
        "cloudhosts",
        &[("a", None), ("b", Some("1"))],
        &[],
    );
    change.exec(redis.admin()).unwrap();
    watcher.disconnected();
    let batch = watcher.batch();
    assert!(batch.full.is_none(), "{batch:?}");
    let fields = &watcher.hashes[0].fields;
    assert!(fields.contains_key("b") && !fields.contains_key("a"));
    watcher.full();
}

#[test]
fn a_logged_change_is_told_while_a_large_hash_is_scanned() {
    let mut redis = Redis::start(&[]);
    redis.fill("cloudhosts", 150_000);
    let mut watcher = Watcher::with(&format!(
        "resync_interval = \"1ms\"\n[redis]\nurls = [\"{}\"]\n",
        redis.url()
    ));
    watcher.full();
    let mut within = 0;
    for n in 0..100 {
        let value = n.to_string();
        redis.logged(&[("a", Some(&value))]);
        loop {
            let told = watcher.until("a batch", |event| match event {
                Event::Changes(batch) => Some(batch.full.is_none()),
                _ => None,
            });
            if watcher.hashes[0].fields.get("a") == Some(&value) {
                within += usize::from(told);
                break;
            }
        }
    }
    assert!(
        within > 50,
        "{within} of 100 were told in the middle of a scan"
    );
    assert!(watcher.hashes[0].retained.is_empty());
}

#[test]
fn nothing_is_told_twice_and_nothing_while_it_is_quiet() {
    let mut redis = Redis::start(&[]);
    redis.fill("cloudhosts", 12_000);
    let mut watcher = Watcher::of(&redis.url());
    watcher.full();
    redis.logged(&[("a", Some("1"))]);
    watcher.until_mirror("a", |hashes| hashes[0].fields.contains_key("a"));
    assert!(watcher.event_within(Duration::from_millis(500)).is_none());
}
