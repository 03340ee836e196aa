//! The addresses that a cloud knows, from a service that speaks as the cloud's does.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{Registry, map};

/// What is answered to a request: its first line and its headers, in lower case.
type Reply = fn(&str, &[String]) -> (u16, &'static str);

/// A service; what it was asked, and where it is.
fn service(answer: Reply) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = asked.clone();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = serve(stream, answer, &log);
        }
    });
    (url, asked)
}

fn serve(stream: TcpStream, answer: Reply, log: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        lines.push(line.trim().to_owned());
    }
    if lines.is_empty() {
        return Ok(());
    }
    let first = lines.remove(0);
    let headers: Vec<String> = lines.iter().map(|line| line.to_ascii_lowercase()).collect();
    log.lock().unwrap().push(first.clone());
    let (code, text) = answer(&first, &headers);
    let length = text.len();
    write!(
        reader.get_mut(),
        "HTTP/1.1 {code} x\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}"
    )?;
    // until the other side has read it
    reader.read_to_end(&mut Vec::new())?;
    Ok(())
}

fn has(headers: &[String], header: &str) -> bool {
    headers.iter().any(|line| line == header)
}

fn ec2(first: &str, headers: &[String]) -> (u16, &'static str) {
    let token = has(headers, "x-aws-ec2-metadata-token: tok-1");
    match first {
        "PUT /latest/api/token HTTP/1.1" => {
            assert!(has(headers, "x-aws-ec2-metadata-token-ttl-seconds: 60"));
            (200, "tok-1")
        }
        _ if !token => (401, ""),
        "GET /latest/meta-data/local-ipv4 HTTP/1.1" => (200, "10.0.3.1"),
        "GET /latest/meta-data/public-ipv4 HTTP/1.1" => (200, "203.0.113.7"),
        _ => (404, ""),
    }
}

fn gcp(first: &str, headers: &[String]) -> (u16, &'static str) {
    const BASE: &str = "GET /computeMetadata/v1/instance/network-interfaces/0";
    match first.strip_prefix(BASE) {
        _ if !has(headers, "metadata-flavor: google") => (403, ""),
        Some("/ip HTTP/1.1") => (200, "10.0.3.1\n"),
        Some("/access-configs/0/external-ip HTTP/1.1") => (200, "203.0.113.7\n"),
        _ => (404, ""),
    }
}

fn azure(first: &str, headers: &[String]) -> (u16, &'static str) {
    const BASE: &str = "GET /metadata/instance/network/interface/0/ipv4/ipAddress/0/";
    const QUERY: &str = "?api-version=2021-02-01&format=text HTTP/1.1";
    let which = first
        .strip_prefix(BASE)
        .and_then(|rest| rest.strip_suffix(QUERY));
    match which {
        _ if !has(headers, "metadata: true") => (400, ""),
        Some("privateIpAddress") => (200, "10.0.3.1"),
        Some("publicIpAddress") => (200, "203.0.113.7"),
        _ => (404, ""),
    }
}

#[test]
fn every_cloud_is_asked_as_it_wants_to_be() {
    let registry = Registry::new();
    let hash = |side: &str| registry.hash_called(&format!("cloudhosts:{side}"));
    for (cloud, answer) in [("ec2", ec2 as Reply), ("gcp", gcp), ("azure", azure)] {
        let (url, asked) = service(answer);
        registry.prints(&[
            "claim",
            cloud,
            "--from-metadata",
            cloud,
            "--metadata-endpoint",
            &url,
        ]);
        assert_eq!(hash("private")[cloud], "10.0.3.1");
        assert_eq!(hash("public")[cloud], "203.0.113.7");
        assert_eq!(
            asked.lock().unwrap().len(),
            match cloud {
                "ec2" => 4,
                "gcp" => 3,
                _ => 2,
            }
        );
    }
    let (url, _) = service(ec2);
    registry.prints(&[
        "join",
        "farm",
        "--member",
        "a",
        "--from-metadata",
        "ec2",
        "--metadata-endpoint",
        &format!("{url}/"),
    ]);
    assert_eq!(hash("private")["farm/a"], "10.0.3.1");
}

#[test]
fn off_that_cloud_it_is_said_and_nothing_is_changed() {
    let registry = Registry::new();
    let claim = |cloud: &str, url: &str| {
        registry.fails(
            3,
            &[
                "claim",
                "web",
                "--from-metadata",
                cloud,
                "--metadata-endpoint",
                url,
            ],
        )
    };
    // somebody else's service
    let (url, _) = service(azure);
    let said = claim("ec2", &url);
    assert!(said.contains("400") && said.contains("EC2"), "{said}");
    // nobody's
    let said = claim("gcp", "http://127.0.0.1:1");
    assert!(said.contains("Compute Engine"), "{said}");
    // one that is silent
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let start = Instant::now();
    let said = claim("azure", &format!("http://{}", silent.local_addr().unwrap()));
    assert!(said.contains("Azure"), "{said}");
    assert!(start.elapsed() < Duration::from_secs(20));
    // one that answers rubbish
    let (url, _) = service(|_, _| (200, "\u{1b}[31m<html>"));
    let said = claim("gcp", &url);
    assert!(!said.contains('\u{1b}'), "{said}");
    // no address at all
    let (url, _) = service(|_, _| (404, ""));
    claim("gcp", &url);
    assert_eq!(registry.redis.cli(&["DBSIZE"]), "0");
    assert_eq!(registry.hash(), map(&[]));
}

#[test]
fn no_proxy_is_asked() {
    let registry = Registry::new();
    let (url, _) = service(ec2);
    let (proxy, asked) = service(|_, _| (200, "10.9.9.9"));
    let mut command = registry.command(&[
        "claim",
        "web",
        "--from-metadata",
        "ec2",
        "--metadata-endpoint",
        &url,
    ]);
    for variable in ["http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"] {
        command.env(variable, &proxy);
    }
    assert!(command.output().unwrap().status.success());
    assert!(asked.lock().unwrap().is_empty());
}

/// Claims `web` with what that service of Google's says; what is told on stderr.
fn claim_on_gcp(registry: &Registry, answer: Reply) -> String {
    let (url, _) = service(answer);
    let output = registry.run(&[
        "claim",
        "web",
        "--from-metadata",
        "gcp",
        "--metadata-endpoint",
        &url,
    ]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

#[test]
fn a_machine_without_a_public_address_is_in_the_private_view_only() {
    let registry = Registry::new();
    let said = claim_on_gcp(&registry, |first, headers| {
        if first.contains("external-ip") {
            (404, "")
        } else {
            gcp(first, headers)
        }
    });
    assert!(said.contains("cloudhosts:public"), "{said}");
    let private = registry.hash_called("cloudhosts:private");
    assert_eq!(private, map(&[("web", "10.0.3.1")]));
    assert!(!registry.has("cloudhosts:public"));
}

#[test]
fn ipv6_addresses_are_registered_and_only_global_ones_in_public() {
    let registry = Registry::new();
    let side = |side: &str| registry.hash_called(&format!("cloudhosts:{side}"))["web"].clone();
    claim_on_gcp(&registry, |first, headers| {
        if first.contains("/ipv6s ") {
            (200, "fd20:1:2::3\n2600:1900:4000::7\n")
        } else {
            gcp(first, headers)
        }
    });
    assert_eq!(side("private"), "10.0.3.1 fd20:1:2::3 2600:1900:4000::7");
    assert_eq!(side("public"), "203.0.113.7 2600:1900:4000::7");
    // a machine of EC2 in a subnet that has IPv6 only
    let (url, _) = service(|first, headers| match first {
        _ if first.contains("ipv4") => (404, ""),
        "GET /latest/meta-data/ipv6 HTTP/1.1" => (200, "2600:1f18::9"),
        _ => ec2(first, headers),
    });
    let endpoint = ["--metadata-endpoint", &url];
    registry.prints(&[&["claim", "web", "--from-metadata", "ec2"], &endpoint[..]].concat());
    assert_eq!(
        (side("private"), side("public")),
        ("2600:1f18::9".into(), "2600:1f18::9".into())
    );
}
