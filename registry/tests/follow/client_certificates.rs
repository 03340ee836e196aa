//! Redis servers that want a certificate of their clients, and the names in certificates.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use cloudhosts_config::Config;
use cloudhosts_registry::{FaultCode, check_client_certificate};
use cloudhosts_testkit::Sentinel;
use cloudhosts_testkit::sentinel::MASTER;

use crate::certs;
use crate::server::{Dir, Redis, free_port};
use crate::watcher::Watcher;

/// A directory with certificates of one CA: `server` and `client` are good, `old` has expired.
fn authority() -> Dir {
    let dir = Dir::new();
    certs::make(&dir, "server", "IP:127.0.0.1", "9");
    certs::make(&dir, "client", "DNS:client.example", "9");
    certs::make(&dir, "old", "DNS:client.example", "-1");
    dir
}

fn path(dir: &Dir, name: &str) -> String {
    dir.path().join(name).to_str().unwrap().to_owned()
}

/// A Redis with the certificate of that name, and its TLS port. It wants certificates of its
/// clients, as it does by default.
fn start(dir: &Dir, name: &str, more: &[&str]) -> (Redis, u16) {
    let port = free_port();
    let (crt, key) = (format!("{name}.crt"), format!("{name}.key"));
    let (port_text, crt, key, ca) = (
        port.to_string(),
        path(dir, &crt),
        path(dir, &key),
        path(dir, "ca.crt"),
    );
    let tls = [
        "--tls-port",
        &port_text,
        "--tls-cert-file",
        &crt,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &ca,
        "--tls-auth-clients",
        "yes",
    ];
    let mut redis = Redis::start(&[&tls[..], more].concat());
    redis.run("HSET cloudhosts a 1");
    (redis, port)
}

fn text(dir: &Dir, port: u16, more: &str) -> String {
    let ca = path(dir, "ca.crt");
    format!("[redis]\nurls = [\"rediss://127.0.0.1:{port}\"]\nca_file = \"{ca}\"\n{more}")
}

/// The keys of a client certificate that is in the files `shown.crt` and `shown.key`.
fn shown(dir: &Dir) -> String {
    format!(
        "cert_file = \"{}\"\nkey_file = \"{}\"\n",
        path(dir, "shown.crt"),
        path(dir, "shown.key")
    )
}

/// Puts the certificate of that name, and the key of that other, in place of what is shown.
fn rotate(dir: &Dir, certificate: &str, key: &str) {
    for (from, to) in [
        (format!("{certificate}.crt"), "shown.crt"),
        (format!("{key}.key"), "shown.key"),
    ] {
        fs::copy(dir.path().join(from), dir.path().join(to)).unwrap();
    }
}

#[test]
fn a_certificate_is_shown_where_one_is_wanted_and_a_new_one_is_used_at_the_next_connect() {
    // Both versions say in words of their own what is wrong.
    for protocols in ["TLSv1.2", "TLSv1.3"] {
        let dir = authority();
        let (mut redis, port) = start(&dir, "server", &["--tls-protocols", protocols]);
        let mut without = Watcher::with(&text(&dir, port, ""));
        assert_eq!(
            without.fault().code,
            FaultCode::ClientCertificate,
            "{protocols}"
        );

        rotate(&dir, "client", "client");
        let mut watcher = Watcher::with(&text(&dir, port, &shown(&dir)));
        watcher.until_holds(&[("a", "1")]);
        for (name, code) in [
            ("old", FaultCode::ClientCertificateTime),
            ("stranger", FaultCode::ClientCertificateRefused),
        ] {
            if name == "stranger" {
                let other = authority();
                fs::copy(
                    other.path().join("client.crt"),
                    dir.path().join("stranger.crt"),
                )
                .unwrap();
                fs::copy(
                    other.path().join("client.key"),
                    dir.path().join("stranger.key"),
                )
                .unwrap();
            }
            rotate(&dir, name, name);
            redis.cut();
            let fault = watcher.until_fault(code);
            assert_eq!(fault.path, Some(dir.path().join("shown.crt")), "{fault}");
            rotate(&dir, "client", "client");
            watcher.connected();
            redis.run("HSET cloudhosts a 2");
            watcher.until_holds(&[("a", "2")]);
            redis.run("HSET cloudhosts a 1");
            watcher.until_holds(&[("a", "1")]);
        }
    }
}

#[test]
fn files_that_cannot_be_used_are_named_and_used_again_when_they_can() {
    let dir = authority();
    let (mut redis, port) = start(&dir, "server", &[]);
    rotate(&dir, "client", "client");
    let mut watcher = Watcher::with(&text(&dir, port, &shown(&dir)));
    watcher.until_holds(&[("a", "1")]);
    let key = dir.path().join("shown.key");
    let certificate = dir.path().join("shown.crt");
    let open_to_all = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    open_to_all(dir.path(), 0o755);
    let spoil: [(&dyn Fn(), &Path); 5] = [
        (&|| rotate(&dir, "client", "old"), &key),
        (&|| fs::write(&key, "no key").unwrap(), &key),
        (&|| fs::remove_file(&key).unwrap(), &key),
        (&|| fs::write(&certificate, "").unwrap(), &certificate),
        (&|| open_to_all(&key, 0o604), &key),
    ];
    for (n, (spoil, file)) in spoil.into_iter().enumerate() {
        spoil();
        let config = Config::load_without_secrets(Some(
            &dir.file("checked.toml", &text(&dir, port, &shown(&dir))),
        ))
        .unwrap();
        let checked = check_client_certificate(&config.redis).unwrap_err();
        redis.cut();
        let fault = watcher.until_fault(FaultCode::FileUnusable);
        assert_eq!(fault.path.as_deref(), Some(file), "{n}: {fault}");
        assert_eq!(checked, fault, "{n}");
        let _ = fs::remove_file(&key);
        rotate(&dir, "client", "client");
        assert_eq!(check_client_certificate(&config.redis), Ok(()));
        watcher.connected();
    }
}

#[test]
fn an_address_may_have_a_certificate_for_a_name() {
    let dir = authority();
    certs::make(&dir, "named", "DNS:redis.example", "9");
    let (_redis, port) = start(&dir, "named", &["--tls-auth-clients", "no"]);
    let mut watcher = Watcher::with(&text(&dir, port, ""));
    assert_eq!(watcher.fault().code, FaultCode::CertificateHost);
    let mut watcher = Watcher::with(&text(&dir, port, "server_name = \"other.example\"\n"));
    assert_eq!(watcher.fault().code, FaultCode::CertificateHost);
    let named = "server_name = \"redis.example\"\n";
    let mut watcher = Watcher::with(&text(&dir, port, named));
    watcher.until_holds(&[("a", "1")]);
    // A URL with a name says itself what is verified.
    let by_name = text(&dir, port, named).replace("127.0.0.1", "localhost");
    assert_eq!(
        Watcher::with(&by_name).fault().code,
        FaultCode::CertificateHost
    );
}

#[test]
fn a_sentinel_in_plain_text_names_a_redis_inside_tls() {
    let dir = authority();
    let (_redis, port) = start(&dir, "server", &["--tls-auth-clients", "no"]);
    let sentinel = Sentinel::watching(port, "");
    let ca = path(&dir, "ca.crt");
    let asking = |more: &str| {
        format!(
            "[redis]\nurls = [\"{}\"]\nsentinel = \"{MASTER}\"\nca_file = \"{ca}\"\n{more}",
            sentinel.url()
        )
    };
    let mut watcher = Watcher::with(&asking("master_scheme = \"rediss\"\n"));
    assert_eq!(watcher.connected().0, format!("rediss://127.0.0.1:{port}"));
    watcher.until_holds(&[("a", "1")]);
    let mut plain = Watcher::with(&asking(""));
    assert_ne!(plain.fault().code, FaultCode::NoSentinel);
}
