//! `cloudhosts` registers: the real command, against a real Redis.
//!
//! - [`common`]: a registry of a test's own
//! - [`entries`]: the change log as a test reads it
//! - [`verbs`]: claim, join, leave, point, release
//! - [`place`]: which address, and in which view
//! - [`point`]: what has no address is not pointed at
//! - [`metadata`]: the addresses that a cloud knows
//! - [`hold`]: as long as a program or a command runs
//! - [`check`]: only while this machine is healthy
//! - [`command`]: what runs while a role is held exclusively
//! - [`hooks`]: what is run when a role is acquired or lost
//! - [`zones`]: where members stand
//! - [`leases`]: when a membership ends, and when it must not
//! - [`ended`]: verbs that take a role from its holders
//! - [`exclusive`]: one holder at a time
//! - [`names`]: several machines of one name
//! - [`outages`]: Redis is away, or its clock jumps, while roles are held
//! - [`together`]: many at once
//! - [`import`]: hosts files
//! - [`log`]: what the verbs write into the change log
//! - [`accept`]: what Redis has lost is lost
//! - [`history`]: the log for people
//! - [`wait`]: until the daemon has it
//! - [`progress`]: what a terminal is told meanwhile
//! - [`login`]: as whom, by register.toml
//! - [`acl`]: the rights that it takes
//! - [`access`]: rights, and a Redis that says no
//! - [`scenarios`]: what the guide prints
//! - [`unit`]: the unit of systemd

mod accept;
mod access;
mod acl;
mod check;
mod command;
mod common;
mod ended;
mod entries;
mod exclusive;
mod history;
mod hold;
mod hooks;
mod import;
mod leases;
mod log;
mod login;
mod metadata;
mod names;
mod outages;
mod place;
mod point;
mod progress;
mod scenarios;
mod together;
mod unit;
mod verbs;
mod wait;
mod zones;
