//! Peers that break every rule.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cloudhosts_registry::Event;

use crate::peer::{Peer, manners};
use crate::server::{Redis, wait_for};
use crate::watcher::Watcher;

/// The peak of this process's memory, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn what_is_not_the_protocol_ends_the_connection() {
    for greeting in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\0\0\0\0\xff\xff\r\n",
        b"$-9223372036854775808\r\n*9223372036854775807\r\n",
        b"%9223372036854775807\r\n",
        b"|9223372036854775807\r\n",
        b"|-1\r\n_\r\n",
        b"*-2\r\n:x\r\n",
        b"=3\r\nabc\r\n",
        b">1\r\n:1\r\n",
        b"+\xff\xfe\r\n",
    ] {
        let nested = "*1\r\n".repeat(5_000);
        for text in [greeting, nested.as_bytes()] {
            let text = text.to_vec();
            let peer = Peer::answering(move |_| text.clone());
            let mut watcher = Watcher::of(&peer.url);
            let why = watcher.until("the end", |event| match event {
                Event::Disconnected { fault, .. } => Some(fault.why.clone()),
                _ => None,
            });
            let printable = why.bytes().all(|byte| (b' '..=b'~').contains(&byte));
            assert!(printable && why.len() < 800, "{why}");
        }
    }
}

#[test]
fn an_endless_answer_ends_the_connection_before_it_eats_the_memory() {
    for start in ["$9000000000\r\n", "*9000000000\r\n", "+", "%9000000000\r\n"] {
        let before = peak();
        let filler = match start {
            "*9000000000\r\n" | "%9000000000\r\n" => {
                "$500\r\n".to_owned() + &"x".repeat(500) + "\r\n"
            }
            _ => "x".repeat(500),
        };
        let peer = Peer::new(move |mut stream| {
            let mut words = [0; 4096];
            let hello = manners(&["HELLO".to_owned()]).unwrap();
            let _ = stream.read(&mut words);
            let _ = stream.write_all(&hello);
            let _ = stream.read(&mut words);
            let _ = stream.write_all(b"+OK\r\n");
            let _ = stream.read(&mut words);
            let _ = stream.write_all(start.as_bytes());
            let filler = filler.repeat(200);
            while stream.write_all(filler.as_bytes()).is_ok() {}
        });
        let mut watcher = Watcher::of(&peer.url);
        let why = watcher.disconnected();
        assert!(why.contains("64 MiB"), "{start:?}: {why}");
        let grown = peak().saturating_sub(before) / 1024;
        assert!(grown < 600, "{start:?}: {grown} MiB more");
    }
}

#[test]
fn a_scan_without_end_ends() {
    let peer = Peer::answering(|words| match words[0].as_str() {
        "HLEN" => b":10001\r\n".to_vec(),
        "HSCAN" => b"*2\r\n$1\r\n7\r\n*0\r\n".to_vec(),
        _ => manners(words).unwrap(),
    });
    let why = Watcher::of(&peer.url).disconnected();
    assert!(why.contains("HSCAN does not come to an end"), "{why}");
}

#[test]
fn answers_of_the_wrong_kind_end_the_connection() {
    for wrong in [
        "+OK\r\n",
        "*1\r\n:1\r\n",
        "*2\r\n:1\r\n:2\r\n",
        "_\r\n",
        ":1\r\n",
        "%1\r\n:1\r\n:1\r\n",
    ] {
        let peer = Peer::answering(move |words| match words[0].as_str() {
            "HLEN" => b":2\r\n".to_vec(),
            "HGETALL" => wrong.as_bytes().to_vec(),
            _ => manners(words).unwrap(),
        });
        let why = Watcher::of(&peer.url).disconnected();
        assert!(why.contains("HGETALL"), "{wrong:?}: {why}");
    }
}

#[test]
fn errors_are_explained() {
    for (error, advice) in [
        (
            "LOADING Redis is loading the dataset in memory",
            "still loading",
        ),
        ("NOAUTH Authentication required.", "password_file"),
        (
            "READONLY You can't write against a read only replica.",
            "replica",
        ),
        ("MASTERDOWN Link with MASTER is down", "lost its master"),
        ("OOM command not allowed", "out of memory"),
        ("CLUSTERDOWN The cluster is down", "Cluster is down"),
        ("ERR max number of clients reached", "maxclients"),
        (
            "DENIED Redis is running in protected mode",
            "protected-mode",
        ),
        ("\x1b[31mBAD \x07\x1b]0;title", "\\u{1b}"),
    ] {
        for first in ["HELLO", "HLEN"] {
            let peer = Peer::answering(move |words| match words[0].as_str() {
                word if word == first || word == "AUTH" => format!("-{error}\r\n").into_bytes(),
                "HLEN" => b":1\r\n".to_vec(),
                _ => manners(words).unwrap_or_else(|| format!("-{error}\r\n").into_bytes()),
            });
            let why = Watcher::of(&peer.url).disconnected();
            assert!(why.contains(advice), "{first} {error:?}: {why}");
            assert!(!why.contains('\x1b') && !why.contains('\x07'));
        }
    }
    for (error, advice) in [
        ("MOVED 3999 ?:6381", "another node"),
        ("NOPERM this user has no permissions", "cloudhosts acl"),
        ("WRONGTYPE Operation against a key", "not a hash"),
    ] {
        let peer = Peer::answering(move |words| {
            manners(words).unwrap_or_else(|| format!("-{error}\r\n").into_bytes())
        });
        let why = Watcher::of(&peer.url).until_unreadable();
        assert!(why.contains(advice), "{error:?}: {why}");
    }
}

#[test]
fn one_byte_at_a_time_is_slow_but_right() {
    let mut redis = Redis::start(&[]);
    redis.run("HSET cloudhosts a 10.0.0.1 b 10.0.0.2");
    let peer = Peer::before(redis.port, |bytes, client| {
        let _ = client.set_nodelay(true);
        bytes.iter().all(|byte| {
            std::thread::sleep(Duration::from_micros(300));
            client.write_all(&[*byte]).is_ok()
        })
    });
    let mut watcher = Watcher::of(&peer.url);
    watcher.until_holds(&[("a", "10.0.0.1"), ("b", "10.0.0.2")]);
    redis.run("HDEL cloudhosts a");
    watcher.until_holds(&[("b", "10.0.0.2")]);
    assert_eq!(peer.connections.load(Ordering::Relaxed), 1);
}

#[test]
fn a_slow_link_is_not_cut_while_bytes_come() {
    let mut redis = Redis::start(&[]);
    redis.run(&format!("HSET cloudhosts a {}", "x".repeat(120_000)));
    let peer = Peer::before(redis.port, |bytes, client| {
        // Some 7 s for the whole answer, longer than any silence is borne.
        bytes.chunks(1_000).all(|chunk| {
            if bytes.len() > 500 {
                std::thread::sleep(Duration::from_millis(60));
            }
            client.write_all(chunk).is_ok()
        })
    });
    let start = Instant::now();
    let mut watcher = Watcher::of(&peer.url);
    watcher.full();
    assert_eq!(watcher.hashes[0].fields["a"].len(), 120_000);
    assert!(
        start.elapsed() > Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(peer.connections.load(Ordering::Relaxed), 1);
}

#[test]
fn cuts_in_the_middle_of_an_answer_leave_nothing_half_read() {
    for fields in [5_000, 30_000] {
        let mut redis = Redis::start(&[]);
        redis.fill("cloudhosts", fields);
        // The first three connections are cut after 20, 40 and 60 KB.
        let cuts = Arc::new(AtomicUsize::new(0));
        let passed = Arc::new(AtomicUsize::new(0));
        let (cut, sum) = (cuts.clone(), passed.clone());
        let peer = Peer::before(redis.port, move |bytes, client| {
            let whole = sum.fetch_add(bytes.len(), Ordering::Relaxed) + bytes.len();
            let done = cut.load(Ordering::Relaxed);
            if done < 3 && whole > 20_000 * (done + 1) {
                sum.store(0, Ordering::Relaxed);
                cut.fetch_add(1, Ordering::Relaxed);
                let _ = client.write_all(&bytes[..bytes.len() / 2]);
                return false;
            }
            client.write_all(bytes).is_ok()
        });
        let mut watcher = Watcher::of(&peer.url);
        for _ in 0..3 {
            let event = watcher.until("a loss or a batch", |event| match event {
                Event::Disconnected { fault, .. } => Some(Ok(fault.why.clone())),
                Event::Changes(_) => Some(Err(())),
                Event::Connected { .. } | Event::MasterLink(_) => None,
            });
            assert!(event.is_ok(), "a cut answer was told as a whole one");
        }
        watcher.full();
        assert_eq!(watcher.hashes[0].fields.len(), fields);
    }
}

#[test]
fn a_peer_that_says_nothing_is_left_for_the_next() {
    let mut redis = Redis::start(&[]);
    redis.run("HSET cloudhosts a 1");
    let peer = Peer::new(|mut stream| {
        let mut words = [0; 4096];
        while let Ok(1..) = stream.read(&mut words) {}
    });
    let text = format!(
        "[redis]\nurls = [\"{}\", \"{}\"]\nconnect_timeout = \"1s\"\n",
        peer.url,
        redis.tcp_url()
    );
    let start = Instant::now();
    let mut watcher = Watcher::with(&text);
    assert_eq!(watcher.connected().0, redis.tcp_url());
    // Far less than the silence that a connection at work may bear.
    let took = start.elapsed();
    assert!(took < Duration::from_millis(3_500), "{took:?}");
}

#[test]
fn a_redis_that_drops_everyone_is_not_asked_without_rest() {
    let peer = Peer::new(drop);
    let mut watcher = Watcher::of(&peer.url);
    for _ in 0..6 {
        watcher.disconnected();
    }
    wait_for("the sixth attempt", || {
        peer.connections.load(Ordering::Relaxed) >= 6
    });
    assert!(peer.connections.load(Ordering::Relaxed) <= 8);
}

#[test]
fn a_field_that_a_scan_gives_twice_is_told_once_as_it_was_last() {
    let peer = Peer::answering(|words| match words[0].as_str() {
        "HLEN" => b":20000\r\n".to_vec(),
        "HSCAN" if words[2] == "0" => b"*2\r\n$1\r\n7\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n".to_vec(),
        "HSCAN" => b"*2\r\n$1\r\n0\r\n*4\r\n$1\r\nb\r\n$1\r\n1\r\n$1\r\na\r\n$1\r\n2\r\n".to_vec(),
        _ => manners(words).unwrap(),
    });
    let mut watcher = Watcher::of(&peer.url);
    watcher.until_holds(&[("a", "2"), ("b", "1")]);
}

/// Answers reads of a hash that changes between the first question and its
/// answer: the push comes before the answer.
fn pushing(push: &'static str, fields: i64) -> Peer {
    let asked = AtomicUsize::new(0);
    Peer::answering(move |words| match words[0].as_str() {
        "HLEN" => format!(":{fields}\r\n").into_bytes(),
        "HMGET" => b"*1\r\n$1\r\n1\r\n".to_vec(),
        "HGETALL" | "HSCAN" => {
            let n = asked.fetch_add(1, Ordering::Relaxed);
            let pairs = format!("*2\r\n$1\r\na\r\n$1\r\n{}\r\n", n.min(1));
            let answer = match words[0].as_str() {
                "HSCAN" => format!("*2\r\n$1\r\n0\r\n{pairs}"),
                _ => pairs,
            };
            let push = if n == 0 { push } else { "" };
            format!("{push}{answer}").into_bytes()
        }
        _ => manners(words).unwrap(),
    })
}

#[test]
fn a_change_between_question_and_answer_is_read_again() {
    let push = ">2\r\n$10\r\ninvalidate\r\n*1\r\n$10\r\ncloudhosts\r\n";
    for fields in [1, 20_000] {
        let peer = pushing(push, fields);
        let mut watcher = Watcher::of(&peer.url);
        watcher.connected();
        let since = Instant::now();
        watcher.until_holds(&[("a", "1")]);
        assert!(
            since.elapsed() < Duration::from_secs(30),
            "only the resync saw it"
        );
    }
}
