//! From the configuration to a connection that is logged in and, where Redis
//! can, pushes changes.
//!
//! An [`Endpoint`](cloudhosts_config::Endpoint) is where, `materials` what it takes (password, TLS), `stream`
//! opens the bytes, `guarded` watches them, `link` is one question and its
//! answer, `invalidations` what is pushed, `refusal` what Redis says no to, `session` logs in, `sentinels`
//! finds the master and `connector` tries one URL after the other. `survey` is
//! what each of several URLs lets us read. A `connection` is what comes of it,
//! beside which `lookout` looks whether another Redis should be in its place;
//! `listener` is told of failovers by a sentinel.

mod connection;
mod connector;
mod guarded;
mod invalidations;
mod link;
mod listener;
mod lookout;
mod materials;
mod refusal;
mod sentinels;
mod session;
mod stream;
mod survey;

pub(crate) use connection::Connection;
pub(crate) use connector::Connector;
pub(crate) use guarded::BUDGET;
pub(crate) use invalidations::{Pushed, Pushes};
pub(crate) use link::{Failure, Link, SILENCE};
pub(crate) use refusal::Refusal;
pub(crate) use sentinels::Sentinels;
pub(crate) use session::{is_master, speaks_plainly, speaks_tls};
