//! From the configuration to a connection that is logged in and, where Redis
//! can, pushes changes.
//!
//! [`Endpoint`] is where, `materials` what it takes (password, TLS), `stream`
//! opens the bytes, `guarded` watches them, `link` is one question and its
//! answer, `invalidations` what is pushed, `refusal` what Redis says no to, `session` logs in, `sentinel`
//! finds the master and `connector` tries one URL after the other.

mod connector;
mod endpoint;
mod guarded;
mod invalidations;
mod link;
mod materials;
mod refusal;
mod sentinel;
mod session;
mod stream;

pub use endpoint::{Endpoint, EndpointError};

pub(crate) use connector::{Connection, Connector};
pub(crate) use endpoint::{MAX_SOCKET_PATH, Secret};
pub(crate) use guarded::BUDGET;
pub(crate) use invalidations::{Pushed, Pushes};
pub(crate) use link::{Failure, Link, SILENCE};
pub(crate) use refusal::Refusal;
pub(crate) use session::is_master;
