//! Claiming, joining, leaving and releasing by HTTPS.

use serde_json::json;

use super::{ALL, serving, serving_plainly};
use cloudhosts_tests::gateway::GatewayServer;

#[test]
fn a_role_is_claimed_joined_left_and_released() {
    let server = serving();
    let claimed = server.put("all", "/v1/roles/Web?address=10.0.0.5&address=fd00::5");
    assert_eq!(claimed.status, 200);
    assert_eq!(claimed.header("content-type"), Some("application/json"));
    assert_eq!(
        claimed.json(),
        json!({
            "verb": "claim", "role": "web", "member": null, "dangling": false,
            "places": [{
                "hash": "cloudhosts", "value": "10.0.0.5 fd00::5", "changed": true,
                "removed": [], "ended": []
            }]
        })
    );
    assert_eq!(server.value("web"), "10.0.0.5 fd00::5");
    let joined = server.put("all", "/v1/roles/web/members/i-1");
    assert_eq!(joined.json()["member"], "i-1");
    assert_eq!(server.value("web/i-1"), "127.0.0.1");
    let again = server.put("all", "/v1/roles/web/members/i-1");
    assert_eq!(again.json()["places"][0]["changed"], false);
    let left = server.delete("all", "/v1/roles/web/members/i-1");
    assert_eq!(left.json()["places"][0]["changed"], true);
    server.put("all", "/v1/roles/web/members/i-2");
    let released = server.delete("all", "/v1/roles/web");
    let mut removed: Vec<_> = released.json()["places"][0]["removed"]
        .as_array()
        .unwrap()
        .clone();
    removed.sort_by_key(ToString::to_string);
    assert_eq!(removed, [json!("web"), json!("web/i-2")]);
    assert_eq!(server.redis.cli(&["HLEN", "cloudhosts"]), "0");
}

#[test]
fn who_made_a_change_is_in_the_change_log_and_in_that_of_the_gateway() {
    let server = serving();
    server.put("all", "/v1/roles/web?address=10.0.0.5");
    let entry = server
        .redis
        .cli(&["XREVRANGE", "cloudhosts:log", "+", "-", "COUNT", "1"]);
    let by = entry
        .lines()
        .skip_while(|line| *line != ".by")
        .nth(1)
        .unwrap();
    assert!(by.starts_with("all@"), "{entry}");
    let log = server.log();
    let line = log.lines().find(|line| line.contains("claim")).unwrap();
    for word in ["all", "127.0.0.1", "web", "10.0.0.5", "cloudhosts", "done"] {
        assert!(line.contains(word), "{word}: {line}");
    }
    server.put("all", "/v1/roles/web/members/a%20b");
    server.put("all", "/v1/roles/web?address=x%0ay");
    assert_eq!(
        server.log().lines().count(),
        server.log().trim().lines().count()
    );
}

#[test]
fn a_condition_is_met_or_nothing_is_changed() {
    let server = serving();
    let put = |condition: &str, address: &str| {
        let path = format!("/v1/roles/db?address={address}");
        server.curl_as("all", &["-X", "PUT", "-H", condition], &path)
    };
    assert_eq!(put("If-None-Match: *", "10.0.0.4").status, 200);
    assert_eq!(
        put("If-None-Match: *", "10.0.0.5").problem(),
        (412, "differs".into())
    );
    assert_eq!(
        put("If-Match: \"10.0.0.9\"", "10.0.0.5").problem(),
        (412, "differs".into())
    );
    assert_eq!(server.value("db"), "10.0.0.4");
    assert_eq!(put("If-Match: \"10.0.0.4\"", "10.0.0.5").status, 200);
    assert_eq!(server.value("db"), "10.0.0.5");
    for wrong in [
        "If-Match: *",
        "If-Match: 10.0.0.5",
        "If-None-Match: \"10.0.0.5\"",
        "If-Match: \"a b\"",
    ] {
        assert_eq!(
            put(wrong, "10.0.0.6").problem(),
            (400, "invalid".into()),
            "{wrong}"
        );
    }
    // a condition that is not looked at would be worse than none
    let member = server.curl_as(
        "all",
        &["-X", "PUT", "-H", "If-Match: \"10.0.0.9\""],
        "/v1/roles/db/members/a",
    );
    assert_eq!(member.status, 400);
    let delete = |value: &str| {
        server
            .curl_as("all", &["-X", "DELETE", "-H", value], "/v1/roles/db")
            .status
    };
    assert_eq!(delete("If-Match: \"10.0.0.4\""), 412);
    assert_eq!(delete("If-Match: \"10.0.0.5\""), 200);
}

#[test]
fn several_hashes_are_changed_at_once() {
    let server = GatewayServer::builder()
        .keys("hashes = ['private', 'public']")
        .token("all", &format!("{ALL}\nviews = ['private', 'public']"))
        .start();
    let body = r#"{"places": [{"hash": "private", "value": "10.0.0.5 zone=b"}, {"hash": "public"}],
                   "zone": "a"}"#;
    let put = server.curl_as("all", &["-X", "PUT", "-d", body], "/v1/roles/web/members/i");
    assert_eq!(put.status, 200, "{put:?}");
    assert_eq!(
        server.redis.cli(&["HGET", "private", "web/i"]),
        "10.0.0.5 zone=b"
    );
    assert_eq!(
        server.redis.cli(&["HGET", "public", "web/i"]),
        "127.0.0.1 zone=a"
    );
    // one of them can't be written: neither is
    server.redis.cli(&["DEL", "public"]);
    server.redis.cli(&["SET", "public", "x"]);
    let body = r#"{"places": [{"hash": "private", "value": "10.0.0.6"}, {"hash": "public"}]}"#;
    let put = server.curl_as("all", &["-X", "PUT", "-d", body], "/v1/roles/web/members/i");
    assert_eq!(put.problem(), (502, "refused".into()));
    assert_eq!(
        server.redis.cli(&["HGET", "private", "web/i"]),
        "10.0.0.5 zone=b"
    );
}

#[test]
fn what_is_wrong_is_refused_and_named() {
    let server = serving_plainly();
    let put = |body: &str, path: &str| server.curl_as("all", &["-X", "PUT", "-d", body], path);
    for (body, path, status) in [
        ("{", "/v1/roles/web", 400),
        (r#"{"place": []}"#, "/v1/roles/web", 400),
        (
            r#"{"places": [{"address": "10.0.0.1"}]}"#,
            "/v1/roles/web",
            400,
        ),
        (
            r#"{"places": [{"hash": "cloudhosts"}, {}]}"#,
            "/v1/roles/web",
            400,
        ),
        (r#"{"places": [{}]}"#, "/v1/roles/web?address=10.0.0.1", 400),
        (
            r#"{"places": [{"value": "10.0.0.1 weight=1"}]}"#,
            "/v1/roles/web",
            422,
        ),
        (r#"{"zone": "a b"}"#, "/v1/roles/web", 422),
        (
            r#"{"holder": {"nonce": "0123456789abcdef", "lease_ms": 5000}}"#,
            "/v1/roles/web",
            400,
        ),
        (
            r#"{"holder": {"nonce": "x", "lease_ms": 5000}}"#,
            "/v1/roles/web/members/a",
            400,
        ),
        ("", "/v1/roles/web?adress=10.0.0.1", 400),
        ("", "/v1/roles/web?lease=60s", 400),
        ("", "/v1/roles/web/members/a?lease=1s", 422),
        ("", "/v1/roles/web/members/a?lease=x", 422),
        ("", "/v1/roles/web/members/a%20b", 422),
        ("", "/v1/roles/a%2Fb", 422),
        ("", "/v1/roles/localhost", 422),
        ("", "/v1/roles/%FF", 400),
    ] {
        let answer = put(body, path);
        assert_eq!(
            answer.problem(),
            (status, "invalid".into()),
            "{body} {path}"
        );
    }
    let missing = server.curl_as("all", &[], "/v1/nothing");
    assert_eq!(missing.problem(), (404, "not_found".into()));
    let method = server.curl_as("all", &[], "/v1/roles/web");
    assert_eq!(method.problem(), (405, "method_not_allowed".into()));
    assert_eq!(method.header("allow"), Some("PUT, DELETE"));
    assert_eq!(server.redis.cli(&["DBSIZE"]), "0");
}

#[test]
fn health_and_metrics_need_no_token() {
    let server = serving();
    let health = server.curl(&[], "/v1/health");
    assert_eq!(
        (health.status, health.json()),
        (200, json!({"status": "ok"}))
    );
    server.put("all", "/v1/roles/web");
    server.put("all", "/v1/roles/web?x=1");
    let metrics = server.curl(&[], "/metrics");
    assert!(metrics.body.ends_with("# EOF\n"), "{metrics:?}");
    assert!(
        metrics
            .header("content-type")
            .unwrap()
            .starts_with("application/openmetrics-text")
    );
    assert_eq!(
        server.metric(r#"requests_total{operation="claim",result="done"}"#),
        1.0
    );
    assert_eq!(
        server.metric(r#"requests_total{operation="claim",result="invalid"}"#),
        1.0
    );
    assert_eq!(server.metric("redis_up"), 1.0);
    // one of them is asked for now
    assert_eq!(server.metric("open_connections"), 1.0);
    let forwarded = server.curl(&["-H", "X-Forwarded-For: 127.0.0.1"], "/metrics");
    assert_eq!(forwarded.status, 404);
}
