//! The verbs that look at what the daemon leaves on this machine. None of them
//! needs Redis.

mod around;
pub(crate) mod explain;
pub(crate) mod lint;
pub(crate) mod list;
mod mending;
pub(crate) mod resolve;
pub(crate) mod roles;
pub(crate) mod status;
