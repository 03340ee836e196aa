//! The pairs of one hash while they are being read, and their sizes.

use super::plan::Sizes;
use super::reader::Trouble;
use crate::pairs::Pairs;
use crate::record::{MAX_FIELD, MAX_VALUE};
use crate::unreadable::{Unreadable, UnreadableCode};

/// Most fields of one hash that are read; far more than a table can serve.
const MOST_PAIRS: usize = 10_000_000;

/// Most bytes of one hash that are held.
const MOST_BYTES: usize = 2 * 1024 * 1024 * 1024;

/// What was read of a hash so far.
#[derive(Debug, Default)]
pub(super) struct Collected {
    pub(super) pairs: Pairs,
    pub(super) sizes: Sizes,
}

impl Collected {
    /// Takes a pair in. What is longer than anything that can be used is cut:
    /// whoever reads the grammar refuses what is left of it.
    pub(super) fn add(&mut self, field: &[u8], value: &[u8]) -> Result<(), Trouble> {
        if value.len() > MAX_VALUE {
            return self.add_too_long(field, value.len() as u64);
        }
        self.sizes.count(field.len(), value.len() as u64, false);
        self.push(|pairs| pairs.push(cut(field), value).is_ok())
    }

    /// Takes in a field whose value has so many bytes that it cannot be used,
    /// and so need not be read.
    pub(super) fn add_too_long(&mut self, field: &[u8], value: u64) -> Result<(), Trouble> {
        self.sizes.count(field.len(), value, true);
        self.push(|pairs| pairs.push_too_long(cut(field)).is_ok())
    }

    fn push(&mut self, push: impl FnOnce(&mut Pairs) -> bool) -> Result<(), Trouble> {
        let fits = self.pairs.len() < MOST_PAIRS && self.pairs.bytes() < MOST_BYTES;
        if fits && push(&mut self.pairs) {
            return Ok(());
        }
        Err(Trouble::Hash(Unreadable {
            code: UnreadableCode::TooLarge,
            why: format!("the hash has more than {MOST_PAIRS} fields or {MOST_BYTES} bytes"),
        }))
    }
}

/// The start of a field that is too long to be used, with one byte more than
/// may be: enough to be refused later, and to be known again.
fn cut(field: &[u8]) -> &[u8] {
    field.get(..=MAX_FIELD).unwrap_or(field)
}
