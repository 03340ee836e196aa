//! Roles that changed while their hash was scanned, to be read again at one moment.

use std::collections::VecDeque;

use redis::{Value, cmd};

use super::hash::ReadRole;
use super::pending_changes::Absence;
use super::read_error::ReadError;
use super::request::{CommandTag, Replies, Request};

/// Fields of one HMGET.
const CHUNK: usize = 1_000;

/// Fields of one request, unless one role alone has more.
const MOST: usize = 10_000;

/// A role of a hash that is to be read again.
pub(super) struct Reread {
    pub(super) hash: usize,
    pub(super) read: ReadRole,
    /// Whether missing fields were deleted or lost.
    pub(super) gone: Absence,
    pub(super) why: RereadReason,
}

/// Why a role is read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RereadReason {
    /// The hash was changed during the scan that found the role changed.
    Torn,
    /// The scans that it waited for are complete.
    Waited,
    /// A role of another hash may have moved to this one.
    Moved,
    /// It was deferred, and the log has changed it meanwhile.
    Logged,
}

/// The roles that are to be read again, as many as possible at one moment.
#[derive(Default)]
pub(super) struct RereadQueue(VecDeque<Reread>);

impl RereadQueue {
    /// Whether there is nothing to read again.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a role.
    pub(super) fn add(&mut self, changed: Reread) {
        self.0.push_back(changed);
    }

    /// Takes those of the next request.
    pub(super) fn next(&mut self) -> Vec<Reread> {
        let (mut some, mut fields) = (Vec::new(), 0);
        while let Some(changed) = self.0.pop_front() {
            fields += changed.read.fields.len();
            if fields > MOST && !some.is_empty() {
                self.0.push_front(changed);
                break;
            }
            some.push(changed);
        }
        some
    }

    /// The request failed: they are to be read again.
    pub(super) fn give_back(&mut self, some: Vec<Reread>) {
        for changed in some.into_iter().rev() {
            self.0.push_front(changed);
        }
    }

    /// Takes all of them. They are not read again.
    pub(super) fn give_up(&mut self) -> VecDeque<Reread> {
        std::mem::take(&mut self.0)
    }
}

/// Adds the commands that read these roles. `key` returns the key of a hash.
pub(super) fn add_commands<'k>(
    some: &[Reread],
    key: impl Fn(usize) -> &'k str,
    request: &mut Request,
) {
    for hash in hashes(some) {
        let fields: Vec<&[u8]> = some
            .iter()
            .filter(|changed| changed.hash == hash)
            .flat_map(|changed| changed.read.fields.iter().map(|(field, _)| &field[..]))
            .collect();
        for chunk in fields.chunks(CHUNK) {
            let hmget = cmd("HMGET").arg(key(hash)).arg(chunk).to_owned();
            request.add(CommandTag::Fields(hash), hmget);
        }
    }
}

/// Replaces what was read before with the replies.
pub(super) fn read(some: &mut [Reread], replies: &mut Replies) -> Result<(), ReadError> {
    for hash in hashes(some) {
        let mut values = Vec::new();
        for answer in replies.take(CommandTag::Fields(hash)) {
            let Value::Array(some) = answer? else {
                return Err(ReadError::unexpected_reply("HMGET"));
            };
            values.extend(some);
        }
        let mut values = values.into_iter();
        let of_hash = some.iter_mut().filter(|changed| changed.hash == hash);
        for (_, value) in of_hash.flat_map(|changed| &mut changed.read.fields) {
            *value = match values.next() {
                Some(Value::BulkString(bytes)) => Some(bytes),
                Some(Value::Nil) => None,
                _ => return Err(ReadError::unexpected_reply("HMGET")),
            };
        }
    }
    Ok(())
}

/// The hashes that these roles are of.
fn hashes(some: &[Reread]) -> Vec<usize> {
    let mut hashes: Vec<usize> = some.iter().map(|changed| changed.hash).collect();
    hashes.sort_unstable();
    hashes.dedup();
    hashes
}
