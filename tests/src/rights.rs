//! The rights that the documentation gives a Redis user: what stands there is what is tested.

use std::collections::BTreeSet;

/// The rules of the documented line `ACL SETUSER user on >PASSWORD ...`, without its beginning.
///
/// # Panics
/// When a document has no such line, or another one than the rest.
pub fn documented(user: &str, documents: &[&str]) -> String {
    let start = format!("ACL SETUSER {user} on >PASSWORD ");
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let mut rules = BTreeSet::new();
    for document in documents {
        let text = std::fs::read_to_string(format!("{root}/{document}")).unwrap();
        let found = text
            .lines()
            .find_map(|line| Some(line.split_once(&start)?.1.trim().to_owned()));
        rules.insert(found.unwrap_or_else(|| panic!("{document} has no line {start}...")));
    }
    assert_eq!(rules.len(), 1, "the documents differ: {rules:?}");
    rules.into_iter().next().unwrap()
}

/// Those of the daemon.
pub fn of_daemon() -> String {
    let documents = [
        "registry/src/lib.rs",
        "README.md",
        "man/cloudhosts-registry.7",
    ];
    documented("cloudhosts", &documents)
}
