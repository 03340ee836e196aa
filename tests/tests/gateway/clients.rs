//! Clients of dynamic DNS: curl, ddclient and inadyn, and HTTP/1.0.

use std::path::{Path, PathBuf};
use std::process::Output;

use cloudhosts_tests::gateway::{GatewayServer, secret};
use cloudhosts_tests::process::{bounded, run, stdout};

use super::ALL;

const DOMAIN: &str = "domain = 'prod.example.com'";

fn serving() -> GatewayServer {
    GatewayServer::builder()
        .keys(DOMAIN)
        .token("all", ALL)
        .token("one", "roles = ['web']\nverbs = ['join']\nmember = 'i-1'")
        .start()
}

#[test]
fn each_hostname_has_a_line_with_a_word() {
    let server = serving();
    let twenty = (0..20)
        .map(|n| format!("h{n}"))
        .collect::<Vec<_>>()
        .join(",");
    for (token, query, expected) in [
        ("all", "hostname=web&myip=10.0.0.5", "good 10.0.0.5\n"),
        ("all", "hostname=web&myip=10.0.0.5", "nochg 10.0.0.5\n"),
        ("all", "hostname=web", "good 127.0.0.1\n"),
        (
            "all",
            "hostname=db.prod.example.com,WEB,a%20b&myip=10.0.0.6",
            "good 10.0.0.6\ngood 10.0.0.6\nnotfqdn\n",
        ),
        (
            "all",
            "hostname=web&myip=10.0.0.5,fd00::5",
            "good 10.0.0.5,fd00::5\n",
        ),
        (
            "all",
            "hostname=web&myip=10.0.0.7&myipv6=fd00::7&wildcard=NOCHG",
            "good 10.0.0.7,fd00::7\n",
        ),
        ("all", "hostname=web&myip=x", "dnserr\n"),
        ("all", "hostname=web&myip=0.0.0.0", "dnserr\n"),
        ("all", "myip=10.0.0.5", "notfqdn\n"),
        ("all", "", "notfqdn\n"),
        ("all", &format!("hostname={twenty},more"), "numhost\n"),
        ("one", "hostname=db", "nohost\n"),
        ("one", "hostname=web&myip=10.0.0.5", "nohost\n"),
        ("one", "hostname=web,db", "good 127.0.0.1\nnohost\n"),
    ] {
        assert_eq!(server.nic(token, query), expected, "{token} {query}");
    }
    assert_eq!(server.value("db"), "10.0.0.6");
    assert_eq!(server.value("web"), "10.0.0.7 fd00::7");
    // a token that is one member joins as that
    assert_eq!(server.value("web/i-1"), "127.0.0.1");
    let user = format!("all:{}", secret("all"));
    let silent = server.curl(&["-u", &user, "-A", ""], "/nic/update?hostname=web");
    assert_eq!(silent.body, "badagent\n");
    let wrong = server.curl(&["-u", "all:wrong"], "/nic/update?hostname=web");
    assert_eq!((wrong.status, wrong.body.as_str()), (401, "badauth\n"));
    assert!(wrong.header("www-authenticate").is_some());
}

#[test]
fn what_was_said_a_moment_ago_does_not_reach_redis() {
    let server = serving();
    let scripts = || server.redis.calls("evalsha") + server.redis.calls("eval");
    let query = "hostname=web&myip=10.0.0.5";
    assert_eq!(server.nic("all", query), "good 10.0.0.5\n");
    let before = scripts();
    for _ in 0..5 {
        assert_eq!(server.nic("all", query), "nochg 10.0.0.5\n");
    }
    assert_eq!(scripts(), before);
    assert_eq!(server.metric("unchanged_total"), 5.0);
    // any other change of the role through the gateway counts
    for (token, method, path) in [
        ("all", "PUT", "/v1/roles/web?address=10.0.0.9"),
        ("all", "PUT", "/v1/roles/web/members/a"),
        ("all", "DELETE", "/v1/roles/web/members/a"),
        ("all", "PUT", "/v1/roles/web/members/b?lease=60s"),
        ("all", "DELETE", "/v1/roles/web"),
    ] {
        assert_eq!(server.curl_as(token, &["-X", method], path).status, 200);
        assert_eq!(
            server.nic("all", query),
            "good 10.0.0.5\n",
            "{method} {path}"
        );
        assert_eq!(server.value("web"), "10.0.0.5");
        assert_eq!(server.nic("all", query), "nochg 10.0.0.5\n");
    }
    // and so does another token
    assert_eq!(server.nic("one", "hostname=web"), "good 127.0.0.1\n");
    assert_eq!(server.nic("one", "hostname=web"), "nochg 127.0.0.1\n");
    assert_eq!(server.nic("all", query), "good 10.0.0.5\n");
    assert_eq!(server.nic("one", "hostname=web"), "good 127.0.0.1\n");
}

#[test]
fn a_client_may_speak_http_1_0() {
    let server = GatewayServer::builder().plain().token("all", ALL).start();
    let basic = "Authorization: Basic YWxsOnNlY3JldC1hbGw=";
    let answer = server.raw(
        format!("GET /nic/update?hostname=web&myip=10.0.0.5 HTTP/1.0\r\n{basic}\r\nUser-Agent: x\r\n\r\n")
            .as_bytes(),
    );
    let start = answer.split("\r\n").next().unwrap();
    assert!(
        start.starts_with("HTTP/1.0 200 ") && answer.ends_with("\r\n\r\ngood 10.0.0.5\n"),
        "{answer}"
    );
    let answer = server.raw(
        format!("PUT /v1/roles/db HTTP/1.0\r\n{basic}\r\nContent-Length: 2\r\n\r\n{{}}").as_bytes(),
    );
    assert!(answer.starts_with("HTTP/1.0 200 "), "{answer}");
}

/// ddclient, once, with this password.
fn ddclient(server: &GatewayServer, password: &str) -> (Output, String) {
    let (authority, port) = (authority(server), server.port);
    let text = format!(
        "daemon=0\nsyslog=no\nuse=ip, ip=10.0.0.5\nprotocol=dyndns2\nssl=yes\nssl_ca_file={}\n\
         server=127.0.0.1:{port}\nlogin=all\npassword='{password}'\nweb.prod.example.com\n",
        authority.display()
    );
    let config = private(server, "ddclient.conf", &text);
    let cache = server.dir.join("ddclient.cache");
    let mut command = bounded("ddclient");
    command.args(["-foreground", "-daemon=0", "-noquiet", "-verbose", "-force"]);
    command.arg("-file").arg(config).arg("-cache").arg(&cache);
    command.arg("-pid").arg(server.dir.join("ddclient.pid"));
    let output = run(&mut command);
    let cache = std::fs::read_to_string(&cache).unwrap_or_default();
    (output, cache)
}

/// inadyn, once, with this password.
fn inadyn(server: &GatewayServer, password: &str) -> Output {
    let (authority, port) = (authority(server), server.port);
    let text = format!(
        "ca-trust-file = \"{}\"\ncustom gateway {{\nssl = true\nusername = all\npassword = {password}\n\
         checkip-command = \"echo 10.0.0.6\"\nddns-server = 127.0.0.1:{port}\n\
         ddns-path = \"/nic/update?hostname=%h&myip=%i\"\n\
         hostname = {{ \"db.prod.example.com\", \"www\" }}\n}}\n",
        authority.display()
    );
    let config = private(server, "inadyn.conf", &text);
    let cache = server.dir.join("inadyn.cache");
    let _ = std::fs::remove_dir_all(&cache);
    std::fs::create_dir(&cache).unwrap();
    let mut command = bounded("inadyn");
    command
        .args(["-n", "-1", "-l", "info", "--force", "-f"])
        .arg(config);
    command.arg("--cache-dir").arg(&cache);
    command.arg("--pidfile").arg(server.dir.join("inadyn.pid"));
    run(&mut command)
}

fn authority(server: &GatewayServer) -> PathBuf {
    server.tls.as_ref().unwrap().authority.clone()
}

/// ddclient wants its password to be its own.
fn private(server: &GatewayServer, name: &str, text: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let file = server.dir.file(name, text);
    let mode = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(Path::new(&file), mode).unwrap();
    file
}

#[test]
fn ddclient_updates_and_understands_what_it_is_told() {
    let mut server = serving();
    let (output, cache) = ddclient(&server, &secret("all"));
    assert!(
        output.status.success() && cache.contains("status=good"),
        "{output:?}"
    );
    assert_eq!(server.value("web"), "10.0.0.5");
    let (output, _) = ddclient(&server, "wrong");
    assert!(stdout(&output).contains("RECEIVE:  badauth"), "{output:?}");
    assert!(!output.status.success(), "{output:?}");
    server.redis.kill();
    // what was said a moment ago is still true
    let (output, _) = ddclient(&server, &secret("all"));
    assert!(stdout(&output).contains("nochg"), "{output:?}");
}

#[test]
fn inadyn_updates_and_understands_what_it_is_told() {
    let mut server = serving();
    let output = inadyn(&server, &secret("all"));
    assert!(output.status.success(), "{output:?}");
    assert_eq!(server.value("db"), "10.0.0.6");
    assert_eq!(server.value("www"), "10.0.0.6");
    let output = inadyn(&server, "wrong");
    // "Authentication failure", by inadyn's error codes
    assert_eq!(output.status.code(), Some(50), "{output:?}");
    server.redis.kill();
    server.put("all", "/v1/roles/db");
    let output = inadyn(&server, &secret("all"));
    assert!(!output.status.success(), "{output:?}");
}
