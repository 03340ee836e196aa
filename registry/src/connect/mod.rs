//! From the configuration to a connection that is logged in and, where Redis supports it, receives
//! invalidations.
//!
//! - `connector`: tries the configured URLs, or asks the `sentinels` for the master, and returns a
//!   `connection`.
//! - `credentials`: password and TLS, read from disk at each connect, or the password that a
//!   `password_command` prints. `stream`: TCP, TLS or a Unix socket, to Redis or to a gateway.
//!   `login`: AUTH, SELECT and CLIENT TRACKING.
//! - `link`: sends commands and reads replies, over a stream that is `metered`. `error_reply`: what
//!   an error reply means. `invalidations`: what Redis pushed.
//! - `redirect`: the node of a cluster that has a key. `hash_access`: which hashes can be read at a
//!   URL. `server_watch`: looks for a better URL or a new master while a connection is in use. `failover_events`: subscribes to a sentinel.

mod connection;
mod connector;
mod credentials;
mod error_reply;
mod failover_events;
mod hash_access;
mod invalidations;
mod link;
mod login;
mod metered;
mod password_command;
mod redirect;
mod sentinels;
mod server_watch;
mod stream;

pub(crate) use connection::Connection;
pub(crate) use connector::Connector;
pub use credentials::check_client_certificate;
pub(crate) use error_reply::{ErrorKind, ErrorReply};
pub(crate) use invalidations::{Pushed, Pushes};
pub(crate) use link::{CommandError, Link, SILENCE};
pub(crate) use login::{is_master, speaks_plainly, speaks_tls};
pub(crate) use metered::MAX_REPLY;
pub(crate) use redirect::Node;
pub(crate) use sentinels::Sentinels;
pub use stream::open_gateway;
