//! From the configuration to a connection that is logged in and, where Redis
//! can, pushes changes.
//!
//! [`Endpoint`] is where, `credentials` what it takes (password, TLS), `stream`
//! opens the bytes, `metered` watches them, `link` is one question and its
//! answer, `invalidations` what is pushed, `reply` what Redis says no to, `session` logs in, `sentinels`
//! finds the master and `connector` tries one URL after the other. `access` is
//! what each of several URLs lets us read. A `connection` is what comes of it,
//! beside which `watch` looks whether another Redis should be in its place;
//! `listener` is told of failovers by a sentinel.

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
mod sentinels;
mod server_watch;
mod stream;

pub(crate) use connection::Connection;
pub(crate) use connector::Connector;
pub(crate) use error_reply::ErrorReply;
pub(crate) use invalidations::{Pushed, Pushes};
pub(crate) use link::{CommandError, Link, SILENCE};
pub(crate) use login::{is_master, speaks_plainly, speaks_tls};
pub(crate) use metered::BUDGET;
pub(crate) use sentinels::Sentinels;
