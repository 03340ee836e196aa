//! How many clients Redis has, and how a follower adapts to that.

use std::time::Duration;

use crate::connect::SILENCE;

/// How many clients may scan at once without a noticeable load.
const HANDFUL: u64 = 8;

/// The longest silence that is tolerated, however many clients there are.
const LONGEST_SILENCE: Duration = Duration::from_secs(60);

/// How many times slower than its best Redis may become before the followers of a fleet take it for
/// dead, for example because of other work on its machine.
const SLOWER: u32 = 3;

/// The resyncs of the whole fleet take at most a twentieth of the time of Redis.
const RESYNC_SHARE: u32 = 20;

/// How many clients Redis has. All of them may be followers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    clients: u64,
}

impl Default for Load {
    /// One client, until INFO says otherwise.
    fn default() -> Load {
        Load { clients: 1 }
    }
}

impl Load {
    /// Takes the number of clients from INFO. Right after a failure that is fewer than there will
    /// be.
    pub(super) fn set_clients(&mut self, clients: u64, after_failure: bool) {
        let least = if after_failure { self.clients } else { 1 };
        self.clients = clients.max(least);
    }

    /// How long Redis may be silent when all clients request what costs `cost`.
    pub(super) fn patience(&self, cost: Duration) -> Duration {
        let queue = times(cost, self.clients);
        let others = self.clients.saturating_sub(HANDFUL);
        let slower = times(cost.saturating_mul(SLOWER - 1), others);
        SILENCE
            .saturating_add(queue)
            .saturating_add(slower)
            .min(LONGEST_SILENCE)
    }

    /// How long Redis is busy when the whole fleet scans what costs `cost`. Each
    /// follower waits for a random part of that, so that not all scan at once.
    pub(super) fn fleet_time(&self, cost: Duration) -> Duration {
        times(cost, self.clients.saturating_sub(HANDFUL))
    }

    /// How often to read everything although nothing was pushed.
    pub(super) fn resync(&self, configured: Duration, cost: Duration) -> Duration {
        let fair = times(cost.saturating_mul(RESYNC_SHARE), self.clients);
        configured.max(fair)
    }

    /// How often to read everything without client tracking: then a fleet may take half of the time
    /// of Redis.
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
        load.set_clients(clients, false);
        load
    }

    #[test]
    fn a_handful_of_followers_waits_for_nobody() {
        for clients in [0, 1, 8] {
            let load = load(clients);
            assert_eq!(load.fleet_time(COST), Duration::ZERO);
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
        assert_eq!(load.fleet_time(COST), Duration::from_secs(32));
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
            let comes = load
                .fleet_time(cost)
                .mul_f64(f64::from(nth) / f64::from(CLIENTS));
            free = free.max(comes) + 3 * cost;
            longest = longest.max(free - comes);
        }
        assert!(longest > SILENCE + CLIENTS * cost, "{longest:?}");
        assert!(longest < load.patience(cost), "{longest:?}");
    }

    #[test]
    fn the_fleet_is_not_forgotten_because_it_is_not_back_yet() {
        let mut load = load(8_000);
        load.set_clients(10, true);
        assert!(load.fleet_time(COST) > Duration::from_secs(30));
        load.set_clients(10, false);
        assert!(load.fleet_time(COST) < Duration::from_secs(1));
    }
}
