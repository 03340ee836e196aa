//! The verbs of `cloudhosts` that look: the real command beside a real Redis, daemon and glibc, and
//! what it prints.

mod background;
mod completions;
mod dns;
mod doctor;
mod explain;
mod export;
mod held;
mod help;
mod lint;
mod list;
mod memory;
mod nsswitch;
mod watch;
