//! A record: one role's name and addresses in one piece.
//!
//! ```text
//! 0  flags       u8    WILDCARD, POINTER, CANONICAL
//! 1  name bytes  u8    with the "*." of a wildcard
//! 2  pick        u16   how many addresses to answer; 0 is all
//! 4  IPv4 count  u16
//! 6  IPv6 count  u16
//! 8  name, filled up to a multiple of 4
//!    POINTER:    u32, the offset of the record pointed at
//!    otherwise:  the IPv4 addresses, then the IPv6 addresses
//!    CANONICAL:  u8 and that many bytes, the name pointed at
//!    filled up to a multiple of 4
//! ```

use super::{aligned, bytes_at, slice_at, u32_at};

/// The name stands for all the names below it.
pub(crate) const WILDCARD: u8 = 1;
/// The addresses are those of another record.
pub(crate) const POINTER: u8 = 2;
/// Its own addresses, but another name is the canonical one.
pub(crate) const CANONICAL: u8 = 4;

/// One record of a table, decoded and within bounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record<'t> {
    /// With the `*.` of a wildcard.
    pub(crate) name: &'t [u8],
    pub(crate) wildcard: bool,
    pub(crate) pick: u16,
    pub(crate) v4: &'t [[u8; 4]],
    pub(crate) v6: &'t [[u8; 16]],
    /// The offset of the record it points at.
    pub(crate) target: Option<u32>,
    /// The canonical name where it is neither its own nor a record's.
    pub(crate) canonical: Option<&'t [u8]>,
    /// The offset after it.
    pub(crate) end: u32,
}

impl<'t> Record<'t> {
    /// The record at `at`, or nothing when what stands there is none.
    #[inline]
    pub(crate) fn decode(table: &'t [u8], at: u32) -> Option<Record<'t>> {
        let at = at as usize;
        let [flags, name_len, pick @ .., a, b, c, d] = bytes_at::<8>(table, at)?;
        let pick = u16::from_le_bytes(pick);
        let v4_len = 4 * usize::from(u16::from_le_bytes([a, b]));
        let v6_len = 16 * usize::from(u16::from_le_bytes([c, d]));
        let name = slice_at(table, at + 8, usize::from(name_len))?;
        let mut end = aligned(at + 8 + name.len());
        let mut target = None;
        let mut addresses = (&[][..], &[][..]);
        if flags & POINTER != 0 {
            target = Some(u32_at(table, end)?);
            end += 4;
        } else {
            let v6_at = end + v4_len;
            addresses.0 = table.get(end..v6_at)?;
            addresses.1 = table.get(v6_at..v6_at + v6_len)?;
            end = v6_at + v6_len;
        }
        let mut canonical = None;
        if flags & CANONICAL != 0 {
            let [len] = bytes_at(table, end)?;
            canonical = Some(slice_at(table, end + 1, usize::from(len))?);
            end = aligned(end + 1 + usize::from(len));
        }
        Some(Record {
            name,
            wildcard: flags & WILDCARD != 0,
            pick,
            v4: addresses.0.as_chunks().0,
            v6: addresses.1.as_chunks().0,
            target,
            canonical,
            end: u32::try_from(end).ok()?,
        })
    }

    /// Whether it holds this address itself.
    pub(crate) fn holds(&self, address: &[u8]) -> bool {
        match address.len() {
            4 => self.v4.iter().any(|own| own == address),
            _ => self.v6.iter().any(|own| own == address),
        }
    }

    /// Whether its canonical name is another's.
    pub(crate) fn points(&self) -> bool {
        self.target.is_some() || self.canonical.is_some()
    }
}

/// What to write as a record. Counts and lengths have been checked.
pub(crate) struct RecordFields<'a> {
    pub(crate) name: &'a str,
    pub(crate) pick: u16,
    pub(crate) v4: &'a [[u8; 4]],
    pub(crate) v6: &'a [[u8; 16]],
    /// The name pointed at; a [`POINTER`] when there are no addresses.
    pub(crate) canonical: Option<&'a str>,
}

/// Appends a record. The offset of a pointer's target is 0 until it is known;
/// where to write it is what this returns.
pub(crate) fn encode(table: &mut Vec<u8>, fields: &RecordFields<'_>) -> Option<usize> {
    let pointer = fields.canonical.is_some() && fields.v4.is_empty() && fields.v6.is_empty();
    let mut flags = 0;
    if fields.name.starts_with("*.") {
        flags |= WILDCARD;
    }
    match fields.canonical {
        Some(_) if pointer => flags |= POINTER,
        Some(_) => flags |= CANONICAL,
        None => {}
    }
    table.push(flags);
    table.push(fields.name.len() as u8);
    table.extend_from_slice(&fields.pick.to_le_bytes());
    table.extend_from_slice(&(fields.v4.len() as u16).to_le_bytes());
    table.extend_from_slice(&(fields.v6.len() as u16).to_le_bytes());
    table.extend_from_slice(fields.name.as_bytes());
    fill(table);
    if pointer {
        let at = table.len();
        table.extend_from_slice(&[0; 4]);
        return Some(at);
    }
    table.extend_from_slice(fields.v4.as_flattened());
    table.extend_from_slice(fields.v6.as_flattened());
    if let Some(canonical) = fields.canonical {
        table.push(canonical.len() as u8);
        table.extend_from_slice(canonical.as_bytes());
        fill(table);
    }
    None
}

fn fill(table: &mut Vec<u8>) {
    table.resize(aligned(table.len()), 0);
}
