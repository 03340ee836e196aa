//! What a mirror takes from the one before it: after a restart, and when the
//! configuration has changed.

use super::*;

impl Fleet {
    /// The configuration is read again.
    pub(super) fn reload(&mut self, text: &str) {
        self.config = config(text);
        let old = std::mem::replace(&mut self.mirror, Mirror::new(&self.config));
        self.mirror = old.reconfigured(&self.config);
        self.make_table();
        self.follow_anew();
        self.redis
            .resize_with(self.config.hashes.len(), BTreeMap::new);
    }

    /// All hashes are read whole: what they hold is known.
    fn read_all(&mut self, hashes: &[&[(&str, &str)]]) {
        for (hash, fields) in hashes.iter().enumerate() {
            self.read(hash, Missing::Removed, fields);
        }
        let mut all = batch(0, Changes::default());
        all.full = Some(std::time::Duration::ZERO);
        self.apply(&all);
    }
}

#[test]
fn a_follower_starts_from_what_is_in_use_and_not_retained() {
    let mut fleet = Fleet::new("hashes = ['private', 'base']");
    fleet.read(
        0,
        Missing::Removed,
        &[("a", "10.0.0.1"), ("web/x", "10.0.0.2 weight=1")],
    );
    fleet.read(0, Missing::Lost, &[("web/x", "10.0.0.2 weight=1")]);
    fleet.read(1, Missing::Removed, &[("a", "b"), ("bad field", "x")]);
    fleet.restart();
    let held = |pairs: &[(&str, &str)]| -> BTreeMap<Vec<u8>, Vec<u8>> {
        let pairs = pairs.iter();
        pairs
            .map(|(f, v)| (f.as_bytes().into(), v.as_bytes().into()))
            .collect()
    };
    assert_eq!(
        fleet.redis,
        [held(&[("web/x", "10.0.0.2 weight=1")]), held(&[("a", "b")])]
    );
    assert_eq!(fleet.mirror.hashes()[0].retained, 1);
    assert_eq!(fleet.resolve("a"), "a 10.0.0.1");
}

#[test]
fn a_spelling_outlives_a_restart_with_a_bad_value() {
    let mut fleet = Fleet::new("");
    fleet.live(&[("WEB", "10.0.0.1")]);
    fleet.restart();
    // The follower knows it as `web`, which it does not find.
    fleet.live(&[("WEB", "what?")]);
    assert_eq!(fleet.resolve("web"), "web 10.0.0.1");
}

#[test]
fn a_hash_that_leaves_the_configuration_answers_until_all_others_are_read() {
    let mut fleet = Fleet::new("hashes = ['old', 'base']");
    let base = [("web", "10.0.0.1"), ("mail", "10.0.0.2")];
    fleet.read_all(&[&[("web", "10.0.0.3"), ("db", "10.0.0.4")], &base]);
    fleet.reload("hashes = ['new', 'base']");
    assert_eq!(fleet.resolve("web"), "web 10.0.0.1", "after all that stay");
    assert_eq!(fleet.resolve("db"), "db 10.0.0.4");
    let keys = |fleet: &Fleet| -> Vec<String> {
        let hashes = fleet.mirror.hashes().into_iter();
        hashes.map(|hash| hash.key).collect()
    };
    assert_eq!(keys(&fleet), ["new", "base"]);
    // A part that is read does not let it go.
    fleet.read(0, Missing::Removed, &[("web", "10.0.0.5")]);
    assert_eq!(fleet.resolve("web"), "web 10.0.0.5");
    assert_eq!(fleet.resolve("db"), "db 10.0.0.4");
    fleet.read_all(&[&[("web", "10.0.0.5")], &base]);
    assert_eq!(fleet.resolve("db"), "");
    assert_eq!(fleet.resolve("mail"), "mail 10.0.0.2");
    assert_eq!(fleet.view().hashes().len(), 2);
}

#[test]
fn a_hash_that_leaves_answers_as_long_as_another_cannot_be_read() {
    let mut fleet = Fleet::new("hashes = ['old']");
    fleet.live(&[("db", "10.0.0.1")]);
    fleet.reload("hashes = ['new']");
    let mut unreadable = batch(0, Changes::default());
    unreadable.hashes[0].outcome = Err(wrong_type());
    unreadable.full = Some(std::time::Duration::ZERO);
    fleet.apply(&unreadable);
    assert_eq!(fleet.resolve("db"), "db 10.0.0.1");
    fleet.read_all(&[&[("db", "10.0.0.2")]]);
    assert_eq!(fleet.resolve("db"), "db 10.0.0.2");
}

#[test]
fn the_order_of_the_hashes_and_the_domain_count_at_once() {
    let mut fleet = Fleet::new("hashes = ['a', 'b']");
    let (a, b) = (
        [("web", "10.0.0.1")],
        [("web", "10.0.0.2"), ("www", "web.ex")],
    );
    fleet.read_all(&[&a, &b]);
    fleet.lost(&[]);
    assert_eq!(fleet.resolve("www"), "");
    fleet.reload("hashes = ['b', 'a']\ndomain = 'ex'");
    assert_eq!(fleet.resolve("web"), "web 10.0.0.2");
    assert_eq!(fleet.resolve("www"), "web 10.0.0.2");
    assert_eq!(fleet.resolve("web.ex"), "web 10.0.0.2");
    assert_eq!(fleet.mirror.hashes()[1].retained, 1, "lost is lost");
    assert_eq!(fleet.problems(), Vec::<String>::new());
}

#[test]
fn what_is_not_allowed_any_more_goes_at_once_and_comes_when_it_is_read() {
    let mut fleet = Fleet::new("");
    let fields = [("web", "10.0.0.1"), ("db", "10.0.0.2")];
    fleet.live(&fields);
    fleet.reload("allow = ['w*']");
    assert_eq!(fleet.resolve("db"), "");
    assert_eq!(fleet.resolve("web"), "web 10.0.0.1");
    fleet.reload("");
    assert_eq!(fleet.resolve("db"), "");
    fleet.live(&fields);
    assert_eq!(fleet.resolve("db"), "db 10.0.0.2");
}

#[test]
fn generations_go_on() {
    let mut fleet = Fleet::new("");
    fleet.live(&[("web", "10.0.0.1")]);
    let generation = |fleet: &Fleet| fleet.view().generation();
    let before = generation(&fleet);
    fleet.reload("order = 'fixed'");
    assert!(generation(&fleet) > before);
}

/// An upgrade while Redis is away: what the release before has left is taken up.
#[test]
fn a_table_of_the_release_before_is_taken_up() {
    use crate::last_good::version_1;

    let file = include_bytes!("../../last_good/version_1.table");
    let table = version_1::Table::open(file.to_vec()).unwrap();
    let mut fleet = Fleet::new("hashes = ['cloudhosts', 'base']\ndomain = 'prod.example'");
    fleet.mirror.restore_version_1(&table);
    fleet.make_table();
    assert_eq!(fleet.resolve("web"), "web 10.0.0.1 10.0.0.2 pick=1");
    assert_eq!(
        fleet.resolve("www.prod.example"),
        "web 10.0.0.1 10.0.0.2 pick=1"
    );
    assert_eq!(fleet.resolve("x.apps.internal"), "x.apps.internal 10.0.0.9");
    assert!(fleet.view().generation() > 41);
    assert_eq!(fleet.mirror.hashes()[0].retained, 1);
}
