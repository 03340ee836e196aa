//! `cloudhosts-dns`, asked by real clients: what programs see that do not ask glibc.
//!
//! Each test has a network of its own, so all of them listen at the standard address. What is
//! answered in detail, and hostile bytes, are tested in `dns/tests`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod clients;
mod crowd;
mod following;
mod resolvers;
mod running;
mod sizes;
mod strangers;

use cloudhosts_tests::dns::DOMAIN;
use cloudhosts_tests::world::{HASH, WorldBuilder};
use cloudhosts_tests::{DnsServer, World, config};

/// A world for DNS, about to start.
fn world(pairs: &[(&str, &str)]) -> WorldBuilder {
    World::new()
        .network()
        .config("domain", config::quote(DOMAIN))
        .hash(HASH, pairs)
}

/// The same, started, and a server that answers.
fn serving(pairs: &[(&str, &str)]) -> (World, DnsServer) {
    let world = world(pairs).start();
    let server = DnsServer::start(&world);
    (world, server)
}

/// 500 addresses.
fn farm() -> String {
    let addresses = (0..500).map(|n| format!("10.1.{}.{}", n / 250, n % 250));
    addresses.collect::<Vec<_>>().join(" ")
}
