//! Reading a table: the NSS module, the command and the tests all look names and
//! addresses up here.

use core::fmt;
use core::net::IpAddr;
use core::sync::atomic::{Ordering, fence};
use std::time::{Duration, SystemTime};

use crate::choice::{Choice, Order, choose};
use crate::format::{LIST, Layout, LiveWord, Slot, UNANSWERED, WILDCARD};
use crate::last_good::LastGoodFile;
use crate::memory::{Backing, Memory};
use crate::name::{Name, Pattern};
use crate::reverse::Names;
use crate::rule::Namespace;
use crate::shm::Words;
use crate::table::{Record, Table, target};

/// A table, open for lookups.
///
/// If it is a region, a daemon may be writing to it, and each lookup sees the
/// newest change.
#[derive(Debug, Clone, Copy)]
pub struct View<'t> {
    table: Table<'t, Backing<'t>>,
}

/// Identifies the contents of a table: equal revisions have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TableRevision {
    /// The random number of the region.
    pub region: u64,
    /// The number of the last complete change.
    pub generation: u64,
}

/// The answer to a lookup of a name.
#[derive(Clone)]
pub struct Answer<'a> {
    memory: Backing<'a>,
    asked: &'a [u8],
    meant: &'a [u8],
    /// The record that was found, if it names a target as the canonical name.
    points: Option<Record>,
    /// The record that has the addresses.
    holder: Record,
    pick: u16,
}

/// The canonical name of an answer.
#[derive(Debug, Clone)]
#[allow(
    clippy::large_enum_variant,
    reason = "it is on the stack for the time of one lookup"
)]
pub enum Canonical<'a> {
    /// The name that was found.
    Meant(&'a [u8]),
    /// Another name.
    Other(Name),
}

impl Canonical<'_> {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only ASCII is ever found, so this cannot fail.
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// The name as bytes, which costs a lookup less.
    #[must_use]
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Canonical::Meant(name) => name,
            Canonical::Other(name) => name.as_bytes(),
        }
    }
}

/// The addresses of one family in an answer, or those chosen of them.
#[derive(Debug, Clone)]
pub struct Addresses<'a, const N: usize> {
    memory: Backing<'a>,
    at: usize,
    choice: Choice,
}

/// A position in the list of all roles: the number of a slot of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cursor(pub u32);

/// A role of the list of all roles.
#[derive(Debug, Clone)]
pub struct ListedRole<'a> {
    /// Its name.
    pub name: Name,
    answer: Answer<'a>,
    /// Its position; the next role comes after it.
    pub at: Cursor,
    /// Tells it from another role that has the same position later.
    pub tag: u32,
}

impl<'t> View<'t> {
    pub(crate) fn region(words: Words<'t>, layout: &'t Layout) -> View<'t> {
        let memory = Backing::Region(words);
        View {
            table: Table { layout, memory },
        }
    }

    pub(crate) fn file(file: &'t LastGoodFile, layout: &'t Layout) -> View<'t> {
        let memory = Backing::File(file);
        View {
            table: Table { layout, memory },
        }
    }

    pub(crate) fn table(&self) -> Table<'t, Backing<'t>> {
        self.table
    }

    fn live(&self, word: LiveWord) -> u64 {
        self.table.memory.live(word)
    }

    /// The revision of the table at this moment.
    #[must_use]
    pub fn revision(&self) -> TableRevision {
        TableRevision {
            region: self.table.layout.region,
            generation: self.generation(),
        }
    }

    /// The number of the last complete change. A daemon that is started later
    /// continues the count.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.live(LiveWord::GENERATION)
    }

    /// When the daemon completed that change.
    #[must_use]
    pub fn published(&self) -> SystemTime {
        let since = Duration::from_nanos(self.live(LiveWord::PUBLISHED));
        SystemTime::UNIX_EPOCH
            .checked_add(since)
            .unwrap_or(SystemTime::UNIX_EPOCH)
    }

    /// How long the table may be served without a daemon; none means for ever.
    #[must_use]
    pub fn stale_max(&self) -> Option<Duration> {
        stale_max(self.table.layout)
    }

    /// How several addresses are ordered.
    #[must_use]
    pub fn order(&self) -> Order {
        self.table.layout.order
    }

    /// Whether the table answers reverse lookups (`reverse` in the configuration).
    #[must_use]
    pub fn reverses(&self) -> bool {
        self.table.layout.reverses
    }

    /// The number of roles that have an answer, wildcards included.
    #[must_use]
    pub fn names(&self) -> u64 {
        self.live(LiveWord::NAMES)
    }

    /// The number of addresses that have names.
    #[must_use]
    pub fn addresses(&self) -> u64 {
        self.live(LiveWord::ADDRESSES)
    }

    /// The domain with which each name can also be looked up; often empty.
    #[must_use]
    pub fn domain(&self) -> &'t str {
        core::str::from_utf8(self.table.layout.domain()).unwrap_or_default()
    }

    /// Bytes of the whole table.
    #[must_use]
    pub fn size(&self) -> usize {
        self.table.layout.words() * crate::format::WORD
    }

    /// Looks a name up by the rule of [`rule`](crate::rule): its own entry, else
    /// that without the domain, else the wildcard with the longest suffix.
    #[must_use]
    #[inline]
    pub fn lookup<'a>(&self, name: &'a Name) -> Option<Answer<'a>>
    where
        't: 'a,
    {
        match self.table.memory {
            // Dispatched here, so that the lookup is compiled for each of them.
            Backing::Region(words) => self.lookup_in(words, name.as_bytes()),
            Backing::File(file) => self.lookup_in(file, name.as_bytes()),
        }
    }

    #[inline]
    fn lookup_in<'a>(&self, memory: impl Memory, asked: &'a [u8]) -> Option<Answer<'a>>
    where
        't: 'a,
    {
        let layout = self.table.layout;
        let table = Table { layout, memory };
        for _ in 1..TRIES {
            let before = (
                memory.live(LiveWord::GENERATION),
                memory.live(LiveWord::BEGUN),
            );
            let found = self.lookup_once(&table, asked);
            if found.is_some() || is_settled(memory, before) {
                return found;
            }
        }
        self.lookup_once(&table, asked)
    }

    #[inline]
    fn lookup_once<'a>(&self, table: &Table<'_, impl Memory>, asked: &'a [u8]) -> Option<Answer<'a>>
    where
        't: 'a,
    {
        let decided = table.decide(asked)?;
        self.answer(table, asked, decided.meant, &decided.entry)
    }

    /// The answer of a record: its own addresses, or those of an alias's target.
    #[inline]
    fn answer<'a>(
        &self,
        table: &Table<'_, impl Memory>,
        asked: &'a [u8],
        meant: &'a [u8],
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
        let own = record.shape.pick;
        let pick = if own == 0 { holder.shape.pick } else { own };
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

    /// The role (`web`, `*.apps.internal`) that decides a name when it is looked
    /// up.
    #[must_use]
    pub fn decider(&self, name: &Name) -> Option<Pattern> {
        let decided = self.table.decide(name.as_bytes())?;
        let wildcard = decided.entry.shape.is(WILDCARD);
        Some(Pattern::new(self.table.name(&decided.entry)?, wildcard))
    }

    /// The answer of exactly this role (`web`, `*.apps.internal`), without the
    /// rule of a lookup.
    #[must_use]
    pub fn role<'a>(&self, role: &'a str) -> Option<Answer<'a>>
    where
        't: 'a,
    {
        let role = role.as_bytes();
        let record = match role.strip_prefix(b"*.") {
            Some(suffix) => self.table.wildcard(suffix)?,
            None => self.table.exact(role)?,
        };
        self.answer(&self.table, role, role, &record)
    }

    /// The names of an address. An IPv4-mapped IPv6 address is looked up as IPv4.
    #[must_use]
    pub fn reverse(&self, address: IpAddr) -> Option<Names<'t>> {
        if !self.reverses() {
            return None;
        }
        let lookup = || match address.to_canonical() {
            IpAddr::V4(v4) => Names::of(self.table, &v4.octets()),
            IpAddr::V6(v6) => Names::of(self.table, &v6.octets()),
        };
        for _ in 1..TRIES {
            let before = (self.live(LiveWord::GENERATION), self.live(LiveWord::BEGUN));
            let found = lookup();
            if found.is_some() || is_settled(self.table.memory, before) {
                return found;
            }
        }
        lookup()
    }

    /// The first role at this position or after it that has an answer and is not
    /// a wildcard. Roles are in no particular order. Within a region a role keeps
    /// its position for as long as it exists, however it changes.
    #[must_use]
    pub fn list(&self, from: Cursor) -> Option<ListedRole<'t>> {
        let index = self.table.layout.forward;
        for position in from.0 as usize..index.len {
            let slot = Slot(self.table.memory.slot(index.start + position)?);
            if slot.reference() == 0 {
                continue;
            }
            let record = self.table.record(slot.reference());
            let listed = record.and_then(|record| self.listed(&record, position, slot));
            if listed.is_some() {
                return listed;
            }
        }
        None
    }

    fn listed(&self, record: &Record, position: usize, slot: Slot) -> Option<ListedRole<'t>> {
        if record.shape.flags & (WILDCARD | LIST | UNANSWERED) != 0 {
            return None;
        }
        let name = self.table.name(record)?;
        let answer = self.answer(&self.table, b"", b"", record)?;
        Some(ListedRole {
            name,
            answer,
            at: Cursor(position as u32),
            tag: slot.tag(),
        })
    }

    /// Whether a part of the file could not be read or had a wrong checksum. Then
    /// nothing that was found in it counts. Never true of a region.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        match self.table.memory {
            Backing::Region(_) => false,
            Backing::File(file) => file.failed(),
        }
    }

    /// Runs `read` so that all it reads is of one moment, as with a sequence lock:
    /// repeats it if a change was made meanwhile. After 20 attempts it returns
    /// what it has.
    pub fn settled<R>(&self, read: impl Fn() -> R) -> R {
        for _ in 0..SETTLE {
            let (generation, begun) = (self.generation(), self.live(LiveWord::BEGUN));
            if generation == begun {
                let found = read();
                // Orders the reads before the load that checks them.
                fence(Ordering::Acquire);
                if self.live(LiveWord::BEGUN) == begun {
                    return found;
                }
            } else {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        read()
    }
}

/// How often a lookup that found nothing during a change is tried. A name that
/// has an answer before and after the change may seem to have none when an alias
/// is read before it and its target after it.
const TRIES: usize = 4;

/// Whether no change was in progress when these were loaded, the generation and
/// the last change begun, and none has begun since.
fn is_settled(memory: impl Memory, (generation, begun): (u64, u64)) -> bool {
    // Orders the reads before the load that checks them.
    fence(Ordering::Acquire);
    generation == begun && memory.live(LiveWord::BEGUN) == begun
}

/// How often [`View::settled`] reads at most.
const SETTLE: usize = 20;

/// How long a table may be served without a daemon; none means for ever.
pub(crate) fn stale_max(layout: &Layout) -> Option<Duration> {
    (layout.stale_max != 0).then(|| Duration::from_nanos(layout.stale_max))
}

impl<'a> Answer<'a> {
    /// The name that was looked up, in normal form.
    #[must_use]
    pub fn asked(&self) -> &'a [u8] {
        self.asked
    }

    /// The canonical name: the target's, else the name that was found (without the
    /// configured domain, if it was found so).
    #[must_use]
    #[inline]
    pub fn canonical(&self) -> Canonical<'a> {
        let other = self.points.as_ref();
        match other.and_then(|record| target(self.memory, record)) {
            Some(name) => Canonical::Other(name),
            None => Canonical::Meant(self.meant),
        }
    }

    /// How many addresses of each family one lookup returns; 0 is all.
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

    /// The IPv6 addresses in network byte order, in the order written.
    #[must_use]
    #[inline]
    pub fn v6(&self) -> Addresses<'a, 16> {
        Addresses::new(self.memory, self.holder.v6_at(), self.holder.shape.v6())
    }
}

impl fmt::Debug for Answer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("asked", &self.asked.escape_ascii().to_string())
            .field("canonical", &self.canonical().as_str())
            .field("v4", &self.v4().collect::<Vec<_>>())
            .field("v6", &self.v6().collect::<Vec<_>>())
            .field("pick", &self.pick)
            .finish()
    }
}

impl<'a> ListedRole<'a> {
    /// Its answer, under its own name.
    #[must_use]
    pub fn answer(&self) -> &Answer<'a> {
        &self.answer
    }
}

impl<'a, const N: usize> Addresses<'a, N> {
    #[inline]
    fn new(memory: Backing<'a>, at: usize, count: usize) -> Addresses<'a, N> {
        Addresses {
            memory,
            at,
            choice: choose(count, 0, Order::Fixed, 0),
        }
    }

    /// Chooses those that one lookup returns.
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
            // In a region it is always there. A file that can't be read notes
            // that, and then the whole answer does not count.
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
