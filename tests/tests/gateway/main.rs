//! `cloudhosts-gateway`, with a real Redis, and asked by real clients: curl, ddclient, inadyn.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod changes;
mod client;
mod clients;
mod faults;
mod guide;
mod holders;
mod leases;
mod limits;
mod running;
mod sources;
mod tokens;

use cloudhosts_tests::gateway::GatewayServer;

/// What lets a token do everything from everywhere.
const ALL: &str = "roles = ['*']\nverbs = ['claim', 'join', 'leave', 'release', 'hold']\n\
                   addresses = ['0.0.0.0/0', '::/0']";

/// A gateway with a token `all`, with TLS.
fn serving() -> GatewayServer {
    GatewayServer::builder().token("all", ALL).start()
}

/// The same without TLS.
fn serving_plainly() -> GatewayServer {
    GatewayServer::builder().plain().token("all", ALL).start()
}
