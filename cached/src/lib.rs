//! The cloudhosts daemon, one on each machine: mirrors Redis hashes of role
//! names and hands the table that follows from them to every process.
//!
//! The parts, in the order in which data passes them:
//!
//! - [`mirror`]: what the hashes hold, as far as it can be believed and used;
//! - [`publisher`]: the region that they are written into, as they change;
//! - [`server`]: the socket at which processes fetch it, and [`admission`] who
//!   is served there.
//!
//! Beside them [`keeper`] sees to the files that outlive the daemon,
//! [`last_good`] and [`state`]; [`report`] is the status file,
//! [`journal`] the log, [`role_changes`] what it says of roles, [`reload`] says what another configuration changes,
//! [`exposures`] warns of passwords that others can read, and [`daemon`] is the
//! loop that ties them together.
#![forbid(unsafe_code)]

pub mod admission;
pub mod daemon;
pub mod exposures;
pub mod journal;
pub mod keeper;
pub mod last_good;
pub mod mirror;
pub mod publisher;
pub mod reload;
pub mod report;
pub mod role_changes;
pub mod server;
pub mod state;
