//! The table against a map that anybody can see to be right.

use std::collections::BTreeMap;
use std::net::IpAddr;

use cloudhosts_table::{Builder, Name, View};
use proptest::prelude::*;

use crate::common::{Words, all, settings};

#[derive(Debug, Clone)]
struct Role {
    v4: Vec<[u8; 4]>,
    v6: Vec<[u8; 16]>,
    /// Points at one of the roles, by number, instead of its own addresses.
    to: Option<prop::sample::Index>,
}

type Roles = BTreeMap<String, Role>;

fn name() -> impl Strategy<Value = String> {
    // Few letters and labels, so that names, suffixes and addresses coincide.
    prop::collection::vec("[ab]{1,2}", 1..5).prop_map(|labels| labels.join("."))
}

fn role() -> impl Strategy<Value = Role> {
    let v4 = prop::collection::vec((0..6u8).prop_map(|n| [10, 0, 0, n]), 0..4);
    let v6 = prop::collection::vec((0..6u8).prop_map(|n| [n; 16]), 0..4);
    let to = prop::option::weighted(0.3, any::<prop::sample::Index>());
    (v4, v6, to).prop_map(|(v4, v6, to)| Role { v4, v6, to })
}

fn roles() -> impl Strategy<Value = Roles> {
    let wildcard = prop::bool::weighted(0.25);
    let field = (wildcard, name()).prop_map(|(wildcard, name)| match wildcard {
        true => format!("*.{name}"),
        false => name,
    });
    prop::collection::btree_map(field, role(), 0..20)
}

/// What each role answers: its canonical name if not its own, its addresses.
type Answers = BTreeMap<String, (Option<String>, Vec<[u8; 4]>, Vec<[u8; 16]>)>;

/// Leaves out what has no addresses, and follows the pointers.
fn resolve(roles: &Roles) -> Answers {
    let direct = |role: &Role| role.to.is_none() && !(role.v4.is_empty() && role.v6.is_empty());
    let targets: Vec<_> = roles
        .iter()
        .filter(|(name, role)| direct(role) && !name.starts_with("*."))
        .collect();
    let mut answers = Answers::new();
    for (name, role) in roles {
        match role.to {
            Some(index) if !targets.is_empty() => {
                let (to, target) = *index.get(&targets);
                let (v4, v6) = (target.v4.clone(), target.v6.clone());
                answers.insert(name.clone(), (Some(to.clone()), v4, v6));
            }
            None if direct(role) => {
                let own = (None, role.v4.clone(), role.v6.clone());
                answers.insert(name.clone(), own);
            }
            _ => {}
        }
    }
    answers
}

fn build(answers: &Answers) -> Vec<u8> {
    let mut builder = Builder::new(settings(1)).unwrap();
    for (name, (canonical, v4, v6)) in answers {
        let own = canonical.is_none();
        let words = Words {
            v4: if own { v4.clone() } else { Vec::new() },
            v6: if own { v6.clone() } else { Vec::new() },
            canonical: canonical.clone(),
            pick: 0,
        };
        builder.role(words.role(name)).unwrap();
    }
    builder.build().unwrap()
}

/// The field that answers a name: its own, else the longest wildcard's.
fn decides<'a>(answers: &'a Answers, name: &'a str) -> Option<&'a str> {
    if answers.contains_key(name) {
        return Some(name);
    }
    let mut rest = name;
    while let Some((_, suffix)) = rest.split_once('.') {
        let wildcard = format!("*.{suffix}");
        if let Some((field, _)) = answers.get_key_value(&wildcard) {
            return Some(field);
        }
        rest = suffix;
    }
    None
}

/// The names of an address in the order of the rule.
fn names_of(answers: &Answers, address: IpAddr) -> Vec<&str> {
    let holds = |v4: &[[u8; 4]], v6: &[[u8; 16]]| match address {
        IpAddr::V4(own) => v4.contains(&own.octets()),
        IpAddr::V6(own) => v6.contains(&own.octets()),
    };
    let mut names: Vec<_> = answers
        .iter()
        .filter(|(name, (_, v4, v6))| !name.starts_with("*.") && holds(v4, v6))
        .map(|(name, (canonical, ..))| (canonical.is_some(), name.len(), &**name))
        .collect();
    names.sort_unstable();
    names.into_iter().map(|(.., name)| name).collect()
}

proptest! {
    #[test]
    fn the_table_answers_as_the_map_does(
        roles in roles(),
        unknown in prop::collection::vec(name(), 10),
    ) {
        let answers = resolve(&roles);
        let table = build(&answers);
        let view = View::open(&table).unwrap();
        prop_assert_eq!(view.verify(), Ok(()));
        prop_assert_eq!(view.names() as usize, answers.len());

        let known = answers.keys().map(|field| field.trim_start_matches("*."));
        let below = answers.keys().map(|field| field.replace('*', "b.zz"));
        let known: Vec<_> = known.map(String::from).chain(below).chain(unknown).collect();
        for raw in &known {
            let name = Name::parse(raw.as_bytes()).unwrap();
            let found = view.lookup(&name).map(|answer| (answer.canonical, answer.v4, answer.v6));
            let expected = decides(&answers, raw).map(|field| {
                let (canonical, v4, v6) = &answers[field];
                (canonical.as_deref().unwrap_or(raw), &**v4, &**v6)
            });
            prop_assert_eq!(found, expected, "{}", raw);
        }

        let v4 = (0..7u8).map(|n| IpAddr::from([10, 0, 0, n]));
        let v6 = (0..7u8).map(|n| IpAddr::from([n; 16]));
        for address in v4.chain(v6) {
            let names = view.reverse(address);
            let found: Vec<_> = names
                .iter()
                .flat_map(|names| [names.canonical()].into_iter().chain(names.aliases()))
                .collect();
            prop_assert_eq!(found, names_of(&answers, address), "{}", address);
        }

        let roles = answers.keys().filter(|name| !name.starts_with("*."));
        let roles: Vec<_> = roles.cloned().collect();
        prop_assert_eq!(all(&view), roles.clone());
        for name in known {
            let at = view.entry(view.cursor_at(&name)).map(|(role, _)| role.asked);
            let after = view.entry(view.cursor_after(&name)).map(|(role, _)| role.asked);
            let first_at = roles.iter().find(|role| **role >= name).map(|role| &**role);
            let first_after = roles.iter().find(|role| **role > name).map(|role| &**role);
            prop_assert_eq!((at, after), (first_at, first_after));
        }
    }
}
