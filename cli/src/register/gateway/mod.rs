//! Registering through a gateway, by HTTPS, with a token instead of a user of Redis.
//!
//! - [`client`]: makes changes, and renews leases, as a registrar does in Redis
//! - `request`: what is sent, or printed as a command for curl
//! - `connection`: HTTP/1.1 over a stream, bounded in size and time
//! - `answer`: what came back, and the errors that stand for it

mod answer;
mod client;
mod connection;
mod request;

pub(crate) use client::GatewayClient;
pub(super) use request::GatewayRequest;
