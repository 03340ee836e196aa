//! A Redis Cluster, of which one node has the hash; and a hash that cannot be read at all.

use cloudhosts_tests::config::list;
use cloudhosts_tests::dir::Dir;
use cloudhosts_tests::process::{stderr, stdout};
use cloudhosts_tests::redis::{version, wait_for_replica};
use cloudhosts_tests::world::{HASH, WorldBuilder};
use cloudhosts_tests::{Redis, World, wait};
use serde_json::Value;

/// Two nodes, each with one half of the slots.
struct Cluster {
    /// The node that has the hash.
    owner: Redis,
    /// The one that has not.
    other: Redis,
    slot: String,
    _dir: Dir,
}

impl Cluster {
    fn start() -> Cluster {
        let dir = Dir::new();
        let node = |name: &str| Redis::builder(dir.join(name)).cluster().start();
        let nodes = [node("a"), node("b")];
        let [a, b] = &nodes;
        a.cli(&["CLUSTER", "MEET", "127.0.0.1", &b.port().to_string()]);
        a.add_slots(0..8192);
        b.add_slots(8192..16_384);
        for node in &nodes {
            wait::until("the cluster is up", || {
                let info = node.cli(&["CLUSTER", "INFO"]);
                let up = info.contains("cluster_state:ok") && info.contains("known_nodes:2");
                up.then_some(())
            });
        }
        let slot = a.cli(&["CLUSTER", "KEYSLOT", HASH]);
        let [a, b] = nodes;
        let (owner, other) = match slot.parse::<u16>().unwrap() {
            ..8192 => (a, b),
            _ => (b, a),
        };
        Cluster {
            owner,
            other,
            slot,
            _dir: dir,
        }
    }

    /// Gives the hash and its slot to the other node.
    fn move_slot(&mut self) {
        let (from, to) = (&self.owner, &self.other);
        let [from_id, to_id] = [from, to].map(|node| node.cli(&["CLUSTER", "MYID"]));
        let set = |node: &Redis, words: &[&str]| {
            node.cli(&[&["CLUSTER", "SETSLOT", &self.slot], words].concat());
        };
        set(to, &["IMPORTING", &from_id]);
        set(from, &["MIGRATING", &to_id]);
        from.cli(&[
            "MIGRATE",
            "127.0.0.1",
            &to.port().to_string(),
            HASH,
            "0",
            "5000",
        ]);
        set(to, &["NODE", &to_id]);
        set(from, &["NODE", &to_id]);
        std::mem::swap(&mut self.owner, &mut self.other);
    }

    /// A world whose daemon is given these nodes.
    fn world(&self, nodes: &[&Redis]) -> WorldBuilder {
        let urls: Vec<String> = nodes.iter().map(|node| node.tcp_url()).collect();
        let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
        World::new().config("redis.urls", list(&urls))
    }
}

/// The exit code of `cloudhosts status`, and what it says with `--json`.
fn status(world: &World) -> (Option<i32>, Value) {
    let output = world.cloudhosts(&["status", "--json"]);
    let json = serde_json::from_slice(&output.stdout).unwrap();
    (output.status.code(), json)
}

#[test]
fn of_the_nodes_of_a_cluster_the_one_that_has_the_hash_is_followed() {
    let mut cluster = Cluster::start();
    cluster.owner.hset(HASH, &[("web", "10.0.0.5")]);
    let mut world = cluster.world(&[&cluster.other, &cluster.owner]).build();
    world.daemon.start();
    let live = world.daemon.wait_for_state("live");
    assert_eq!(live["redis"]["endpoint"], cluster.owner.tcp_url());
    world.sees("web", &["10.0.0.5"]);
    assert_eq!(status(&world).0, Some(0));

    // the slot moves to the other node while it is followed
    cluster.move_slot();
    cluster.owner.hset(HASH, &[("web", "10.0.0.6")]);
    world.sees("web", &["10.0.0.6"]);
    let owner = cluster.owner.tcp_url();
    world.daemon.wait_for("live at the other node", |status| {
        status["state"] == "live" && status["redis"]["endpoint"] == owner.as_str()
    });
}

#[test]
fn a_hash_on_a_node_that_is_not_in_urls_is_found() {
    let mut cluster = Cluster::start();
    cluster.owner.hset(HASH, &[("web", "10.0.0.5")]);
    let mut world = cluster.world(&[&cluster.other]).build();
    world.daemon.start();
    let live = world.daemon.wait_for_state("live");
    assert_eq!(live["redis"]["endpoint"], cluster.owner.tcp_url());
    world.sees("web", &["10.0.0.5"]);
    let doctor = world.cloudhosts(&["doctor"]);
    assert_eq!(doctor.status.code(), Some(0), "{}", stdout(&doctor));
    cluster.move_slot();
    cluster.owner.hset(HASH, &[("web", "10.0.0.6")]);
    world.sees("web", &["10.0.0.6"]);
}

#[test]
fn a_hash_that_no_url_has_at_first_is_found_when_one_gets_it() {
    let start = World::new();
    let node = |name: &str| {
        let redis = Redis::builder(start.directory().join(name)).tcp().start();
        redis.cli(&["ACL", "SETUSER", "default", "-hlen"]);
        redis
    };
    let (one, other) = (node("one"), node("other"));
    other.cli(&["HSET", HASH, "web", "10.0.0.5"]);
    let urls = list(&[&one.tcp_url(), &other.tcp_url()]);
    let mut world = start.config("redis.urls", urls).build();
    world.daemon.start();
    let seen = world.daemon.wait_for_state("unreadable");
    assert_eq!(seen["hashes"][0]["unreadable_code"], "noperm", "{seen:#}");
    other.cli(&["ACL", "SETUSER", "default", "+hlen"]);
    world.sees("web", &["10.0.0.5"]);
    world.daemon.wait_for_state("live");
}

#[test]
fn the_command_writes_to_a_node_that_is_not_in_urls_while_the_slot_moves_too() {
    let cluster = Cluster::start();
    let world = cluster.world(&[&cluster.other]).build();
    let hash = format!("{{{HASH}}}");
    let claim = world.cloudhosts(&["claim", "--hash", &hash, "web", "10.0.0.5"]);
    assert!(claim.status.success(), "{}", stderr(&claim));
    assert_eq!(cluster.owner.cli(&["HGET", &hash, "web"]), "10.0.0.5");

    let [from_id, to_id] =
        [&cluster.owner, &cluster.other].map(|node| node.cli(&["CLUSTER", "MYID"]));
    let set = |node: &Redis, words: &[&str]| {
        node.cli(&[&["CLUSTER", "SETSLOT", &cluster.slot], words].concat());
    };
    set(&cluster.other, &["IMPORTING", &from_id]);
    set(&cluster.owner, &["MIGRATING", &to_id]);
    let log = format!("{hash}:log");
    let port = cluster.other.port().to_string();
    let keys = [
        "MIGRATE",
        "127.0.0.1",
        &port,
        "",
        "0",
        "5000",
        "KEYS",
        &hash,
        &log,
    ];
    cluster.owner.cli(&keys);
    let claim = std::thread::scope(|scope| {
        // Some keys of the script exist nowhere, so it has to wait for the end of the move.
        scope.spawn(|| {
            wait::until("the command has been told to try again", || {
                let refused = match version() {
                    // which does not count errors: it has asked again
                    (..6, _) | (6, ..2) => cluster.other.calls("asking") > 1,
                    _ => {
                        let errors = cluster.other.cli(&["INFO", "errorstats"]);
                        errors.contains("errorstat_TRYAGAIN")
                    }
                };
                refused.then_some(())
            });
            set(&cluster.other, &["NODE", &to_id]);
            set(&cluster.owner, &["NODE", &to_id]);
        });
        world.cloudhosts(&["claim", "--hash", &hash, "web", "10.0.0.6"])
    });
    assert!(claim.status.success(), "{}", stderr(&claim));
    assert_eq!(cluster.other.cli(&["HGET", &hash, "web"]), "10.0.0.6");
}

#[test]
fn a_key_of_another_type_is_not_live_and_takes_no_name_away() {
    let world = World::with(&[("web", "10.0.0.5")]);
    assert_eq!(status(&world).0, Some(0));
    world.redis.script(&format!("DEL {HASH}\nSET {HASH} x\n"));
    let seen = world.daemon.wait_for_state("unreadable");
    assert_eq!(
        seen["hashes"][0]["unreadable_code"], "wrongtype",
        "{seen:#}"
    );
    assert_eq!(status(&world).0, Some(1));
    let doctor = world.cloudhosts(&["doctor", "--json"]);
    let said: Value = serde_json::from_slice(&doctor.stdout).unwrap();
    assert_eq!(doctor.status.code(), Some(1), "{said:#}");
    // it is the key that is wrong, and no right
    let checks = said["checks"].as_array().unwrap();
    let wrong = |check: &str| {
        let mut all = checks.iter();
        all.any(|one| one["check"] == check && one["verdict"] == "wrong")
    };
    assert!(wrong("redis") && !wrong("acl"), "{said:#}");
    world.redis.cli(&["DEL", HASH]);
    world.hset(&[("web", "10.0.0.6")]);
    world.sees("web", &["10.0.0.6"]);
    world.daemon.wait_for_state("live");
    assert_eq!(status(&world).0, Some(0));
}

#[test]
fn one_unreadable_hash_of_two_is_told_and_the_other_followed() {
    let world = World::new()
        .config("hashes", list(&["views", HASH]))
        .hash(HASH, &[("web", "10.0.0.5")])
        .build();
    let mut world = world;
    world.redis.cli(&["SET", "views", "x"]);
    world.daemon.start();
    let seen = world.daemon.wait_for_state("unreadable");
    let codes: Vec<&Value> = seen["hashes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hash| &hash["unreadable_code"])
        .collect();
    assert_eq!(codes, [&Value::from("wrongtype"), &Value::Null]);
    world.hset(&[("web", "10.0.0.6")]);
    world.sees("web", &["10.0.0.6"]);
}

#[test]
fn the_command_writes_to_the_node_that_has_the_hash() {
    let cluster = Cluster::start();
    let world = cluster.world(&[&cluster.other, &cluster.owner]).build();
    // the keys beside a hash are on the same node by the name in braces
    let hash = format!("{{{HASH}}}");
    let claim = world.cloudhosts(&["claim", "--hash", &hash, "web", "10.0.0.5"]);
    assert!(claim.status.success(), "{}", stderr(&claim));
    assert_eq!(cluster.owner.cli(&["HGET", &hash, "web"]), "10.0.0.5");
    // and a transaction as a whole, none of it outside
    std::fs::write(
        world.sandbox.outside("/run/hosts"),
        "10.0.0.6 web\n10.0.0.7 db\n",
    )
    .unwrap();
    for replace in [&[][..], &["--replace"]] {
        let words = [&["import", "--hash", &hash], replace, &["/run/hosts"]].concat();
        let import = world.cloudhosts(&words);
        assert!(import.status.success(), "{}", stderr(&import));
        assert_eq!(cluster.owner.cli(&["HGET", &hash, "db"]), "10.0.0.7");
        cluster.owner.cli(&["HDEL", &hash, "db"]);
    }
    assert_eq!(cluster.owner.cli(&["HGET", &hash, "web"]), "10.0.0.6");
}

#[test]
fn a_replica_that_hears_nothing_of_its_master_is_not_live() {
    let start = World::new();
    let mut master = Redis::builder(start.directory().join("master"))
        .tcp()
        .start();
    master.hset(HASH, &[("web", "10.0.0.5")]);
    let replica = Redis::builder(start.directory().join("replica"))
        .replica_of(master.port())
        .start();
    wait_for_replica(&master);
    let urls = list(&[&replica.unix_url()]);
    let world = start.redis(replica).config("redis.urls", urls).start();
    world.sees("web", &["10.0.0.5"]);
    let told = world.daemon.wait_for_state("live");
    assert_eq!(told["redis"]["master_link"], "up");
    assert_eq!(status(&world).0, Some(0));

    master.cli(&["SAVE"]);
    master.kill();
    let told = world.daemon.wait_for_state("stale");
    assert_eq!(told["redis"]["master_link"], "down");
    assert_eq!(status(&world).0, Some(1));
    let doctor = world.cloudhosts(&["doctor", "--json"]);
    let said = stdout(&doctor);
    assert_eq!(doctor.status.code(), Some(1), "{said}");
    assert_eq!(said.matches("\"master-down\"").count(), 2, "{said}");
    world.sees("web", &["10.0.0.5"]);

    master.restart();
    master.hset(HASH, &[("web", "10.0.0.6")]);
    world.daemon.wait_for_state("live");
    world.sees("web", &["10.0.0.6"]);
}
