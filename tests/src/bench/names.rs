//! The names all subjects are measured with: 24 bytes each, with one IPv4 address each.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use crate::redis::Redis;
use crate::world::HASH;

/// The nth name, as `tests/bench/lookups.c` makes it too.
pub fn name(nth: u32) -> String {
    format!("service-{nth:07}.internal")
}

/// Its address.
pub fn address(nth: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x0a00_0000 + nth)
}

/// Puts the first `count` names into the hash.
pub fn register(redis: &Redis, count: u32) {
    let mut commands = String::new();
    for from in (0..count).step_by(100) {
        write!(commands, "HSET {HASH}").expect("a string takes it");
        for nth in from..count.min(from + 100) {
            write!(commands, " {} {}", name(nth), address(nth)).expect("a string takes it");
        }
        commands.push('\n');
    }
    redis.pipeline(&commands);
}

/// The same names as a hosts file has them.
pub fn hosts(count: u32) -> String {
    let mut text = String::from("127.0.0.1 localhost\n");
    for nth in 0..count {
        writeln!(text, "{} {}", address(nth), name(nth)).expect("a string takes it");
    }
    text
}
