//! A Redis Cluster: the owner of the slot is found and followed, wherever it is.

use std::collections::BTreeMap;

use cloudhosts_registry::Mode;
use cloudhosts_testkit::redis::{Redis, RedisBuilder};
use cloudhosts_testkit::{Dir, wait};

use crate::watcher::{Contents, Watcher};

/// A hash that shares a slot with the keys beside it.
const HASH: &str = "{cloudhosts}";
const LOG: &str = "{cloudhosts}:log";

/// Three masters with a third of the slots each.
struct Cluster {
    nodes: Vec<Redis>,
    slot: String,
    dir: Dir,
}

fn node(dir: &Dir, name: &str) -> RedisBuilder {
    Redis::builder(dir.join(name))
        .cluster()
        .setting("cluster-node-timeout 2000")
        .setting("cluster-replica-validity-factor 0")
}

impl Cluster {
    fn start() -> Cluster {
        let dir = Dir::new();
        let nodes: Vec<Redis> = ["a", "b", "c"]
            .iter()
            .map(|name| node(&dir, name).start())
            .collect();
        for (node, third) in nodes.iter().zip([0..5461, 5461..10_923, 10_923..16_384]) {
            node.add_slots(third);
            node.cli(&["CLUSTER", "MEET", "127.0.0.1", &nodes[0].port().to_string()]);
        }
        let slot = nodes[0].cli(&["CLUSTER", "KEYSLOT", HASH]);
        let cluster = Cluster { nodes, slot, dir };
        cluster.nodes.iter().for_each(until_up);
        cluster
    }

    /// The node that has the hash, and the two others.
    fn roles(&self) -> (&Redis, &Redis, &Redis) {
        let slot: u16 = self.slot.parse().unwrap();
        let owner = usize::from(slot / 5461).min(2);
        let at = |offset| &self.nodes[(owner + offset) % 3];
        (at(0), at(1), at(2))
    }

    fn set_slot(&self, node: &Redis, words: &[&str]) {
        node.cli(&[&["CLUSTER", "SETSLOT", &self.slot], words].concat());
    }
}

fn until_up(node: &Redis) {
    wait::until("the cluster is up", || {
        let info = node.cli(&["CLUSTER", "INFO"]);
        let known =
            info.contains("cluster_known_nodes:3") || info.contains("cluster_known_nodes:4");
        (known && info.contains("cluster_state:ok")).then_some(())
    });
}

fn id(node: &Redis) -> String {
    node.cli(&["CLUSTER", "MYID"])
}

fn following(node: &Redis) -> Watcher {
    Watcher::with(&format!(
        "hashes = [\"{HASH}\"]\n[redis]\nurls = [\"{}\"]\n",
        node.tcp_url()
    ))
}

fn until_connected(watcher: &mut Watcher, node: &Redis) {
    while watcher.connected() != (node.tcp_url(), Mode::Tracking) {}
}

fn holds(watcher: &mut Watcher, contents: &[(&str, &str)]) {
    let pair = |&(field, value): &(&str, &str)| (field.to_owned(), value.to_owned());
    let contents: Contents = contents.iter().map(pair).collect::<BTreeMap<_, _>>();
    watcher.until_mirror("the contents", |hashes| {
        hashes[0].unreadable.is_none() && hashes[0].fields == contents
    });
    assert!(watcher.hashes[0].retained.is_empty());
}

#[test]
fn the_owner_of_the_slot_is_followed_whichever_node_is_named_and_wherever_it_moves() {
    let cluster = Cluster::start();
    let (owner, other, third) = cluster.roles();
    owner.hset(HASH, &[("a", "1")]);
    let mut watcher = following(other);
    until_connected(&mut watcher, owner);
    holds(&mut watcher, &[("a", "1")]);
    owner.hset(HASH, &[("a", "2")]);
    holds(&mut watcher, &[("a", "2")]);

    // On its way the hash is at the new node, which has to be asked for it. Without a log one of
    // its keys is nowhere, and with one all are there.
    for (from, to, value) in [(owner, third, "3"), (third, owner, "5")] {
        let port = to.port().to_string();
        cluster.set_slot(to, &["IMPORTING", &id(from)]);
        cluster.set_slot(from, &["MIGRATING", &id(to)]);
        let keys = [
            "MIGRATE",
            "127.0.0.1",
            &port,
            "",
            "0",
            "5000",
            "KEYS",
            HASH,
            LOG,
        ];
        from.cli(&keys);
        until_connected(&mut watcher, to);
        to.script(&format!("ASKING\nHSET {HASH} a {value}\n"));
        holds(&mut watcher, &[("a", value)]);
        for node in [to, from, other] {
            cluster.set_slot(node, &["NODE", &id(to)]);
        }
        to.hset(HASH, &[("a", "4")]);
        holds(&mut watcher, &[("a", "4")]);
        to.cli(&["XADD", LOG, "*", ".nonce", value, "+a", "4"]);
    }
}

#[test]
fn after_a_failover_the_new_owner_is_found_through_any_node() {
    let mut cluster = Cluster::start();
    let replica = node(&cluster.dir, "d").start();
    let (owner, other, _) = cluster.roles();
    owner.hset(HASH, &[("a", "1")]);
    replica.cli(&["CLUSTER", "MEET", "127.0.0.1", &owner.port().to_string()]);
    wait::until("the replica knows its master", || {
        let known = replica.cli(&["CLUSTER", "NODES"]).contains(&id(owner));
        known.then_some(())
    });
    replica.cli(&["CLUSTER", "REPLICATE", &id(owner)]);
    wait::until("the replica has the data", || {
        let info = replica.cli(&["INFO", "replication"]);
        info.contains("master_link_status:up").then_some(())
    });
    cluster.nodes.iter().for_each(until_up);
    wait::until("all know the replica", || {
        let known = |node: &Redis| node.cli(&["CLUSTER", "NODES"]).contains(&id(&replica));
        cluster.nodes.iter().all(known).then_some(())
    });
    let mut watcher = following(other);
    until_connected(&mut watcher, owner);
    holds(&mut watcher, &[("a", "1")]);
    // A replica names its master, too.
    let mut late = following(&replica);
    until_connected(&mut late, owner);

    let at = cluster
        .nodes
        .iter()
        .position(|node| node.port() == owner.port());
    cluster.nodes[at.unwrap()].kill();
    for watcher in [&mut watcher, &mut late] {
        until_connected(watcher, &replica);
    }
    replica.hset(HASH, &[("a", "2")]);
    holds(&mut watcher, &[("a", "2")]);
}

#[test]
fn hashes_in_different_slots_are_refused_with_the_reason() {
    let cluster = Cluster::start();
    let (owner, ..) = cluster.roles();
    owner.hset(HASH, &[("a", "1")]);
    let slots = [HASH, "apart-1", "apart-2", "apart-3", "apart-4"];
    let slot = |key: &str| -> u16 { owner.cli(&["CLUSTER", "KEYSLOT", key]).parse().unwrap() };
    let elsewhere = |key: &&&str| slot(key) / 5461 != slot(HASH) / 5461;
    let apart = slots.iter().find(elsewhere).unwrap();
    let mut watcher = Watcher::with(&format!(
        "hashes = [\"{HASH}\", \"{apart}\"]\n[redis]\nurls = [\"{}\"]\n",
        owner.tcp_url()
    ));
    watcher.until_mirror("one of them is refused", |hashes| {
        let why = hashes[1].unreadable.as_deref().unwrap_or_default();
        why.contains("braces") && hashes[0].answered().len() == 1
    });
    // The one that is read is followed.
    owner.hset(HASH, &[("a", "2")]);
    watcher.until_mirror("the other is followed", |hashes| {
        hashes[0].answered()["a"] == "2"
    });
}
