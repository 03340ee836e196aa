//! The order in which the writer stores, checked store by store.
//!
//! Readers look up at any moment, so after each single store the region has to
//! be a table in which each question is answered as before the current call of
//! the writer, or as after it. Here the stores of a change are recorded, and
//! applied to a copy of the region one after the other. All questions are asked
//! in each state, and then again with the writer going on during the lookup: from
//! each state to each later one, at each load.
//!
//! Readers see release stores in order, each with all that was stored before it.
//! They may see relaxed stores earlier, and those between two release stores in
//! any order. The states that follow from this are checked too.

use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

use super::*;
use crate::name::Name;
use crate::shm::trace::{self, Store};

/// A change, and what is asked meanwhile.
struct Change {
    /// The roles before the change.
    before: &'static [(&'static str, &'static str)],
    /// What is set, in this order; removed where the text is `-`.
    set: &'static [(&'static str, &'static str)],
    /// Names and addresses.
    ask: &'static [&'static str],
}

/// An empty region.
fn empty() -> RegionWriter {
    let settings = Settings {
        generation: 0,
        stale_max: None,
        order: Order::Fixed,
        domain: String::new(),
        reverse: true,
        hashes: vec!["cloudhosts".into()],
    };
    RegionWriter::create(settings, &Capacity::default(), Monotonic(1)).unwrap()
}

/// Sets a role to addresses, to a target, or to both.
fn set(writer: &mut RegionWriter, name: &str, text: &str) {
    if text == "-" {
        return writer.remove(name).unwrap();
    }
    let (mut v4, mut target) = (Vec::new(), None);
    for word in text.split_whitespace() {
        match word.parse::<Ipv4Addr>() {
            Ok(address) => v4.push(address.octets()),
            Err(_) => target = Some(word),
        }
    }
    let answer = match target {
        Some(target) if v4.is_empty() => Some(RoleAnswer::Alias { target }),
        canonical => (!v4.is_empty()).then_some(RoleAnswer::Addresses {
            v4: &v4,
            v6: &[],
            canonical,
        }),
    };
    let role = Role {
        name,
        answer,
        pick: 0,
        sources: &[],
    };
    writer.set(&role).unwrap();
}

/// The names of an address, the canonical one first; of a name its canonical
/// name and addresses in one text. Nothing if there is no answer.
fn ask(view: &View<'_>, question: &str) -> Vec<String> {
    if let Ok(address) = question.parse::<IpAddr>() {
        let Some(names) = view.reverse(address) else {
            return Vec::new();
        };
        let aliases = names.aliases().map(|name| name.to_string());
        let canonical = names.canonical().to_owned();
        return [canonical].into_iter().chain(aliases).collect();
    }
    let name = Name::parse(question.as_bytes()).unwrap();
    let answer = view.lookup(&name);
    let text = answer.map(|answer| {
        let addresses: Vec<_> = answer.v4().map(Ipv4Addr::from).collect();
        format!("{} {addresses:?}", answer.canonical().as_str())
    });
    text.into_iter().collect()
}

/// What a reader finds in a state.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Reading {
    answers: Vec<Vec<String>>,
    names: u64,
    addresses: u64,
    published: SystemTime,
}

impl Reading {
    fn of(view: &View<'_>, questions: &[&str]) -> Reading {
        Reading {
            answers: questions.iter().map(|name| ask(view, name)).collect(),
            names: view.names(),
            addresses: view.addresses(),
            published: view.published(),
        }
    }
}

/// The stores of a change, and a copy of the region that they are applied to.
struct Replay {
    region: Region,
    stores: Vec<Store>,
    /// What was in each word that is stored to.
    original: Vec<Store>,
    /// How many stores were done after each call of the writer.
    calls: Vec<usize>,
}

impl Replay {
    fn of(change: &Change) -> Replay {
        let mut writer = empty();
        for (name, text) in change.before {
            set(&mut writer, name, text);
        }
        writer.commit(SystemTime::UNIX_EPOCH).unwrap();
        let layout = writer.region.layout;
        let memory = MemoryFile::new(layout.words()).unwrap();
        let words = writer.region.memory.words();
        for at in 0..layout.words() {
            memory.store_relaxed(at, words.relaxed(at).unwrap());
        }
        trace::record();
        let mut calls = vec![0];
        for (name, text) in change.set {
            set(&mut writer, name, text);
            calls.push(trace::recorded());
        }
        let later = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
        writer.commit(later).unwrap();
        calls.push(trace::recorded());
        let stores = trace::finish();
        let words = memory.words();
        let original = stores.iter().map(|store| Store {
            word: words.relaxed(store.at).unwrap(),
            ..*store
        });
        Replay {
            original: original.collect(),
            region: Region { memory, layout },
            stores,
            calls,
        }
    }

    fn apply<'s>(&self, stores: impl IntoIterator<Item = &'s Store>) {
        for store in stores {
            self.region.memory.store_relaxed(store.at, store.word);
        }
    }

    /// The region after these stores and no others.
    fn show<'s>(&self, stores: impl IntoIterator<Item = &'s Store>) -> View<'_> {
        self.apply(&self.original);
        self.apply(stores);
        self.region.view()
    }

    fn live(&self, word: LiveWord) -> u64 {
        self.region.memory.words().live(word)
    }

    /// How many stores there are up to each release store.
    fn releases(&self) -> Vec<usize> {
        let stores = self.stores.iter().enumerate();
        let releases = stores.filter(|(_, store)| store.release);
        [0].into_iter()
            .chain(releases.map(|(at, _)| at + 1))
            .collect()
    }

    /// What a reader may see when so many stores were done: just these; later
    /// relaxed ones as well; or of the last relaxed ones only the very last.
    fn states(&self, count: usize) -> [Vec<Store>; 3] {
        let (done, later) = self.stores.split_at(count);
        let early = later.iter().filter(|store| !store.release);
        let released = done.iter().rposition(|store| store.release);
        let (released, unordered) = done.split_at(released.map_or(0, |at| at + 1));
        [
            done.to_vec(),
            done.iter().chain(early).copied().collect(),
            released.iter().chain(unordered.last()).copied().collect(),
        ]
    }
}

/// The states of a change, and what may be found in them.
struct Checker<'c> {
    change: &'c Change,
    replay: Rc<Replay>,
    /// After each call of the writer.
    readings: Vec<Reading>,
    /// The numbers of the change before this one, and of this one.
    generations: (u64, u64),
    /// How often the futex was woken when all is done.
    wakes: u64,
}

impl Checker<'_> {
    fn of(change: &Change) -> Checker<'_> {
        let replay = Rc::new(Replay::of(change));
        let after_call = |count: &usize| {
            let view = replay.show(&replay.stores[..*count]);
            Reading::of(&view, change.ask)
        };
        let readings: Vec<_> = replay.calls.iter().map(after_call).collect();
        let done = replay.live(LiveWord::GENERATION);
        Checker {
            change,
            readings,
            generations: (done - 1, done),
            wakes: replay.live(LiveWord::WAKES),
            replay,
        }
    }

    /// What may be answered to a question between two counts of stores.
    fn known(&self, start: usize, end: usize, question: usize) -> Vec<&[String]> {
        let calls = &self.replay.calls;
        let first = calls.iter().rposition(|&call| call <= start).unwrap();
        let last = calls.iter().position(|&call| call >= end).unwrap();
        let readings = &self.readings[first..=last];
        let answers = readings.iter().map(|reading| &*reading.answers[question]);
        answers.collect()
    }

    /// A name that has an answer before and after the change always has one.
    /// An address may have none between the calls that move it.
    fn check_calls(&self) {
        let (first, last) = (self.readings.first().unwrap(), self.readings.last());
        assert_ne!(Some(first), last);
        for (at, question) in self.change.ask.iter().enumerate() {
            let has = |reading: &Reading| !reading.answers[at].is_empty();
            let name = question.parse::<IpAddr>().is_err();
            if name && has(first) && last.is_some_and(has) {
                assert!(self.readings.iter().all(has), "{question} is lost");
            }
        }
    }

    /// A state that lasts for as long as a reader needs.
    fn check_state(&self, count: usize, state: &[Store]) {
        let view = self.replay.show(state);
        let reading = Reading::of(&view, self.change.ask);
        let generation = self.replay.live(LiveWord::GENERATION);
        // A process that is woken and finds no new generation sleeps again.
        let woken = self.replay.live(LiveWord::WAKES) == self.wakes;
        let complete = generation == self.generations.1;
        assert!(complete || !woken, "woken after {count} stores");
        if self.replay.live(LiveWord::BEGUN) == generation {
            let whole = if complete {
                self.readings.last()
            } else {
                self.readings.first()
            };
            assert_eq!(Some(&reading), whole, "settled after {count} stores");
            view.verify().unwrap();
        }
        for (at, answer) in reading.answers.iter().enumerate() {
            let known = self.known(count, count, at);
            let question = self.change.ask[at];
            assert!(
                known.contains(&&**answer),
                "{question} after {count} stores: {answer:?}, not {known:?}"
            );
        }
    }

    /// Lookups that are interrupted at each of their loads, and find the stores
    /// from `start` to `end` done. The first name of an address is looked up in
    /// one piece, and only that is checked.
    fn check_interrupted(&self, start: usize, end: usize) {
        for (at, question) in self.change.ask.iter().enumerate() {
            let known = self.known(start, end, at);
            for load in 0.. {
                let view = self.replay.show(&self.replay.stores[..start]);
                let replay = Rc::clone(&self.replay);
                let go_on = move || replay.apply(&replay.stores[start..end]);
                let (answer, interrupted) = trace::interrupt(load, go_on, || ask(&view, question));
                if !interrupted {
                    break;
                }
                let right = known.iter().any(|known| known.first() == answer.first());
                assert!(
                    right,
                    "{question} from store {start} to {end} at load {load}: {answer:?}, not {known:?}"
                );
            }
        }
    }
}

fn check(change: &Change) {
    let checker = Checker::of(change);
    checker.check_calls();
    for count in 0..=checker.replay.stores.len() {
        for state in checker.replay.states(count) {
            checker.check_state(count, &state);
        }
    }
    let releases = checker.replay.releases();
    for (nth, &start) in releases.iter().enumerate() {
        for &end in &releases[nth + 1..] {
            checker.check_interrupted(start, end);
        }
    }
}

#[test]
fn a_role_changes_comes_and_goes() {
    check(&Change {
        before: &[("web", "10.0.0.1"), ("www", "web"), ("old", "10.0.0.9")],
        set: &[
            ("web", "10.0.0.2 10.0.0.3"),
            ("new", "10.0.0.4"),
            ("old", "-"),
        ],
        ask: &[
            "web", "www", "new", "old", "10.0.0.1", "10.0.0.3", "10.0.0.4",
        ],
    });
}

#[test]
fn a_wildcard_changes_comes_and_goes() {
    // The only one of its depth.
    check(&Change {
        before: &[("*.apps", "10.0.0.1")],
        set: &[("*.apps", "10.0.0.2")],
        ask: &["x.apps"],
    });
    check(&Change {
        before: &[("*.a.old", "10.0.0.1"), ("*.old", "10.0.0.2")],
        set: &[("*.a.new", "10.0.0.3"), ("*.a.old", "-"), ("*.old", "")],
        ask: &["x.a.new", "x.a.old", "x.old"],
    });
}

#[test]
fn an_alias_moves_and_its_old_target_goes() {
    check(&Change {
        before: &[("db-1", "10.0.0.1"), ("master", "db-1"), ("backup", "db-1")],
        set: &[
            ("db-2", "10.0.0.2"),
            ("master", "db-2"),
            ("backup", ""),
            ("db-1", "-"),
        ],
        ask: &["master", "backup", "db-1", "db-2", "10.0.0.1", "10.0.0.2"],
    });
}

#[test]
fn an_alias_becomes_a_role_and_a_role_an_alias() {
    check(&Change {
        before: &[("a", "10.0.0.1"), ("b", "a"), ("c", "10.0.0.3")],
        set: &[("b", "10.0.0.2"), ("c", "a")],
        ask: &["a", "b", "c", "10.0.0.1", "10.0.0.2", "10.0.0.3"],
    });
}

#[test]
fn roles_share_an_address() {
    check(&Change {
        before: &[("a", "10.0.0.1"), ("bb", "10.0.0.1"), ("one", "10.0.0.2")],
        set: &[("ccc", "10.0.0.1 10.0.0.2"), ("a", "10.0.0.3")],
        ask: &["a", "bb", "ccc", "10.0.0.1", "10.0.0.2", "10.0.0.3"],
    });
    check(&Change {
        before: &[("a", "10.0.0.1"), ("b", "10.0.0.1")],
        set: &[("a", "-")],
        ask: &["a", "b", "10.0.0.1"],
    });
}

#[test]
fn an_address_moves_from_one_role_to_another() {
    check(&Change {
        before: &[("a", "10.0.0.1"), ("b", "10.0.0.2")],
        set: &[("a", "10.0.0.2"), ("b", "10.0.0.1")],
        ask: &["a", "b", "10.0.0.1", "10.0.0.2"],
    });
}

/// A process that is woken finds out why.
#[test]
fn a_region_changes_its_state_before_readers_are_woken() {
    let leave: [fn(&Region); 2] = [Region::mark_moved, Region::retire];
    for leave in leave {
        let writer = empty();
        trace::record();
        leave(&writer.region);
        let stores = trace::finish();
        let order: Vec<_> = stores.iter().map(|store| store.at).collect();
        assert_eq!(order, [LiveWord::STATE.0, LiveWord::WAKES.0]);
    }
}
