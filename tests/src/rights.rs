//! The rights of the users of Redis: what `cloudhosts acl` prints is what cloudhosts-registry(7) says,
//! and what is tested.

use crate::process::{bounded, succeed};
use crate::programs;

/// Where the lines stand that it prints for a Redis 7 and the standard hash.
const DOCUMENT: &str = "man/cloudhosts-registry.7";

/// The rules of the daemon's user: its line without the beginning `ACL SETUSER user on >PASSWORD`.
///
/// # Panics
/// When the page has no such line, or another one than is printed.
pub fn of_daemon() -> String {
    rules("cloudhosts")
}

/// Those of the user that registers.
///
/// # Panics
/// As [`of_daemon`].
pub fn of_registrar() -> String {
    rules("registrar")
}

fn rules(user: &str) -> String {
    let start = format!("ACL SETUSER {user} on >PASSWORD ");
    let found = |text: &str| {
        let line = text.lines().find_map(|line| line.split_once(&start));
        line.map(|(_, rules)| rules.trim().to_owned())
    };
    let printed = succeed(bounded(programs::find(programs::COMMAND)).args([
        "--config",
        "/dev/null",
        "--redis-url",
        "redis+unix:///no/such/socket",
        "acl",
    ]));
    let printed = found(&printed);
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let page = std::fs::read_to_string(format!("{root}/{DOCUMENT}")).unwrap();
    assert_eq!(found(&page), printed, "{DOCUMENT}, and cloudhosts acl");
    printed.unwrap_or_else(|| panic!("cloudhosts acl prints no line {start}..."))
}
