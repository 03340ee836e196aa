//! A scan: reads one hash whole, and compares it with the [`Replica`].
//!
//! A small hash is read by HGETALL, a large one in steps by HSCAN, so that Redis is never blocked
//! for long. A hash that keeps changing while it is scanned is read by HGETALL too, if it is not too
//! large. While it contains something too large it is measured instead
//! ([`ReadPlan`](super::read_plan::ReadPlan)).
//!
//! A scan does not write to the replica: the differences are staged, so that a scan that is
//! abandoned has no effect.

use std::collections::VecDeque;

use cloudhosts_config::status::UnreadableCode;
use redis::{Cmd, Value, cmd};

use super::read_error::ReadError;
use super::read_plan::{ReadMethod, Sizes};
use super::replica::{Content, MOST_FIELDS, Replica, ReplicaFull};
use super::request::Reply;
use super::scheduled_scan::ScanCause;
use crate::connect::{ErrorKind, ErrorReply};
use crate::fault::{Fault, FaultCode};
use crate::record::{MAX_FIELD, MAX_VALUE};
use crate::unreadable::Unreadable;

/// A hash of more fields is read by HSCAN: HGETALL of 100,000 fields blocks Redis for 40 ms.
pub(super) const HGETALL_MAX_FIELDS: u64 = 10_000;

/// A hash that keeps changing while it is scanned is read by HGETALL up to this many fields, and
/// bytes. That blocks Redis for some 40 ms, but takes less of its time than HSCAN does.
pub(super) const UNSTABLE_HGETALL_MAX_FIELDS: u64 = 100_000;
pub(super) const UNSTABLE_HGETALL_MAX_BYTES: usize = 16 * 1024 * 1024;

/// COUNT of HSCAN.
pub(super) const STEP: usize = 1_000;

/// How many bytes of measured values one HMGET requests, unless one value alone is longer.
const BATCH: u64 = 4 * 1024 * 1024;

/// One scan of a hash, from its first command until its result is applied.
pub(super) struct Scan {
    /// Scans of a connection are numbered: one with a higher number started
    /// later.
    pub(super) number: u64,
    /// Why it is made.
    pub(super) cause: ScanCause,
    /// The flushes that were pushed when it began.
    pub(super) flushes: u64,
    /// The hash was changed during the scan, without the log.
    pub(super) torn: bool,
    /// The hash or its log was changed at all since it began.
    pub(super) disturbed: bool,
    /// Entries of the log were lost since it began.
    pub(super) gap: bool,
    exact: bool,
    way: ReadMethod,
    stage: Stage,
    /// A reply that is still to be compared.
    page: Option<Page>,
    staged: Replica,
    sizes: Sizes,
}

/// What is to be read next.
enum Stage {
    /// Everything.
    AtOnce,
    /// The pairs from this cursor on.
    Steps { cursor: Vec<u8>, taken: u64 },
    /// The names, all of them or from this cursor on.
    Names {
        cursor: Option<Vec<u8>>,
        names: Vec<Vec<u8>>,
        taken: u64,
    },
    /// The lengths of the values of the last of these names.
    Lengths { names: Vec<Vec<u8>> },
    /// The values of these batches of names, before the next lengths.
    Values {
        names: Vec<Vec<u8>>,
        batches: VecDeque<Vec<Vec<u8>>>,
    },
    /// Nothing: everything was read.
    Read,
}

/// A reply with fields and values.
enum Page {
    /// To HGETALL or HSCAN.
    Pairs(Value, &'static str),
    /// To HMGET, for these names.
    Values(Vec<Vec<u8>>, Vec<Value>),
}

impl Scan {
    /// A scan, at once or in steps. The replica is to begin a pass.
    pub(super) fn new(
        number: u64,
        cause: ScanCause,
        flushes: u64,
        way: ReadMethod,
        at_once: bool,
    ) -> Scan {
        let start = b"0".to_vec();
        let stage = match way {
            ReadMethod::Whole if at_once => Stage::AtOnce,
            ReadMethod::Whole => Stage::Steps {
                cursor: start,
                taken: 0,
            },
            ReadMethod::Measured => Stage::Names {
                cursor: (!at_once).then_some(start),
                names: Vec::new(),
                taken: 0,
            },
        };
        Scan {
            number,
            cause,
            flushes,
            torn: false,
            disturbed: false,
            gap: false,
            exact: matches!(stage, Stage::AtOnce),
            way,
            stage,
            page: None,
            staged: Replica::default(),
            sizes: Sizes::default(),
        }
    }

    /// How the hash is read.
    pub(super) fn way(&self) -> ReadMethod {
        self.way
    }

    /// What was seen of the sizes.
    pub(super) fn sizes(&self) -> Sizes {
        self.sizes
    }

    /// Whether it shows one moment in any case: it is one command.
    pub(super) fn is_exact(&self) -> bool {
        self.exact
    }

    /// Whether everything was read.
    pub(super) fn is_read(&self) -> bool {
        matches!(self.stage, Stage::Read)
    }

    /// The differences found so far: fields that are new or have other values.
    pub(super) fn staged(&self) -> &Replica {
        &self.staged
    }

    /// The same, and the scan has them no longer.
    pub(super) fn take_staged(&mut self) -> Replica {
        std::mem::take(&mut self.staged)
    }

    /// This field was changed later, by the log.
    pub(super) fn overrule(&mut self, field: &[u8]) {
        if !self.staged.is_empty() {
            self.staged.remove(field);
        }
    }

    /// The commands of the next step.
    pub(super) fn commands(&self, key: &str) -> Vec<Cmd> {
        match &self.stage {
            Stage::AtOnce => vec![cmd("HGETALL").arg(key).to_owned()],
            Stage::Steps { cursor, .. } => vec![hscan(key, cursor)],
            Stage::Names { cursor: None, .. } => vec![cmd("HKEYS").arg(key).to_owned()],
            Stage::Names {
                cursor: Some(cursor),
                ..
            } => vec![hscan(key, cursor).arg("NOVALUES").to_owned()],
            Stage::Lengths { names } => last_names(names)
                .iter()
                .map(|name| cmd("HSTRLEN").arg(key).arg(name).to_owned())
                .collect(),
            Stage::Values { batches, .. } => batches
                .front()
                .map(|names| cmd("HMGET").arg(key).arg(names).to_owned())
                .into_iter()
                .collect(),
            Stage::Read => Vec::new(),
        }
    }

    /// Takes the replies to them; the hash has `fields` fields now. The pairs are compared by
    /// [`compare`](Self::compare), before the next replies are taken.
    pub(super) fn take(&mut self, answers: Vec<Reply>, fields: u64) -> Result<(), ReadError> {
        let stage = std::mem::replace(&mut self.stage, Stage::Read);
        self.stage = match stage {
            Stage::AtOnce => {
                self.page = Some(Page::Pairs(only(answers, "HGETALL")??, "HGETALL"));
                Stage::Read
            }
            Stage::Steps { taken, .. } => {
                let (cursor, found) = scanned(only(answers, "HSCAN")??)?;
                self.page = Some(Page::Pairs(found, "HSCAN"));
                match next_step(cursor, taken, fields)? {
                    Some((cursor, taken)) => Stage::Steps { cursor, taken },
                    None => Stage::Read,
                }
            }
            Stage::Names {
                cursor: None,
                mut names,
                ..
            } => {
                let answer = only(answers, "HKEYS")?.map_err(cannot_measure)?;
                add_names(&mut names, answer, "HKEYS")?;
                lengths_of_all(names)
            }
            Stage::Names {
                cursor: Some(_),
                mut names,
                taken,
            } => match only(answers, "HSCAN")? {
                // Redis 7.4 and later can leave the values out.
                Err(reply) if reply.kind == ErrorKind::Syntax => Stage::Names {
                    cursor: None,
                    names: Vec::new(),
                    taken: 0,
                },
                answer => {
                    let (cursor, found) = scanned(answer.map_err(cannot_measure)?)?;
                    add_names(&mut names, found, "HSCAN")?;
                    match next_step(cursor, taken, fields)? {
                        Some((cursor, taken)) => Stage::Names {
                            cursor: Some(cursor),
                            names,
                            taken,
                        },
                        None => lengths_of_all(names),
                    }
                }
            },
            Stage::Lengths { names } => self.measured(names, answers)?,
            Stage::Values { names, mut batches } => {
                let asked = batches.pop_front().unwrap_or_default();
                let Value::Array(values) = only(answers, "HMGET")?.map_err(cannot_measure)? else {
                    return Err(ReadError::unexpected_reply("HMGET"));
                };
                self.page = Some(Page::Values(asked, values));
                if batches.is_empty() {
                    lengths(names)
                } else {
                    Stage::Values { names, batches }
                }
            }
            Stage::Read => Stage::Read,
        };
        Ok(())
    }

    /// The values of the last names have these lengths. Returns which to read.
    fn measured(
        &mut self,
        mut names: Vec<Vec<u8>>,
        answers: Vec<Reply>,
    ) -> Result<Stage, ReadError> {
        let some = names.split_off(names.len() - last_names(&names).len());
        let mut batches: VecDeque<Vec<Vec<u8>>> = VecDeque::new();
        let mut bytes = BATCH;
        for (name, answer) in some.into_iter().zip(answers) {
            let Value::Int(length) = answer.map_err(cannot_measure)? else {
                return Err(ReadError::unexpected_reply("HSTRLEN"));
            };
            let length =
                u64::try_from(length).map_err(|_| ReadError::unexpected_reply("HSTRLEN"))?;
            // A truncated name is not read: no field has it.
            if name.len() > MAX_FIELD || length > MAX_VALUE as u64 {
                self.stage_unread(&name, length)?;
                continue;
            }
            if bytes.saturating_add(length) > BATCH {
                batches.push_back(Vec::new());
                bytes = 0;
            }
            bytes += length;
            if let Some(batch) = batches.back_mut() {
                batch.push(name);
            }
        }
        Ok(if batches.is_empty() {
            lengths(names)
        } else {
            Stage::Values { names, batches }
        })
    }

    /// Records a field whose value is not read.
    fn stage_unread(&mut self, name: &[u8], length: u64) -> Result<(), ReadError> {
        let too_long = length > MAX_VALUE as u64;
        self.sizes.count(name.len(), length, too_long);
        let content = if too_long {
            Content::TooLong
        } else {
            Content::Bytes(b"")
        };
        self.staged.set(name, content).map_err(full)
    }

    /// Compares the last reply with the replica, which has all logged changes up to that reply.
    /// Returns how many fields and bytes there were.
    pub(super) fn compare(&mut self, replica: &mut Replica) -> Result<(usize, usize), ReadError> {
        let mut seen = (0, 0);
        let mut pair = |scan: &mut Scan, field: &[u8], value: &[u8]| {
            seen.0 += 1;
            seen.1 += field.len() + value.len();
            scan.observe(replica, field, value)
        };
        match self.page.take() {
            None => {}
            Some(Page::Values(names, values)) if names.len() == values.len() => {
                for (name, value) in names.iter().zip(values) {
                    match value {
                        Value::BulkString(value) => pair(self, name, &value)?,
                        Value::Nil => {}
                        _ => return Err(ReadError::unexpected_reply("HMGET")),
                    }
                }
            }
            Some(Page::Values(..)) => return Err(ReadError::unexpected_reply("HMGET")),
            // A map in RESP3, and flat in RESP2.
            Some(Page::Pairs(Value::Map(found), command)) => {
                for (field, value) in found {
                    let (Value::BulkString(field), Value::BulkString(value)) = (field, value)
                    else {
                        return Err(ReadError::unexpected_reply(command));
                    };
                    pair(self, &field, &value)?;
                }
            }
            Some(Page::Pairs(Value::Array(flat), command)) if flat.len() % 2 == 0 => {
                for both in flat.chunks_exact(2) {
                    let [Value::BulkString(field), Value::BulkString(value)] = both else {
                        return Err(ReadError::unexpected_reply(command));
                    };
                    pair(self, field, value)?;
                }
            }
            Some(Page::Pairs(_, command)) => return Err(ReadError::unexpected_reply(command)),
        }
        if self.is_read() {
            self.see_unread(replica)?;
        }
        Ok(seen)
    }

    fn observe(
        &mut self,
        replica: &mut Replica,
        field: &[u8],
        value: &[u8],
    ) -> Result<(), ReadError> {
        let content = Content::of(value);
        let too_long = content == Content::TooLong;
        self.sizes.count(field.len(), value.len() as u64, too_long);
        if replica.see(field) == Some(content) {
            self.overrule(field);
            return Ok(());
        }
        self.staged.set(field, content).map_err(full)
    }

    /// The fields whose values were not read are present, and may be known already.
    fn see_unread(&mut self, replica: &mut Replica) -> Result<(), ReadError> {
        if self.way != ReadMethod::Measured {
            return Ok(());
        }
        let staged = std::mem::take(&mut self.staged);
        for (field, content) in staged.iter() {
            if replica.see(field) != Some(content) {
                self.staged.set(field, content).map_err(full)?;
            }
        }
        Ok(())
    }
}

fn full(full: ReplicaFull) -> ReadError {
    ReadError::Hash(Unreadable {
        code: UnreadableCode::TooLarge,
        why: full.to_string(),
    })
}

fn hscan(key: &str, cursor: &[u8]) -> Cmd {
    let mut hscan = cmd("HSCAN");
    hscan.arg(key).arg(cursor).arg("COUNT").arg(STEP);
    hscan
}

/// The names whose values are measured next.
fn last_names(names: &[Vec<u8>]) -> &[Vec<u8>] {
    names
        .get(names.len().saturating_sub(STEP)..)
        .unwrap_or_default()
}

fn lengths(names: Vec<Vec<u8>>) -> Stage {
    if names.is_empty() {
        Stage::Read
    } else {
        Stage::Lengths { names }
    }
}

/// The same with the names just read, some of which may be there twice.
fn lengths_of_all(mut names: Vec<Vec<u8>>) -> Stage {
    names.sort_unstable();
    names.dedup();
    lengths(names)
}

/// The only reply to one command.
fn only(answers: Vec<Reply>, command: &str) -> Result<Reply, ReadError> {
    answers
        .into_iter()
        .next()
        .ok_or_else(|| ReadError::unexpected_reply(command))
}

/// The parts of a reply to HSCAN: the next cursor, and the elements.
fn scanned(answer: Value) -> Result<(Vec<u8>, Value), ReadError> {
    let Value::Array(parts) = answer else {
        return Err(ReadError::unexpected_reply("HSCAN"));
    };
    let mut parts = parts.into_iter();
    match (parts.next(), parts.next()) {
        (Some(Value::BulkString(cursor)), Some(found)) => Ok((cursor, found)),
        _ => Err(ReadError::unexpected_reply("HSCAN")),
    }
}

/// The next cursor and the number of steps; none after the last step. A scan of a hash that shrank
/// visits many empty buckets, but never more than this.
fn next_step(
    cursor: Vec<u8>,
    taken: u64,
    fields: u64,
) -> Result<Option<(Vec<u8>, u64)>, ReadError> {
    let taken = taken + 1;
    if cursor == b"0" {
        Ok(None)
    } else if taken > 1_000 + fields {
        let why = "HSCAN does not come to an end";
        Err(Fault::new(FaultCode::Protocol, why).into())
    } else {
        Ok(Some((cursor, taken)))
    }
}

/// Adds the names of a reply that holds nothing else.
fn add_names(names: &mut Vec<Vec<u8>>, answer: Value, command: &str) -> Result<(), ReadError> {
    let Value::Array(found) = answer else {
        return Err(ReadError::unexpected_reply(command));
    };
    for name in found {
        let Value::BulkString(mut name) = name else {
            return Err(ReadError::unexpected_reply(command));
        };
        if names.len() >= MOST_FIELDS {
            return Err(full(ReplicaFull));
        }
        name.truncate(MAX_FIELD + 1);
        names.push(name);
    }
    Ok(())
}

/// Why measuring failed. Redis may refuse the commands that only measuring uses: then this hash
/// cannot be read, and the others can.
pub(super) fn cannot_measure(reply: ErrorReply) -> ReadError {
    if reply.unreadable().is_some() || reply.is_unknown_command() {
        ReadError::Hash(Unreadable {
            code: reply.unreadable().unwrap_or(UnreadableCode::TooLarge),
            why: format!(
                "it is too large to be read whole, and the values that are too long cannot be \
                 left out: {reply}"
            ),
        })
    } else {
        ReadError::from(reply)
    }
}
