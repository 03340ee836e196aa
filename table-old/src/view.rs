//! Reading a table: the one place where names and addresses are looked up,
//! whatever asks (the NSS module, the command, the tests).
//!
//! A view trusts nothing. Every offset and length is checked against the bytes
//! there are, and every loop has a bound, so that a damaged or hostile table
//! can give wrong answers but can't crash, hang or mislead the reader's memory.
//! Nothing here allocates.

use core::net::IpAddr;
use std::time::{Duration, SystemTime};

use crate::choice::Order;
use crate::format::{self, HEADER_BYTES, Header, OpenError, Record, Slots, Span};
use crate::name::Name;

/// A table, open for look-ups.
#[derive(Debug, Clone, Copy)]
pub struct View<'t> {
    pub(crate) bytes: &'t [u8],
    first: &'t [u8; HEADER_BYTES],
    pub(crate) records: Span,
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer<'t> {
    /// The name asked for, in normal form.
    pub asked: &'t str,
    /// The name it is in the end: the pointer's target, the role behind the
    /// configured domain, else the name itself.
    pub canonical: &'t str,
    /// IPv4 addresses in network byte order, in the order written.
    pub v4: &'t [[u8; 4]],
    /// IPv6 addresses, likewise.
    pub v6: &'t [[u8; 16]],
    /// How many addresses of each family one look-up answers; 0 is all.
    pub pick: u16,
}

/// A place in the list of all roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor(pub u32);

impl<'t> View<'t> {
    /// Opens a table without reading more than its header.
    ///
    /// # Errors
    /// The bytes are not a table, one of another format, or cut short.
    pub fn open(bytes: &'t [u8]) -> Result<View<'t>, OpenError> {
        let first = Header::check(bytes)?;
        Ok(View::of(bytes, first))
    }

    /// Opens a table that was opened before, and cannot have changed since,
    /// without checking its header once more.
    #[inline]
    pub(crate) fn reopen(bytes: &'t [u8]) -> Option<View<'t>> {
        bytes.first_chunk().map(|first| View::of(bytes, first))
    }

    #[inline]
    fn of(bytes: &'t [u8], first: &'t [u8; HEADER_BYTES]) -> View<'t> {
        View {
            bytes,
            first,
            records: Header::decode(first).records,
        }
    }

    /// The records of a table that is still being made.
    pub(crate) fn of_records(bytes: &'t [u8], records: Span) -> View<'t> {
        View {
            bytes,
            first: &[0; HEADER_BYTES],
            records,
        }
    }

    /// The header. Of what is taken from it only that is read.
    #[inline]
    pub(crate) fn header(&self) -> Header<'t> {
        Header::decode(self.first)
    }

    /// Counts up with each table a daemon publishes.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.header().generation
    }

    /// When the daemon published it.
    #[must_use]
    pub fn published(&self) -> SystemTime {
        let since = Duration::from_nanos(self.header().published);
        SystemTime::UNIX_EPOCH
            .checked_add(since)
            .unwrap_or(SystemTime::UNIX_EPOCH)
    }

    /// How long to answer from it with no daemon behind it; none is for ever.
    #[must_use]
    pub fn stale_max(&self) -> Option<Duration> {
        (self.header().stale_max != 0).then(|| Duration::from_nanos(self.header().stale_max))
    }

    /// How several addresses are ordered.
    #[must_use]
    pub fn order(&self) -> Order {
        self.header().order
    }

    /// The number of names, wildcards included.
    #[must_use]
    pub fn names(&self) -> u32 {
        self.header().names
    }

    /// The number of different addresses that have names.
    #[must_use]
    pub fn addresses(&self) -> u32 {
        self.header().addresses
    }

    /// The domain under which each name answers too; often empty.
    #[must_use]
    pub fn domain(&self) -> &'t str {
        core::str::from_utf8(self.header().domain).unwrap_or_default()
    }

    /// The whole table.
    #[must_use]
    pub fn bytes(&self) -> &'t [u8] {
        self.bytes
    }

    /// Bytes of the whole table.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Looks a name up: its own entry, else that of the role it is under the
    /// configured domain, else the wildcard with the longest suffix.
    #[must_use]
    pub fn lookup(&self, name: &'t Name) -> Option<Answer<'t>> {
        let asked = name.as_str();
        let (record, meant) = self.find(asked)?;
        self.answer(asked, meant, &record)
    }

    /// The role that decides a name when it is looked up (`web`,
    /// `*.apps.internal`).
    #[must_use]
    pub fn decider(&self, name: &Name) -> Option<&'t str> {
        let (record, _) = View::find(self, name.as_str())?;
        format::name_text(record.name)
    }

    /// What a role itself holds (`web`, `*.apps.internal`); no name stands in
    /// for another here.
    #[must_use]
    pub fn role(&self, role: &'t str) -> Option<Answer<'t>> {
        let record = match role.strip_prefix("*.") {
            Some(suffix) => self.wildcard(suffix)?,
            None => self.exact(role)?,
        };
        self.answer(role, role, &record)
    }

    /// The record that decides a name, and what is meant by the name there.
    #[inline]
    fn find<'n>(&self, asked: &'n str) -> Option<(Record<'t>, &'n str)> {
        if let Some(record) = self.exact(asked) {
            return Some((record, asked));
        }
        let role = self.without_domain(asked);
        if let Some(role) = role
            && let Some(record) = self.exact(role)
        {
            return Some((record, role));
        }
        if let Some(record) = self.below(asked) {
            return Some((record, asked));
        }
        let role = role?;
        Some((self.below(role)?, role))
    }

    /// The name without the configured domain, when it lies under that.
    fn without_domain<'n>(&self, asked: &'n str) -> Option<&'n str> {
        if self.header().domain.is_empty() {
            return None;
        }
        let role = asked.as_bytes().strip_suffix(self.header().domain)?;
        let role = role.strip_suffix(b".").filter(|role| !role.is_empty())?;
        asked.get(..role.len())
    }

    /// The record of this very name.
    fn exact(&self, name: &str) -> Option<Record<'t>> {
        let hash = format::hash_name(name.as_bytes(), self.header().seed);
        self.forward()
            .probe(hash)
            .filter_map(|at| self.record(at))
            .find(|record| !record.wildcard && record.name == name.as_bytes())
    }

    /// The record of the wildcard with the longest suffix that `name` is below.
    fn below(&self, name: &str) -> Option<Record<'t>> {
        if self.header().depths == 0 {
            return None;
        }
        let mut depth = name.bytes().filter(|&byte| byte == b'.').count();
        let mut rest = name;
        while let Some((_, suffix)) = rest.split_once('.') {
            if self.header().depths & depth_bit(depth) != 0
                && let Some(record) = self.wildcard(suffix)
            {
                return Some(record);
            }
            rest = suffix;
            depth -= 1;
        }
        None
    }

    fn wildcard(&self, suffix: &str) -> Option<Record<'t>> {
        let hash = format::hash_below(suffix.as_bytes(), self.header().seed);
        self.forward()
            .probe(hash)
            .filter_map(|at| self.record(at))
            .find(|record| {
                record.wildcard && record.name.strip_prefix(b"*.") == Some(suffix.as_bytes())
            })
    }

    /// What a record answers: its own addresses, or those of the one record it
    /// points at. Pointers were followed to their end when the table was made.
    fn answer(&self, asked: &'t str, meant: &'t str, record: &Record<'t>) -> Option<Answer<'t>> {
        let pointed;
        let (canonical, holder) = match (record.target, record.canonical) {
            (Some(target), _) => {
                pointed = self.record(target)?;
                (format::name_text(pointed.name)?, &pointed)
            }
            (None, Some(canonical)) => (format::name_text(canonical)?, record),
            // What was asked for has been read as a name already.
            (None, None) => (meant, record),
        };
        let pick = match record.pick {
            0 => holder.pick,
            own => own,
        };
        let (v4, v6) = (holder.v4, holder.v6);
        (!v4.is_empty() || !v6.is_empty()).then_some(Answer {
            asked,
            canonical,
            v4,
            v6,
            pick,
        })
    }

    /// The names of an address. An IPv4 address that is mapped into IPv6 is
    /// taken for what it is.
    #[must_use]
    pub fn reverse(&self, address: IpAddr) -> Option<Names<'t>> {
        match address.to_canonical() {
            IpAddr::V4(v4) => self.names_of(&v4.octets()),
            IpAddr::V6(v6) => self.names_of(&v6.octets()),
        }
    }

    fn names_of(&self, address: &[u8]) -> Option<Names<'t>> {
        let hash = format::hash_address(address, self.header().seed);
        Slots::new(self.bytes, self.header().reverse)
            .probe(hash)
            .filter_map(|at| Names::at(*self, at))
            .find(|names| names.first.holds(address))
    }

    /// The place of the first role, in the order of their names.
    #[must_use]
    pub fn first(&self) -> Cursor {
        Cursor(self.header().first_role)
    }

    /// The role at a place and the place to go on from. None at the end.
    /// Wildcards sort before all names (`*` before `-`), so none is met.
    #[must_use]
    pub fn entry(&self, at: Cursor) -> Option<(Answer<'t>, Cursor)> {
        let record = self.record(at.0)?;
        let name = format::name_text(record.name)?;
        let answer = self.answer(name, name, &record)?;
        Some((answer, Cursor(record.end)))
    }

    /// The place of the first role that sorts after `name`: where to go on in
    /// this table with a list begun in another.
    #[must_use]
    pub fn cursor_after(&self, name: &str) -> Cursor {
        match self.exact(name) {
            Some(record) => Cursor(record.end),
            None => self.cursor_at(name),
        }
    }

    /// The place of the role `name` or, where there is none, of the first that
    /// sorts after it. Reads the roles before it.
    #[must_use]
    pub fn cursor_at(&self, name: &str) -> Cursor {
        let mut at = self.first();
        while let Some(record) = self.record(at.0) {
            if record.name >= name.as_bytes() {
                break;
            }
            at = Cursor(record.end);
        }
        at
    }

    pub(crate) fn forward(&self) -> Slots<'t> {
        Slots::new(self.bytes, self.header().forward)
    }

    /// The record at an offset, when that lies among the records. Each is
    /// longer than nothing, so walking from end to end comes to an end.
    pub(crate) fn record(&self, at: u32) -> Option<Record<'t>> {
        if !self.records.contains(at) {
            return None;
        }
        Record::decode(self.bytes, at)
    }
}

/// The bit of [`Header::depths`] for a suffix of so many labels.
pub(crate) fn depth_bit(labels: usize) -> u32 {
    1 << labels.min(31)
}

/// The names of an address: one is canonical, the rest are aliases.
#[derive(Debug, Clone, Copy)]
pub struct Names<'t> {
    view: View<'t>,
    canonical: &'t str,
    first: Record<'t>,
    /// Offset and number of the entries of the list that follow the first.
    rest: (u32, u32),
}

/// Most names that one address answers to. All of them resolve; only what the
/// reverse look-up lists is bounded, and with it the buffer a caller needs.
pub(crate) const MAX_NAMES: u32 = 256;

/// Set in a slot of the reverse index that leads to a list. Records and lists
/// stand at multiples of 4, so the bit is free.
pub(crate) const LIST: u32 = 1;

impl<'t> Names<'t> {
    /// What a slot of the reverse index leads to.
    fn at(view: View<'t>, slot: u32) -> Option<Names<'t>> {
        if slot & LIST == 0 {
            return Names::new(view, slot, (0, 0));
        }
        let at = slot & !LIST;
        let lists = view.header().lists;
        if !lists.contains(at) {
            return None;
        }
        let rest = format::u32_at(view.bytes, at as usize)?.checked_sub(1)?;
        if rest.checked_mul(4)?.checked_add(8)? > lists.end - at {
            return None;
        }
        let first = format::u32_at(view.bytes, at as usize + 4)?;
        Names::new(view, first, (at + 8, rest))
    }

    fn new(view: View<'t>, first: u32, rest: (u32, u32)) -> Option<Names<'t>> {
        let first = view.record(first)?;
        Some(Names {
            view,
            canonical: format::name_text(first.name)?,
            first,
            rest,
        })
    }

    /// The name to call the address by: of a role that holds it rather than
    /// one that points there; then the shortest, then the alphabetically first.
    #[must_use]
    pub fn canonical(&self) -> &'t str {
        self.canonical
    }

    /// The other names of the address.
    pub fn aliases(&self) -> impl Iterator<Item = &'t str> + Clone + 't {
        let Names { view, rest, .. } = *self;
        let (at, count) = rest;
        (0..count.min(MAX_NAMES - 1)).filter_map(move |n| {
            let entry = format::u32_at(view.bytes, (at + 4 * n) as usize)?;
            format::name_text(view.record(entry)?.name)
        })
    }
}
