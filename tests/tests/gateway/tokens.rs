//! A token may do what its lines say, and nothing else.

use cloudhosts_tests::gateway::{GatewayServer, secret};

use super::{ALL, serving};

#[test]
fn each_verb_is_allowed_by_its_name_alone() {
    let mut builder = GatewayServer::builder().plain().token("all", ALL);
    let verbs = ["claim", "join", "leave", "release", "hold"];
    for verb in verbs {
        let rules = format!("roles = ['*']\nverbs = ['{verb}']");
        builder = builder.token(verb, &rules);
    }
    let server = builder.start();
    let requests = [
        ("claim", "PUT", "/v1/roles/web"),
        ("join", "PUT", "/v1/roles/web/members/a"),
        ("hold", "PUT", "/v1/roles/web/members/b?lease=60s"),
        ("leave", "DELETE", "/v1/roles/web/members/a"),
        ("release", "DELETE", "/v1/roles/web"),
    ];
    for (needed, method, path) in requests {
        for token in verbs {
            let answer = server.curl_as(token, &["-X", method], path);
            if token == needed {
                assert_eq!(answer.status, 200, "{token} {path}: {answer:?}");
            } else {
                assert_eq!(
                    answer.problem(),
                    (403, "forbidden".into()),
                    "{token} {path}"
                );
                assert!(answer.body.contains("verbs"), "{answer:?}");
            }
        }
    }
    // a holder that ends has to be allowed to hold
    let end = r#"{"holder": {"nonce": "0123456789abcdef"}}"#;
    let request = ["-X", "DELETE", "-d", end];
    let member = "/v1/roles/web/members/b";
    assert_eq!(server.curl_as("hold", &request, member).status, 200);
    assert_eq!(server.curl_as("leave", &request, member).status, 403);
}

#[test]
fn roles_are_those_that_match_one_of_its_globs() {
    let rules = "roles = ['web', 'web-*', '*.a']\nverbs = ['claim']";
    let server = GatewayServer::builder().plain().token("t", rules).start();
    for allowed in ["web", "WEB.", "web-1", "b.a", "%2A.a"] {
        let answer = server.put("t", &format!("/v1/roles/{allowed}"));
        assert_eq!(answer.status, 200, "{allowed}: {answer:?}");
    }
    for forbidden in ["db", "web1", "a", "xweb"] {
        let answer = server.put("t", &format!("/v1/roles/{forbidden}"));
        assert_eq!(answer.problem(), (403, "forbidden".into()), "{forbidden}");
        assert!(answer.body.contains("roles"), "{answer:?}");
    }
    assert_eq!(server.redis.cli(&["HLEN", "cloudhosts"]), "4");
}

#[test]
fn a_member_is_the_one_that_matches() {
    let verbs = "verbs = ['join', 'leave', 'hold']";
    let server = GatewayServer::builder()
        .plain()
        .token("t", &format!("roles = ['*']\n{verbs}\nmember = 'web-*'"))
        .start();
    for (method, more) in [("PUT", ""), ("PUT", "?lease=60s"), ("DELETE", "")] {
        for (member, status) in [("web-1", 200), ("db-1", 403), ("web", 403), ("WEB-1", 403)] {
            let path = format!("/v1/roles/web/members/{member}{more}");
            let answer = server.curl_as("t", &["-X", method], &path);
            assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
            assert!(
                status == 200 || answer.body.contains("member"),
                "{answer:?}"
            );
        }
    }
}

#[test]
fn addresses_are_the_source_or_in_its_networks() {
    let rules = |more: &str| format!("roles = ['*']\nverbs = ['claim', 'join', 'hold']\n{more}");
    let server = GatewayServer::builder()
        .plain()
        .token("source", &rules(""))
        .token("net", &rules("addresses = ['10.0.0.0/8', 'fd00::/8']"))
        .token("both", &rules("addresses = ['source', '10.0.0.0/8']"))
        .start();
    for (start, end) in [
        ("/v1/roles/web", "?"),
        ("/v1/roles/db/members/a-", "?"),
        ("/v1/roles/db/members/b-", "?lease=60s&"),
    ] {
        for (token, addresses, status) in [
            ("source", "", 200),
            ("source", "address=127.0.0.1", 200),
            ("source", "address=10.0.0.5", 403),
            ("source", "address=127.0.0.1&address=10.0.0.5", 403),
            ("source", "address=127.0.0.1,10.0.0.5", 403),
            ("net", "", 403),
            ("net", "address=10.0.0.5&address=fd00::5", 200),
            ("net", "address=::ffff:10.0.0.5", 422),
            ("net", "address=11.0.0.5", 403),
            ("both", "address=127.0.0.1&address=10.0.0.5", 200),
            ("both", "address=127.0.0.2", 403),
        ] {
            // a holder's member is its own
            let member = if start.ends_with('-') { token } else { "" };
            let answer = server.put(token, &format!("{start}{member}{end}{addresses}"));
            assert_eq!(
                answer.status, status,
                "{token} {start} {addresses}: {answer:?}"
            );
            assert!(
                status != 403 || answer.body.contains("addresses"),
                "{answer:?}"
            );
        }
    }
    // what is not an address is no way around it
    let answer = server.put("source", "/v1/roles/web?address=db");
    assert_eq!(answer.problem(), (422, "invalid".into()));
}

#[test]
fn views_are_the_hashes_it_may_write_to() {
    let rules = "roles = ['*']\nverbs = ['claim', 'release']\n";
    let server = GatewayServer::builder()
        .plain()
        .keys("hashes = ['private', 'public', 'other']")
        .token("one", &format!("{rules}views = ['public']"))
        .token("two", &format!("{rules}views = ['private', 'public']"))
        .start();
    let status =
        |token: &str, query: &str| server.put(token, &format!("/v1/roles/web{query}")).status;
    assert_eq!(status("one", ""), 200);
    assert_eq!(server.redis.cli(&["HGET", "public", "web"]), "127.0.0.1");
    assert_eq!(status("one", "?hash=public"), 200);
    assert_eq!(status("one", "?hash=private"), 403);
    assert_eq!(status("one", "?hash=public&hash=private"), 403);
    assert_eq!(status("one", "?hash=unknown"), 403);
    // which one is not clear
    assert_eq!(status("two", ""), 400);
    assert_eq!(status("two", "?hash=private&hash=public"), 200);
    assert_eq!(status("two", "?hash=other"), 403);
    let delete = server.delete("one", "/v1/roles/web?hash=private");
    assert!(
        delete.status == 403 && delete.body.contains("views"),
        "{delete:?}"
    );
    assert_eq!(server.redis.cli(&["HGET", "private", "web"]), "127.0.0.1");
    assert_eq!(server.delete("one", "/v1/roles/web").status, 200);
}

#[test]
fn who_has_no_secret_gets_nothing_and_waits() {
    let server = serving();
    let all = secret("all");
    let basic = |name: &str, secret: &str| {
        server.curl(
            &["-u", &format!("{name}:{secret}"), "-X", "PUT"],
            "/v1/roles/web",
        )
    };
    let bearer = |header: &str| server.curl(&["-H", header, "-X", "PUT"], "/v1/roles/web");
    assert_eq!(basic("all", &all).status, 200);
    assert_eq!(bearer(&format!("authorization: bearer {all}")).status, 200);
    server.redis.cli(&["FLUSHALL"]);
    let start = std::time::Instant::now();
    for answer in [
        server.curl(&["-X", "PUT"], "/v1/roles/web"),
        basic("all", "wrong"),
        basic("other", &all),
        basic("", &all),
        bearer(&format!("authorization: bearer {all}x")),
        bearer("authorization: bearer "),
        bearer(&format!("authorization: {all}")),
        server.curl(&["-H", "authorization: bearer x"], "/v1/nothing"),
    ] {
        assert_eq!(answer.problem(), (401, "unauthorized".into()));
        assert!(answer.header("www-authenticate").is_some(), "{answer:?}");
    }
    assert!(start.elapsed().as_secs() >= 8, "{:?}", start.elapsed());
    assert_eq!(server.redis.cli(&["DBSIZE"]), "0");
    let log = server.log();
    let warnings = log
        .lines()
        .filter(|line| line.contains("127.0.0.1 has no token"))
        .count();
    assert_eq!(warnings, 8, "{log}");
    assert!(!log.contains(&all), "{log}");
    // more of them are told to wait
    let again = (0..8).map(|_| server.curl(&[], "/v1/roles/web").status);
    let again: Vec<u16> = again.collect();
    assert!(again.contains(&429), "{again:?}");
    // while who has a secret goes on
    assert_eq!(basic("all", &all).status, 200);
}
