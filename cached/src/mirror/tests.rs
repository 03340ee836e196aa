//! The mirror alone: what a batch makes of what was there before.

mod changes;
mod cost;
mod large;
mod memory;
mod random;
mod restart;
mod zones;

use std::collections::BTreeMap;
use std::time::Duration;

use cloudhosts_config::Config;
use cloudhosts_config::status::{RejectedCode, UnreadableCode};
use cloudhosts_registry::Unreadable;
use cloudhosts_registry::follow::{Batch, Changes, Checkpoint, HashBatch};
use cloudhosts_registry::log::DropScope;
use cloudhosts_table::{Name, RoleEntry, TableFile, View};

use super::{Changed, Mirror};
use crate::publisher::Publisher;

fn config(text: &str) -> Config {
    let path = std::env::temp_dir().join(format!(
        "mirror-{}-{:?}.toml",
        std::process::id(),
        std::thread::current().id()
    ));
    std::fs::write(&path, text).unwrap();
    let config = Config::load(Some(&path)).unwrap();
    std::fs::remove_file(path).unwrap();
    config
}

/// What the follower makes of fields that are not there any more.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Missing {
    /// They were deleted.
    Removed,
    /// They were lost.
    Lost,
}

/// A mirror, what Redis holds, and the table that is written as it changes.
struct Fleet {
    config: Config,
    mirror: Mirror,
    /// By hash, as the follower knows it.
    redis: Vec<BTreeMap<Vec<u8>, Vec<u8>>>,
    publisher: Publisher,
}

impl Fleet {
    fn new(text: &str) -> Fleet {
        let config = config(text);
        let mirror = Mirror::new(&config);
        Fleet {
            redis: vec![BTreeMap::new(); config.hashes.len()],
            config,
            mirror,
            publisher: Publisher::default(),
        }
    }

    /// Takes a batch in, and publishes it as the daemon does.
    fn apply(&mut self, batch: &Batch) -> Changed {
        let changed = self.mirror.apply(batch);
        let first = self.publisher.view().is_none();
        self.publisher
            .publish(&self.mirror, &changed, first)
            .unwrap();
        self.check();
        changed
    }

    /// Publishes all of it anew.
    fn make_table(&mut self) {
        self.publisher
            .publish(&self.mirror, &Changed::All, true)
            .unwrap();
        self.check();
    }

    fn view(&self) -> View<'_> {
        self.publisher.view().unwrap()
    }

    /// What was written in place is what would have been written at once.
    fn check(&self) {
        self.view().verify().unwrap();
        let mut fresh = Publisher::default();
        fresh.publish(&self.mirror, &Changed::All, true).unwrap();
        assert_eq!(roles(&self.view()), roles(&fresh.view().unwrap()));
        assert_eq!(self.view().names(), fresh.view().unwrap().names());
        assert_eq!(self.view().addresses(), fresh.view().unwrap().addresses());
    }

    /// Redis holds these fields of a hash now, and no others.
    fn read(&mut self, hash: usize, missing: Missing, fields: &[(&str, &str)]) -> Changed {
        let now: BTreeMap<Vec<u8>, Vec<u8>> = fields
            .iter()
            .map(|(field, value)| (field.as_bytes().into(), value.as_bytes().into()))
            .collect();
        let before = std::mem::replace(&mut self.redis[hash], now);
        let now = &self.redis[hash];
        let mut changes = Changes::default();
        for (field, value) in now {
            if before.get(field) != Some(value) {
                changes.set.push(field, value).unwrap();
            }
        }
        let gone = before.into_keys().filter(|field| !now.contains_key(field));
        match missing {
            Missing::Removed => changes.removed = gone.collect(),
            Missing::Lost => changes.lost = gone.collect(),
        }
        self.apply(&batch(hash, changes))
    }

    /// The same, of the first hash; true when a new table follows.
    fn live(&mut self, fields: &[(&str, &str)]) -> bool {
        self.read(0, Missing::Removed, fields) != Changed::Nothing
    }

    /// The same, where what is missing was lost.
    fn lost(&mut self, fields: &[(&str, &str)]) -> bool {
        self.read(0, Missing::Lost, fields) != Changed::Nothing
    }

    /// The roles whose answers change when Redis holds these fields.
    fn changes(&mut self, fields: &[(&str, &str)]) -> Vec<String> {
        match self.read(0, Missing::Removed, fields) {
            Changed::Nothing => vec!["nothing".into()],
            Changed::Roles(roles) => roles.iter().map(ToString::to_string).collect(),
            Changed::All => vec!["all".into()],
        }
    }

    /// What is retained is not wanted any more.
    fn drop_retained(&mut self, scope: DropScope) -> Changed {
        let changes = Changes {
            dropped: vec![scope],
            ..Changes::default()
        };
        self.apply(&batch(0, changes))
    }

    /// The daemon is stopped and another started.
    fn restart(&mut self) {
        let mut file = Vec::new();
        self.publisher.snapshot().unwrap().write(&mut file).unwrap();
        let written = self.mirror.raw_values();
        self.mirror = Mirror::new(&self.config);
        let table = TableFile::open(&file).unwrap();
        self.mirror.restore(&table.view(), &written);
        self.make_table();
        self.follow_anew();
    }

    /// A follower starts, and knows what the mirror tells it.
    fn follow_anew(&mut self) {
        let baseline = self.mirror.baseline(Checkpoint::default());
        let owned = |pairs: &cloudhosts_registry::Pairs| {
            let pairs = pairs.iter();
            pairs.map(|(f, v)| (f.to_vec(), v.to_vec())).collect()
        };
        self.redis = baseline.hashes.iter().map(owned).collect();
    }

    /// The canonical name and the addresses, by blanks; nothing for no answer.
    fn resolve(&self, name: &str) -> String {
        let view = self.view();
        let name = Name::parse(name.as_bytes()).unwrap();
        let Some(answer) = view.lookup(&name) else {
            return String::new();
        };
        let mut text = answer.canonical().as_str().to_owned();
        for v4 in answer.v4() {
            text += &format!(" {}", std::net::Ipv4Addr::from(v4));
        }
        for v6 in answer.v6() {
            text += &format!(" {}", std::net::Ipv6Addr::from(v6));
        }
        if answer.pick() > 0 {
            text += &format!(" pick={}", answer.pick());
        }
        text
    }

    /// What is reported, as `field: reason (effect)`.
    fn problems(&self) -> Vec<String> {
        let problems = self.mirror.rejected();
        let line = |p: &cloudhosts_config::status::RejectedField| {
            format!("{}: {} ({})", p.field, p.reason, p.effect)
        };
        problems.fields.iter().map(line).collect()
    }
}

fn roles(view: &View<'_>) -> Vec<RoleEntry> {
    let mut roles: Vec<RoleEntry> = view.roles().collect();
    roles.sort_by(|a, b| a.name.cmp(&b.name));
    roles
}

/// Why a hash can't be read.
fn wrong_type() -> Unreadable {
    Unreadable {
        code: UnreadableCode::WrongType,
        why: "WRONGTYPE".into(),
    }
}

fn batch(hash: usize, changes: Changes) -> Batch {
    Batch {
        hashes: vec![HashBatch {
            hash,
            outcome: Ok(changes),
        }],
        full: None,
        latency: Duration::ZERO,
        checkpoint: Checkpoint::default(),
    }
}

#[test]
fn a_role_is_its_plain_field_and_its_members_together() {
    let mut fleet = Fleet::new("");
    fleet.live(&[
        ("web", "10.0.0.1"),
        ("web/b", "10.0.0.3 fd00::3"),
        ("web/a", "10.0.0.2,10.0.0.1"),
        ("web-x", "10.0.0.9"),
    ]);
    assert_eq!(
        fleet.resolve("web"),
        "web 10.0.0.1 10.0.0.2 10.0.0.3 fd00::3"
    );
}

#[test]
fn what_is_read_again_unchanged_makes_no_table() {
    let mut fleet = Fleet::new("");
    assert!(fleet.live(&[("b", "10.0.0.2"), ("a", "10.0.0.1")]));
    assert!(!fleet.live(&[("a", "10.0.0.1"), ("b", "10.0.0.2")]));
    assert!(fleet.live(&[("a", "10.0.0.1"), ("b", "10.0.0.3")]));
}

#[test]
fn what_is_wrong_is_said_at_each_read_as_long_as_it_is_there() {
    let mut fleet = Fleet::new("");
    let wrong = [
        ("a", "10.0.0.1 weight=2"),
        ("b", "10.0.0.2"),
        ("B", "10.0.0.3"),
        ("bad field", "10.0.0.4"),
        ("c/x", "10.0.0.5"),
    ];
    fleet.live(&wrong);
    let problems = fleet.problems();
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert!(!fleet.live(&wrong), "nothing has changed");
    assert_eq!(fleet.problems(), problems);
    fleet.live(&[("a", "10.0.0.1"), ("b", "10.0.0.2"), ("c/x", "10.0.0.5")]);
    assert_eq!(fleet.problems(), Vec::<String>::new());
    assert_eq!(fleet.resolve("b"), "b 10.0.0.2");
    assert_eq!(fleet.resolve("c"), "c 10.0.0.5");
}

#[test]
fn what_was_lost_and_is_written_again_as_it_was_is_lost_no_more() {
    let mut fleet = Fleet::new("");
    fleet.live(&[("a", "10.0.0.1")]);
    fleet.lost(&[]);
    assert!(fleet.mirror.is_guarded());
    assert!(
        fleet.live(&[("a", "10.0.0.1")]),
        "the next daemon must know"
    );
    assert!(!fleet.mirror.is_guarded());
    assert!(fleet.live(&[]));
    assert_eq!(fleet.resolve("a"), "");
}

#[test]
fn a_value_that_cannot_be_read_leaves_the_last_good_one_even_over_a_restart() {
    let mut fleet = Fleet::new("");
    fleet.live(&[
        ("db", "10.0.0.1"),
        ("web/a", "10.0.0.2"),
        ("web/b", "10.0.0.3"),
    ]);
    fleet.live(&[
        ("db", "what?"),
        ("web/a", "10.0.0.4"),
        ("web/b", "10.0.0.300"),
    ]);
    assert_eq!(fleet.resolve("db"), "db 10.0.0.1");
    assert_eq!(fleet.resolve("web"), "web 10.0.0.4 10.0.0.3");
    let problems = fleet.problems();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(
        problems
            .iter()
            .all(|p| p.ends_with("(its last good value is retained)"))
    );
    fleet.restart();
    assert_eq!(fleet.resolve("db"), "db 10.0.0.1");
    fleet.live(&[("db", "what?")]);
    assert_eq!(fleet.resolve("db"), "db 10.0.0.1");
    assert_eq!(fleet.resolve("web"), "");
}

#[test]
fn a_value_that_is_too_long_is_told_and_not_held() {
    let mut fleet = Fleet::new("");
    fleet.live(&[("db", "10.0.0.1")]);
    fleet.live(&[("db", &"x".repeat(2 << 20))]);
    assert_eq!(fleet.resolve("db"), "db 10.0.0.1");
    let problems = fleet.problems();
    assert!(problems[0].contains("longer than"), "{problems:?}");
    assert!(!problems[0].contains("xxx"), "{problems:?}");
    fleet.live(&[("db", "10.0.0.2")]);
    assert_eq!(fleet.problems(), Vec::<String>::new());
}

#[test]
fn a_bad_value_that_was_never_good_is_reported_and_decides_nothing() {
    let mut fleet = Fleet::new("hashes = ['private', 'base']");
    fleet.read(0, Missing::Removed, &[("web", "nonsense!")]);
    fleet.read(1, Missing::Removed, &[("web", "10.0.0.1")]);
    assert_eq!(fleet.resolve("web"), "web 10.0.0.1");
    assert!(fleet.problems()[0].ends_with("(ignored)"));
}

#[test]
fn the_first_hash_that_has_a_role_decides_it() {
    let mut fleet = Fleet::new("hashes = ['private', 'base']");
    fleet.read(
        1,
        Missing::Removed,
        &[("web", "192.0.2.1"), ("mail", "192.0.2.2")],
    );
    fleet.read(0, Missing::Removed, &[("web/a", "10.0.0.1")]);
    assert_eq!(fleet.resolve("web"), "web 10.0.0.1");
    assert_eq!(fleet.resolve("mail"), "mail 192.0.2.2");
    fleet.read(0, Missing::Removed, &[]);
    assert_eq!(fleet.resolve("web"), "web 192.0.2.1");
}

#[test]
fn only_what_is_allowed_is_mirrored() {
    let mut fleet = Fleet::new("allow = ['db-*', '*.internal']");
    fleet.live(&[
        ("db-1", "10.0.0.1"),
        ("google", "10.0.0.2"),
        ("a.b.internal", "10.0.0.3"),
    ]);
    assert_eq!(fleet.resolve("db-1"), "db-1 10.0.0.1");
    assert_eq!(fleet.resolve("google"), "");
    assert_eq!(fleet.resolve("a.b.internal"), "a.b.internal 10.0.0.3");
}

#[test]
fn of_two_spellings_of_one_field_the_normal_one_counts() {
    let mut fleet = Fleet::new("");
    fleet.live(&[("WEB", "10.0.0.1"), ("web", "10.0.0.2"), ("Db", "10.0.0.3")]);
    assert_eq!(fleet.resolve("web"), "web 10.0.0.2");
    assert_eq!(fleet.resolve("db"), "db 10.0.0.3");
    let rejected = fleet.mirror.rejected();
    let [only] = &rejected.fields[..] else {
        unreachable!("{rejected:?}")
    };
    assert_eq!(only.code, RejectedCode::Spelling);
    assert_eq!(only.name().as_deref(), Some(&b"WEB"[..]));
}

#[test]
fn an_unknown_attribute_is_reported_and_the_rest_used() {
    let mut fleet = Fleet::new("");
    fleet.live(&[("web", "10.0.0.1 weight=3 pick=1")]);
    assert_eq!(fleet.resolve("web"), "web 10.0.0.1 pick=1");
    assert!(
        fleet.problems()[0].ends_with("(the rest is used)"),
        "{:?}",
        fleet.problems()
    );
}

#[test]
fn the_plain_field_decides_the_pick_and_else_the_smallest() {
    let mut fleet = Fleet::new("");
    fleet.live(&[
        ("a", "10.0.0.1 pick=3"),
        ("a/x", "10.0.0.2 pick=1"),
        ("b/x", "10.0.0.1 pick=2"),
        ("b/y", "10.0.0.2"),
        ("c", "b pick=1"),
        ("d", "b"),
    ]);
    assert_eq!(fleet.resolve("a"), "a 10.0.0.1 10.0.0.2 pick=3");
    assert_eq!(fleet.resolve("b"), "b 10.0.0.1 10.0.0.2 pick=2");
    assert_eq!(fleet.resolve("c"), "b 10.0.0.1 10.0.0.2 pick=1");
    assert_eq!(fleet.resolve("d"), "b 10.0.0.1 10.0.0.2 pick=2");
}

#[test]
fn pointers_are_followed_to_their_end_and_through_wildcards() {
    let mut fleet = Fleet::new("domain = 'example.com'");
    fleet.live(&[
        ("db", "db-3.internal"),
        ("db-3.internal", "10.0.0.3"),
        ("old-db", "Db."),
        ("far", "db.example.com"),
        ("any", "x.apps.internal"),
        ("*.apps.internal", "10.0.0.4"),
        ("*.more.internal", "db"),
        ("farm/a", "db"),
        ("farm/b", "10.0.0.5"),
    ]);
    for name in ["db", "old-db", "far", "y.more.internal"] {
        assert_eq!(fleet.resolve(name), "db-3.internal 10.0.0.3", "{name}");
    }
    assert_eq!(fleet.resolve("any"), "x.apps.internal 10.0.0.4");
    assert_eq!(fleet.resolve("farm"), "farm 10.0.0.3 10.0.0.5");
    assert_eq!(fleet.problems(), Vec::<String>::new());
}

#[test]
fn a_chain_of_eight_pointers_is_followed_and_nine_are_not() {
    let mut fleet = Fleet::new("");
    let fields: Vec<(String, String)> = (0..9)
        .map(|n| (format!("p{n}"), format!("p{}", n + 1)))
        .collect();
    let mut fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(field, value)| (field.as_str(), value.as_str()))
        .collect();
    fields.push(("p9", "10.0.0.1"));
    fleet.live(&fields);
    assert_eq!(fleet.resolve("p1"), "p9 10.0.0.1");
    assert_eq!(fleet.resolve("p0"), "");
    assert_eq!(
        fleet.problems(),
        ["p0: more than 8 pointers in a row (ignored)"]
    );
}

#[test]
fn pointers_that_lead_nowhere_or_in_a_circle_are_reported() {
    let mut fleet = Fleet::new("");
    fleet.live(&[
        ("a", "b"),
        ("b", "c"),
        ("c", "a"),
        ("self", "self"),
        ("gone", "nobody"),
        ("half/x", "nobody"),
        ("half/y", "10.0.0.1"),
        ("web", "10.0.0.2"),
    ]);
    for name in ["a", "b", "c", "self", "gone"] {
        assert_eq!(fleet.resolve(name), "", "{name}");
    }
    assert_eq!(fleet.resolve("half"), "half 10.0.0.1");
    assert_eq!(fleet.resolve("web"), "web 10.0.0.2");
    let problems = fleet.problems();
    assert_eq!(problems.len(), 6, "{problems:?}");
    assert!(
        problems.contains(
            &"gone: it points at nobody, which has no address; register nobody or point elsewhere \
          (ignored)"
                .to_owned()
        )
    );
    assert!(problems[0].contains("in a circle"));
}

#[test]
fn what_is_lost_is_retained_until_it_is_written_again() {
    let mut fleet = Fleet::new("");
    fleet.live(&[("a", "10.0.0.1"), ("b", "10.0.0.2")]);
    assert!(!fleet.mirror.is_guarded());
    assert!(fleet.lost(&[]), "the next daemon must know");
    assert!(fleet.mirror.is_guarded());
    assert_eq!(fleet.resolve("a"), "a 10.0.0.1");
    // One machine comes back and registers: the others are not lost.
    fleet.live(&[("b", "10.0.0.3")]);
    assert!(fleet.mirror.is_guarded());
    assert_eq!(fleet.mirror.hashes()[0].retained, 1);
    assert_eq!(fleet.resolve("a"), "a 10.0.0.1");
    assert_eq!(fleet.resolve("b"), "b 10.0.0.3");
    // Nor when another daemon takes over.
    fleet.restart();
    assert!(fleet.mirror.is_guarded());
    fleet.live(&[("b", "10.0.0.3")]);
    assert_eq!(fleet.resolve("a"), "a 10.0.0.1");
    // All are back: the guard ends by itself.
    fleet.live(&[("b", "10.0.0.3"), ("a", "10.0.0.4")]);
    assert!(!fleet.mirror.is_guarded());
    fleet.live(&[("b", "10.0.0.3")]);
    assert_eq!(fleet.resolve("a"), "");
}

#[test]
fn what_is_retained_is_so_by_a_daemon_that_starts_right_after_the_loss() {
    let mut fleet = Fleet::new("");
    fleet.live(&[("a", "10.0.0.1"), ("b", "10.0.0.2")]);
    fleet.lost(&[]);
    fleet.restart();
    assert!(fleet.redis[0].is_empty(), "a follower is not told of them");
    fleet.live(&[("b", "10.0.0.3")]);
    assert_eq!(fleet.resolve("a"), "a 10.0.0.1");
    assert_eq!(fleet.resolve("b"), "b 10.0.0.3");
}

#[test]
fn a_loss_is_accepted_for_a_role_or_for_all() {
    let mut fleet = Fleet::new("");
    fleet.live(&[
        ("a", "10.0.0.1"),
        ("b", "10.0.0.2"),
        ("web", "10.0.0.3"),
        ("web/x", "10.0.0.4"),
        ("web/y", "10.0.0.5"),
    ]);
    fleet.lost(&[("web/y", "10.0.0.5")]);
    assert_eq!(
        fleet.drop_retained(DropScope::Role("web".into())),
        Changed::Roles(["web".into()].into())
    );
    assert_eq!(fleet.resolve("web"), "web 10.0.0.5", "one is in Redis");
    assert_eq!(fleet.resolve("a"), "a 10.0.0.1");
    assert_eq!(
        fleet.drop_retained(DropScope::Role("web".into())),
        Changed::Nothing
    );
    assert_eq!(
        fleet.drop_retained(DropScope::All),
        Changed::Roles(["a".into(), "b".into()].into())
    );
    assert!(!fleet.mirror.is_guarded());
    assert_eq!(fleet.resolve("a"), "");
    assert_eq!(fleet.drop_retained(DropScope::All), Changed::Nothing);
}

#[test]
fn what_is_removed_is_retained_no_more() {
    let mut fleet = Fleet::new("");
    fleet.live(&[("a", "10.0.0.1"), ("b", "10.0.0.2")]);
    fleet.lost(&[]);
    let removed = Changes {
        removed: vec![b"a".to_vec(), b"nobody".to_vec(), b"\xff".to_vec()],
        ..Changes::default()
    };
    let changed = fleet.apply(&batch(0, removed));
    assert_eq!(changed, Changed::Roles(["a".into()].into()));
    assert_eq!(fleet.resolve("b"), "b 10.0.0.2");
}

#[test]
fn what_is_dropped_and_written_at_once_is_there() {
    let mut fleet = Fleet::new("");
    fleet.live(&[("db", "10.0.0.1"), ("db/x", "10.0.0.2")]);
    fleet.lost(&[]);
    // claim db 10.0.0.9
    let mut claimed = Changes {
        dropped: vec![DropScope::Role("db".into())],
        ..Changes::default()
    };
    claimed.set.push(b"db", b"10.0.0.9").unwrap();
    fleet.apply(&batch(0, claimed));
    assert_eq!(fleet.resolve("db"), "db 10.0.0.9");
    assert!(!fleet.mirror.is_guarded());
}

#[test]
fn what_another_hash_lost_is_not_dropped() {
    let mut fleet = Fleet::new("hashes = ['private', 'base']");
    fleet.read(1, Missing::Removed, &[("a", "10.0.0.1")]);
    fleet.read(1, Missing::Lost, &[]);
    assert_eq!(fleet.drop_retained(DropScope::All), Changed::Nothing);
    assert_eq!(fleet.resolve("a"), "a 10.0.0.1");
}

#[test]
fn a_hash_that_is_emptied_is_empty() {
    let mut fleet = Fleet::new("");
    fleet.live(&[("a", "10.0.0.1")]);
    assert!(fleet.live(&[]));
    assert_eq!(fleet.resolve("a"), "");
    assert!(!fleet.mirror.is_guarded());
}

#[test]
fn a_hash_that_cannot_be_read_goes_on_as_it_was() {
    let mut fleet = Fleet::new("");
    fleet.live(&[("a", "10.0.0.1")]);
    let mut unreadable = batch(0, Changes::default());
    unreadable.hashes[0].outcome = Err(wrong_type());
    assert_eq!(fleet.apply(&unreadable), Changed::Nothing);
    assert_eq!(
        fleet.mirror.hashes()[0].unreadable_code,
        Some(UnreadableCode::WrongType)
    );
    assert_eq!(fleet.resolve("a"), "a 10.0.0.1");
    fleet.apply(&batch(0, Changes::default()));
    assert_eq!(fleet.mirror.hashes()[0].unreadable, None);
}

#[test]
fn members_that_point_at_farms_that_point_at_farms_come_to_an_end() {
    let mut fleet = Fleet::new("");
    let mut fields = Vec::new();
    for level in 0..8 {
        for member in 0..30 {
            let value = match level {
                7 => format!("10.0.0.{member}"),
                _ => format!("l{}", level + 1),
            };
            fields.push((format!("l{level}/m{member}"), value));
        }
    }
    // Thirty circles of thirty, which can't be remembered as found.
    for n in 0..30 {
        for m in 0..30 {
            fields.push((format!("c{n}/m{m}"), format!("c{m}")));
        }
    }
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(field, value)| (field.as_str(), value.as_str()))
        .collect();
    fleet.live(&fields);
    assert_eq!(fleet.resolve("l0").split(' ').count(), 31);
}

#[test]
fn a_million_bad_fields_are_counted_and_a_hundred_named() {
    let mut fleet = Fleet::new("");
    let fields: Vec<String> = (0..200_000).map(|n| format!("bad field {n}")).collect();
    let mut fields: Vec<(&str, &str)> = fields.iter().map(|field| (&field[..], "x")).collect();
    fields.push(("web", "10.0.0.1"));
    fields.push(("esc\u{1b}[31m", "10.0.0.1"));
    fleet.live(&fields);
    let problems = fleet.mirror.rejected();
    assert_eq!(problems.count, 200_001);
    assert_eq!(problems.fields.len(), 100);
    assert_eq!(fleet.resolve("web"), "web 10.0.0.1");
}
