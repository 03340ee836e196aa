//! Making a table: roles and fields in, bytes out.

mod reverse;

use core::fmt;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, SystemTime};

use crate::choice::Order;
use crate::format::{
    self, HEADER_BYTES, Header, MAX_TABLE, RecordFields, SLOT_BYTES, Span, fill_slots,
};
use crate::name::MAX_NAME;
use crate::sources::{self, Source};
use crate::verify::hash_of;
use crate::view::{View, depth_bit};

/// Of this many slots of an index ...
const SLOTS: usize = 10;
/// ... so many are filled, at most: 7 of 10 keep a look-up that finds nothing
/// within one or two cache lines, for 11.4 bytes a name.
const FILLED: usize = 7;

/// How often an index is made larger when an entry does not find its place.
/// With a seed that nobody can know this happens by chance alone.
const ATTEMPTS: usize = 8;

/// What a table says of itself.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Higher than that of any table published before.
    pub generation: u64,
    /// The time now.
    pub published: SystemTime,
    /// How long to answer from it with no daemon behind it; none is for ever.
    pub stale_max: Option<Duration>,
    /// How several addresses are ordered.
    pub order: Order,
    /// The domain under which each name answers too, in normal form; or empty.
    pub domain: String,
    /// The Redis hashes mirrored, the deciding one first.
    pub hashes: Vec<String>,
}

/// One role, resolved: pointers followed to their end, members together.
#[derive(Debug, Clone, Copy)]
pub struct Role<'a> {
    /// In normal form; `*.` in front makes it a wildcard.
    pub name: &'a str,
    /// The last name of the pointers that were followed. Without addresses of
    /// its own the role answers those of that role, which must be in the table
    /// and have some.
    pub canonical: Option<&'a str>,
    /// IPv4 addresses.
    pub v4: &'a [[u8; 4]],
    /// IPv6 addresses.
    pub v6: &'a [[u8; 16]],
    /// How many addresses of each family to answer; 0 is all.
    pub pick: u16,
}

/// A table in the making.
#[derive(Debug)]
pub struct Builder {
    settings: Settings,
    seed: u64,
    /// Header (still zero), hashes, and the records so far.
    table: Vec<u8>,
    records: u32,
    first_role: Option<u32>,
    depths: u32,
    /// Where the records start, in order.
    starts: Vec<u32>,
    /// For each pointer, where its target's offset is to be written, and the
    /// target's name.
    pointers: Vec<(usize, String)>,
    sources: Vec<u8>,
    last: String,
    /// The first field that can't be written.
    refused: Option<BuildError>,
}

impl Builder {
    /// Begins a table.
    ///
    /// # Errors
    /// More than 128 hashes, or a name of one of more than 255 bytes.
    pub fn new(settings: Settings) -> Result<Builder, BuildError> {
        let mut table = vec![0; HEADER_BYTES];
        if settings.hashes.len() > sources::MAX_HASHES || settings.domain.len() > MAX_NAME {
            return Err(BuildError::Settings);
        }
        for hash in &settings.hashes {
            let len = u8::try_from(hash.len()).map_err(|_| BuildError::Settings)?;
            table.push(len);
            table.extend_from_slice(hash.as_bytes());
        }
        table.resize(format::aligned(table.len()), 0);
        Ok(Builder {
            settings,
            // Nobody who writes names into Redis may know which ones collide.
            seed: RandomState::new().hash_one(()),
            records: table.len() as u32,
            table,
            first_role: None,
            depths: 0,
            starts: Vec::new(),
            pointers: Vec::new(),
            sources: Vec::new(),
            last: String::new(),
            refused: None,
        })
    }

    /// Adds a role. Roles come in the order of their names.
    ///
    /// # Errors
    /// The name or the one pointed at is none, the name is not above the last
    /// one, the role has no address and points nowhere or has more than 65,535
    /// of a family, or the table is full.
    pub fn role(&mut self, role: Role<'_>) -> Result<(), BuildError> {
        for name in [Some(role.name), role.canonical].into_iter().flatten() {
            if name.is_empty() || name.len() > MAX_NAME || !format::is_name(name.as_bytes()) {
                return Err(BuildError::Name(name.into()));
            }
        }
        if role.name <= self.last.as_str() {
            return Err(BuildError::Order(role.name.into()));
        }
        let empty = role.v4.is_empty() && role.v6.is_empty();
        let most = usize::from(u16::MAX);
        if (empty && role.canonical.is_none()) || role.v4.len().max(role.v6.len()) > most {
            return Err(BuildError::Role(role.name.into()));
        }
        let at = u32::try_from(self.table.len()).map_err(|_| BuildError::TooLarge)?;
        match role.name.strip_prefix("*.") {
            Some(suffix) => self.depths |= depth_bit(suffix.split('.').count()),
            None => self.first_role = self.first_role.or(Some(at)),
        }
        let target = format::encode_record(
            &mut self.table,
            &RecordFields {
                name: role.name,
                pick: role.pick,
                v4: role.v4,
                v6: role.v6,
                canonical: role.canonical,
            },
        );
        if let (Some(target), Some(canonical)) = (target, role.canonical) {
            self.pointers.push((target, canonical.into()));
        }
        self.starts.push(at);
        self.last.clear();
        self.last.push_str(role.name);
        Ok(())
    }

    /// Adds a field that a role came from. The role's own fields come right
    /// after it; those of roles that have no answer come in their order. One
    /// that can't be written is what [`Builder::build`] then fails with.
    pub fn source(&mut self, source: &Source<'_>) {
        let member = source.member.unwrap_or_default();
        let fits = source.hash < self.settings.hashes.len()
            && source.role.len().max(member.len()) <= usize::from(u8::MAX)
            && source.value.len() as u64 <= MAX_TABLE;
        if !fits {
            let refused = BuildError::Source(source.role.into());
            self.refused.get_or_insert(refused);
            return;
        }
        let record = match self.starts.last() {
            Some(&at) if self.last == source.role => at,
            _ => 0,
        };
        sources::encode(&mut self.sources, record, source);
    }

    /// Finishes the table.
    ///
    /// # Errors
    /// A pointer to a role that is not there, a field that can't be written, or
    /// a table of 4 GiB and more.
    pub fn build(mut self) -> Result<Vec<u8>, BuildError> {
        if let Some(refused) = self.refused.take() {
            return Err(refused);
        }
        let records = Span {
            start: self.records,
            end: offset(&self.table)?,
        };
        let forward = self.forward_index(records.end)?;
        self.link_pointers(records, &forward)?;
        let view = self.view(records.end);
        let reverse = reverse::index(view, &self.starts, self.seed)?;
        let lists = self.append(&reverse.lists)?;
        let sources = std::mem::take(&mut self.sources);
        let sources = self.append(&sources)?;
        self.table.resize(self.table.len().next_multiple_of(64), 0);
        let forward = self.append(&forward)?;
        self.table.resize(self.table.len().next_multiple_of(64), 0);
        let reversed = self.append(&reverse.slots)?;
        let total = u64::from(offset(&self.table)?);
        let header = Header {
            total,
            generation: self.settings.generation,
            published: self
                .settings
                .published
                .duration_since(SystemTime::UNIX_EPOCH)
                .map_or(0, nanos),
            stale_max: self.settings.stale_max.map_or(0, nanos),
            seed: self.seed,
            first_role: self.first_role.unwrap_or(records.end),
            order: self.settings.order,
            depths: self.depths,
            names: self.starts.len() as u32,
            addresses: reverse.addresses,
            hashes: Span {
                start: HEADER_BYTES as u32,
                end: self.hashes_end(),
            },
            records,
            lists,
            sources,
            forward,
            reverse: reversed,
            domain: self.settings.domain.as_bytes(),
        };
        header.encode(&mut self.table);
        Ok(self.table)
    }

    fn hashes_end(&self) -> u32 {
        let names = self.settings.hashes.iter().map(|hash| 1 + hash.len());
        (HEADER_BYTES + names.sum::<usize>()) as u32
    }

    /// The index of names. Needs no more of the records than their names.
    fn forward_index(&self, end: u32) -> Result<Vec<u8>, BuildError> {
        let view = self.view(end);
        let entries = self.starts.iter().filter_map(|&at| {
            let record = view.record(at)?;
            Some((hash_of(&record, self.seed), at))
        });
        index(self.starts.len(), entries)
    }

    /// Writes into each pointer where its target's record is.
    fn link_pointers(&mut self, records: Span, forward: &[u8]) -> Result<(), BuildError> {
        let whole = Span {
            start: 0,
            end: forward.len() as u32,
        };
        let slots = format::Slots::new(forward, whole);
        for (at, name) in std::mem::take(&mut self.pointers) {
            let view = self.view(records.end);
            let hash = format::hash_name(name.as_bytes(), self.seed);
            let target = slots
                .probe(hash)
                .filter_map(|target| Some((target, view.record(target)?)))
                .find(|(_, record)| record.name == name.as_bytes() && record.target.is_none())
                .map(|(target, _)| target)
                .ok_or(BuildError::Pointer(name))?;
            if let Some(to) = self.table.get_mut(at..at + 4) {
                to.copy_from_slice(&target.to_le_bytes());
            }
        }
        Ok(())
    }

    /// The records so far, as a reader sees them.
    fn view(&self, end: u32) -> View<'_> {
        let records = Span {
            start: self.records,
            end,
        };
        View::of_records(&self.table, records)
    }

    fn append(&mut self, part: &[u8]) -> Result<Span, BuildError> {
        let start = offset(&self.table)?;
        self.table.extend_from_slice(part);
        let end = offset(&self.table)?;
        self.table.resize(format::aligned(self.table.len()), 0);
        Ok(Span { start, end })
    }
}

/// An index of so many entries.
fn index<I>(count: usize, entries: I) -> Result<Vec<u8>, BuildError>
where
    I: Iterator<Item = (u64, u32)> + Clone,
{
    let mut slots = count * SLOTS / FILLED + 1;
    for _ in 0..ATTEMPTS {
        let mut bytes = vec![0; slots * SLOT_BYTES];
        if fill_slots(&mut bytes, entries.clone()) {
            return Ok(bytes);
        }
        slots += slots / 2 + 1;
    }
    Err(BuildError::TooLarge)
}

/// The offset at the end of the table so far.
fn offset(table: &[u8]) -> Result<u32, BuildError> {
    match table.len() as u64 {
        len if len <= MAX_TABLE => Ok(len as u32),
        _ => Err(BuildError::TooLarge),
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// Why a table can't be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildError {
    /// More than 128 hashes, or a name of one that is too long.
    Settings,
    /// This is no name in normal form.
    Name(String),
    /// This role does not sort after the one before it.
    Order(String),
    /// This role has nothing to answer, or too many addresses.
    Role(String),
    /// A role points at this one, which has no addresses of its own.
    Pointer(String),
    /// A field of this role has a hash that the settings do not name, or a
    /// member that is too long.
    Source(String),
    /// 4 GiB or more.
    TooLarge,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildError::Settings => {
                f.write_str("at most 128 hashes, with names of at most 255 bytes each")
            }
            BuildError::Name(name) => write!(f, "{name:?} is no name in normal form"),
            BuildError::Order(name) => write!(f, "the role {name} is out of order"),
            BuildError::Role(name) => {
                write!(f, "the role {name} has no address, or more than 65535")
            }
            BuildError::Pointer(name) => {
                write!(f, "the role {name}, pointed at, has no addresses")
            }
            BuildError::Source(name) => {
                write!(
                    f,
                    "a field of the role {name} has no such hash, or too long a member"
                )
            }
            BuildError::TooLarge => f.write_str("the table would be larger than 4 GiB"),
        }
    }
}

impl core::error::Error for BuildError {}
