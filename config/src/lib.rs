#![forbid(unsafe_code)]
//! What the programs of cloudhosts agree on. It knows files and their grammar, and
//! talks to nobody: the daemon, the command and whoever reads the table share it.
//!
//! - [`Config`]: the configuration file, and what `register.toml`
//!   overrides; [`Endpoint`]: a URL in it; [`Zone`]: the zone of a machine;
//!   [`Dns`]: how cloudhosts-dns answers; [`GatewayAccess`]: a gateway to register through.
//! - [`gateway`]: the configuration of the gateway, and what it and its clients agree on.
//! - [`Exposure`]: a password that others can read.
//! - [`status`]: the status document, which the daemon writes.
//! - [`Unit`] and [`Account`]: the daemon's user, and what that user may read.
//! - [`paths`]: where everything is by default; [`AtomicFile`]: a file that is replaced as a whole.
//! - [`printable`]: untrusted text, made safe for a terminal; [`Counted`]: a count
//!   with its noun; [`OpenMetrics`]: text for Prometheus.

mod account;
mod atomic_file;
mod command_line;
mod config;
mod counted;
mod dns_table;
mod endpoint;
mod error;
mod exposure;
pub mod gateway;
mod gateway_access;
mod gateway_url;
mod openmetrics;
mod password_command;
pub mod paths;
pub mod printable;
mod redis_table;
mod register_file;
mod secrets;
pub mod status;
mod unit;
mod values;
mod zone;

pub use account::Account;
pub use atomic_file::AtomicFile;
pub use command_line::hide_passwords;
pub use config::{Config, Redis};
pub use counted::Counted;
pub use dns_table::Dns;
pub use endpoint::{Address, Endpoint, EndpointError, Secret, port_or_default};
pub use error::ConfigError;
pub use exposure::Exposure;
pub use gateway_access::GatewayAccess;
pub use gateway_url::{GatewayUrl, GatewayUrlError};
pub use openmetrics::{OpenMetrics, Sample};
pub use password_command::PasswordCommand;
pub use secrets::{CertificateFiles, ClientCertificate, FileError, FileErrorCode};
pub use unit::{Credential, Unit, starts_at_boot};
pub use values::Allow;
pub use zone::{Zone, ZoneError};
