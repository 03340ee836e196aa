//! Which address is registered, and in which view.

use cloudhosts_tests::Redis;
use cloudhosts_tests::dir::Dir;

use crate::common::{Registry, map};

#[test]
fn an_address_that_means_nothing_elsewhere_is_not_guessed() {
    let unix = Registry::new();
    let said = unix.fails(2, &["claim", "web"]);
    assert!(
        said.contains("over a Unix socket") && said.contains("--from-metadata"),
        "{said}"
    );
    let dir = Dir::new();
    let redis = Redis::builder(dir.join("redis")).tcp().start();
    let lines = format!("[redis]\nurls = ['{}']\n", redis.tcp_url());
    let tcp = Registry::with(dir, redis, &lines);
    for verb in ["claim", "join", "hold"] {
        let said = tcp.fails(2, &[verb, "web"]);
        assert!(
            said.contains("from 127.0.0.1") && said.contains("pass it"),
            "{said}"
        );
    }
    assert_eq!(tcp.redis.cli(&["DBSIZE"]), "0");
}

#[test]
fn both_views_are_written_in_one_step() {
    let registry = Registry::new();
    let both = ["--private", "10.0.3.1", "--public", "203.0.113.7"];
    let before = registry.redis.calls("eval");
    assert_eq!(
        registry.prints(&[&["claim", "shop"], &both[..]].concat()),
        "shop is at 10.0.3.1 in cloudhosts:private\nshop is at 203.0.113.7 in cloudhosts:public\n"
    );
    assert_eq!(registry.redis.calls("eval"), before + 1);
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
    assert!(
        said.contains("WRONGTYPE") && said.contains("nothing was changed"),
        "{said}"
    );
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
