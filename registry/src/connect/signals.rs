//! What Redis pushed since we last looked.

use redis::{PushInfo, PushKind, Value};
use std::sync::{Mutex, PoisonError};
use tokio::sync::Notify;

/// Pushed invalidations, merged: however many come, this does not grow.
pub(crate) struct Signals {
    hashes: Vec<String>,
    pending: Mutex<Pending>,
    wake: Notify,
}

/// What happened since the last [`Signals::take`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pending {
    /// Which hashes changed.
    pub(crate) changed: Vec<bool>,
    /// Whether everything was flushed.
    pub(crate) flushed: bool,
}

impl Signals {
    pub(crate) fn new(hashes: &[String]) -> Signals {
        Signals {
            hashes: hashes.to_vec(),
            pending: Mutex::new(Pending::none(hashes.len())),
            wake: Notify::new(),
        }
    }

    /// Takes a push of Redis. Anything but an invalidation is ignored.
    pub(crate) fn push(&self, push: &PushInfo) {
        if push.kind != PushKind::Invalidate {
            return;
        }
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        match push.data.first() {
            Some(Value::Array(keys)) => {
                for key in keys {
                    let Value::BulkString(key) = key else {
                        continue;
                    };
                    let hash = self.hashes.iter().position(|hash| hash.as_bytes() == key);
                    if let Some(changed) = hash.and_then(|at| pending.changed.get_mut(at)) {
                        *changed = true;
                    }
                }
            }
            Some(Value::Nil) => pending.flushed = true,
            _ => return,
        }
        drop(pending);
        self.wake.notify_one();
    }

    /// What happened; nothing has, after.
    pub(crate) fn take(&self) -> Pending {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let nothing = Pending::none(self.hashes.len());
        std::mem::replace(&mut *pending, nothing)
    }

    /// Forgets a change of this hash: what is read from here on has it.
    pub(crate) fn seen(&self, hash: usize) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(changed) = pending.changed.get_mut(hash) {
            *changed = false;
        }
    }

    /// Waits until something may have happened.
    pub(crate) async fn wait(&self) {
        self.wake.notified().await;
    }
}

impl Pending {
    fn none(hashes: usize) -> Pending {
        Pending {
            changed: vec![false; hashes],
            flushed: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invalidate(data: Vec<Value>) -> PushInfo {
        PushInfo {
            kind: PushKind::Invalidate,
            data,
        }
    }

    #[test]
    fn pushes_merge_and_strangers_are_ignored() {
        let signals = Signals::new(&["a".into(), "b".into()]);
        let key = |key: &str| Value::BulkString(key.into());
        signals.push(&invalidate(vec![Value::Array(vec![
            key("b"),
            key("x"),
            Value::Int(1),
        ])]));
        signals.push(&invalidate(vec![Value::Array(vec![key("b")])]));
        signals.push(&invalidate(vec![]));
        let pending = signals.take();
        assert_eq!(
            (pending.changed, pending.flushed),
            (vec![false, true], false)
        );
        signals.push(&invalidate(vec![Value::Nil]));
        assert!(signals.take().flushed && !signals.take().flushed);
    }
}
