//! What is bounded: requests a second, connections, times, sizes; and requests that two servers
//! could read differently.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use cloudhosts_tests::gateway::{GatewayServer, secret};
use cloudhosts_tests::wait;

use super::{ALL, serving_plainly};

#[test]
fn a_token_and_an_address_may_ask_so_often() {
    let server = GatewayServer::builder()
        .limits("rate = 0.1\nburst = 3")
        .token("a", ALL)
        .token("b", ALL)
        .start();
    let put = |token: &str| server.put(token, "/v1/roles/web");
    let first: Vec<u16> = (0..3).map(|_| put("a").status).collect();
    assert_eq!(first, [200, 200, 200]);
    let fourth = put("a");
    assert_eq!(fourth.problem(), (429, "too_many_requests".into()));
    let wait: u64 = fourth.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=10).contains(&wait), "{wait}");
    assert_eq!(server.nic("a", "hostname=web"), "abuse\n");
    // another token is another one
    assert_eq!(put("b").status, 200);
    // four times as much is of one address, whoever it is
    let more: Vec<u16> = (0..8)
        .map(|_| server.curl(&[], "/v1/health").status)
        .collect();
    assert!(
        more.starts_with(&[200, 200]) && more.ends_with(&[429]),
        "{more:?}"
    );
    let elsewhere = server.curl(&["--interface", "127.0.0.9"], "/v1/health");
    assert_eq!(elsewhere.status, 200);
}

/// A request on a connection that stays.
fn ask(stream: &mut TcpStream, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while !answer.ends_with(b"}\n") {
        let count = stream.read(&mut buffer).unwrap();
        assert_ne!(
            count,
            0,
            "it was closed: {}",
            String::from_utf8_lossy(&answer)
        );
        answer.extend(&buffer[..count]);
    }
    String::from_utf8(answer).unwrap()
}

#[test]
fn a_thousand_connections_are_served_at_once() {
    let server = GatewayServer::builder()
        .plain()
        .limits("connections = 2000\nconnections_per_address = 2000\nrate = 1e6\nburst = 100000")
        .token("all", ALL)
        .start();
    let mut streams: Vec<TcpStream> = (0..1000).map(|_| server.connect()).collect();
    for round in 0..3 {
        for (nth, stream) in streams.iter_mut().enumerate() {
            let answer = ask(stream, "/v1/health");
            assert!(
                answer.starts_with("HTTP/1.1 200 "),
                "{round} {nth}: {answer}"
            );
        }
    }
    assert_eq!(server.metric("open_connections"), 1001.0);
    assert_eq!(server.put("all", "/v1/roles/web").status, 200);
    drop(streams);
    wait::until("they are gone", || {
        (server.metric("open_connections") == 1.0).then_some(())
    });
}

#[test]
fn connections_are_bounded_and_room_comes_back() {
    let server = GatewayServer::builder()
        .plain()
        .limits("connections = 100\nconnections_per_address = 100\nheader_timeout = '3s'\nrate = 1e6\nburst = 1000")
        .token("all", ALL)
        .start();
    // as many as there may be, and none of them says anything
    let silent: Vec<TcpStream> = (0..100).map(|_| server.connect()).collect();
    let start = Instant::now();
    assert_eq!(server.put("all", "/v1/roles/web").status, 200);
    assert!(
        start.elapsed() > Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );
    assert!(server.metric("overdue_connections_total") >= 1.0);
    drop(silent);
    // where there is little room, an answer is the last one of its connection
    let few: Vec<TcpStream> = (0..90).map(|_| server.connect()).collect();
    let health = server.curl(&[], "/v1/health");
    assert_eq!(health.header("connection"), Some("close"), "{health:?}");
    drop(few);
}

#[test]
fn one_address_has_so_many_connections() {
    let server = GatewayServer::builder()
        .plain()
        .limits("connections_per_address = 10")
        .token("all", ALL)
        .start();
    wait::until("nobody is there", || {
        (server.metric("open_connections") == 1.0).then_some(())
    });
    let mut first: Vec<TcpStream> = (0..10).map(|_| server.connect()).collect();
    for stream in &mut first {
        ask(stream, "/v1/health");
    }
    assert_eq!(server.raw(b""), "");
    assert_eq!(server.curl(&[], "/v1/health").status, 0);
    let elsewhere = server.curl(&["--interface", "127.0.0.9"], "/v1/health");
    assert_eq!(elsewhere.status, 200);
    drop(first);
    wait::until("there is room again", || {
        (server.curl(&[], "/v1/health").status == 200).then_some(())
    });
}

/// Sends a byte now and then until the other side has enough; for how long.
fn drip(mut stream: TcpStream, start: &str) -> (Duration, String) {
    let begun = Instant::now();
    stream.write_all(start.as_bytes()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "it was never closed"
        );
        let sent = stream.write_all(b"x");
        match stream.read(&mut buffer) {
            Ok(count) if count > 0 => answer.extend(&buffer[..count]),
            Err(error) if sent.is_ok() && error.kind() == std::io::ErrorKind::WouldBlock => {}
            _ => {
                return (
                    begun.elapsed(),
                    String::from_utf8_lossy(&answer).into_owned(),
                );
            }
        }
    }
}

#[test]
fn who_is_slow_is_not_waited_for() {
    let server = GatewayServer::builder()
        .plain()
        .limits("header_timeout = '2s'\nrequest_timeout = '3s'\nidle_timeout = '10m'")
        .token("all", ALL)
        .start();
    let (took, answer) = drip(server.connect(), "GET /v1/health HTTP/1.1\r\nX-A: ");
    assert!(
        (1..20).contains(&took.as_secs()) && answer.is_empty(),
        "{took:?} {answer}"
    );
    // the same after a request that was answered
    let mut stream = server.connect();
    ask(&mut stream, "/v1/health");
    let (took, _) = drip(stream, "GET /v1/health HTTP/1.1\r\nX-A: ");
    assert!((1..20).contains(&took.as_secs()), "{took:?}");
    // a body
    let secret = secret("all");
    let head = format!(
        "PUT /v1/roles/web HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\r\nContent-Length: 5000\r\n\r\n"
    );
    let (took, answer) = drip(server.connect(), &head);
    assert!((2..20).contains(&took.as_secs()), "{took:?}");
    assert!(
        answer.starts_with("HTTP/1.1 408 ") && answer.contains("\"timeout\""),
        "{answer}"
    );
}

#[test]
fn a_connection_without_requests_is_ended() {
    let server = GatewayServer::builder()
        .plain()
        .limits("header_timeout = '10m'\nidle_timeout = '2s'")
        .token("all", ALL)
        .start();
    let mut idle = server.connect();
    ask(&mut idle, "/v1/health");
    let start = Instant::now();
    assert_eq!(idle.read(&mut [0; 10]).unwrap(), 0);
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn a_handshake_that_takes_too_long_is_ended() {
    let server = GatewayServer::builder()
        .limits("header_timeout = '2s'")
        .token("all", ALL)
        .start();
    let failed = || server.metric("failed_handshakes_total");
    let before = wait::until("the first connection is gone", || {
        (server.metric("open_connections") == 1.0).then(failed)
    });
    let mut silent = server.connect();
    let start = Instant::now();
    assert_eq!(silent.read(&mut [0; 10]).unwrap(), 0);
    assert!(
        (1..20).contains(&start.elapsed().as_secs()),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(failed() - before, 1.0);
    // HTTP is not spoken there
    let plain = server.raw(b"GET /v1/health HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(!plain.contains("HTTP/1.1"), "{plain}");
}

#[test]
fn what_two_servers_could_read_differently_is_refused() {
    let server = serving_plainly();
    let bearer = format!("Authorization: Bearer {}", secret("all"));
    let smuggled = format!("PUT /v1/roles/smuggled HTTP/1.1\r\nHost: x\r\n{bearer}\r\n\r\n");
    let length = smuggled.len();
    for headers in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding:\x0bchunked",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
        &format!("Content-Length: 5\r\nContent-Length: {}", 5 + length),
        &format!("Content-Length: 5, {}", 5 + length),
        "Content-Length: +5",
        "Content-Length: 0x5",
        "Content-Length: -1",
        "Content-Length : 5",
        "X: y\rContent-Length: 5",
    ] {
        let request = format!(
            "PUT /v1/roles/web HTTP/1.1\r\nHost: x\r\n{bearer}\r\n{headers}\r\n\r\n0\r\n\r\n{smuggled}"
        );
        let answer = server.raw(request.as_bytes());
        // refused, and the connection is closed
        assert!(answer.starts_with("HTTP/1.1 4"), "{headers}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{headers}: {answer}");
        assert_eq!(server.redis.cli(&["DBSIZE"]), "0", "{headers}");
    }
    // what follows a whole request is the next one
    let one = format!(
        "PUT /v1/roles/web HTTP/1.1\r\nHost: x\r\n{bearer}\r\nContent-Length: 2\r\n\r\n{{}}"
    );
    let last =
        format!("PUT /v1/roles/db HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{bearer}\r\n\r\n");
    let answer = server.raw(format!("{one}{last}").as_bytes());
    assert_eq!(answer.matches("HTTP/1.1 200 ").count(), 2, "{answer}");
}

#[test]
fn bodies_and_headers_have_a_size() {
    let server = serving_plainly();
    let large = server.dir.file("large", &" ".repeat(16 * 1024 + 1));
    let body = format!("@{}", large.display());
    let put = |arguments: &[&str]| server.curl_as("all", arguments, "/v1/roles/web");
    let answer = put(&["-X", "PUT", "--data-binary", &body]);
    assert_eq!(answer.problem(), (413, "too_large".into()));
    let just = server.dir.file("just", &" ".repeat(16 * 1024));
    let body = format!("@{}", just.display());
    assert_eq!(put(&["-X", "PUT", "--data-binary", &body]).status, 200);
    let header = format!("X-A: {}", "a".repeat(20 * 1024));
    let answer = put(&["-X", "PUT", "-H", &header]);
    assert!((400..500).contains(&answer.status), "{answer:?}");
    let many: Vec<String> = (0..100).map(|n| format!("X-{n}: a")).collect();
    let many: Vec<&str> = many.iter().flat_map(|header| ["-H", header]).collect();
    let answer = put(&[&["-X", "PUT"], many.as_slice()].concat());
    assert!((400..500).contains(&answer.status), "{answer:?}");
}
