//! Redis away, silent, or refusing.

use std::thread;
use std::time::{Duration, Instant};

use cloudhosts_tests::process::Signal;
use cloudhosts_tests::wait;

use super::{ALL, serving};
use cloudhosts_tests::gateway::GatewayServer;

#[test]
fn without_redis_nothing_is_changed_and_clients_are_told_to_come_back() {
    let mut server = serving();
    server.redis.kill();
    for path in [
        "/v1/roles/web",
        "/v1/roles/web/members/a",
        "/v1/roles/web/members/a?lease=60s",
    ] {
        let answer = server.put("all", path);
        // the first one on a connection that was there may not know
        assert_eq!(answer.problem(), (503, "redis_away".into()), "{path}");
        assert!(answer.header("retry-after").is_some(), "{answer:?}");
    }
    assert_eq!(server.nic("all", "hostname=web"), "911\n");
    let health = server.curl(&[], "/v1/health");
    assert_eq!(health.problem(), (503, "redis_away".into()));
    assert_eq!(server.metric("redis_up"), 0.0);
    server.redis.restart();
    wait::until("it is well again", || {
        (server.curl(&[], "/v1/health").status == 200).then_some(())
    });
    assert_eq!(server.put("all", "/v1/roles/web").status, 200);
}

#[test]
fn a_silent_redis_holds_up_nobody_else() {
    let mut server = serving();
    server.put("all", "/v1/roles/web");
    server.redis.signal(Signal::STOP);
    thread::scope(|scope| {
        let waiting: Vec<_> = (0..20)
            .map(|_| scope.spawn(|| server.put("all", "/v1/roles/web?address=10.0.0.5")))
            .collect();
        wait::until("they are there", || {
            (server.metric("open_connections") > 10.0).then_some(())
        });
        let start = Instant::now();
        assert_eq!(server.curl_as("all", &[], "/v1/roles/web").status, 405);
        assert_eq!(server.put("all", "/v1/roles/web?x=1").status, 400);
        assert!(
            start.elapsed() < Duration::from_secs(3),
            "{:?}",
            start.elapsed()
        );
        for one in waiting {
            let (status, code) = one.join().unwrap().problem();
            assert_eq!(status, 503, "{code}");
            assert!(
                ["unanswered", "redis_away"].contains(&code.as_str()),
                "{code}"
            );
        }
    });
    server.redis.signal(Signal::CONT);
    wait::until("it is well again", || {
        (server.curl(&[], "/v1/health").status == 200).then_some(())
    });
    assert_eq!(
        server.put("all", "/v1/roles/web?address=10.0.0.6").status,
        200
    );
    assert_eq!(server.value("web"), "10.0.0.6");
}

#[test]
fn health_asks_redis_once_a_second_at_most() {
    let server = serving();
    server.curl(&[], "/v1/health");
    let (before, start) = (server.redis.calls("time"), Instant::now());
    for _ in 0..30 {
        assert_eq!(server.curl(&[], "/v1/health").status, 200);
    }
    let (asked, seconds) = (
        server.redis.calls("time") - before,
        start.elapsed().as_secs(),
    );
    assert!(asked <= seconds + 2, "{asked} in {seconds} s");
}

#[test]
fn a_redis_that_refuses_is_told_from_one_that_is_away() {
    let server = GatewayServer::builder()
        .token("all", ALL)
        .redis("username = 'nobody'\npassword_file = '/etc/hostname'")
        .start();
    let answer = server.put("all", "/v1/roles/web");
    assert!(answer.status == 502 || answer.status == 503, "{answer:?}");
    server.redis.cli(&["SET", "cloudhosts", "x"]);
    let other = serving();
    other.redis.cli(&["SET", "cloudhosts", "x"]);
    assert_eq!(
        other.put("all", "/v1/roles/web").problem(),
        (502, "refused".into())
    );
}
