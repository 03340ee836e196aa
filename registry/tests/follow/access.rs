//! Users, passwords and TLS.

use std::fs;

use cloudhosts_config::Config;
use cloudhosts_registry::Mode;
use cloudhosts_registry::acl::{AclServer, AclUser};

use crate::certs;
use crate::server::{Dir, Redis};
use crate::watcher::{Mirrored, Watcher};

/// The line that the documentation gives for the daemon.
fn acl() -> String {
    let config = Config::load_without_secrets(Some("/dev/null".as_ref())).unwrap();
    AclUser::Daemon.line("cloudhosts", &config, AclServer::RECENT)
}

fn as_user(url: &str, dir: &Dir, password: &str, more: &str) -> String {
    let file = dir.file("password", &format!("{password}\n"));
    format!(
        "{more}[redis]\nurls = [\"{url}\"]\nusername = \"cloudhosts\"\npassword_file = \"{}\"\n",
        file.display()
    )
}

#[test]
fn the_acl_of_the_readme_is_enough() {
    let mut redis = Redis::start(&[]);
    redis.run(&acl());
    redis.run("HSET cloudhosts:private a 1");
    redis.fill("cloudhosts", 11_000);
    let dir = Dir::new();
    let hashes = "hashes = [\"cloudhosts:private\", \"cloudhosts\"]\n";
    let mut watcher = Watcher::with(&as_user(&redis.url(), &dir, "PASSWORD", hashes));
    assert_eq!(watcher.connected().1, Mode::Tracking);
    watcher.full();
    assert_eq!(watcher.hashes[1].fields.len(), 11_000);
    redis.run("HSET cloudhosts:private a 2");
    watcher.until_hash_holds(0, &[("a", "2")]);
    redis.run("HDEL cloudhosts role-7");
    redis.logged(&[("role-8", None)]);
    watcher.until_mirror("the changes", |hashes| hashes[1].answered().len() == 10_998);
    // With a value that is too long in both, they are measured.
    let large = "x".repeat(2_000_000);
    for value in [large.as_str(), "10.0.0.1"] {
        for hash in ["cloudhosts", "cloudhosts:private"] {
            redis.command(&["HSET", hash, "large", value]);
        }
        let is_told = |hash: &Mirrored| match hash.fields.get("large") {
            Some(told) => (told.len() > 1_000_000) == (value == large),
            None => false,
        };
        watcher.until_mirror("the value", |hashes| hashes.iter().all(is_told));
    }
    // Long enough for a PING: nothing at all was refused.
    std::thread::sleep(std::time::Duration::from_secs(3));
    redis.run("HSET cloudhosts:private a 3");
    watcher.until_hash_holds(0, &[("a", "3"), ("large", "10.0.0.1")]);
    let refused: Vec<redis::Value> = redis::cmd("ACL").arg("LOG").query(redis.admin()).unwrap();
    assert!(refused.is_empty(), "{refused:?}");
}

#[test]
fn each_right_of_the_acl_is_needed() {
    for (right, sign) in [
        ("-hlen", "NOPERM"),
        ("-hgetall", "NOPERM"),
        ("resetkeys", "NOPERM"),
    ] {
        let mut redis = Redis::start(&[]);
        redis.run(&acl());
        redis.run(&format!("ACL SETUSER cloudhosts {right}"));
        let dir = Dir::new();
        let mut watcher = Watcher::with(&as_user(&redis.url(), &dir, "PASSWORD", ""));
        let why = watcher.until_unreadable();
        assert!(
            why.starts_with(sign) && why.contains("cloudhosts acl"),
            "{right}: {why}"
        );
    }
}

#[test]
fn a_right_that_is_missing_to_leave_a_giant_value_aside_is_named() {
    for right in ["hkeys", "hstrlen", "hmget"] {
        let mut redis = Redis::start(&[]);
        redis.run(&acl());
        redis.run(&format!("ACL SETUSER cloudhosts -{right}"));
        redis.command(&["HSET", "cloudhosts", "b", &"x".repeat(70_000_000), "a", "1"]);
        redis.run("HSET cloudhosts:private a 1");
        let dir = Dir::new();
        let hashes = "hashes = [\"cloudhosts\", \"cloudhosts:private\"]\n";
        let mut watcher = Watcher::with(&as_user(&redis.url(), &dir, "PASSWORD", hashes));
        let why = watcher.until_unreadable();
        let told = ["NOPERM", right, "cloudhosts acl", "too large"];
        assert!(told.iter().all(|word| why.contains(word)), "{right}: {why}");
        watcher.until_hash_holds(1, &[("a", "1")]);
        // Without the value the rights of before do, by themselves.
        redis.run("HDEL cloudhosts b");
        watcher.until_hash_holds(0, &[("a", "1")]);
    }
}

#[test]
fn one_hash_that_may_not_be_read_leaves_the_others() {
    let mut redis = Redis::start(&[]);
    redis.run(&acl());
    redis.run("HSET cloudhosts a 1");
    let dir = Dir::new();
    let hashes = "hashes = [\"cloudhosts\", \"secret\"]\n";
    let mut watcher = Watcher::with(&as_user(&redis.url(), &dir, "PASSWORD", hashes));
    watcher.full();
    assert_eq!(watcher.hashes[0].fields.len(), 1);
    let why = watcher.hashes[1].unreadable.clone().unwrap();
    assert!(why.starts_with("NOPERM"), "{why}");
    // The other is followed as before.
    redis.logged(&[("a", Some("2"))]);
    watcher.until_hash_holds(0, &[("a", "2")]);
}

#[test]
fn without_the_rights_of_the_log_it_goes_by_scans() {
    for rights in [
        "-xrange",
        "-xrevrange",
        "-multi",
        "-exec",
        "-pttl",
        "-info",
        "-hmget",
    ] {
        let mut redis = Redis::start(&[]);
        redis.run(&acl());
        redis.run(&format!("ACL SETUSER cloudhosts {rights}"));
        redis.run("HSET cloudhosts a 1");
        let dir = Dir::new();
        let hashes = "hashes = [\"cloudhosts:private\", \"cloudhosts\"]\n";
        let mut watcher = Watcher::with(&as_user(&redis.url(), &dir, "PASSWORD", hashes));
        watcher.until_hash_holds(1, &[("a", "1")]);
        redis.logged(&[("a", Some("2")), ("b", Some("3"))]);
        watcher.until_hash_holds(1, &[("a", "2"), ("b", "3")]);
        redis.run("HDEL cloudhosts b");
        watcher.until_hash_holds(1, &[("a", "2")]);
        redis.logged_in("cloudhosts:private", &[("c", Some("4"))], &[]);
        watcher.until_hash_holds(0, &[("c", "4")]);
    }
}

#[test]
fn a_log_that_may_not_be_read_is_done_without() {
    let mut redis = Redis::start(&[]);
    redis.run(&acl().replace(" %R~cloudhosts:*", ""));
    redis.logged(&[("a", Some("1"))]);
    let dir = Dir::new();
    let mut watcher = Watcher::with(&as_user(&redis.url(), &dir, "PASSWORD", ""));
    watcher.until_holds(&[("a", "1")]);
    redis.logged(&[("a", Some("2"))]);
    watcher.until_holds(&[("a", "2")]);
}

#[test]
fn a_password_is_wanted_refused_and_rotated() {
    let mut redis = Redis::start(&[]);
    redis.run("ACL SETUSER default resetpass >admin");
    redis.run("ACL SETUSER cloudhosts on >first ~* +@all");
    let mut nobody = Watcher::of(&redis.url());
    let why = nobody.disconnected();
    assert!(
        why.contains("NOAUTH") && why.contains("password_file"),
        "{why}"
    );
    let dir = Dir::new();
    let mut watcher = Watcher::with(&as_user(&redis.url(), &dir, "first", ""));
    watcher.connected();
    watcher.full();
    redis.run("ACL SETUSER cloudhosts resetpass >second");
    redis.run("CLIENT KILL USER cloudhosts");
    watcher.disconnected();
    let why = watcher.disconnected();
    assert!(why.contains("WRONGPASS") && !why.contains("first"), "{why}");
    dir.file("password", "second\n");
    watcher.connected();
    fs::remove_file(dir.path().join("password")).unwrap();
    redis.run("CLIENT KILL USER cloudhosts");
    watcher.disconnected();
    let why = watcher.disconnected();
    assert!(
        why.contains("password_file") && why.contains("No such file"),
        "{why}"
    );
}

#[test]
fn tls_trusts_the_private_ca_and_the_right_name_only() {
    let dir = Dir::new();
    certs::make(&dir, "good", "IP:127.0.0.1,DNS:localhost", "9");
    certs::make(&dir, "other", "DNS:redis.example", "9");
    certs::make(&dir, "old", "IP:127.0.0.1", "-1");
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let text = |host: &str, port: u16, ca: &str| {
        format!("[redis]\nurls = [\"rediss://{host}:{port}\"]\n{ca}\n")
    };
    let ca = format!("ca_file = \"{}\"", path("ca.crt"));
    let start = |name: &str| {
        let port = crate::server::free_port();
        let (crt, key, ca) = (
            path(&format!("{name}.crt")),
            path(&format!("{name}.key")),
            path("ca.crt"),
        );
        let redis = Redis::start(&[
            "--tls-port",
            &port.to_string(),
            "--tls-cert-file",
            &crt,
            "--tls-key-file",
            &key,
            "--tls-ca-cert-file",
            &ca,
            "--tls-auth-clients",
            "no",
        ]);
        (redis, port)
    };
    let (mut redis, port) = start("good");
    redis.run("HSET cloudhosts a 1");
    for host in ["127.0.0.1", "localhost"] {
        let mut watcher = Watcher::with(&text(host, port, &ca));
        assert_eq!(
            watcher.connected(),
            (format!("rediss://{host}:{port}"), Mode::Tracking)
        );
        watcher.until_holds(&[("a", "1")]);
        redis.run("HSET cloudhosts a 2");
        watcher.until_holds(&[("a", "2")]);
        redis.run("HSET cloudhosts a 1");
    }
    let why = Watcher::with(&text("127.0.0.1", port, "")).disconnected();
    assert!(
        why.contains("TLS") && why.contains("UnknownIssuer"),
        "{why}"
    );
    for (name, reason) in [("other", "not valid for name"), ("old", "expired")] {
        let (_redis, port) = start(name);
        let why = Watcher::with(&text("127.0.0.1", port, &ca)).disconnected();
        let told = why.to_ascii_lowercase();
        assert!(
            told.contains("tls") && told.contains(reason),
            "{name}: {why}"
        );
    }
    let why = Watcher::with(&text("127.0.0.1", redis.port, &ca)).disconnected();
    assert!(why.contains("TLS"), "plain where TLS is wanted: {why}");
}
