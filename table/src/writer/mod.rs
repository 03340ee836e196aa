//! The one writer of a region: the daemon's side.
//!
//! A change is written in place. A record is written whole behind all others,
//! and then one word, its slot in the index, is stored; what was there before is
//! garbage from then on, and is never written over, because somebody may be
//! reading it. When garbage or the number of names has used up the room, a new
//! region is made, and processes attach to that one (`needs_rebuild`).

mod capacity;
mod index;
mod reversal;
mod role;
mod snapshot;

use core::fmt;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use zerocopy::IntoBytes;

use crate::choice::Order;
use crate::clock::Monotonic;
use crate::format::{
    ALIAS, FIRST_REFERENCE, LIST, Layout, RecordFields, SOURCES, Slot, State, UNANSWERED, WILDCARD,
    WORD, Word, encode_record, is_name, record_words, set_checksum,
};
use crate::memory::Memory;
use crate::name::MAX_NAME;
use crate::roles::{MAX_HASHES, MAX_KEY, RoleEntry, entry};
use crate::rule::depth_bit;
use crate::shm::{MemoryFile, Words, page_size};
use crate::table::{Record, Table};
use crate::view::View;

pub use capacity::Capacity;
use index::{Filled, IndexFull};
use reversal::Reversal;
pub use role::{Role, RoleAnswer, Source, SourceValue};
pub use snapshot::Snapshot;

/// What a table says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The number of the last change that was ever published; the first of this
    /// region is the next one.
    pub generation: u64,
    /// How long to answer from it with no daemon behind it; none is for ever.
    pub stale_max: Option<Duration>,
    /// How several addresses are ordered.
    pub order: Order,
    /// The domain under which each name answers too, in normal form; or empty.
    pub domain: String,
    /// Whether addresses are looked up.
    pub reverse: bool,
    /// The Redis hashes mirrored, the deciding one first.
    pub hashes: Vec<String>,
}

/// A region as all the daemon's threads have it: to be handed over, to beat, to
/// be left.
#[derive(Debug)]
pub struct Region {
    memory: MemoryFile,
    layout: Layout,
}

impl Region {
    /// The memory file to hand over.
    #[must_use]
    pub fn file(&self) -> BorrowedFd<'_> {
        self.memory.file()
    }

    /// Says that the daemon is alive.
    pub fn beat(&self, now: Monotonic) {
        self.memory.tell(Word::HEARTBEAT, now.0);
    }

    /// Says that another region is in use now. It must be there for whoever
    /// asks for it by then.
    pub fn mark_moved(&self) {
        self.memory.tell(Word::STATE, State::Moved as u64);
        self.memory.wake();
    }

    /// Says that the daemon exits.
    pub fn retire(&self) {
        self.memory.tell(Word::STATE, State::Retired as u64);
        self.memory.wake();
    }

    /// A view of it, as every process has it.
    #[must_use]
    pub fn view(&self) -> View<'_> {
        View::region(self.memory.words(), &self.layout)
    }

    /// Bytes of it, all of which are there from the beginning.
    #[must_use]
    pub fn size(&self) -> usize {
        self.layout.words() * WORD
    }
}

/// The one who writes to a region.
#[derive(Debug)]
pub struct RegionWriter {
    region: Arc<Region>,
    settings: Settings,
    /// Words of the arena in use, and how many of these nobody can find any
    /// more.
    end: usize,
    garbage: usize,
    /// Words of the largest record.
    largest: usize,
    forward: Filled,
    reverse: Filled,
    /// How many wildcards there are at each depth.
    depths: [u32; 32],
    names: u64,
    /// Whether anything was written since the last commit.
    begun: bool,
    reversal: Reversal,
    /// For each name that others are aliases of: their records.
    aliases: HashMap<Box<str>, Vec<u32>>,
    /// Those whose list is to be written at the next commit.
    stale_aliases: HashSet<Box<str>>,
    /// A record in the making.
    scratch: Vec<u8>,
}

impl RegionWriter {
    /// Makes a new region with room for so much, and as much again for changes.
    /// It has no role yet, and answers nobody before the first commit is
    /// offered at the socket.
    ///
    /// # Errors
    /// There is no memory or no descriptor left; it would be larger than a table
    /// can be; more than 128 hashes or too long a name of one; a kernel older
    /// than Linux 5.1, which has no `F_SEAL_FUTURE_WRITE`.
    pub fn create(
        settings: Settings,
        capacity: &Capacity,
        now: Monotonic,
    ) -> io::Result<RegionWriter> {
        let random = |what: u64| RandomState::new().hash_one(what);
        let hashes = hashes_record(&settings)?;
        let room = capacity.room(record_words(&hashes))?;
        let (region, seed) = (random(0), random(1));
        let reverse = if settings.reverse { room.reverse } else { 0 };
        let mut layout = Layout::new(region, seed, room.forward, reverse, room.arena);
        layout.fill(page_size() / WORD);
        layout.stale_max = settings.stale_max.map_or(0, |span| nanos(span).max(1));
        layout.order = settings.order;
        layout.reverses = settings.reverse;
        layout.hashes = FIRST_REFERENCE;
        layout.set_domain(&settings.domain);
        let memory = MemoryFile::new(layout.words())?;
        for (at, word) in layout.header().as_bytes().as_chunks().0.iter().enumerate() {
            memory.put(at, u64::from_le_bytes(*word));
        }
        memory.tell(Word::GENERATION, settings.generation);
        memory.tell(Word::BEGUN, settings.generation);
        memory.tell(Word::STATE, State::Serving as u64);
        let region = Arc::new(Region { memory, layout });
        region.beat(now);
        let mut writer = RegionWriter {
            forward: Filled::new(layout.forward),
            reverse: Filled::new(layout.reverse),
            region,
            settings,
            end: FIRST_REFERENCE as usize,
            garbage: 0,
            largest: 0,
            depths: [0; 32],
            names: 0,
            begun: false,
            reversal: Reversal::default(),
            aliases: HashMap::new(),
            stale_aliases: HashSet::new(),
            scratch: hashes,
        };
        writer.append().map_err(io::Error::other)?;
        Ok(writer)
    }

    /// The region, to be handed over.
    #[must_use]
    pub fn region(&self) -> &Arc<Region> {
        &self.region
    }

    /// A view of it, as every process has it.
    #[must_use]
    pub fn view(&self) -> View<'_> {
        self.region.view()
    }

    /// Writes a role, in place of what it was before. One that is as it was
    /// costs nothing but the comparison.
    ///
    /// # Errors
    /// The name or the one pointed at is none, or there are too many addresses:
    /// nothing has changed. [`WriteError::Full`]: there is no room; the change
    /// is to be made in a new region, with all others since the last commit.
    pub fn set(&mut self, role: &Role<'_>) -> Result<(), WriteError> {
        role.check()?;
        role.encode(&mut self.scratch);
        let (name, wildcard) = split(role.name);
        self.write(name, wildcard)
    }

    /// Writes the record in the making as that of a role.
    fn write(&mut self, name: &str, wildcard: bool) -> Result<(), WriteError> {
        let region = Arc::clone(&self.region);
        let table = table(&region);
        let before = table.role(name.as_bytes(), wildcard);
        if before.is_some_and(|before| self.is_written(&before.record)) {
            return Ok(());
        }
        self.begin();
        let reference = self.append()?;
        let new = table.record(reference).ok_or(WriteError::Full)?;
        self.largest = self.largest.max(self.record_words(reference));
        // Its depth comes first: who is to find a wildcard must look for it.
        self.count_depth(name, &new, 1);
        let hash = hash_of(&region, name, wildcard);
        match before {
            Some(before) => {
                self.garbage += self.record_words(before.reference);
                index::replace(&region, self.forward.part, before.position, hash, reference);
                self.count_depth(name, &before.record, -1);
            }
            None => self.forward.insert(&region, hash, reference)?,
        }
        let old = before.map(|before| before.record);
        self.follow(name, old, Some((new, reference)))
    }

    /// Removes a role; one that is not there is no change.
    ///
    /// # Errors
    /// As [`RegionWriter::set`]: what else depends on the role finds no room.
    pub fn remove(&mut self, role: &str) -> Result<(), WriteError> {
        let (name, wildcard) = split(role);
        let region = Arc::clone(&self.region);
        let Some(before) = table(&region).role(name.as_bytes(), wildcard) else {
            return Ok(());
        };
        self.begin();
        self.garbage += self.record_words(before.reference);
        self.forward.remove(&region, before.position);
        self.count_depth(name, &before.record, -1);
        self.follow(name, Some(before.record), None)
    }

    /// Completes a change: writes what depends on the roles that were written,
    /// counts the change up, and wakes up whoever waits for one. Returns its
    /// number; where nothing was written, that of the last one.
    ///
    /// # Errors
    /// There is no room for what depends on the change: it is to be made in a
    /// new region.
    pub fn commit(&mut self, published: SystemTime) -> Result<u64, WriteError> {
        if !self.begun && self.generation() != self.settings.generation {
            return Ok(self.generation());
        }
        self.begin();
        self.write_lists()?;
        let generation = self.generation() + 1;
        let since = published.duration_since(SystemTime::UNIX_EPOCH);
        let memory = &self.region.memory;
        memory.tell(Word::NAMES, self.names);
        memory.tell(Word::ADDRESSES, self.reverse.live as u64);
        memory.tell(Word::PUBLISHED, since.map_or(0, nanos));
        memory.tell(Word::GENERATION, generation);
        memory.wake();
        self.begun = false;
        Ok(generation)
    }

    /// Whether the room for changes is running short, so that a new region had
    /// better be made after this change than in the midst of the next one.
    #[must_use]
    pub fn needs_rebuild(&self) -> bool {
        let arena = self.region.layout.arena.len;
        let short = arena - self.end < arena / 16;
        let wasted = self.end > arena / 2 && self.garbage > self.end / 2;
        short || wasted || self.forward.is_crowded() || self.reverse.is_crowded()
    }

    /// Makes a new region of the same roles, with room for as many changes as
    /// this one had.
    ///
    /// # Errors
    /// As [`RegionWriter::create`].
    pub fn rebuild(&self, now: Monotonic) -> io::Result<RegionWriter> {
        let mut settings = self.settings.clone();
        settings.generation = self.generation();
        let capacity = Capacity {
            names: self.forward.live,
            addresses: self.reverse.live,
            words: self.end - self.garbage,
            largest: self.largest,
        };
        let mut next = RegionWriter::create(settings, &capacity, now)?;
        let (table, index) = (table(&self.region), self.forward.part);
        for at in index.start..index.end() {
            let slot = Slot(table.memory.word(at).unwrap_or(0));
            let role = table.record(slot.reference());
            let role = role.filter(|record| !record.shape.is(LIST));
            let name = role.and_then(|record| Some((record, table.name(&record)?)));
            let Some((record, name)) = name else {
                continue;
            };
            let wildcard = record.shape.is(WILDCARD);
            self.copy_record(slot.reference(), &mut next.scratch);
            next.write(name.as_str(), wildcard)
                .map_err(io::Error::other)?;
        }
        next.commit(self.view().published())
            .map_err(io::Error::other)?;
        Ok(next)
    }

    /// What the file `last-good.table` is to hold: the table as it is now, to be
    /// written while changes go on.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(&self.region, self.end)
    }

    /// One role as it stands in the table.
    #[must_use]
    pub fn role(&self, role: &str) -> Option<RoleEntry> {
        let (name, wildcard) = split(role);
        let table = table(&self.region);
        entry(&table, &table.role(name.as_bytes(), wildcard)?.record)
    }

    /// The number of the last change that is complete.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.region.memory.words().live(Word::GENERATION)
    }

    /// Says that a change has begun, so that who reads much of the table knows
    /// that it is not of one moment.
    fn begin(&mut self) {
        if !self.begun {
            self.begun = true;
            let next = self.generation() + 1;
            self.region.memory.tell(Word::BEGUN, next);
            // Before anything of the change can be seen.
            core::sync::atomic::fence(core::sync::atomic::Ordering::Release);
        }
    }

    /// What follows for names and addresses from a role that was `old` and is
    /// `new`.
    fn follow(
        &mut self,
        name: &str,
        old: Option<Record>,
        new: Option<(Record, u32)>,
    ) -> Result<(), WriteError> {
        let answered = |record: &Record| !record.shape.is(UNANSWERED);
        self.names += u64::from(new.is_some_and(|(new, _)| answered(&new)));
        self.names -= u64::from(old.is_some_and(|old| answered(&old)));
        if let Some(old) = old {
            self.drop_alias(name, &old);
        }
        if let Some((new, reference)) = new {
            self.add_alias(&new, reference);
        }
        self.follow_addresses(name, old, new)
    }

    fn drop_alias(&mut self, name: &str, old: &Record) {
        let region = Arc::clone(&self.region);
        let table = table(&region);
        if old.shape.flags & (ALIAS | WILDCARD) != ALIAS {
            return;
        }
        let Some(target) = table.target(old) else {
            return;
        };
        if let Some(aliases) = self.aliases.get_mut(target.as_str()) {
            aliases.retain(|&alias| {
                let record = table.record(alias);
                record.is_some_and(|record| !table.is_named(&record, name.as_bytes()))
            });
            self.stale_aliases.insert(target.as_str().into());
        }
    }

    fn add_alias(&mut self, new: &Record, reference: u32) {
        if new.shape.flags & (ALIAS | WILDCARD) != ALIAS || !self.settings.reverse {
            return;
        }
        if let Some(target) = table(&self.region).target(new) {
            let target: Box<str> = target.as_str().into();
            self.aliases
                .entry(target.clone())
                .or_default()
                .push(reference);
            self.stale_aliases.insert(target);
        }
    }

    /// Counts a wildcard in or out at its depth.
    fn count_depth(&mut self, suffix: &str, record: &Record, by: i32) {
        if record.shape.flags & (WILDCARD | UNANSWERED) != WILDCARD {
            return;
        }
        let bit = depth_bit(suffix.split('.').count());
        if let Some(count) = self.depths.get_mut(bit.trailing_zeros() as usize) {
            *count = count.saturating_add_signed(by);
        }
        let mut bits = 0u64;
        for (at, _) in self
            .depths
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0)
        {
            bits |= 1 << at;
        }
        self.region.memory.tell(Word::DEPTHS, bits);
    }

    /// Whether the record in the making is what stands there already.
    fn is_written(&self, record: &Record) -> bool {
        let words = self.region.memory.words();
        let mut place = record.at / WORD;
        // But for the checksum, which is set when it is appended.
        let mut made = self.scratch.as_chunks::<WORD>().0.iter();
        let first = made.next().map(|word| u64::from_le_bytes(*word) >> 32);
        if first != words.relaxed(place).map(|word| word >> 32) {
            return false;
        }
        made.all(|word| {
            place += 1;
            words.relaxed(place) == Some(u64::from_le_bytes(*word))
        })
    }

    /// Writes the record in the making behind all others.
    fn append(&mut self) -> Result<u32, WriteError> {
        let words = record_words(&self.scratch);
        let arena = self.region.layout.arena;
        if words > arena.len - self.end {
            return Err(WriteError::Full);
        }
        let reference = u32::try_from(self.end).map_err(|_| WriteError::Full)?;
        set_checksum(&mut self.scratch);
        let memory = &self.region.memory;
        let places = arena.start + self.end..;
        for (place, word) in places.zip(self.scratch.as_chunks().0) {
            memory.put(place, u64::from_le_bytes(*word));
        }
        self.end += words;
        memory.tell(Word::END, self.end as u64);
        Ok(reference)
    }

    /// The bytes of a record that was written before.
    fn copy_record(&self, reference: u32, to: &mut Vec<u8>) {
        to.clear();
        let start = self.region.layout.arena.start + reference as usize;
        for at in start..start + self.record_words(reference) {
            let word = self.region.memory.words().relaxed(at);
            to.extend_from_slice(&word.unwrap_or(0).to_le_bytes());
        }
    }

    /// Words of a record that was written before.
    fn record_words(&self, reference: u32) -> usize {
        let table = table(&self.region);
        let size = table.record(reference).map(|record| {
            let mut end = record.target_at();
            if record.shape.has_target() {
                let mut len = [0];
                let _ = table.memory.copy(end, &mut len);
                end = (end + 1 + usize::from(len[0])).next_multiple_of(4);
            }
            if record.shape.is(SOURCES) {
                let len = table.memory.four(end).unwrap_or_default();
                end += 4 + u32::from_le_bytes(len) as usize;
            }
            end.div_ceil(WORD) - record.at / WORD
        });
        size.unwrap_or(0)
    }
}

/// The table that a writer goes on writing to.
fn table(region: &Region) -> Table<'_, Words<'_>> {
    Table {
        layout: &region.layout,
        memory: region.memory.words(),
    }
}

fn hash_of(region: &Region, name: &str, wildcard: bool) -> u64 {
    let seed = region.layout.seed;
    if wildcard {
        crate::format::hash_below(name.as_bytes(), seed)
    } else {
        crate::format::hash_name(name.as_bytes(), seed)
    }
}

/// A role's name without the `*.` of a wildcard, and whether it is one.
fn split(role: &str) -> (&str, bool) {
    match role.strip_prefix("*.") {
        Some(suffix) => (suffix, true),
        None => (role, false),
    }
}

/// The record that names the Redis hashes.
fn hashes_record(settings: &Settings) -> io::Result<Vec<u8>> {
    let invalid = |what| io::Error::new(io::ErrorKind::InvalidInput, what);
    if settings.hashes.len() > MAX_HASHES {
        return Err(invalid("at most 128 hashes"));
    }
    let domain = settings.domain.as_bytes();
    if domain.len() > MAX_NAME || !is_name(domain) {
        return Err(invalid("the domain is no name in normal form"));
    }
    let mut sources = Vec::new();
    for hash in settings.hashes.iter().map(String::as_bytes) {
        if hash.len() > MAX_KEY {
            return Err(invalid("a hash's name has at most 255 bytes"));
        }
        sources.push(hash.len() as u8);
        sources.extend_from_slice(hash);
    }
    let mut record = Vec::new();
    encode_record(
        &mut record,
        &RecordFields {
            flags: SOURCES | UNANSWERED,
            sources: &sources,
            ..RecordFields::default()
        },
    );
    Ok(record)
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// Why a role can't be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteError {
    /// This is no name in normal form.
    Name(String),
    /// This role has nothing to answer, or too many addresses.
    Answer(String),
    /// A field of this role has too long a member, or too many addresses.
    Source(String),
    /// There is no room left: a new region is to be made.
    Full,
}

impl From<IndexFull> for WriteError {
    fn from(_: IndexFull) -> WriteError {
        WriteError::Full
    }
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WriteError::Name(name) => write!(f, "{name:?} is no name in normal form"),
            WriteError::Answer(name) => {
                write!(f, "the role {name} has no address, or more than 65535")
            }
            WriteError::Source(name) => {
                write!(
                    f,
                    "a field of the role {name} has no such hash, or is too long"
                )
            }
            WriteError::Full => f.write_str("the region has no room left"),
        }
    }
}

impl core::error::Error for WriteError {}
