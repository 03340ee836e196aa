//! nsswitch.conf(5): which services glibc asks for hosts, and how to ask them without
//! cloudhosts.
//!
//! - [`hosts`]: the `hosts:` line, parsed by glibc's rules;
//! - [`bootstrap`]: host lookups by all services of the machine except cloudhosts, by which
//!   the daemon and the command find Redis.

pub mod bootstrap;
mod glibc;
pub mod hosts;
