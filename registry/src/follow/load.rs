//! What a fleet of followers costs Redis together, and what each does about it.

use crate::connect::SILENCE;
use std::time::Duration;

/// So many clients may read at once without anybody noticing.
const HANDFUL: u64 = 8;

/// The longest silence that is put up with, however many clients there are.
const LONGEST_SILENCE: Duration = Duration::from_secs(60);

/// Redis may be so many times slower than it ever was to us before followers of
/// a fleet take it for dead, beside other work on its machine for instance.
const SLOWER: u32 = 3;

/// Resyncs of the whole fleet cost Redis at most a twentieth of its time.
const RESYNC_SHARE: u32 = 20;

/// How many clients Redis has, all of whom may be followers as we are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    clients: u64,
}

impl Default for Load {
    /// Alone, until Redis says otherwise.
    fn default() -> Load {
        Load { clients: 1 }
    }
}

impl Load {
    /// Redis says how many clients it has. Right after a failure that is fewer
    /// than there will be.
    pub(super) fn said(&mut self, clients: u64, after_failure: bool) {
        let least = if after_failure { self.clients } else { 1 };
        self.clients = clients.max(least);
    }

    /// How long Redis may be silent when all clients ask for what costs `cost`.
    pub(super) fn patience(&self, cost: Duration) -> Duration {
        let queue = times(cost, self.clients);
        let others = self.clients.saturating_sub(HANDFUL);
        let slower = times(cost.saturating_mul(SLOWER - 1), others);
        SILENCE
            .saturating_add(queue)
            .saturating_add(slower)
            .min(LONGEST_SILENCE)
    }

    /// How long to wait before a scan that costs `cost`, for a `random` number
    /// from 0 to 1, so that the fleet does not scan at once.
    pub(super) fn spread(&self, cost: Duration, random: f64) -> Duration {
        let all = times(cost, self.clients.saturating_sub(HANDFUL));
        all.mul_f64(random.clamp(0.0, 1.0))
    }

    /// How often to read everything although nothing was pushed.
    pub(super) fn resync(&self, configured: Duration, cost: Duration) -> Duration {
        let fair = times(cost.saturating_mul(RESYNC_SHARE), self.clients);
        configured.max(fair)
    }

    /// How often to read everything where nothing can be pushed: then a fleet
    /// may keep Redis busy for half of its time.
    pub(super) fn poll(&self, configured: Duration, cost: Duration) -> Duration {
        let others = self.clients.saturating_sub(HANDFUL);
        configured.max(times(cost.saturating_mul(2), others))
    }
}

fn times(duration: Duration, by: u64) -> Duration {
    duration.saturating_mul(by.try_into().unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COST: Duration = Duration::from_millis(4);

    fn load(clients: u64) -> Load {
        let mut load = Load::default();
        load.said(clients, false);
        load
    }

    #[test]
    fn a_handful_of_followers_waits_for_nobody() {
        for clients in [0, 1, 8] {
            let load = load(clients);
            assert_eq!(load.spread(COST, 1.0), Duration::ZERO);
            let second = Duration::from_secs(1);
            assert_eq!(load.resync(second, COST), second);
            assert_eq!(load.poll(COST, COST), COST);
        }
        assert_eq!(load(1).patience(Duration::ZERO), SILENCE);
        assert_eq!(load(8).patience(COST), SILENCE + 8 * COST);
    }

    #[test]
    fn thousands_spread_their_scans_and_bear_with_each_other() {
        let load = load(8_008);
        assert_eq!(load.spread(COST, 1.0), Duration::from_secs(32));
        assert_eq!(load.spread(COST, 0.25), Duration::from_secs(8));
        assert!(load.patience(COST) > Duration::from_secs(32));
        assert_eq!(load.patience(COST * 100), LONGEST_SILENCE);
        let resync = load.resync(Duration::from_secs(60), COST);
        assert!(COST * 8_008 * 20 <= resync, "{resync:?}");
        assert!(load.poll(COST, COST) >= COST * 8_000 * 2);
    }

    #[test]
    fn a_redis_that_has_become_three_times_slower_is_not_taken_for_dead() {
        // One after the other they come in their turns, and are served in that order.
        const CLIENTS: u32 = 6_000;
        let cost = Duration::from_millis(2);
        let load = load(CLIENTS.into());
        let (mut free, mut longest) = (Duration::ZERO, Duration::ZERO);
        for nth in 0..CLIENTS {
            let comes = load.spread(cost, f64::from(nth) / f64::from(CLIENTS));
            free = free.max(comes) + 3 * cost;
            longest = longest.max(free - comes);
        }
        assert!(longest > SILENCE + CLIENTS * cost, "{longest:?}");
        assert!(longest < load.patience(cost), "{longest:?}");
    }

    #[test]
    fn the_fleet_is_not_forgotten_because_it_is_not_back_yet() {
        let mut load = load(8_000);
        load.said(10, true);
        assert!(load.spread(COST, 1.0) > Duration::from_secs(30));
        load.said(10, false);
        assert!(load.spread(COST, 1.0) < Duration::from_secs(1));
    }
}
