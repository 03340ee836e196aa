//! The cloudhosts daemon, one on each machine: mirrors Redis hashes of role
//! names and hands the table that follows from them to every process.
//!
//! The parts, in the order in which data passes them:
//!
//! - [`mirror`]: what the hashes hold, as far as it can be believed and used;
//! - [`publisher`]: the table that follows, sealed, and kept in a file;
//! - [`server`]: the socket at which processes fetch it.
//!
//! Beside them [`last_good`] is the file, and [`checkpoint`] the one that says
//! which state of Redis it stands for; [`report`] is the status file,
//! [`journal`] the log, [`reload`] says what another configuration changes,
//! [`exposures`] warns of passwords that others can read, and [`daemon`] is the
//! loop that ties them together.
#![forbid(unsafe_code)]

pub mod checkpoint;
pub mod daemon;
pub mod exposures;
pub mod journal;
pub mod last_good;
pub mod mirror;
pub mod publisher;
pub mod reload;
pub mod report;
pub mod server;
