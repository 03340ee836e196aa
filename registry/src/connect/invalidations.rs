//! The invalidations that Redis pushed (CLIENT TRACKING), by hash and log.
//!
//! Redis pushes one invalidation when a key changes, and no further one until the key is read
//! again. A logged change appends to the log first and then writes the hash, so its pushes come in
//! this order. A hash that is pushed without a push of its log before was changed by somebody who
//! does not write the log.
//!
//! A push that arrives while a request is in progress may be from before or after the moment at
//! which the request was executed. So these are recorded separately.

use std::sync::{Mutex, MutexGuard, PoisonError};

use redis::{PushInfo, PushKind, Value};
use tokio::sync::Notify;

/// What was pushed of one hash and its log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// Nothing.
    #[default]
    Nothing,
    /// The log: a change was logged, and the push of the hash is about to follow.
    Log,
    /// The log and then the hash: a logged change.
    LogThenHash,
    /// The hash, without a push of its log before: a change that was not logged.
    Hash,
}

impl Pushed {
    fn log(&mut self) {
        if *self != Pushed::Hash {
            *self = Pushed::Log;
        }
    }

    fn hash(&mut self) {
        *self = match self {
            Pushed::Log => Pushed::LogThenHash,
            // One push of the hash belongs to one of the log. Another one means
            // that the hash was read in between, and changed again.
            Pushed::Nothing | Pushed::LogThenHash | Pushed::Hash => Pushed::Hash,
        };
    }
}

/// The pushes of one hash and its log around a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Pushes {
    /// Those before it was sent, and the one that completes them: the reply includes their
    /// changes.
    pub(crate) before: Pushed,
    /// Those while it was in progress: the reply may include their changes, or not.
    pub(crate) during: Pushed,
    /// The log was pushed before it was sent, and the hash while it was in progress: the two halves
    /// of one change, or two changes, of which the reply may not include the second.
    pub(crate) apart: bool,
}

impl Pushes {
    /// Whether the hash was pushed for a change that was not logged, or may have been.
    pub(crate) fn has_hash_without_log(&self) -> bool {
        self.before == Pushed::Hash || self.during == Pushed::Hash || self.apart
    }
}

/// The pushes of one connection, merged: its size does not depend on their number.
pub(crate) struct Invalidations {
    /// The keys of the hashes and of their logs.
    keys: Vec<(String, String)>,
    state: Mutex<PendingPushes>,
    wake: Notify,
}

struct PendingPushes {
    pushes: Vec<Pushes>,
    asking: bool,
    /// How many flushes were pushed, of whatever database.
    flushes: u64,
}

impl Invalidations {
    /// Of these hashes, with the log of each.
    pub(crate) fn new(keys: Vec<(String, String)>) -> Invalidations {
        let pushes = vec![Pushes::default(); keys.len()];
        Invalidations {
            keys,
            state: Mutex::new(PendingPushes {
                pushes,
                asking: false,
                flushes: 0,
            }),
            wake: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, PendingPushes> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a push. Anything but an invalidation is ignored.
    pub(crate) fn push(&self, push: &PushInfo) {
        if push.kind != PushKind::Invalidate {
            return;
        }
        let mut state = self.state();
        match push.data.first() {
            Some(Value::Array(keys)) => {
                for key in keys {
                    if let Value::BulkString(key) = key {
                        self.changed(&mut state, key);
                    }
                }
            }
            Some(Value::Nil) => state.flushes += 1,
            _ => return,
        }
        drop(state);
        self.wake.notify_one();
    }

    fn changed(&self, state: &mut PendingPushes, key: &[u8]) {
        let PendingPushes { pushes, asking, .. } = state;
        for ((hash, log), pushes) in self.keys.iter().zip(pushes) {
            let is_log = log.as_bytes() == key;
            if !is_log && hash.as_bytes() != key {
                continue;
            }
            let other_half = !is_log
                && *asking
                && pushes.before == Pushed::Log
                && pushes.during == Pushed::Nothing;
            pushes.apart |= other_half;
            let now = if *asking && !other_half {
                &mut pushes.during
            } else {
                &mut pushes.before
            };
            if is_log {
                now.log();
            } else {
                now.hash();
            }
        }
    }

    /// A request is about to be sent.
    pub(crate) fn asking(&self) {
        self.state().asking = true;
    }

    /// The reply has arrived. What was pushed meanwhile is still to be read.
    pub(crate) fn answered(&self) -> Vec<Pushes> {
        let mut state = self.state();
        state.asking = false;
        let all = state.pushes.clone();
        for pushes in &mut state.pushes {
            pushes.before = std::mem::take(&mut pushes.during);
            pushes.apart = false;
        }
        all
    }

    /// The request has failed: everything that was pushed is still to be read.
    pub(crate) fn unanswered(&self) {
        let mut state = self.state();
        state.asking = false;
        for pushes in &mut state.pushes {
            let during = std::mem::take(&mut pushes.during);
            if during != Pushed::Nothing && pushes.before != Pushed::Hash {
                pushes.before = during;
            }
            pushes.apart = false;
        }
    }

    /// What was pushed for each hash and is still to be read.
    pub(crate) fn unread(&self) -> Vec<Pushed> {
        let state = self.state();
        state.pushes.iter().map(|pushes| pushes.before).collect()
    }

    /// How many flushes were pushed on this connection.
    pub(crate) fn flushes(&self) -> u64 {
        self.state().flushes
    }

    /// Waits until something may have been pushed.
    pub(crate) async fn wait(&self) {
        self.wake.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use Pushed::{Hash, Log, LogThenHash, Nothing};

    use super::*;

    fn invalidations() -> Invalidations {
        let key = |hash: &str| (hash.to_owned(), format!("{hash}:log"));
        Invalidations::new(vec![key("a"), key("b")])
    }

    fn push(to: &Invalidations, keys: &[&str]) {
        for key in keys {
            let key = Value::BulkString(key.as_bytes().to_vec());
            to.push(&PushInfo {
                kind: PushKind::Invalidate,
                data: vec![Value::Array(vec![key])],
            });
        }
    }

    /// The pushes that are recorded before and during a request.
    fn around(before: &[&str], during: &[&str]) -> Pushes {
        let of = invalidations();
        push(&of, before);
        of.asking();
        push(&of, during);
        of.answered()[0]
    }

    #[test]
    fn a_logged_change_is_told_from_one_that_is_not() {
        for (keys, pushed) in [
            (&[][..], Nothing),
            (&["a:log"], Log),
            (&["a:log", "a"], LogThenHash),
            (&["a"], Hash),
            (&["a", "a:log"], Hash),
            (&["b", "x", "b:log"], Nothing),
        ] {
            let pushes = around(keys, &[]);
            assert_eq!(
                (pushes.before, pushes.during),
                (pushed, Nothing),
                "{keys:?}"
            );
            let pushes = around(&[], keys);
            assert_eq!(
                (pushes.before, pushes.during),
                (Nothing, pushed),
                "{keys:?}"
            );
        }
    }

    #[test]
    fn a_pair_of_pushes_may_come_apart_around_a_question() {
        for (before, during, pushes) in [
            (&["a:log"][..], &["a"][..], (LogThenHash, Nothing)),
            // Read at once and changed again, logged or not.
            (&["a:log"], &["a", "a:log"], (LogThenHash, Log)),
            (&["a:log"], &["a", "a:log", "a"], (LogThenHash, LogThenHash)),
            (&["a:log"], &["a", "a"], (LogThenHash, Hash)),
            (&["a:log", "a"], &["a"], (LogThenHash, Hash)),
            (&["a:log", "a"], &["a:log"], (LogThenHash, Log)),
            (&["a"], &["a:log", "a"], (Hash, LogThenHash)),
            // The first pair is from before the answer, the other from after.
            (&[], &["a:log", "a", "a:log", "a"], (Nothing, LogThenHash)),
            (&[], &["a:log", "a", "a"], (Nothing, Hash)),
        ] {
            let told = around(before, during);
            assert_eq!((told.before, told.during), pushes, "{before:?} {during:?}");
            assert_eq!(told.apart, before == ["a:log"], "{before:?} {during:?}");
        }
    }

    #[test]
    fn what_came_during_a_question_is_there_to_be_read() {
        let of = invalidations();
        of.asking();
        push(&of, &["b:log", "b"]);
        of.answered();
        assert_eq!(of.unread(), [Nothing, LogThenHash]);
        of.asking();
        of.answered();
        assert_eq!(of.unread(), [Nothing, Nothing]);
        push(&of, &["a:log"]);
        of.asking();
        push(&of, &["b"]);
        of.unanswered();
        assert_eq!(of.unread(), [Log, Hash]);
    }

    #[test]
    fn flushes_are_counted_and_strangers_ignored() {
        let of = invalidations();
        let tell = |kind: PushKind, data: Vec<Value>| of.push(&PushInfo { kind, data });
        tell(PushKind::Invalidate, vec![Value::Nil]);
        tell(PushKind::Invalidate, vec![]);
        tell(
            PushKind::Invalidate,
            vec![Value::Array(vec![Value::Int(1)])],
        );
        tell(PushKind::Message, vec![Value::Nil]);
        assert_eq!((of.flushes(), of.unread()), (1, vec![Nothing, Nothing]));
    }
}
