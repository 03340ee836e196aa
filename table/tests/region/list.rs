//! All roles, one after the other.

use cloudhosts_table::Cursor;

use crate::common::{all, commit, region, set};

#[test]
fn every_role_comes_once_and_no_wildcard_does() {
    let region = region(&[
        ("*.apps", "10.0.0.1"),
        ("*.b", "10.0.0.1"),
        ("-dash", "10.0.0.1"),
        ("0", "10.0.0.1"),
        ("_srv", "10.0.0.1 fd00::1"),
        ("web", "-> zoo"),
        ("zoo", "fd00::1"),
        ("old", "-> x.apps 10.0.0.1"),
        ("nowhere", ""),
    ]);
    let view = region.view();
    assert_eq!(all(&view), ["-dash", "0", "_srv", "old", "web", "zoo"]);
    let mut at = Cursor::default();
    let web = loop {
        let role = view.list(at).unwrap();
        if role.name.as_str() == "web" {
            break role;
        }
        at = Cursor(role.at.0 + 1);
    };
    assert_eq!(web.answer().canonical().as_str(), "zoo");
    assert_eq!(web.answer().v6().len(), 1);
}

#[test]
fn wildcards_alone_are_no_roles() {
    assert!(all(&region(&[("*.apps", "10.0.0.1")]).view()).is_empty());
}

/// However much changes while it is read, a role that stays comes once.
#[test]
fn a_list_goes_on_while_roles_change() {
    let names: Vec<String> = (0..500).map(|n| format!("n{n}")).collect();
    let roles: Vec<_> = names.iter().map(|name| (&**name, "10.0.0.1")).collect();
    let mut region = region(&roles);
    let (mut at, mut seen) = (Cursor::default(), Vec::new());
    for count in 0.. {
        let Some((name, place)) = region.view().list(at).map(|role| (role.name, role.at)) else {
            break;
        };
        seen.push(name.to_string());
        at = Cursor(place.0 + 1);
        // All of these stay, with other addresses; others come and go.
        let name = format!("n{}", count * 7 % 500);
        set(&mut region, &name, &format!("10.1.0.{}", count % 200)).unwrap();
        set(&mut region, &format!("new{count}"), "10.0.0.9").unwrap();
        if count > 10 {
            region.remove(&format!("new{}", count - 10)).unwrap();
        }
        commit(&mut region);
    }
    seen.retain(|name| !name.starts_with("new"));
    seen.sort();
    let mut expected = names;
    expected.sort();
    assert_eq!(seen, expected);
}
