//! Roles that changed while their hash was scanned, to be read again at one moment.

use std::collections::VecDeque;

use redis::{Value, cmd};

use super::hash::ReadRole;
use super::pending_changes::Absence;
use super::read_error::ReadError;
use super::request::{CommandTag, Replies, Request};

/// Fields of one HMGET.
const CHUNK: usize = 1_000;

/// Fields of one request, unless one group alone has more.
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
    /// The log has changed it since it was deferred, or since it was to be read again.
    Logged,
}

/// The roles that are to be read again, as many as possible at one moment. Those of one group are
/// always read at the same moment.
#[derive(Default)]
pub(super) struct RereadQueue(VecDeque<Vec<Reread>>);

impl RereadQueue {
    /// Whether there is nothing to read again.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a group.
    pub(super) fn add(&mut self, group: Vec<Reread>) {
        self.0.push_back(group);
    }

    /// Takes those of the next request.
    pub(super) fn next(&mut self) -> Vec<Reread> {
        let (mut some, mut fields) = (Vec::new(), 0);
        while let Some(group) = self.0.pop_front() {
            fields += group
                .iter()
                .map(|role| role.read.fields.len())
                .sum::<usize>();
            if fields > MOST && !some.is_empty() {
                self.0.push_front(group);
                break;
            }
            some.extend(group);
        }
        some
    }

    /// The request failed: they are to be read again.
    pub(super) fn give_back(&mut self, some: Vec<Reread>) {
        if !some.is_empty() {
            self.0.push_front(some);
        }
    }

    /// Takes all of them. They are not read again.
    pub(super) fn give_up(&mut self) -> impl Iterator<Item = Reread> + use<> {
        std::mem::take(&mut self.0).into_iter().flatten()
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
