//! Roles that changed while their hash was scanned.
//!
//! A scan of a large hash takes time, and it may see a change that was made meanwhile without the
//! log in part: if a role moved from one field to another, the old field may be missing already,
//! and the cursor may have passed the place of the new one before it was written. So a role in
//! which fields are missing keeps its previous state until a scan that started later misses the
//! same fields: that scan has seen the new ones. It is the same if several hashes are read one after
//! the other, and a role moves between them.
//!
//! Usually this ends with the next scan, because while roles are deferred all hashes are read by one
//! request, which shows one moment. Only hashes that are too large for that together
//! ([`scan`](super::scan)) are read further one by one. Then a role is used after one request has
//! read its known fields in all hashes ([`reread`](super::reread)), but it may have moved to a field
//! that nobody knows; so if nothing of it is found, that must be so several times.

use std::collections::{HashMap, HashSet};

/// A scan of this hash that started after the scan with this number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AwaitedScan {
    pub(super) hash: usize,
    pub(super) than: u64,
}

/// How many scans in a row must find a role changed again before it is used as it is, or find none
/// of its fields before it is removed: while it keeps changing, one scan may miss all of them.
///
/// This counts where no request can read all hashes. Where the user may not read single fields
/// either, or use transactions, and where a hash has values that are too large to be read
/// ([`read_plan`](super::read_plan)), it is all there is: a role that moves all the time may then be
/// removed although it is somewhere at each moment.
const PATIENCE: u8 = 3;

/// One deferred role.
#[derive(Debug)]
struct DeferredRole {
    /// All its known fields.
    fields: Vec<Vec<u8>>,
    /// Those that are missing.
    missing: HashSet<Vec<u8>>,
    awaited: Vec<AwaitedScan>,
    waits: u8,
}

/// The deferred roles of one hash.
#[derive(Debug, Default)]
pub(super) struct DeferredRoles(HashMap<Vec<u8>, DeferredRole>);

/// What to do with a role.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RoleDecision {
    /// Use it as it was read.
    Use,
    /// Keep its previous state.
    Wait,
}

impl DeferredRoles {
    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The hash was read at one moment: nothing is deferred any more.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Keeps those roles that a scan found changed again; the others are as they were.
    pub(super) fn retain(&mut self, is_changed: impl Fn(&[u8]) -> bool) {
        self.0.retain(|role, _| is_changed(role));
    }

    /// The roles whose awaited scans are all complete, with their fields.
    pub(super) fn ready(
        &self,
        completed: impl Fn(AwaitedScan) -> bool,
    ) -> Vec<(Vec<u8>, Vec<Vec<u8>>)> {
        self.0
            .iter()
            .filter(|(_, deferred)| deferred.awaited.iter().all(|&later| completed(later)))
            .map(|(role, deferred)| (role.clone(), deferred.fields.clone()))
            .collect()
    }

    /// The fields of a deferred role, and whether each is present.
    pub(super) fn fields_of(&self, role: &[u8]) -> Option<Vec<(Vec<u8>, bool)>> {
        let deferred = self.0.get(role)?;
        let there = |field: &Vec<u8>| (field.clone(), !deferred.missing.contains(field));
        Some(deferred.fields.iter().map(there).collect())
    }

    /// Decides about a role of these fields, of which some are missing. `awaited` are the scans that
    /// must confirm that.
    pub(super) fn decide(
        &mut self,
        role: &[u8],
        fields: Vec<Vec<u8>>,
        missing: HashSet<Vec<u8>>,
        awaited: Vec<AwaitedScan>,
        completed: impl Fn(AwaitedScan) -> bool,
    ) -> RoleDecision {
        let before = self.0.remove(role);
        if missing.is_empty() || awaited.is_empty() {
            return RoleDecision::Use;
        }
        let mut deferred = DeferredRole {
            fields,
            missing,
            awaited,
            waits: 0,
        };
        if let Some(before) = before {
            let known = deferred.missing.is_subset(&before.missing);
            let complete = before.awaited.iter().all(|&later| completed(later));
            let nothing = deferred.missing.len() == deferred.fields.len();
            let enough = before.waits >= PATIENCE;
            let settled = if nothing {
                known && enough
            } else {
                known || enough
            };
            if complete && settled {
                return RoleDecision::Use;
            }
            deferred.waits = before.waits.saturating_add(u8::from(complete));
            if known && !complete {
                deferred.awaited = before.awaited;
            }
        }
        self.0.insert(role.to_vec(), deferred);
        RoleDecision::Wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<Vec<u8>> {
        names.iter().map(|name| name.as_bytes().to_vec()).collect()
    }

    fn set(missing: &[&str]) -> HashSet<Vec<u8>> {
        names(missing).into_iter().collect()
    }

    /// Decides about `web`, with scans of hash 0 up to `done` complete.
    fn decide(of: &mut DeferredRoles, missing: &[&str], scan: u64, done: u64) -> RoleDecision {
        let fields = names(&["web", "web/1", "web/2"]);
        let awaited = vec![AwaitedScan {
            hash: 0,
            than: scan,
        }];
        of.decide(b"web", fields, set(missing), awaited, |later| {
            done > later.than
        })
    }

    #[test]
    fn a_role_that_is_all_there_is_used_at_once() {
        let mut of = DeferredRoles::default();
        assert_eq!(decide(&mut of, &[], 1, 1), RoleDecision::Use);
        assert!(of.is_empty());
    }

    #[test]
    fn what_is_missing_must_be_missed_by_a_scan_that_started_later() {
        let mut of = DeferredRoles::default();
        assert_eq!(decide(&mut of, &["web/1"], 1, 1), RoleDecision::Wait);
        // The same scan, asked about once more.
        assert_eq!(decide(&mut of, &["web/1"], 1, 1), RoleDecision::Wait);
        assert!(of.ready(|later| 1 > later.than).is_empty());
        let ready = of.ready(|later| 2 > later.than);
        assert_eq!(
            ready,
            [(b"web".to_vec(), names(&["web", "web/1", "web/2"]))]
        );
        assert_eq!(decide(&mut of, &["web/1"], 2, 2), RoleDecision::Use);
        assert!(of.is_empty());
    }

    #[test]
    fn a_role_that_is_all_there_again_is_used() {
        let mut of = DeferredRoles::default();
        assert_eq!(decide(&mut of, &["web/1"], 1, 1), RoleDecision::Wait);
        assert_eq!(decide(&mut of, &[], 2, 2), RoleDecision::Use);
        assert!(of.is_empty());
    }

    #[test]
    fn what_is_missing_since_then_waits_anew_but_not_for_ever() {
        let mut of = DeferredRoles::default();
        let missing = [["web/1"], ["web/2"], ["web/1"], ["web/2"]];
        for (scan, missing) in (1..).zip(missing) {
            assert_eq!(decide(&mut of, &missing, scan, scan), RoleDecision::Wait);
        }
        let all = ["web", "web/1", "web/2"];
        assert_eq!(
            decide(&mut of, &all, 5, 5),
            RoleDecision::Wait,
            "none is left"
        );
        assert_eq!(decide(&mut of, &["web/1"], 6, 6), RoleDecision::Use);
    }

    #[test]
    fn a_role_of_which_nothing_is_seen_is_gone_after_some_scans() {
        let mut of = DeferredRoles::default();
        let all = ["web", "web/1", "web/2"];
        for scan in 1..=4 {
            assert_eq!(
                decide(&mut of, &all, scan, scan),
                RoleDecision::Wait,
                "{scan}"
            );
        }
        assert_eq!(decide(&mut of, &all, 5, 5), RoleDecision::Use);
    }

    #[test]
    fn other_hashes_may_have_to_be_read_first() {
        let mut of = DeferredRoles::default();
        let later = AwaitedScan { hash: 1, than: 4 };
        let decide = |of: &mut DeferredRoles, done: u64| {
            let completed = |later: AwaitedScan| later.hash == 1 && done > later.than;
            let fields = names(&["shop", "shop/1"]);
            of.decide(b"shop", fields, set(&["shop"]), vec![later], completed)
        };
        assert_eq!(decide(&mut of, 4), RoleDecision::Wait);
        assert_eq!(decide(&mut of, 4), RoleDecision::Wait);
        assert_eq!(decide(&mut of, 5), RoleDecision::Use);
    }

    #[test]
    fn what_no_scan_finds_changed_is_settled() {
        let mut of = DeferredRoles::default();
        assert_eq!(decide(&mut of, &["web/1"], 1, 1), RoleDecision::Wait);
        of.retain(|role| role == b"web");
        assert!(!of.is_empty());
        of.retain(|_| false);
        assert!(of.is_empty());
    }
}
