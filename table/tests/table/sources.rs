//! The fields a table was made from.

use cloudhosts_table::{BuildError, Builder, Source, View};

use crate::common::{Words, settings};

#[test]
fn fields_come_out_as_they_went_in() {
    let long = vec![0xff; 1 << 20];
    let field = |hash, role, member, value, kept| Source {
        hash,
        role,
        member,
        value,
        kept,
    };
    let fields = [
        field(0, "*.apps", None, &b"10.0.0.1"[..], false),
        field(0, "dangling", None, b"nowhere", false),
        field(1, "web", None, b"10.0.0.1", true),
        field(1, "web", Some("i-0abc"), b"", false),
        field(1, "web", Some("i-0def"), &long, true),
        field(0, "zoo", Some("\u{e9}"), b"\0\xff", false),
    ];
    let mut told = settings(1);
    told.hashes = vec!["a".into(), "b".into()];
    let mut builder = Builder::new(told).unwrap();
    let words = Words::parse("10.0.0.1");
    for field in &fields {
        let role = matches!((field.role, field.member), ("*.apps" | "web", None));
        if role {
            builder.role(words.role(field.role)).unwrap();
        }
        builder.source(field);
    }
    let table = builder.build().unwrap();
    let view = View::open(&table).unwrap();
    assert_eq!(view.verify(), Ok(()));
    assert!(view.sources().eq(fields));
    assert_eq!(view.names(), 2);
}

#[test]
fn a_field_that_can_not_be_written_fails_the_table() {
    let long = "m".repeat(256);
    for (hash, role, member) in [
        (1, "web", None),
        (256, "web", None),
        (0, &*long, None),
        (0, "web", Some(&*long)),
    ] {
        let mut builder = Builder::new(settings(1)).unwrap();
        builder.source(&Source {
            hash,
            role,
            member,
            value: b"10.0.0.1",
            kept: false,
        });
        assert_eq!(builder.build(), Err(BuildError::Source(role.into())));
    }
}
