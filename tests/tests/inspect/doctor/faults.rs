//! Why Redis can't be visited: each reason by its own code, with its own remedy.

use std::fs;
use std::path::Path;

use cloudhosts_tests::config::{list, quote};
use cloudhosts_tests::redis::free_port;
use cloudhosts_tests::tls::Tls;
use cloudhosts_tests::{Redis, World};

use super::examine;

/// A world whose daemon does not run, with these URLs and that CA.
fn asking(url: &str, authority: Option<&Path>) -> World {
    let mut start = World::new().config("redis.urls", list(&[url]));
    if let Some(authority) = authority {
        let authority = authority.display().to_string();
        start = start.config("redis.ca_file", quote(&authority));
    }
    start.build()
}

/// Sees that this and nothing else is found of Redis, and that it is mended by something.
fn finds(world: &World, code: &str) -> String {
    let examined = examine(world);
    examined.is("redis", &[code]);
    assert_eq!(examined.code, 1);
    assert_ne!(examined.evidence("redis", code), "");
    let remedy = examined.remedy("redis", code).to_owned();
    assert_ne!(remedy, "");
    remedy
}

#[test]
fn what_does_not_answer_is_told_apart() {
    let missing = asking("redis+unix:///run/no-such.sock", None);
    let remedies = [
        finds(&missing, "no-socket"),
        finds(
            &asking(&format!("redis://127.0.0.1:{}", free_port()), None),
            "refused",
        ),
        finds(
            &asking("redis://no-such-host.invalid", None),
            "unknown-host",
        ),
    ];
    // of which each has a remedy of its own
    let mut told = remedies.to_vec();
    told.sort();
    told.dedup();
    assert_eq!(told.len(), remedies.len(), "{remedies:?}");
}

#[test]
fn what_is_wrong_with_the_login_is_told_apart() {
    let start = World::new();
    let redis = Redis::builder(start.directory().join("redis"))
        .user("user reader on >secret ~* &* +@all")
        .start();
    redis.hset("cloudhosts", &[("web", "10.0.0.5")]);
    let urls = list(&[&redis.unix_url()]);
    let world = start
        .redis(redis)
        .config("redis.urls", urls)
        .login("reader", "wrong")
        .build();
    let remedy = finds(&world, "login-refused");
    assert!(remedy.contains("password"), "{remedy}");
    let password = world.dir.join("password");
    fs::write(&password, "").unwrap();
    finds(&world, "file-unusable");
    fs::write(&password, "secret").unwrap();
    examine(&world).is("redis", &["ok"]);
    let text = world.config.text();
    let without: String = text
        .lines()
        .filter(|line| !line.contains("password_file"))
        .flat_map(|line| [line, "\n"])
        .collect();
    world.daemon.configure(&without);
    finds(&world, "no-password");
}

#[test]
fn a_redis_that_wants_a_password_says_so() {
    let start = World::new();
    let redis = Redis::builder(start.directory().join("redis")).start();
    redis.cli(&["CONFIG", "SET", "requirepass", "secret"]);
    let urls = list(&[&redis.unix_url()]);
    let world = start.redis(redis).config("redis.urls", urls).build();
    finds(&world, "login-wanted");
}

/// A Redis that speaks TLS with these files.
fn secure(directory: &Path, tls: &Tls, setting: &str) -> Redis {
    Redis::builder(directory.join("redis"))
        .tcp()
        .tls(tls.clone())
        .setting(setting)
        .start()
}

#[test]
fn errors_of_tls_are_told_in_words_and_codes() {
    let start = World::new();
    let tls = Tls::new(start.directory());
    let redis = secure(start.directory(), &tls, "timeout 0");
    let (plain, url) = (redis.tcp_url(), redis.tls_url());
    let urls = |url: &str| list(&[url]);
    let authority = tls.authority.display().to_string();
    let world = start
        .redis(redis)
        .config("redis.urls", urls(&url))
        .config("redis.ca_file", quote(&authority))
        .build();
    let configure = |url: &str, authority: &Path| {
        let text = format!(
            "[redis]\nurls = {}\nca_file = '{}'\n",
            urls(url),
            authority.display()
        );
        world.daemon.configure(&text);
    };
    examine(&world).is("redis", &["ok", "empty"]);
    // plain to a port that speaks TLS, and the other way round
    configure(&url.replace("rediss:", "redis:"), &tls.authority);
    let remedy = finds(&world, "tls-only");
    assert!(remedy.contains("rediss://"), "{remedy}");
    configure(&plain.replace("redis:", "rediss:"), &tls.authority);
    finds(&world, "not-tls");
    // a CA that has not signed it
    let other = world.dir.join("other");
    fs::create_dir(&other).unwrap();
    configure(&url, &Tls::new(&other).authority);
    let remedy = finds(&world, "unknown-authority");
    assert!(remedy.contains("ca_file"), "{remedy}");
    // another host
    let hosts = "127.0.0.1 localhost redis-by-another-name\n";
    fs::write(world.sandbox.outside("/etc/hosts"), hosts).unwrap();
    let named = url.replace("127.0.0.1", "redis-by-another-name");
    configure(&named, &tls.authority);
    finds(&world, "certificate-host");
}

#[test]
fn a_certificate_that_vouches_for_itself_and_one_that_is_wanted_of_us_are_told() {
    let start = World::new();
    let tls = Tls::new(start.directory());
    let own = Tls {
        certificate: tls.authority.clone(),
        key: start.directory().join("ca.key"),
        ..tls.clone()
    };
    let redis = secure(start.directory(), &own, "timeout 0");
    let world = asking(&redis.tls_url(), Some(&tls.authority));
    finds(&world, "self-signed");
    drop((world, redis));

    let redis = secure(start.directory(), &tls, "tls-auth-clients yes");
    let world = asking(&redis.tls_url(), Some(&tls.authority));
    let remedy = finds(&world, "client-certificate");
    assert!(remedy.contains("cert_file"), "{remedy}");

    // that of another authority, and one that is accepted
    let other = world.dir.join("other");
    fs::create_dir(&other).unwrap();
    let stranger = Tls::new(&other);
    let showing = |shown: &Tls| {
        let text = format!(
            "[redis]\nurls = ['{}']\nca_file = '{}'\ncert_file = '{}'\nkey_file = '{}'\n",
            redis.tls_url(),
            tls.authority.display(),
            shown.certificate.display(),
            shown.key.display()
        );
        world.daemon.configure(&text);
    };
    showing(&stranger);
    let remedy = finds(&world, "client-certificate-refused");
    let file = stranger.certificate.display().to_string();
    assert!(remedy.contains(&file), "{remedy}");
    showing(&tls);
    examine(&world).is("redis", &["ok", "empty"]);
    let old = Tls {
        certificate: tls.expired(),
        ..tls.clone()
    };
    showing(&old);
    finds(&world, "client-certificate-expired");
}
