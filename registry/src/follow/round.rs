//! Progress of reading all hashes once.

use std::time::{Duration, Instant};

/// Which hashes are still to be read.
#[derive(Debug)]
pub(super) struct Round {
    left: Vec<bool>,
    /// When the first request that reads was sent.
    began: Option<Instant>,
}

impl Round {
    /// A round over this many hashes.
    pub(super) fn new(hashes: usize) -> Round {
        Round {
            left: vec![true; hashes],
            began: None,
        }
    }

    /// A request that reads is about to be sent.
    pub(super) fn reads(&mut self, now: Instant) {
        self.began.get_or_insert(now);
    }

    /// A hash was read, or cannot be.
    pub(super) fn done(&mut self, hash: usize) {
        if let Some(left) = self.left.get_mut(hash) {
            *left = false;
        }
    }

    /// How long it took, once all are read.
    pub(super) fn took(&self, now: Instant) -> Option<Duration> {
        let all = self.left.iter().all(|left| !left);
        all.then(|| {
            self.began
                .map_or(Duration::ZERO, |began| now.saturating_duration_since(began))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_lasts_from_the_first_question_until_every_hash_is_read() {
        let mut round = Round::new(2);
        let now = Instant::now();
        let later = |seconds| now + Duration::from_secs(seconds);
        round.reads(later(1));
        round.done(1);
        round.reads(later(2));
        assert_eq!(round.took(later(3)), None);
        round.done(0);
        assert_eq!(round.took(later(4)), Some(Duration::from_secs(3)));
    }
}
