#![forbid(unsafe_code)]
//! What the programs of cloudhosts agree on. It knows files and their grammar, and
//! talks to nobody: the daemon, the command and whoever reads the table share it.
//!
//! - [`Config`]: the configuration file, and what differs from it for who
//!   registers; [`Endpoint`]: a URL in it; [`Zone`]: where a machine stands.
//! - [`Exposure`]: a password that others can read.
//! - [`status`]: the status document, which the daemon writes.
//! - [`Unit`] and [`Account`]: as whom the daemon runs, and what that user may
//!   read.
//! - [`printable`]: text from strangers, made fit for a terminal; [`Counted`]:
//!   numbers of things, in words.

mod account;
mod command_line;
mod config;
mod counted;
mod endpoint;
mod error;
mod exposure;
pub mod printable;
mod redis_table;
mod register_file;
mod secrets;
pub mod status;
mod unit;
mod values;
mod zone;

pub use account::Account;
pub use command_line::hide_passwords;
pub use config::{Config, Redis, STANDARD};
pub use counted::Counted;
pub use endpoint::{Address, Endpoint, EndpointError, Secret, port_or_default};
pub use error::ConfigError;
pub use exposure::Exposure;
pub use register_file::REGISTER;
pub use secrets::{FileError, FileErrorCode};
pub use unit::{Credential, Unit};
pub use values::Allow;
pub use zone::{Zone, ZoneError};
