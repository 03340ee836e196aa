//! `cloudhosts-dns`, asked by real clients: what programs see that do not ask glibc.
//!
//! Each test has a network of its own, so all of them listen at the standard address. What is
//! answered in detail, and hostile bytes, are tested in `dns/tests`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod clients;
mod container;
mod crowd;
mod following;
mod resolvers;
mod running;
mod sizes;
mod strangers;

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use cloudhosts_tests::dns::DOMAIN;
use cloudhosts_tests::process::Process;
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

/// Python that runs inside, from when it has printed `ready`.
fn python(world: &World, arguments: &[&str]) -> Process {
    let mut command = world.sandbox.entrance().background("python3");
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut process = Process::start(command);
    let output = process.child().stdout.as_mut().expect("a pipe");
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line).expect("a line");
    assert_eq!(line.trim(), "ready");
    process
}

/// 500 addresses.
fn farm() -> String {
    let addresses = (0..500).map(|n| format!("10.1.{}.{}", n / 250, n % 250));
    addresses.collect::<Vec<_>>().join(" ")
}
