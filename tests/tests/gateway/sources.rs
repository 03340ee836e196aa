//! Where a request comes from, and who may say so.

use cloudhosts_tests::gateway::GatewayServer;

const RULES: &str = "roles = ['*']\nverbs = ['claim']";

#[test]
fn a_forged_header_changes_nothing() {
    let server = GatewayServer::builder().token("t", RULES).start();
    let claim = |header: &str, query: &str| {
        server.curl_as(
            "t",
            &["-X", "PUT", "-H", header],
            &format!("/v1/roles/web{query}"),
        )
    };
    for header in [
        "X-Forwarded-For: 10.0.0.5",
        "X-Forwarded-For: 10.0.0.5, 127.0.0.1",
        "Forwarded: for=10.0.0.5",
        "X-Real-IP: 10.0.0.5",
    ] {
        assert_eq!(claim(header, "").status, 200);
        assert_eq!(server.value("web"), "127.0.0.1", "{header}");
        assert_eq!(claim(header, "?address=10.0.0.5").status, 403, "{header}");
    }
    // another address of this machine is another source
    let other = server.curl_as(
        "t",
        &["--interface", "127.0.0.9", "-X", "PUT"],
        "/v1/roles/web",
    );
    assert_eq!(other.status, 200, "{other:?}");
    assert_eq!(server.value("web"), "127.0.0.9");
}

#[test]
fn only_what_a_trusted_proxy_has_appended_counts() {
    let server = GatewayServer::builder()
        .keys("trusted_proxies = ['127.0.0.1', '192.0.2.0/24']")
        .token("t", RULES)
        .start();
    let claim = |arguments: &[&str]| {
        let arguments = [&["-X", "PUT"], arguments].concat();
        server.curl_as("t", &arguments, "/v1/roles/web").status
    };
    assert_eq!(claim(&["-H", "X-Forwarded-For: 10.0.0.5"]), 200);
    assert_eq!(server.value("web"), "10.0.0.5");
    // the client has written what stands before the last one
    assert_eq!(
        claim(&["-H", "X-Forwarded-For: 10.0.0.1, 10.0.0.6, 192.0.2.7"]),
        200
    );
    assert_eq!(server.value("web"), "10.0.0.6");
    assert_eq!(
        claim(&[
            "-H",
            "X-Forwarded-For: 10.0.0.1",
            "-H",
            "X-Forwarded-For: 10.0.0.7"
        ]),
        200
    );
    assert_eq!(server.value("web"), "10.0.0.7");
    assert_eq!(claim(&["-H", "X-Forwarded-For: unknown"]), 400);
    assert_eq!(claim(&[]), 200);
    assert_eq!(server.value("web"), "127.0.0.1");
    // who comes past the proxy can't speak for it
    assert_eq!(
        claim(&[
            "--interface",
            "127.0.0.9",
            "-H",
            "X-Forwarded-For: 10.0.0.5"
        ]),
        200
    );
    assert_eq!(server.value("web"), "127.0.0.9");
}
