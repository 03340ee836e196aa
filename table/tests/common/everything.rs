//! Every question one can ask of some table, a hostile one too. Used by the
//! property tests, the test of a region that is scribbled over, and the fuzz
//! target.

use std::net::IpAddr;

use cloudhosts_table::{Cursor, Name, Order, View};

/// Names that are asked for, of which small tables are made too.
pub const NAMES: [&str; 6] = [
    "web",
    "db",
    "x.y.apps.internal",
    "b.x.apps.internal",
    "zz",
    "www",
];

/// Asks everything.
///
/// What is found is only counted: the point is that it comes to an end.
pub fn ask_everything(view: &View<'_>) {
    let _ = (view.revision(), view.published(), view.stale_max());
    let _ = (view.order(), view.names(), view.addresses(), view.size());
    let deep = "a.".repeat(126) + "a";
    let below = format!("web.{}", view.domain());
    for raw in NAMES.into_iter().chain([&*deep, &*below]) {
        ask_name(view, raw);
    }
    ask_addresses(view);
    let mut at = Cursor::default();
    for count in 0.. {
        assert!(count <= view.size() / 8, "a list without end");
        let Some(role) = view.list(at) else {
            break;
        };
        assert!(role.at.0 >= at.0, "a list that goes back");
        if count < 4 {
            ask_name(view, role.name.as_str());
        }
        at = Cursor(role.at.0 + 1);
    }
    for at in [0, 1, at.0, u32::MAX - 1, u32::MAX] {
        let _ = view.list(Cursor(at));
    }
    assert!(view.hashes().len() <= 128);
    for (_, place) in view.role_refs().take(100) {
        let _ = view.role_at(place);
    }
    for role in view.roles().take(100) {
        assert!(role.sources.len() <= view.size());
    }
    let _ = view.verify();
}

/// Looks one name up in all ways.
pub fn ask_name(view: &View<'_>, raw: &str) {
    let Ok(name) = Name::parse(raw.as_bytes()) else {
        return;
    };
    let decider = view.decider(&name).map(|role| role.to_string());
    let _ = decider.map(|role| view.role_entry(&role));
    for role in [raw, "*.apps.internal", "*."] {
        let _ = view.role(role).map(|answer| answer.pick());
    }
    let Some(answer) = view.lookup(&name) else {
        return;
    };
    assert!(answer.asked().is_ascii() && answer.canonical().as_bytes().is_ascii());
    for order in [Order::Rotate, Order::Fixed] {
        let random = 0x9e37_79b9_7f4a_7c15;
        let (v4, v6) = (answer.v4(), answer.v6());
        let most = (v4.len(), v6.len());
        let v4 = v4.chosen(answer.pick(), order, random).count();
        let v6 = v6.chosen(answer.pick(), order, random).count();
        assert!(v4 <= most.0 && v6 <= most.1);
    }
}

fn ask_addresses(view: &View<'_>) {
    let fixed = ["10.0.0.1", "10.0.0.2", "10.0.0.9", "fd00::1", "::", "::1"];
    for address in fixed {
        let Ok(address) = address.parse::<IpAddr>() else {
            continue;
        };
        let Some(names) = view.reverse(address) else {
            continue;
        };
        assert!(names.canonical().is_ascii());
        assert!(names.aliases().count() < 256);
    }
}
