//! Other member IDs for a holder whose own is taken.

use sha1_smol::Sha1;

use crate::register::role::{Role, RoleError};

/// The longest member ID to which a suffix can be appended.
const LONGEST: usize = 64 - 7;

/// The next member ID to try: first with a suffix for this machine, then with a random one.
///
/// # Errors
/// Never: the result is a valid member ID.
pub(super) fn other(wanted: &Role, taken: usize, nonce: &str) -> Result<Role, RoleError> {
    let machine = std::fs::read("/etc/machine-id").ok();
    named(wanted, taken, machine.as_deref(), nonce)
}

fn named(
    wanted: &Role,
    taken: usize,
    machine: Option<&[u8]>,
    nonce: &str,
) -> Result<Role, RoleError> {
    let base: String = wanted
        .member()
        .unwrap_or_default()
        .chars()
        .take(LONGEST)
        .collect();
    let own = match machine.map(<[u8]>::trim_ascii) {
        // It is empty in an image that was never booted.
        Some(id) if taken == 1 && !id.is_empty() => Sha1::from(id).digest().to_string(),
        _ => nonce.to_owned(),
    };
    let digits: String = own.chars().take(6).collect();
    Role::parse(wanted.name())?.with_member(&format!("{base}-{digits}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_one_other_name_and_then_any() {
        let wanted = Role::parse("web").unwrap().with_member("debian").unwrap();
        let name = |taken, id: Option<&[u8]>| {
            named(&wanted, taken, id, "0123456789abcdef")
                .unwrap()
                .to_string()
        };
        let first = name(1, Some(b"7f0c\n"));
        assert_eq!(first, name(1, Some(b"7f0c")));
        assert!(first.starts_with("web/debian-") && first.len() == "web/debian-".len() + 6);
        assert_ne!(first, name(1, Some(b"7f0d")));
        for any in [name(1, None), name(1, Some(b"\n")), name(2, Some(b"7f0c"))] {
            assert_eq!(any, "web/debian-012345");
        }
    }

    #[test]
    fn a_long_name_is_cut() {
        let long = "x".repeat(64);
        let wanted = Role::parse("web").unwrap().with_member(&long).unwrap();
        let name = named(&wanted, 1, None, "0123456789abcdef").unwrap();
        assert_eq!(name.member().unwrap().len(), 64);
    }
}
