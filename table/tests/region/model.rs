//! The region against a map that anybody can see to be right.

use std::collections::BTreeMap;
use std::net::IpAddr;

use cloudhosts_table::clock::monotonic;
use cloudhosts_table::{Name, RegionWriter, TableFile, View};
use proptest::prelude::*;

use crate::common::{Words, all, commit, empty, file_of, names, settings};

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
    let field = (wildcard, name()).prop_map(
        |(wildcard, name)| {
            if wildcard { format!("*.{name}") } else { name }
        },
    );
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

/// What a role of the answers is in words.
fn words(answer: &(Option<String>, Vec<[u8; 4]>, Vec<[u8; 16]>)) -> Words {
    let (canonical, v4, v6) = answer;
    let own = canonical.is_none();
    Words {
        v4: if own { v4.clone() } else { Vec::new() },
        v6: if own { v6.clone() } else { Vec::new() },
        target: canonical.clone(),
        pick: 0,
    }
}

/// Changes a region into these roles, in whatever order, as one change.
fn change(region: &mut RegionWriter, before: &Answers, answers: &Answers) {
    for name in before.keys().filter(|name| !answers.contains_key(*name)) {
        region.remove(name).unwrap();
    }
    for (name, answer) in answers {
        region.set(&words(answer).role(name, &[])).unwrap();
    }
    commit(region);
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

/// Whether a view answers all there is to ask as the map does.
fn agrees(view: &View<'_>, answers: &Answers, unknown: &[String]) -> Result<(), TestCaseError> {
    prop_assert_eq!(view.names() as usize, answers.len());
    let known = answers.keys().map(|field| field.trim_start_matches("*."));
    let below = answers.keys().map(|field| field.replace('*', "b.zz"));
    let known = known.map(String::from).chain(below);
    for raw in known.chain(unknown.iter().cloned()) {
        let name = Name::parse(raw.as_bytes()).unwrap();
        let found = view.lookup(&name).map(|answer| {
            let canonical = answer.canonical().as_str().to_string();
            (canonical, answer.v4().collect(), answer.v6().collect())
        });
        let expected = decides(answers, &raw).map(|field| {
            let (canonical, v4, v6) = &answers[field];
            (
                canonical.clone().unwrap_or(raw.clone()),
                v4.clone(),
                v6.clone(),
            )
        });
        prop_assert_eq!(found, expected, "{}", raw);
    }

    let v4 = (0..7u8).map(|n| IpAddr::from([10, 0, 0, n]));
    let v6 = (0..7u8).map(|n| IpAddr::from([n; 16]));
    for address in v4.chain(v6) {
        let mut found = names(view, &address.to_string());
        let mut expected = names_of(answers, address);
        prop_assert_eq!(found.first().map(|name| &**name), expected.first().copied());
        found.sort();
        expected.sort_unstable();
        prop_assert_eq!(found, expected, "{}", address);
    }

    let roles = answers.keys().filter(|name| !name.starts_with("*."));
    prop_assert_eq!(all(view), roles.cloned().collect::<Vec<_>>());
    Ok(())
}

proptest! {
    /// However a region has come to what it is, it answers as the map does, and
    /// so does the file that is saved of it.
    #[test]
    fn the_region_answers_as_the_map_does(
        steps in prop::collection::vec(roles(), 1..6),
        unknown in prop::collection::vec(name(), 10),
    ) {
        let mut region = empty(settings());
        let mut before = Answers::new();
        for step in &steps {
            let answers = resolve(step);
            change(&mut region, &before, &answers);
            prop_assert_eq!(region.view().verify(), Ok(()));
            agrees(&region.view(), &answers, &unknown)?;
            before = answers;
        }
        let file = TableFile::open(&file_of(&region)).unwrap();
        prop_assert_eq!(file.view().verify(), Ok(()));
        prop_assert_eq!(file.view().revision(), region.view().revision());
        agrees(&file.view(), &before, &unknown)?;
        let rebuilt = region.rebuild(monotonic()).unwrap();
        prop_assert_eq!(rebuilt.view().verify(), Ok(()));
        agrees(&rebuilt.view(), &before, &unknown)?;
    }
}
