//! Registers by HTTPS: a gateway for machines that have a token for their own roles, and no
//! credentials of Redis. It writes by [`cloudhosts_registry::register`] as the command does, and
//! keeps no state that Redis does not have.
//!
//! The parts, in the order in which a request passes them:
//!
//! - [`mod@listener`]: how many connections there may be; `connection`: TLS (`certificate`), HTTP, and
//!   what takes too long;
//! - [`mod@gateway`]: from a request to its answer. `route`: what a path stands for; `source`: where
//!   a request comes from; `rate`: how often it may come; `credentials` and `tokens`: from whom it is
//!   (`caller`);
//! - `change`, `lease` and `nic`: what it asks for. `places`: where that is written; `permission`:
//!   whether the token allows it; `recent`: what was written a short time ago;
//! - `client_leases`: what clients without state were told last;
//! - `writer`: the connections to Redis, and those who wait for one;
//! - `refusal`: why something is not done; `metrics`: what is counted;
//! - [`settings`]: what the configuration means for all this.
#![forbid(unsafe_code)]

mod caller;
mod certificate;
mod change;
mod client_leases;
mod connection;
mod credentials;
pub mod gateway;
mod lease;
pub mod listener;
mod metrics;
mod nic;
mod permission;
mod places;
mod rate;
mod recent;
mod refusal;
mod route;
pub mod settings;
mod source;
mod tokens;
mod writer;

pub use certificate::CertificateError;
