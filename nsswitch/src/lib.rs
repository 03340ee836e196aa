//! nsswitch.conf(5): which services glibc asks for hosts, and how to ask them
//! without asking cloudhosts.
//!
//! - [`hosts`]: the `hosts:` line, read by glibc's rules;
//! - [`bootstrap`]: the address of a host by all services of the machine but
//!   ours, which is how the daemon and the command find Redis.

pub mod bootstrap;
mod glibc;
pub mod hosts;
