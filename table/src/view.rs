//! Reading a table: the one place where names and addresses are looked up,
//! whatever asks (the NSS module, the command, the tests).

use core::fmt;
use core::net::IpAddr;
use core::sync::atomic::{Ordering, fence};
use std::time::{Duration, SystemTime};

use crate::choice::{Choice, Order, choose};
use crate::format::{LIST, Layout, Slot, UNANSWERED, WILDCARD, Word};
use crate::last_good::LastGood;
use crate::memory::{Memory, Source};
use crate::name::{Name, Pattern};
use crate::reverse::Names;
use crate::rule::Namespace;
use crate::shm::Words;
use crate::table::{Record, Table, target};

/// A table, open for lookups.
///
/// It may be the region, to which a daemon writes meanwhile: then each lookup
/// answers from the newest change.
#[derive(Debug, Clone, Copy)]
pub struct View<'t> {
    table: Table<'t, Source<'t>>,
}

/// Which state of a table something was found in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Edition {
    /// The region; every daemon makes another one.
    pub region: u64,
    /// The number of the change.
    pub generation: u64,
}

/// What a name stands for.
#[derive(Clone)]
pub struct Answer<'a> {
    memory: Source<'a>,
    asked: &'a str,
    meant: &'a str,
    /// The record that names another as the canonical one.
    points: Option<Record>,
    /// Where the addresses stand.
    holder: Record,
    pick: u16,
}

/// The canonical name of an answer.
#[derive(Debug, Clone)]
#[allow(
    clippy::large_enum_variant,
    reason = "it lives on the stack for as long as one lookup"
)]
pub enum Canonical<'a> {
    /// The name that was meant, itself.
    Meant(&'a str),
    /// Another one.
    Other(Name),
}

impl AsRef<str> for Canonical<'_> {
    #[inline]
    fn as_ref(&self) -> &str {
        match self {
            Canonical::Meant(name) => name,
            Canonical::Other(name) => name.as_str(),
        }
    }
}

/// The addresses of one family that an answer has, as many as were chosen.
#[derive(Debug, Clone)]
pub struct Addresses<'a, const N: usize> {
    memory: Source<'a>,
    at: usize,
    choice: Choice,
}

/// A place in the list of all roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cursor(pub u32);

/// A role of the list of all roles.
#[derive(Debug, Clone)]
pub struct Listed<'a> {
    /// What it is called and what it answers.
    pub name: Name,
    answer: Answer<'a>,
    /// Where it stands; the next one stands after it.
    pub at: Cursor,
    /// Tells it from another that later stands at the same place.
    pub tag: u32,
}

impl<'t> View<'t> {
    pub(crate) fn region(words: Words<'t>, layout: &'t Layout) -> View<'t> {
        let memory = Source::Region(words);
        View {
            table: Table { layout, memory },
        }
    }

    pub(crate) fn file(file: &'t LastGood, layout: &'t Layout) -> View<'t> {
        let memory = Source::File(file);
        View {
            table: Table { layout, memory },
        }
    }

    pub(crate) fn table(&self) -> Table<'t, Source<'t>> {
        self.table
    }

    fn live(&self, word: Word) -> u64 {
        self.table.memory.live(word)
    }

    /// Which state of which table it is.
    #[must_use]
    pub fn edition(&self) -> Edition {
        Edition {
            region: self.table.layout.region,
            generation: self.generation(),
        }
    }

    /// The number of the change that was published last. Counts on from daemon
    /// to daemon.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.live(Word::GENERATION)
    }

    /// When the daemon published it.
    #[must_use]
    pub fn published(&self) -> SystemTime {
        let since = Duration::from_nanos(self.live(Word::PUBLISHED));
        SystemTime::UNIX_EPOCH
            .checked_add(since)
            .unwrap_or(SystemTime::UNIX_EPOCH)
    }

    /// How long to answer from it with no daemon behind it; none is for ever.
    #[must_use]
    pub fn stale_max(&self) -> Option<Duration> {
        stale_max(self.table.layout)
    }

    /// How several addresses are ordered.
    #[must_use]
    pub fn order(&self) -> Order {
        self.table.layout.order
    }

    /// Whether addresses are looked up (`reverse` in the configuration).
    #[must_use]
    pub fn reverses(&self) -> bool {
        self.table.layout.reverses
    }

    /// The number of names that have an answer, wildcards included.
    #[must_use]
    pub fn names(&self) -> u64 {
        self.live(Word::NAMES)
    }

    /// The number of different addresses that have names.
    #[must_use]
    pub fn addresses(&self) -> u64 {
        self.live(Word::ADDRESSES)
    }

    /// The domain under which each name answers too; often empty.
    #[must_use]
    pub fn domain(&self) -> &'t str {
        core::str::from_utf8(self.table.layout.domain()).unwrap_or_default()
    }

    /// Bytes of the whole table.
    #[must_use]
    pub fn size(&self) -> usize {
        self.table.layout.words() * crate::format::WORD
    }

    /// Looks a name up: its own entry, else that of the role it is under the
    /// configured domain, else the wildcard with the longest suffix.
    #[must_use]
    #[inline]
    pub fn lookup<'a>(&self, name: &'a Name) -> Option<Answer<'a>>
    where
        't: 'a,
    {
        match self.table.memory {
            // Spelled out, so that a lookup in the region is made for it alone.
            Source::Region(words) => self.look(words, name.as_str()),
            Source::File(file) => self.look(file, name.as_str()),
        }
    }

    #[inline]
    fn look<'a>(&self, memory: impl Memory, asked: &'a str) -> Option<Answer<'a>>
    where
        't: 'a,
    {
        let layout = self.table.layout;
        let table = Table { layout, memory };
        for _ in 1..TRIES {
            let before = (memory.live(Word::GENERATION), memory.live(Word::BEGUN));
            let found = self.look_once(&table, asked);
            if found.is_some() || is_settled(memory, before) {
                return found;
            }
        }
        self.look_once(&table, asked)
    }

    #[inline]
    fn look_once<'a>(&self, table: &Table<'_, impl Memory>, asked: &'a str) -> Option<Answer<'a>>
    where
        't: 'a,
    {
        let decided = table.decide(asked)?;
        self.answer(table, asked, decided.meant, &decided.entry)
    }

    /// What a record answers: its own addresses, or those of the one that it is
    /// an alias of.
    #[inline]
    fn answer<'a>(
        &self,
        table: &Table<'_, impl Memory>,
        asked: &'a str,
        meant: &'a str,
        record: &Record,
    ) -> Option<Answer<'a>>
    where
        't: 'a,
    {
        let (points, holder) = if record.shape.has_target() {
            (Some(*record), table.holder(record)?)
        } else {
            (None, *record)
        };
        let pick = match record.shape.pick {
            0 => holder.shape.pick,
            own => own,
        };
        let some = holder.shape.v4() + holder.shape.v6() > 0;
        some.then_some(Answer {
            memory: self.table.memory,
            asked,
            meant,
            points,
            holder,
            pick,
        })
    }

    /// The role that decides a name when it is looked up (`web`,
    /// `*.apps.internal`).
    #[must_use]
    pub fn decider(&self, name: &Name) -> Option<Pattern> {
        let decided = self.table.decide(name.as_str())?;
        let wildcard = decided.entry.shape.is(WILDCARD);
        Some(Pattern::new(self.table.name(&decided.entry)?, wildcard))
    }

    /// What a role itself answers (`web`, `*.apps.internal`); no name stands in
    /// for another here.
    #[must_use]
    pub fn role<'a>(&self, role: &'a str) -> Option<Answer<'a>>
    where
        't: 'a,
    {
        let record = match role.strip_prefix("*.") {
            Some(suffix) => self.table.wildcard(suffix)?,
            None => self.table.exact(role)?,
        };
        self.answer(&self.table, role, role, &record)
    }

    /// The names of an address. An IPv4 address that is mapped into IPv6 is
    /// taken for what it is.
    #[must_use]
    pub fn reverse(&self, address: IpAddr) -> Option<Names<'t>> {
        if !self.reverses() {
            return None;
        }
        let look = || match address.to_canonical() {
            IpAddr::V4(v4) => Names::of(self.table, &v4.octets()),
            IpAddr::V6(v6) => Names::of(self.table, &v6.octets()),
        };
        for _ in 1..TRIES {
            let before = (self.live(Word::GENERATION), self.live(Word::BEGUN));
            let found = look();
            if found.is_some() || is_settled(self.table.memory, before) {
                return found;
            }
        }
        look()
    }

    /// The first role at this place or after it, of all that have an answer, but
    /// for wildcards. They come in no particular order; one that stays keeps its
    /// place, whatever becomes of it, for as long as the region stays.
    #[must_use]
    pub fn list(&self, from: Cursor) -> Option<Listed<'t>> {
        let index = self.table.layout.forward;
        for position in from.0 as usize..index.len {
            let slot = Slot(self.table.memory.slot(index.start + position)?);
            let record = match slot.reference() {
                0 => continue,
                reference => self.table.record(reference),
            };
            let listed = record.and_then(|record| self.listed(&record, position, slot));
            if listed.is_some() {
                return listed;
            }
        }
        None
    }

    fn listed(&self, record: &Record, position: usize, slot: Slot) -> Option<Listed<'t>> {
        if record.shape.flags & (WILDCARD | LIST | UNANSWERED) != 0 {
            return None;
        }
        let name = self.table.name(record)?;
        let answer = self.answer(&self.table, "", "", record)?;
        Some(Listed {
            name,
            answer,
            at: Cursor(position as u32),
            tag: slot.tag(),
        })
    }

    /// Whether something that was read of a file could not be read, or was not as
    /// it was written: then nothing that was found in it counts. A region has no
    /// such damage.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        match self.table.memory {
            Source::Region(_) => false,
            Source::File(file) => file.failed(),
        }
    }

    /// Reads much of the table as of one moment: again, should a change come in
    /// between. Where changes never end it makes do with what it has.
    pub fn settled<R>(&self, read: impl Fn() -> R) -> R {
        for _ in 0..SETTLE {
            let (generation, begun) = (self.generation(), self.live(Word::BEGUN));
            if generation == begun {
                let found = read();
                // What was read, was read before this looks again.
                fence(Ordering::Acquire);
                if self.live(Word::BEGUN) == begun {
                    return found;
                }
            } else {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        read()
    }
}

/// How often a name is looked for that was not found while a change went on:
/// what has an answer before and after a change may seem to have none where it
/// is read from the pieces of both.
const TRIES: usize = 4;

/// Whether no change was going on, and none has begun since these were read:
/// the generation, and the change that was begun last.
fn is_settled(memory: impl Memory, (generation, begun): (u64, u64)) -> bool {
    // What was read, was read before this looks again.
    fence(Ordering::Acquire);
    generation == begun && memory.live(Word::BEGUN) == begun
}

/// How often to begin again when changes come in between.
const SETTLE: usize = 20;

/// How long to answer from a table with no daemon behind it.
pub(crate) fn stale_max(layout: &Layout) -> Option<Duration> {
    (layout.stale_max != 0).then(|| Duration::from_nanos(layout.stale_max))
}

impl<'a> Answer<'a> {
    /// The name asked for, in normal form.
    #[must_use]
    pub fn asked(&self) -> &'a str {
        self.asked
    }

    /// The name it is in the end: the alias's target, the role behind the
    /// configured domain, else the name itself.
    #[must_use]
    #[inline]
    pub fn canonical(&self) -> Canonical<'a> {
        let other = self.points.as_ref();
        match other.and_then(|record| target(self.memory, record)) {
            Some(name) => Canonical::Other(name),
            None => Canonical::Meant(self.meant),
        }
    }

    /// How many addresses of each family one lookup answers; 0 is all.
    #[must_use]
    pub fn pick(&self) -> u16 {
        self.pick
    }

    /// The IPv4 addresses in network byte order, in the order written.
    #[must_use]
    #[inline]
    pub fn v4(&self) -> Addresses<'a, 4> {
        Addresses::new(self.memory, self.holder.v4_at(), self.holder.shape.v4())
    }

    /// The IPv6 addresses, likewise.
    #[must_use]
    #[inline]
    pub fn v6(&self) -> Addresses<'a, 16> {
        Addresses::new(self.memory, self.holder.v6_at(), self.holder.shape.v6())
    }
}

impl fmt::Debug for Answer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("asked", &self.asked)
            .field("canonical", &self.canonical().as_ref())
            .field("v4", &self.v4().collect::<Vec<_>>())
            .field("v6", &self.v6().collect::<Vec<_>>())
            .field("pick", &self.pick)
            .finish()
    }
}

impl<'a> Listed<'a> {
    /// What it answers, under its own name.
    #[must_use]
    pub fn answer(&self) -> &Answer<'a> {
        &self.answer
    }
}

impl<'a, const N: usize> Addresses<'a, N> {
    #[inline]
    fn new(memory: Source<'a>, at: usize, count: usize) -> Addresses<'a, N> {
        Addresses {
            memory,
            at,
            choice: choose(count, 0, Order::Fixed, 0),
        }
    }

    /// Those of them, all so far, that one lookup answers.
    #[must_use]
    #[inline]
    pub fn chosen(mut self, pick: u16, order: Order, random: u64) -> Addresses<'a, N> {
        self.choice = choose(self.choice.len(), pick, order, random);
        self
    }
}

impl<const N: usize> Iterator for Addresses<'_, N> {
    type Item = [u8; N];

    #[inline]
    fn next(&mut self) -> Option<[u8; N]> {
        let mut at = self.at + N * self.choice.next()?;
        let mut address = [0; N];
        for part in address.as_chunks_mut::<4>().0 {
            // In a region it is always there, and a file notes that it has
            // failed: then the whole answer does not count.
            *part = self.memory.four(at).unwrap_or_default();
            at += 4;
        }
        Some(address)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.choice.size_hint()
    }
}

impl<const N: usize> ExactSizeIterator for Addresses<'_, N> {}
