//! An authoritative DNS server that answers from this machine's table: for
//! programs that do not ask glibc. It knows [`cloudhosts_table`] and never Redis,
//! and goes on answering without a daemon, as the NSS module does.
//!
//! The parts, in the order in which a question passes them:
//!
//! - [`mod@config`]: for which zones it answers, and where the table is;
//! - [`udp`] and [`tcp`], over [`socket`]: how a question comes, and [`server`]: what all threads
//!   answer from, with how many answers a network gets;
//! - [`mod@answer`]: from a message and a table to an answer, without any input or
//!   output;
//! - [`zone`]: which zone a name belongs to; `reverse`: which address a name is
//!   of; [`nonterminals`]: which names are above roles.
#![forbid(unsafe_code)]

pub mod answer;
mod buffer;
pub mod config;
pub mod nonterminals;
mod rate;
mod request;
mod reverse;
pub mod server;
pub mod socket;
pub mod tcp;
pub mod udp;
pub mod zone;

pub use rate::PER_SECOND;
