//! The verbs that look at what the daemon leaves on this machine. None of them
//! needs Redis.

mod around;
mod changes;
mod errand;
pub(crate) mod explain;
pub(crate) mod export;
mod formats;
pub(crate) mod lint;
pub(crate) mod list;
mod mending;
mod newest;
pub(crate) mod resolve;
pub(crate) mod roles;
pub(crate) mod status;
pub(crate) mod watch;
