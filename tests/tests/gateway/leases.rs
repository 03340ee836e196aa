//! Members with a lease: by curl, which keeps no state, and by a holder that does.

use std::thread::sleep;
use std::time::Duration;

use cloudhosts_tests::gateway::{GatewayServer, HttpAnswer};
use cloudhosts_tests::wait;
use serde_json::json;

use super::{ALL, serving_plainly};

fn hold(server: &GatewayServer, token: &str, member: &str) -> HttpAnswer {
    server.put(token, &format!("/v1/roles/web/members/{member}?lease=3s"))
}

#[test]
fn a_member_is_there_as_long_as_it_is_renewed() {
    let server = serving_plainly();
    let joined = hold(&server, "all", "a");
    assert_eq!(joined.status, 200);
    let document = joined.json();
    assert_eq!(document["state"], "held");
    assert_eq!(document["places"][0]["value"], "127.0.0.1");
    assert_eq!(document["places"][0]["changed"], true);
    assert_eq!(hold(&server, "all", "b").status, 200);
    let entries = server.redis.cli(&["XLEN", "cloudhosts:log"]);
    // one renews, the other does not
    wait::until("the other one is gone", || {
        let renewed = hold(&server, "all", "b");
        assert_eq!(renewed.json()["places"][0]["changed"], false, "{renewed:?}");
        sleep(Duration::from_millis(300));
        (server.value("web/a").is_empty()).then_some(())
    });
    assert_eq!(server.value("web/b"), "127.0.0.1");
    // a renewal is no change
    assert_ne!(server.redis.cli(&["XLEN", "cloudhosts:log"]), entries);
    let lines = server
        .log()
        .lines()
        .filter(|line| line.contains("web/b"))
        .count();
    assert_eq!(lines, 1, "{}", server.log());
    // it comes back
    assert_eq!(
        hold(&server, "all", "a").json()["places"][0]["changed"],
        true
    );
    assert_eq!(server.value("web/a"), "127.0.0.1");
}

#[test]
fn who_claims_a_role_ends_its_holders_and_they_are_told_once() {
    let server = serving_plainly();
    hold(&server, "all", "a");
    let claimed = server.put("all", "/v1/roles/web?address=10.0.0.9");
    assert_eq!(claimed.json()["places"][0]["ended"], json!(["web/a"]));
    let told = hold(&server, "all", "a");
    assert_eq!(told.problem(), (409, "ended".into()));
    assert!(told.body.contains("claim"), "{told:?}");
    assert_eq!(server.redis.cli(&["HKEYS", "cloudhosts"]), "web");
    // who asks again wants to be back, and that claim does not concern it any more
    assert_eq!(hold(&server, "all", "a").status, 200);
    server.redis.cli(&["HDEL", "cloudhosts", "web/a"]);
    assert_eq!(hold(&server, "all", "a").status, 200);
    assert_eq!(server.value("web/a"), "127.0.0.1");
}

#[test]
fn who_leaves_may_come_back() {
    let server = serving_plainly();
    hold(&server, "all", "a");
    let left = server.delete("all", "/v1/roles/web/members/a");
    assert_eq!(left.json()["places"][0]["changed"], true);
    assert_eq!(server.value("web/a"), "");
    assert_eq!(hold(&server, "all", "a").status, 200);
    assert_eq!(server.value("web/a"), "127.0.0.1");
}

#[test]
fn a_redis_that_lost_everything_has_it_back_with_the_next_renewal() {
    let server = serving_plainly();
    hold(&server, "all", "a");
    server.redis.cli(&["FLUSHALL"]);
    assert_eq!(
        hold(&server, "all", "a").json()["places"][0]["changed"],
        true
    );
    assert_eq!(server.value("web/a"), "127.0.0.1");
}

#[test]
fn a_member_is_one_holder() {
    let server = GatewayServer::builder()
        .plain()
        .token("one", ALL)
        .token("two", ALL)
        .start();
    assert_eq!(hold(&server, "one", "a").status, 200);
    let two = "/v1/roles/web/members/a?lease=3s&address=10.0.0.7";
    assert_eq!(server.put("two", two).problem(), (409, "taken".into()));
    assert_eq!(hold(&server, "one", "a").status, 200);
}

#[test]
fn a_holder_with_state_sends_it_and_gets_it_back() {
    let server = serving_plainly();
    let send = |method: &str, member: &str, holder: serde_json::Value| {
        let body = json!({"holder": holder}).to_string();
        let path = format!("/v1/roles/db/members/{member}");
        let answer = server.curl_as("all", &["-X", method, "-d", &body], &path);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    };
    let (first, second) = ("0123456789abcdef", "fedcba9876543210");
    let new = |nonce: &str| json!({"nonce": nonce, "lease_ms": 15000, "exclusive": true});
    let held = send("PUT", "a", new(first));
    assert_eq!(held["state"], "held");
    let standby = send("PUT", "b", new(second));
    assert_eq!(
        (&standby["state"], &standby["holder"]),
        (&json!("standby"), &json!("db/a"))
    );
    let renew = |from: &serde_json::Value| {
        let mut holder = new(first);
        holder["state"] = json!("held");
        holder["from"] = from.clone();
        holder
    };
    let renewed = send("PUT", "a", renew(&held["from"]));
    assert_eq!(renewed["places"][0]["changed"], false);
    // somebody else has this member
    assert_eq!(send("PUT", "a", new(second))["state"], "taken");
    server.put("all", "/v1/roles/db?address=10.0.0.9");
    let ended = send("PUT", "a", renew(&held["from"]));
    // who holds exclusively stands by behind a claim
    assert!(
        ended["state"] == "ended" || ended["state"] == "standby",
        "{ended}"
    );
    let end = send("DELETE", "a", json!({"nonce": first}));
    assert!(end["places"][0]["ended"].is_string(), "{end}");
}
