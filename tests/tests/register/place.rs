//! Which address is registered, and in which view.

use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener, UdpSocket};
use std::os::unix::net::UnixStream;
use std::thread;

use cloudhosts_tests::Redis;
use cloudhosts_tests::dir::Dir;

use crate::common::{Registry, map};

#[test]
fn an_address_that_means_nothing_elsewhere_is_not_guessed() {
    let unix = Registry::new();
    let said = unix.fails(2, &["claim", "web"]);
    assert!(said.contains("--from-metadata"), "{said}");
    let dir = Dir::new();
    let redis = Redis::builder(dir.join("redis")).tcp().start();
    let lines = format!("[redis]\nurls = ['{}']\n", redis.tcp_url());
    let tcp = Registry::with(dir, redis, &lines);
    for verb in ["claim", "join", "hold"] {
        let said = tcp.fails(2, &[verb, "web"]);
        assert!(said.contains("127.0.0.1"), "{said}");
    }
    assert_eq!(tcp.redis.cli(&["DBSIZE"]), "0");
}

/// An address of this machine that others may use; none where it has no network.
fn own_address() -> Option<IpAddr> {
    // nothing is sent: the kernel only says which address it would use
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("203.0.113.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

/// Passes connections to that address on to a Redis, which itself listens on the loopback only.
fn passage(to: IpAddr, redis: &Redis) -> String {
    let listener = TcpListener::bind((to, 0)).unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let socket = redis.socket();
    let copy = |mut from: Box<dyn Read + Send>, mut to: Box<dyn Write + Send>| {
        thread::spawn(move || std::io::copy(&mut from, &mut to));
    };
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = UnixStream::connect(&socket) else {
                continue;
            };
            copy(
                Box::new(client.try_clone().unwrap()),
                Box::new(server.try_clone().unwrap()),
            );
            copy(Box::new(server), Box::new(client));
        }
    });
    url
}

#[test]
fn without_an_address_it_is_the_one_from_which_redis_is_reached() {
    let Some(own) = own_address() else {
        eprintln!("this machine has no address but the loopback's: not checked");
        return;
    };
    let registry = Registry::new();
    let url = passage(own, &registry.redis);
    let at = own.to_string();
    let there = ["--redis-url", &url];
    let said = registry.prints(&[&there[..], &["claim", "web"]].concat());
    assert_eq!(said, format!("web is at {own} in cloudhosts\n"));
    registry.prints(&[&there[..], &["join", "app", "--member", "a"]].concat());
    let said =
        registry.prints(&[&there[..], &["join", "x", "--member", "a", "--dry-run"]].concat());
    assert!(
        said.contains(&format!("HSET cloudhosts x/a {own}\n")),
        "{said}"
    );
    let mut holder = registry.background(
        &[
            &there[..],
            &["hold", "db", "--member", "a", "--lease", "3s"],
        ]
        .concat(),
        &[],
    );
    holder.says(&own.to_string());
    assert_eq!(
        registry.hash(),
        map(&[("web", &at), ("app/a", &at), ("db/a", &at)])
    );
    holder.process.kill();
}

#[test]
fn both_views_are_written_in_one_step() {
    let registry = Registry::new();
    let both = ["--private", "10.0.3.1", "--public", "203.0.113.7"];
    assert_eq!(
        registry.prints(&[&["claim", "shop"], &both[..]].concat()),
        "shop is at 10.0.3.1 in cloudhosts:private\nshop is at 203.0.113.7 in cloudhosts:public\n"
    );
    // asked for by its name, which Redis did not know yet, and then sent
    assert_eq!(registry.redis.calls("eval"), 1);
    let hash = |side: &str| registry.hash_called(&format!("cloudhosts:{side}"));
    assert_eq!(hash("private"), map(&[("shop", "10.0.3.1")]));
    assert_eq!(hash("public"), map(&[("shop", "203.0.113.7")]));
    assert!(!registry.has("cloudhosts"));

    // one of them has another type: neither is changed
    registry
        .redis
        .script("DEL cloudhosts:public\nSET cloudhosts:public junk\n");
    let said = registry.fails(
        3,
        &[
            "claim",
            "shop",
            "--private",
            "10.0.3.2",
            "--public",
            "1.1.1.1",
        ],
    );
    assert!(said.contains("WRONGTYPE"), "{said}");
    assert_eq!(hash("private"), map(&[("shop", "10.0.3.1")]));

    let said = registry.prints(&[
        "--hash",
        "mine",
        "join",
        "shop",
        "--private",
        "10.0.3.3",
        "--member",
        "a",
    ]);
    assert_eq!(said, "shop/a is at 10.0.3.3 in mine:private\n");
    registry.fails(2, &["claim", "shop", "10.0.0.1", "--private", "10.0.3.3"]);
}

#[test]
fn with_several_hashes_the_one_to_write_to_is_said() {
    let dir = Dir::new();
    let redis = Redis::builder(dir.join("redis")).start();
    let views = "hashes = ['cloudhosts:private', 'cloudhosts']\n";
    let registry = Registry::with(dir, redis, views);
    let said = registry.fails(2, &["claim", "web", "10.0.0.1"]);
    assert!(
        said.contains("cloudhosts:private, cloudhosts") && said.contains("--hash"),
        "{said}"
    );
    registry.prints(&["claim", "web", "10.0.0.1", "--hash", "cloudhosts"]);
    assert_eq!(registry.hash(), map(&[("web", "10.0.0.1")]));
    let several = ["--hash", "cloudhosts", "--hash", "other"];
    assert_eq!(
        registry.prints(&[&["release", "web"], &several[..]].concat()),
        "web is gone from cloudhosts\nweb was not in other\n"
    );
}
