//! The writer of a region, in the daemon. A region has only one.
//!
//! A change is written in place. A whole record is appended to the arena, and then
//! one word is stored, its slot in the index. The record that it replaces is
//! garbage from then on, and never overwritten, because readers may still use it.
//! When garbage or new names have used up the room, the daemon makes a new region,
//! to which processes attach (`needs_rebuild`).

mod address_holders;
mod capacity;
mod index;
mod role;
mod snapshot;
#[cfg(test)]
mod write_order;

use core::fmt;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use address_holders::AddressHolders;
pub use capacity::Capacity;
use index::{IndexFull, IndexWriter};
pub use role::{Role, RoleAnswer, Source, SourceValue};
pub use snapshot::Snapshot;
use zerocopy::IntoBytes;

use crate::choice::Order;
use crate::clock::Monotonic;
use crate::format::{
    ALIAS, FIRST_REFERENCE, LIST, Layout, LiveWord, RecordFields, SOURCES, Slot, State, UNANSWERED,
    WILDCARD, WORD, encode_record, is_name, record_words, set_checksum,
};
use crate::memory::Memory;
use crate::name::MAX_NAME;
use crate::roles::{MAX_HASHES, MAX_KEY, RoleEntry, entry};
use crate::rule::depth_bit;
use crate::shm::{MemoryFile, Words, page_size};
use crate::table::{Record, Table};
use crate::view::View;

/// The settings of a table, which every reader sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The number of the last change in the region before this one. The first
    /// change in this one has the next number.
    pub generation: u64,
    /// How long the table may be served without a daemon; none means for ever.
    pub stale_max: Option<Duration>,
    /// How several addresses are ordered.
    pub order: Order,
    /// The domain with which each name can also be looked up, in normal form; may
    /// be empty.
    pub domain: String,
    /// Whether the table answers reverse lookups.
    pub reverse: bool,
    /// The keys of the mirrored Redis hashes, in order of precedence.
    pub hashes: Vec<String>,
}

/// A region, as the daemon's threads share it: to hand it over, to store the
/// heartbeat, and to mark it as moved or retired.
#[derive(Debug)]
pub struct Region {
    memory: MemoryFile,
    layout: Layout,
}

impl Region {
    /// The memory file, to be handed over.
    #[must_use]
    pub fn file(&self) -> BorrowedFd<'_> {
        self.memory.file()
    }

    /// Stores the heartbeat, which says that the daemon is alive.
    pub fn beat(&self, now: Monotonic) {
        self.memory.store_live(LiveWord::HEARTBEAT, now.0);
    }

    /// Marks the region as moved: readers attach to another one, which the daemon
    /// must offer already.
    pub fn mark_moved(&self) {
        self.memory.store_live(LiveWord::STATE, State::Moved as u64);
        self.memory.wake();
    }

    /// Marks the region as retired, because the daemon exits.
    pub fn retire(&self) {
        self.memory
            .store_live(LiveWord::STATE, State::Retired as u64);
        self.memory.wake();
    }

    /// A view of the region, as every process has it.
    #[must_use]
    pub fn view(&self) -> View<'_> {
        View::region(self.memory.words(), &self.layout)
    }

    /// Bytes of the region, all of which are allocated.
    #[must_use]
    pub fn size(&self) -> usize {
        self.layout.words() * WORD
    }
}

/// The writer of a region.
#[derive(Debug)]
pub struct RegionWriter {
    region: Arc<Region>,
    settings: Settings,
    /// Words of the arena that are in use, and how many of them are garbage.
    end: usize,
    garbage: usize,
    /// Words of the largest record.
    largest: usize,
    forward: IndexWriter,
    reverse: IndexWriter,
    /// The number of wildcards at each depth.
    depths: [u32; 32],
    names: u64,
    /// Whether a change was begun since the last commit.
    begun: bool,
    address_holders: AddressHolders,
    /// For each target its aliases, as references to their records.
    aliases: HashMap<Box<str>, Vec<u32>>,
    /// The targets whose list of aliases the next commit writes.
    stale_aliases: HashSet<Box<str>>,
    /// The record that is being encoded.
    scratch: Vec<u8>,
}

impl RegionWriter {
    /// Creates a region of this capacity, with as much room again for changes. It
    /// has no roles yet, and must be committed before it is offered to clients.
    ///
    /// # Errors
    /// There is no memory or no descriptor left, the region would be larger than a
    /// table can be, there are more than 128 hashes, the key of one is too long, or
    /// the kernel is older than Linux 5.1 and has no `F_SEAL_FUTURE_WRITE`.
    pub fn create(
        settings: Settings,
        capacity: &Capacity,
        now: Monotonic,
    ) -> io::Result<RegionWriter> {
        let random = |what: u64| RandomState::new().hash_one(what);
        let hashes = hashes_record(&settings)?;
        let sizes = capacity.part_sizes(record_words(&hashes))?;
        let (region, seed) = (random(0), random(1));
        let reverse = if settings.reverse { sizes.reverse } else { 0 };
        let mut layout = Layout::new(region, seed, sizes.forward, reverse, sizes.arena);
        layout.fill(page_size() / WORD);
        layout.stale_max = settings.stale_max.map_or(0, |span| nanos(span).max(1));
        layout.order = settings.order;
        layout.reverses = settings.reverse;
        layout.hashes = FIRST_REFERENCE;
        layout.set_domain(&settings.domain);
        let memory = MemoryFile::new(layout.words())?;
        for (at, word) in layout.header().as_bytes().as_chunks().0.iter().enumerate() {
            memory.store_relaxed(at, u64::from_le_bytes(*word));
        }
        memory.store_live(LiveWord::GENERATION, settings.generation);
        memory.store_live(LiveWord::BEGUN, settings.generation);
        memory.store_live(LiveWord::STATE, State::Serving as u64);
        let region = Arc::new(Region { memory, layout });
        region.beat(now);
        let mut writer = RegionWriter {
            forward: IndexWriter::new(layout.forward),
            reverse: IndexWriter::new(layout.reverse),
            region,
            settings,
            end: FIRST_REFERENCE as usize,
            garbage: 0,
            largest: 0,
            depths: [0; 32],
            names: 0,
            begun: false,
            address_holders: AddressHolders::default(),
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

    /// A view of the region, as every process has it.
    #[must_use]
    pub fn view(&self) -> View<'_> {
        self.region.view()
    }

    /// Writes a role, replacing what it was before. If it is the same, nothing is
    /// written.
    ///
    /// # Errors
    /// After [`WriteError::Full`] the changes since the last commit must be made in
    /// a new region. After any other error nothing has changed.
    pub fn set(&mut self, role: &Role<'_>) -> Result<(), WriteError> {
        role.check()?;
        role.encode(&mut self.scratch);
        let (name, wildcard) = split(role.name);
        self.write(name, wildcard)
    }

    /// Writes the encoded record as that of a role.
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
        // Before the old one is counted out, so that the bit of the depth stays
        // set if both have the same.
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
        self.update_dependents(name, old, Some((new, reference)))
    }

    /// Removes a role, if there is one.
    ///
    /// # Errors
    /// As [`RegionWriter::set`], if there is no room for what depends on the role.
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
        self.update_dependents(name, Some(before.record), None)
    }

    /// Completes a change: writes the lists that depend on the roles, increments
    /// the generation, and wakes waiting processes. Returns the number of the
    /// change, or of the last one if nothing was written.
    ///
    /// # Errors
    /// There is no room for the lists: the change must be made in a new region.
    pub fn commit(&mut self, published: SystemTime) -> Result<u64, WriteError> {
        if !self.begun && self.generation() != self.settings.generation {
            return Ok(self.generation());
        }
        self.begin();
        self.write_lists()?;
        let generation = self.generation() + 1;
        let since = published.duration_since(SystemTime::UNIX_EPOCH);
        let memory = &self.region.memory;
        memory.store_live(LiveWord::NAMES, self.names);
        memory.store_live(LiveWord::ADDRESSES, self.reverse.live as u64);
        memory.store_live(LiveWord::PUBLISHED, since.map_or(0, nanos));
        memory.store_live(LiveWord::GENERATION, generation);
        memory.wake();
        self.begun = false;
        Ok(generation)
    }

    /// Whether the room for changes is running short, so that a new region should be
    /// made now rather than in the middle of the next change.
    #[must_use]
    pub fn needs_rebuild(&self) -> bool {
        let arena = self.region.layout.arena.len;
        let short = arena - self.end < arena / 16;
        let wasted = self.end > arena / 2 && self.garbage > self.end / 2;
        short || wasted || self.forward.is_crowded() || self.reverse.is_crowded()
    }

    /// Creates a new region with the same roles, and room for as many changes as
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

    /// A snapshot of the table, to be written to `last-good.table` while changes go
    /// on.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(&self.region, self.end)
    }

    /// One role as it is in the table.
    #[must_use]
    pub fn role(&self, role: &str) -> Option<RoleEntry> {
        let (name, wildcard) = split(role);
        let table = table(&self.region);
        entry(&table, &table.role(name.as_bytes(), wildcard)?.record)
    }

    /// The number of the last complete change.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.region.memory.words().live(LiveWord::GENERATION)
    }

    /// Marks a change as begun, so that readers know that what they read may not be
    /// of one moment.
    fn begin(&mut self) {
        if !self.begun {
            self.begun = true;
            let next = self.generation() + 1;
            self.region.memory.store_live(LiveWord::BEGUN, next);
            // Before any store of the change.
            core::sync::atomic::fence(core::sync::atomic::Ordering::Release);
        }
    }

    /// Updates what depends on a role that was `old` and is `new`: the number of
    /// names, the aliases of its target, and the reverse index.
    fn update_dependents(
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
        self.update_addresses(name, old, new)
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

    /// Adds `by` to the number of wildcards at the depth of this one.
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
        self.region.memory.store_live(LiveWord::DEPTHS, bits);
    }

    /// Whether the encoded record is the same as one that was written before.
    fn is_written(&self, record: &Record) -> bool {
        let words = self.region.memory.words();
        let mut place = record.at / WORD;
        // Except for the checksum, which is set when it is appended.
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

    /// Appends the encoded record to the arena; returns its reference.
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
            memory.store_relaxed(place, u64::from_le_bytes(*word));
        }
        self.end += words;
        memory.store_live(LiveWord::END, self.end as u64);
        Ok(reference)
    }

    /// Copies the bytes of a record that was written before.
    fn copy_record(&self, reference: u32, to: &mut Vec<u8>) {
        to.clear();
        let start = self.region.layout.arena.start + reference as usize;
        for at in start..start + self.record_words(reference) {
            let word = self.region.memory.words().relaxed(at);
            to.extend_from_slice(&word.unwrap_or(0).to_le_bytes());
        }
    }

    /// The number of words of a record that was written before.
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

/// The table of a region.
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

/// Splits a role's name into the name without `*.`, and whether it is a wildcard.
fn split(role: &str) -> (&str, bool) {
    match role.strip_prefix("*.") {
        Some(suffix) => (suffix, true),
        None => (role, false),
    }
}

/// The record with the keys of the Redis hashes.
fn hashes_record(settings: &Settings) -> io::Result<Vec<u8>> {
    let invalid = |what| io::Error::new(io::ErrorKind::InvalidInput, what);
    if settings.hashes.len() > MAX_HASHES {
        return Err(invalid("there are more than 128 hashes"));
    }
    let domain = settings.domain.as_bytes();
    if domain.len() > MAX_NAME || !is_name(domain) {
        return Err(invalid("the domain is not a name in normal form"));
    }
    let mut sources = Vec::new();
    for hash in settings.hashes.iter().map(String::as_bytes) {
        if hash.len() > MAX_KEY {
            return Err(invalid("the key of a hash is longer than 255 bytes"));
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
    /// This is not a name in normal form.
    Name(String),
    /// This role's answer has no address, or too many.
    Answer(String),
    /// A source of this role has an unknown hash, too long a member, or too many
    /// addresses.
    Source(String),
    /// The region has no room left: the daemon must make a new one.
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
            WriteError::Name(name) => write!(f, "{name:?} is not a name in normal form"),
            WriteError::Answer(name) => {
                write!(f, "the role {name} has no address, or more than 65535")
            }
            WriteError::Source(name) => {
                write!(
                    f,
                    "a field of the role {name} is of an unknown hash, or is too long"
                )
            }
            WriteError::Full => f.write_str("the region has no room left"),
        }
    }
}

impl core::error::Error for WriteError {}
