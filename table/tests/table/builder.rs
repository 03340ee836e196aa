//! What the builder refuses.

use cloudhosts_table::{BuildError, Builder, Role};

use crate::common::{Words, settings, try_table};

#[test]
fn roles_come_in_ascending_order() {
    for (first, then) in [("b", "a"), ("a", "a"), ("a", "*.a"), ("a.b", "a-b")] {
        let mut builder = Builder::new(settings(1)).unwrap();
        let words = Words::parse("10.0.0.1");
        builder.role(words.role(first)).unwrap();
        let refused = builder.role(words.role(then));
        assert_eq!(refused, Err(BuildError::Order(then.into())));
    }
}

#[test]
fn a_name_is_in_normal_form() {
    let long = "a".repeat(254);
    for name in ["", "Web", "we b", "w\u{e9}b", "web\n", "web\0", &long] {
        let refused = Err(BuildError::Name(name.into()));
        assert_eq!(try_table(settings(1), &[(name, "10.0.0.1")]), refused);
        let mut builder = Builder::new(settings(1)).unwrap();
        let role = Role {
            name: "web",
            canonical: Some(name),
            v4: &[],
            v6: &[],
            pick: 0,
        };
        assert_eq!(builder.role(role), Err(BuildError::Name(name.into())));
    }
}

#[test]
fn a_role_answers_something() {
    let refused = Err(BuildError::Role("web".into()));
    assert_eq!(try_table(settings(1), &[("web", "pick=1")]), refused);
    let many = Words {
        v6: vec![[1; 16]; 65_536],
        ..Words::default()
    };
    let mut builder = Builder::new(settings(1)).unwrap();
    let refused = builder.role(many.role("web"));
    assert_eq!(refused, Err(BuildError::Role("web".into())));
}

#[test]
fn a_pointer_leads_to_a_role_with_addresses() {
    let gone = |name: &str| Err(BuildError::Pointer(name.into()));
    let refused = |roles| try_table(settings(1), roles);
    assert_eq!(refused(&[("a", "-> b")]), gone("b"));
    assert_eq!(refused(&[("a", "-> a")]), gone("a"));
    let chain = [("a", "-> b"), ("b", "-> c"), ("c", "10.0.0.1")];
    assert_eq!(refused(&chain), gone("b"));
    let wildcard = [("*.b", "10.0.0.1"), ("a", "-> x.b")];
    assert_eq!(refused(&wildcard), gone("x.b"));
    let star = [("*.b", "10.0.0.1"), ("a", "-> *.b")];
    assert_eq!(refused(&star), gone("*.b"));
}

#[test]
fn settings_have_limits() {
    let with = |hashes: Vec<String>, domain: &str| {
        let mut told = settings(1);
        told.hashes = hashes;
        told.domain = domain.into();
        Builder::new(told)
            .map(|_| ())
            .map_err(|error| error == BuildError::Settings)
    };
    assert_eq!(with(vec![String::new(); 128], &"d".repeat(253)), Ok(()));
    assert_eq!(with(vec!["h".repeat(255)], ""), Ok(()));
    assert_eq!(with(vec![String::new(); 129], ""), Err(true));
    assert_eq!(with(vec!["h".repeat(256)], ""), Err(true));
    assert_eq!(with(vec![], &"d".repeat(254)), Err(true));
}
