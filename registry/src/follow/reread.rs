//! Roles that changed under a scan, and are read again to be sure of them.

use super::hash::ReadRole;
use super::pending_changes::Absence;
use super::read_error::ReadError;
use super::request::{CommandTag, Replies, Request};
use redis::{Value, cmd};
use std::collections::VecDeque;

/// Fields that one HMGET asks for.
const CHUNK: usize = 1_000;

/// Fields that one question asks for, unless one role alone has more.
const MOST: usize = 10_000;

/// A role of a hash that is to be read again.
pub(super) struct Reread {
    pub(super) hash: usize,
    pub(super) read: ReadRole,
    /// What its missing fields are.
    pub(super) gone: Absence,
    pub(super) why: RereadReason,
}

/// Why a role is read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RereadReason {
    /// The hash was changed under the scan that found the role changed.
    Torn,
    /// It has waited for scans of this hash or of others.
    Waited,
    /// A role of another hash may have moved here.
    Moved,
    /// It has waited, and the log has told of it meanwhile.
    Logged,
}

/// Roles that are to be read again, whole, and as many as possible at one
/// moment.
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

    /// Those that the next question asks for.
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

    /// The question was not answered: they are to be asked for again.
    pub(super) fn give_back(&mut self, some: Vec<Reread>) {
        for changed in some.into_iter().rev() {
            self.0.push_front(changed);
        }
    }

    /// All of them, which are then not read again.
    pub(super) fn give_up(&mut self) -> VecDeque<Reread> {
        std::mem::take(&mut self.0)
    }
}

/// Asks for the fields of these roles. `key` gives the key of a hash.
pub(super) fn ask<'k>(some: &[Reread], key: impl Fn(usize) -> &'k str, question: &mut Request) {
    for hash in hashes(some) {
        let fields: Vec<&[u8]> = some
            .iter()
            .filter(|changed| changed.hash == hash)
            .flat_map(|changed| changed.read.fields.iter().map(|(field, _)| &field[..]))
            .collect();
        for chunk in fields.chunks(CHUNK) {
            let hmget = cmd("HMGET").arg(key(hash)).arg(chunk).to_owned();
            question.add(CommandTag::Fields(hash), hmget);
        }
    }
}

/// Puts the answers in the place of what was read before.
pub(super) fn read(some: &mut [Reread], answer: &mut Replies) -> Result<(), ReadError> {
    for hash in hashes(some) {
        let mut values = Vec::new();
        for answer in answer.take(CommandTag::Fields(hash)) {
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
