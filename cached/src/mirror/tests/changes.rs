//! Whose answers a batch changes: those, and no others.

use super::*;

#[test]
fn a_plain_role_touches_itself_alone() {
    let mut fleet = Fleet::new("");
    fleet.live(&[("a", "10.0.0.1"), ("b", "10.0.0.2")]);
    let changed = fleet.changes(&[("a", "10.0.0.1"), ("b", "10.0.0.3")]);
    assert_eq!(changed, ["b"]);
    // Another way to write the same.
    let written = [("a", "10.0.0.1"), ("b", " 10.0.0.3")];
    assert_eq!(fleet.changes(&written), Vec::<String>::new());
    assert_eq!(fleet.changes(&written), ["nothing"]);
}

#[test]
fn a_farm_that_moves_takes_its_carriers_along_but_not_its_aliases() {
    let mut fleet = Fleet::new("");
    let mut fields = vec![
        ("web/1", "10.0.0.1"),
        ("www", "web"),
        ("far", "www"),
        ("all/a", "far"),
        ("all/b", "10.0.0.9"),
        ("everything/x", "all"),
        ("everything/y", "10.0.0.8"),
        ("other", "10.0.0.7"),
    ];
    fleet.live(&fields);
    fields.push(("web/2", "10.0.0.2"));
    assert_eq!(fleet.changes(&fields), ["all", "everything", "web"]);
    assert_eq!(fleet.resolve("far"), "web 10.0.0.1 10.0.0.2");
    // But how many to answer is said by each alias.
    fields.push(("web", "10.0.0.3 pick=1"));
    assert_eq!(
        fleet.changes(&fields),
        ["all", "everything", "far", "web", "www"]
    );
    fields.retain(|(field, _)| !field.starts_with("web"));
    assert_eq!(
        fleet.changes(&fields),
        ["all", "everything", "far", "web", "www"]
    );
    assert_eq!(fleet.resolve("www"), "");
    assert_eq!(fleet.resolve("everything"), "everything 10.0.0.9 10.0.0.8");
}

#[test]
fn a_wildcard_touches_what_it_covers_and_nobody_else_does() {
    let mut fleet = Fleet::new("");
    let mut fields = vec![
        ("a", "x.apps.internal"),
        ("b", "y.apps.internal"),
        ("c/1", "z.apps.internal"),
        ("d", "a"),
        ("y.apps.internal", "10.0.0.1"),
        ("*.internal", "10.0.0.2"),
    ];
    fleet.live(&fields);
    assert_eq!(fleet.resolve("a"), "x.apps.internal 10.0.0.2");
    fields.push(("*.apps.internal", "10.0.0.3"));
    assert_eq!(fleet.changes(&fields), ["*.apps.internal", "a", "c", "d"]);
    assert_eq!(fleet.resolve("a"), "x.apps.internal 10.0.0.3");
    assert_eq!(fleet.resolve("d"), "x.apps.internal 10.0.0.3");
    // An entry of its own comes before every wildcard.
    fields.push(("x.apps.internal", "10.0.0.4"));
    assert_eq!(fleet.changes(&fields), ["a", "d", "x.apps.internal"]);
    assert_eq!(fleet.resolve("d"), "x.apps.internal 10.0.0.4");
    fields.retain(|(field, _)| *field != "*.apps.internal");
    assert_eq!(fleet.changes(&fields), ["*.apps.internal", "c"]);
    assert_eq!(fleet.resolve("c"), "z.apps.internal 10.0.0.2");
}

#[test]
fn a_role_of_an_earlier_hash_shadows_that_of_a_later_one() {
    let mut fleet = Fleet::new("hashes = ['private', 'base']");
    let base = |address| {
        let farm = [("farm/a", "db"), ("farm/b", "10.0.0.9")];
        [("db", address), ("www", "db"), farm[0], farm[1]]
    };
    fleet.read(1, Missing::Removed, &base("10.0.0.1"));
    assert_eq!(fleet.changes(&[("db", "10.0.0.2")]), ["db", "farm"]);
    assert_eq!(fleet.resolve("www"), "db 10.0.0.2");
    assert_eq!(fleet.resolve("farm"), "farm 10.0.0.2 10.0.0.9");
    let changed = fleet.read(1, Missing::Removed, &base("10.0.0.3"));
    assert_eq!(changed, Changed::Roles([].into()), "nobody sees it");
    assert_eq!(fleet.changes(&[("db", "www")]), ["db", "farm", "www"]);
    assert_eq!(fleet.resolve("www"), "", "a circle");
    assert_eq!(fleet.resolve("farm"), "farm 10.0.0.9");
    assert_eq!(fleet.changes(&[]), ["db", "farm", "www"]);
    assert_eq!(fleet.resolve("www"), "db 10.0.0.3");
}

#[test]
fn who_points_at_a_name_in_the_domain_follows_the_role() {
    let mut fleet = Fleet::new("domain = 'example.com'");
    let mut fields = vec![
        ("www", "db.example.com"),
        ("farm/a", "db.example.com"),
        ("farm/b", "10.0.0.9"),
    ];
    fleet.live(&fields);
    fields.push(("db", "10.0.0.1"));
    assert_eq!(fleet.changes(&fields), ["db", "farm", "www"]);
    assert_eq!(fleet.resolve("www"), "db 10.0.0.1");
    fields.push(("db.example.com", "10.0.0.2"));
    assert_eq!(fleet.changes(&fields), ["db.example.com", "farm", "www"]);
    assert_eq!(fleet.resolve("www"), "db.example.com 10.0.0.2");
}

#[test]
fn what_is_wrong_is_told_as_it_comes_and_goes() {
    let mut fleet = Fleet::new("");
    let mut fields = vec![("www", "web"), ("farm/a", "web"), ("farm/b", "10.0.0.1")];
    fleet.live(&fields);
    let reason = "it points at web, which has no address; register web or point elsewhere";
    assert_eq!(
        fleet.problems(),
        [
            format!("farm/a: {reason} (the rest is used)"),
            format!("www: {reason} (ignored)")
        ]
    );
    fields.push(("web", "www"));
    fleet.live(&fields);
    assert_eq!(fleet.problems().len(), 3, "{:?}", fleet.problems());
    assert!(fleet.problems()[2].contains("in a circle"));
    fields.pop();
    fields.push(("web", "10.0.0.2"));
    assert_eq!(fleet.changes(&fields), ["farm", "web", "www"]);
    assert_eq!(fleet.problems(), Vec::<String>::new());
}

#[test]
fn a_member_that_points_back_at_its_farm_takes_nothing_away() {
    let mut fleet = Fleet::new("");
    let mut fields = vec![("web/1", "10.0.0.1"), ("www", "web pick=1")];
    fleet.live(&fields);
    fields.push(("web/2", "www"));
    fleet.live(&fields);
    assert_eq!(fleet.resolve("web"), "web 10.0.0.1");
    assert_eq!(fleet.resolve("www"), "web 10.0.0.1 pick=1");
    assert_eq!(fleet.problems(), Vec::<String>::new());
}

#[test]
fn a_chain_that_grows_too_long_behind_a_member_takes_nothing_away() {
    let mut fleet = Fleet::new("");
    let names: Vec<String> = (0..9).map(|n| format!("p{n}")).collect();
    let mut fields: Vec<(&str, &str)> = names
        .windows(2)
        .map(|pair| (pair[0].as_str(), pair[1].as_str()))
        .collect();
    fields.push(("p8", "10.0.0.1"));
    fields.push(("farm/1", "10.0.0.2"));
    fields.push(("www", "farm"));
    fleet.live(&fields);
    fields.push(("farm/2", "p0"));
    fleet.live(&fields);
    assert_eq!(fleet.resolve("www"), "farm 10.0.0.2");
    assert_eq!(
        fleet.problems(),
        ["farm/2: more than 8 pointers in a row (the rest is used)"]
    );
    fields.retain(|(field, _)| *field != "farm/2");
    fields.push(("farm/2", "p1"));
    fleet.live(&fields);
    assert_eq!(fleet.resolve("www"), "farm 10.0.0.2 10.0.0.1");
}

#[test]
fn each_spelling_has_its_own_last_good_value() {
    let mut fleet = Fleet::new("");
    fleet.live(&[("WEB", "10.0.0.1"), ("web", "10.0.0.2")]);
    assert_eq!(fleet.resolve("web"), "web 10.0.0.2");
    fleet.live(&[("WEB", "10.0.0.1"), ("web", "what?")]);
    assert_eq!(fleet.resolve("web"), "web 10.0.0.2");
    fleet.live(&[("WEB", "10.0.0.3")]);
    assert_eq!(fleet.resolve("web"), "web 10.0.0.3");
    assert_eq!(fleet.problems(), Vec::<String>::new());
    fleet.live(&[("WEB", "what?")]);
    assert_eq!(fleet.resolve("web"), "web 10.0.0.3");
    fleet.lost(&[]);
    assert_eq!(fleet.resolve("web"), "web 10.0.0.3");
    fleet.live(&[("Web", "what?")]);
    assert_eq!(fleet.resolve("web"), "web 10.0.0.3", "the last good one");
    assert!(!fleet.mirror.is_guarded(), "it is in Redis again");
    fleet.live(&[]);
    assert_eq!(fleet.resolve("web"), "");
}
