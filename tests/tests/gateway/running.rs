//! Starting, reloading, stopping, and a certificate that is replaced.

use std::process::Stdio;

use cloudhosts_tests::gateway::{GatewayServer, token};
use cloudhosts_tests::process::{Process, Signal, run, stderr};
use cloudhosts_tests::wait;

use super::{ALL, serving};

/// What the log says when the configuration was taken over, and when it was not.
const TAKEN: &str = "read again";
const NOT_TAKEN: &str = "going on as before";

#[test]
fn sighup_reads_the_configuration_again() {
    let mut server = serving();
    let other = token("other", "roles = ['db']\nverbs = ['claim']");
    let text = server.config();
    assert_eq!(server.put("other", "/v1/roles/db").status, 401);
    server.write_config(&text.replace("[redis]", &format!("{other}[redis]")));
    server.reload(TAKEN);
    assert_eq!(server.put("other", "/v1/roles/db").status, 200);
    assert_eq!(server.put("other", "/v1/roles/web").status, 403);
    // a wrong one changes nothing, and is named with its line
    server.write_config(&text.replace("verbs", "verb"));
    server.reload(NOT_TAKEN);
    assert!(server.log().contains("gateway.toml:"), "{}", server.log());
    assert_eq!(server.put("other", "/v1/roles/db").status, 200);
    // a token that is gone may do nothing any more
    server.write_config(&text);
    server.reload(TAKEN);
    assert_eq!(server.put("other", "/v1/roles/db").status, 401);
    assert_eq!(server.put("all", "/v1/roles/db").status, 200);
    // it never goes on without TLS where it had it
    let without: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("cert") && !line.starts_with("key"))
        .collect();
    server.write_config(&without.join("\n"));
    server.reload(NOT_TAKEN);
    assert_eq!(server.put("all", "/v1/roles/db").status, 200);
    server.signal(Signal::TERM);
    assert!(server.wait().success());
}

#[test]
fn a_new_certificate_is_served_without_a_restart() {
    let mut server = serving();
    let old = std::fs::read_to_string(&server.tls.as_ref().unwrap().authority).unwrap();
    let old = server.dir.file("old.crt", &old);
    let old = old.to_str().unwrap();
    assert_eq!(server.put("all", "/v1/roles/web").status, 200);
    server.rotate();
    // curl trusts the new authority only; at SIGHUP or after a few seconds it is served
    wait::until("the new certificate is served", || {
        (server.put("all", "/v1/roles/web").status == 200).then_some(())
    });
    let refused = server.curl_as("all", &["--cacert", old, "-X", "PUT"], "/v1/roles/web");
    assert_eq!(refused.status, 0);
    // what can't be used does not replace it
    let tls = server.tls.clone().unwrap();
    let good = std::fs::read_to_string(&tls.key).unwrap();
    std::fs::write(&tls.key, "x").unwrap();
    server.reload(NOT_TAKEN);
    assert_eq!(server.put("all", "/v1/roles/web").status, 200);
    wait::until("it says which file", || {
        server.curl(&[], "/v1/health");
        server.log().contains("server.key").then_some(())
    });
    assert_eq!(server.put("all", "/v1/roles/web").status, 200);
    // at SIGHUP at once
    std::fs::write(&tls.key, good).unwrap();
    server.rotate();
    server.reload(TAKEN);
    assert_eq!(server.put("all", "/v1/roles/web").status, 200);
}

#[test]
fn a_configuration_that_can_not_be_used_is_refused_at_the_start() {
    let server = serving();
    let text = server.config();
    let check = || {
        let output = run(server.program().arg("--check-config"));
        (output.status.code(), stderr(&output))
    };
    assert_eq!(check().0, Some(0));
    for (from, to, said) in [
        ("listen", "listens", "listens"),
        ("127.0.0.1:", "192.0.2.1:", ""),
        ("server.key", "ca.key", "ca.key"),
        ("server.crt", "no.crt", "no.crt"),
        ("verbs", "verb", "gateway.toml:"),
    ] {
        server.write_config(&text.replace(from, to));
        let (code, error) = check();
        let right = to == "192.0.2.1:";
        assert_eq!(code, Some(if right { 0 } else { 2 }), "{to}: {error}");
        assert!(error.contains(said), "{to}: {error}");
    }
}

#[test]
fn a_port_that_another_server_has_is_told() {
    let server = serving();
    let mut second = server.program();
    second.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut second = Process::start(second);
    assert_eq!(second.wait().code(), Some(1));
    let mut said = String::new();
    use std::io::Read;
    let pipe = second.child().stderr.as_mut().unwrap();
    pipe.read_to_string(&mut said).unwrap();
    assert!(
        said.contains(&format!("127.0.0.1:{}", server.port)),
        "{said}"
    );
    assert!(said.contains("ss -"), "{said}");
}

#[test]
fn a_password_that_everybody_can_read_is_told() {
    let server = GatewayServer::builder().token("all", ALL).start();
    assert!(!server.log().contains("password"));
    let mut server = server;
    let text = server
        .config()
        .replace("urls = [", "urls = [\"redis://u:pass-word@127.0.0.1:1\", ");
    server.write_config(&text);
    use std::os::unix::fs::PermissionsExt;
    let file = server.dir.join("gateway.toml");
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o644)).unwrap();
    server.reload(TAKEN);
    assert!(
        server.log().contains("everybody can read"),
        "{}",
        server.log()
    );
    assert!(!server.log().contains("pass-word"), "{}", server.log());
}
