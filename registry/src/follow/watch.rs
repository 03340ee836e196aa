//! What is known of one hash on this connection: whether it must be read, and
//! whether what is missing in it can be believed to be gone.

use super::event::Trust;

/// Why what is missing may be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doubt {
    Reconnected,
    Replaced,
    Flushed,
}

impl Doubt {
    fn trust(self) -> Trust {
        match self {
            Doubt::Reconnected => Trust::Reconnected,
            Doubt::Replaced => Trust::Replaced,
            Doubt::Flushed => Trust::Flushed,
        }
    }
}

/// One hash under watch.
#[derive(Debug)]
pub(crate) struct Watch {
    /// It changed since it was read.
    pub(crate) dirty: bool,
    /// Not yet seen with anything in it since this happened.
    doubt: Option<Doubt>,
    /// Nothing was read since the doubt arose.
    fresh: bool,
}

impl Watch {
    /// A hash on a connection that has just been made.
    pub(crate) fn reconnected() -> Watch {
        Watch {
            dirty: true,
            doubt: Some(Doubt::Reconnected),
            fresh: true,
        }
    }

    /// The Redis of this connection is not known to have the data of the one
    /// before.
    pub(crate) fn replaced(&mut self) {
        self.doubt = Some(Doubt::Replaced);
        self.fresh = true;
    }

    /// Everything was flushed.
    pub(crate) fn flushed(&mut self) {
        self.dirty = true;
        self.doubt = Some(Doubt::Flushed);
        self.fresh = true;
    }

    /// How far a read can be trusted. `flushed_meanwhile`: a flush became known
    /// between the question and the answer, so the answer settles nothing.
    pub(crate) fn read(&mut self, outcome: Seen, flushed_meanwhile: bool) -> Trust {
        let trust = self.doubt.map_or(Trust::Live, Doubt::trust);
        if flushed_meanwhile || outcome == Seen::Nothing {
            return trust;
        }
        let fresh = std::mem::replace(&mut self.fresh, false);
        if outcome == Seen::Empty {
            return trust;
        }
        self.doubt = None;
        if fresh { trust } else { Trust::Live }
    }

    /// The operator accepts what was read, empty or not.
    pub(crate) fn accepted(&mut self) -> Trust {
        self.doubt = None;
        self.fresh = false;
        Trust::Accepted
    }

    /// Whether an empty hash would be believed.
    pub(crate) fn is_trusted(&self) -> bool {
        self.doubt.is_none()
    }
}

/// What a read brought back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// The hash could not be read.
    Nothing,
    /// No pair.
    Empty,
    /// Pairs.
    Some,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_reconnect_empty_is_doubted_until_something_was_seen() {
        let mut watch = Watch::reconnected();
        assert_eq!(watch.read(Seen::Nothing, false), Trust::Reconnected);
        assert_eq!(watch.read(Seen::Empty, false), Trust::Reconnected);
        assert_eq!(watch.read(Seen::Empty, false), Trust::Reconnected);
        assert_eq!(watch.read(Seen::Some, false), Trust::Live);
        assert_eq!(watch.read(Seen::Empty, false), Trust::Live);
    }

    #[test]
    fn the_first_read_says_why_it_was_made() {
        let mut watch = Watch::reconnected();
        assert_eq!(watch.read(Seen::Some, false), Trust::Reconnected);
        assert_eq!(watch.read(Seen::Some, false), Trust::Live);
        watch.flushed();
        assert_eq!(watch.read(Seen::Some, false), Trust::Flushed);
        assert_eq!(watch.read(Seen::Empty, false), Trust::Live);
    }

    #[test]
    fn a_flush_during_a_read_is_not_settled_by_it() {
        let mut watch = Watch::reconnected();
        watch.read(Seen::Some, false);
        watch.flushed();
        assert_eq!(watch.read(Seen::Some, true), Trust::Flushed);
        assert_eq!(watch.read(Seen::Empty, false), Trust::Flushed);
        assert_eq!(watch.read(Seen::Empty, false), Trust::Flushed);
    }

    #[test]
    fn what_the_operator_accepts_is_settled() {
        let mut watch = Watch::reconnected();
        watch.flushed();
        assert_eq!(watch.accepted(), Trust::Accepted);
        assert!(watch.is_trusted());
        assert_eq!(watch.read(Seen::Empty, false), Trust::Live);
    }
}
