//! The counters of INFO for the ways in which data is lost.

use serde::{Deserialize, Serialize};

use super::info::Info;

/// Counters of INFO. If one has changed between two reads, something of that kind happened in
/// between, to any key; it may have been ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LossCounters {
    /// Calls of FLUSHALL.
    flushall: u64,
    /// Calls of FLUSHDB and SWAPDB, in any database.
    flushdb: u64,
    /// Calls of SWAPDB alone, for which nothing is pushed. (A checkpoint of an older daemon has none.)
    #[serde(default)]
    swapdb: u64,
    /// Calls of REPLICAOF: the server may have another data set.
    replicaof: u64,
    /// Keys that were evicted.
    evicted: u64,
    /// Keys that expired.
    expired: u64,
    /// Whether the eviction policy covers keys without a time to live.
    evicts_all_keys: bool,
}

impl LossCounters {
    /// Reads the sections `stats`, `commandstats` and `memory`.
    pub(super) fn read(info: &Info) -> Option<LossCounters> {
        Some(LossCounters {
            flushall: info.calls("flushall"),
            flushdb: info.calls("flushdb").saturating_add(info.calls("swapdb")),
            swapdb: info.calls("swapdb"),
            replicaof: info
                .calls("replicaof")
                .saturating_add(info.calls("slaveof")),
            evicted: info.number("evicted_keys")?,
            expired: info.number("expired_keys")?,
            evicts_all_keys: info
                .field("maxmemory_policy")
                .is_some_and(|policy| policy.starts_with("allkeys")),
        })
    }

    /// Everything was flushed since.
    pub(super) fn flushed_all_since(&self, earlier: &LossCounters) -> bool {
        self.flushall != earlier.flushall
    }

    /// A database was flushed since, ours or another.
    pub(super) fn flushed_one_since(&self, earlier: &LossCounters) -> bool {
        self.flushdb != earlier.flushdb
    }

    /// Databases were swapped since, ours or others.
    pub(super) fn swapped_since(&self, earlier: &LossCounters) -> bool {
        self.swapdb != earlier.swapdb
    }

    /// REPLICAOF was called since.
    pub(super) fn reattached_since(&self, earlier: &LossCounters) -> bool {
        self.replicaof != earlier.replicaof
    }

    /// A hash can have been evicted, or have expired, since.
    pub(super) fn took_since(&self, earlier: &LossCounters, had_ttl: bool) -> bool {
        let evictable = had_ttl || self.evicts_all_keys || earlier.evicts_all_keys;
        let evicted = evictable && self.evicted != earlier.evicted;
        let expired = had_ttl && self.expired != earlier.expired;
        evicted || expired
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::info::of_text;
    use super::*;

    pub(in super::super) fn counters(text: &str) -> LossCounters {
        let rest = "\r\nevicted_keys:0\r\nexpired_keys:0\r\nmaxmemory_policy:noeviction\r\n";
        LossCounters::read(&of_text(&format!("{text}{rest}"))).unwrap()
    }

    #[test]
    fn each_way_of_losing_data_has_its_counter() {
        let before = counters("");
        let flushed = counters("cmdstat_flushall:calls=1,usec=1");
        assert!(flushed.flushed_all_since(&before) && !flushed.flushed_one_since(&before));
        let swapped = counters("cmdstat_swapdb:calls=1,usec=1");
        assert!(swapped.flushed_one_since(&before) && !swapped.flushed_all_since(&before));
        assert!(swapped.swapped_since(&before) && !flushed.swapped_since(&before));
        assert!(counters("cmdstat_slaveof:calls=2").reattached_since(&before));
        let same = counters("cmdstat_hset:calls=9");
        assert!(!same.flushed_all_since(&before) && !same.took_since(&before, true));
    }

    #[test]
    fn eviction_concerns_a_hash_by_its_policy_or_its_time_to_live() {
        let (before, evicted) = (counters(""), counters("evicted_keys:3"));
        assert!(!evicted.took_since(&before, false) && evicted.took_since(&before, true));
        let evicted = counters("evicted_keys:3\r\nmaxmemory_policy:allkeys-lru");
        assert!(evicted.took_since(&before, false));
        let expired = counters("expired_keys:3");
        assert!(!expired.took_since(&before, false) && expired.took_since(&before, true));
    }

    #[test]
    fn where_nothing_is_counted_nothing_is_known() {
        assert_eq!(LossCounters::read(&of_text("evicted_keys:1\r\n")), None);
    }
}
