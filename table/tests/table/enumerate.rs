//! All roles, one after the other.

use cloudhosts_table::View;

use crate::common::{all, table};

#[test]
fn every_role_comes_once_in_order_and_no_wildcard_does() {
    let table = table(&[
        ("*.apps", "10.0.0.1"),
        ("*.b", "10.0.0.1"),
        ("-dash", "10.0.0.1"),
        ("0", "10.0.0.1"),
        ("_srv", "10.0.0.1 fd00::1"),
        ("web", "-> zoo"),
        ("zoo", "fd00::1"),
        ("old", "-> x.apps 10.0.0.1"),
    ]);
    let view = View::open(&table).unwrap();
    assert_eq!(all(&view), ["-dash", "0", "_srv", "old", "web", "zoo"]);
    let (web, _) = view.entry(view.cursor_at("web")).unwrap();
    assert_eq!((web.asked, web.canonical), ("web", "zoo"));
    assert_eq!(web.v6.len(), 1);
}

#[test]
fn wildcards_alone_are_no_roles() {
    let table = table(&[("*.apps", "10.0.0.1")]);
    let view = View::open(&table).unwrap();
    assert!(all(&view).is_empty());
    assert!(view.entry(view.cursor_at("a")).is_none());
}

/// A list begun in one table goes on in another, where roles have come and
/// gone.
#[test]
fn a_list_goes_on_in_another_table() {
    let table = table(&[("*.w", "10.0.0.1"), ("b", "10.0.0.1"), ("d", "10.0.0.1")]);
    let view = View::open(&table).unwrap();
    let at = |name| view.entry(view.cursor_at(name)).map(|(role, _)| role.asked);
    let after = |name| {
        let at = view.cursor_after(name);
        view.entry(at).map(|(role, _)| role.asked)
    };
    assert_eq!([at(""), at("a"), at("b")], [Some("b"); 3]);
    assert_eq!([at("b0"), at("c"), at("d")], [Some("d"); 3]);
    assert_eq!([at("d0"), at("e")], [None; 2]);
    assert_eq!([after(""), after("a")], [Some("b"); 2]);
    assert_eq!([after("b"), after("c")], [Some("d"); 2]);
    assert_eq!([after("d"), after("e")], [None; 2]);
}
