//! The reply of `lua/hold.lua`.

use redis::Value;

use super::renewal::EndedBy;
use crate::register::outcome::ChangeOutcome;
use crate::reply::{bytes, items, number, text, texts};

/// The reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum HoldReply {
    /// The role is held, or on standby.
    Current(HoldState),
    /// It was ended.
    Ended(EndedBy),
    /// Another holder has this member ID.
    NameTaken,
}

/// A role that is held, or on standby.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HoldState {
    /// The current holder, if this one is on standby.
    pub(super) behind: Option<String>,
    /// Since when, in ms; for an exclusive holder the term.
    pub(super) from: u64,
    pub(super) ended: Option<EndedBy>,
    /// The term by which this holder was ended, or 0. It must not take the role back in that term.
    pub(super) barred: u64,
    pub(super) done: Vec<ChangeOutcome>,
    /// For each hash, a field or role that has expired.
    pub(super) due: Vec<Option<Vec<u8>>>,
}

/// Parses the reply. None if it is not understood.
pub(super) fn hold_reply(value: &Value) -> Option<HoldReply> {
    let [state, rest @ ..] = items(value) else {
        return None;
    };
    let ended = |by: &Value, verb: &Value| {
        let (by, verb) = (text(by)?, text(verb)?);
        Some(EndedBy { by, verb })
    };
    match (bytes(state)?, rest) {
        (b"taken", []) => Some(HoldReply::NameTaken),
        (b"ended", [_, _, by, verb]) => Some(HoldReply::Ended(ended(by, verb)?)),
        (state, [from, holder, by, verb, barred, hashes]) => {
            let behind = match state {
                b"held" => None,
                b"standby" => Some(text(holder)?),
                _ => return None,
            };
            let ended = ended(by, verb)?;
            let hashes = items(hashes).iter().map(of_hash);
            let (done, due) = hashes.collect::<Option<Vec<_>>>()?.into_iter().unzip();
            Some(HoldReply::Current(HoldState {
                behind,
                from: number(from)?,
                ended: (!ended.verb.is_empty()).then_some(ended),
                barred: number(barred)?,
                done,
                due,
            }))
        }
        _ => None,
    }
}

fn of_hash(value: &Value) -> Option<(ChangeOutcome, Option<Vec<u8>>)> {
    let [changed, removed, due] = items(value) else {
        return None;
    };
    let done = ChangeOutcome {
        changed: number(changed)? != 0,
        removed: texts(removed)?,
        ended: Vec::new(),
        dangling: false,
    };
    let due = items(due).first().and_then(bytes).map(<[u8]>::to_vec);
    Some((done, due))
}
