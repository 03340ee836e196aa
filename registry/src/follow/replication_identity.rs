//! Which data set a Redis serves, by INFO.

use serde::{Deserialize, Serialize};

use super::info::Info;

/// Which data set a Redis has, and how much of it, by INFO about its process and its
/// [replication](https://redis.io/docs/latest/operate/oss_and_stack/management/replication/).
///
/// All servers with the same replication ID have the same history of writes, and the offset says
/// how far each has come. A replica that is promoted gets a new ID, and keeps the old one and the
/// offset up to which it followed. So does a Redis that is started from a file which has an ID.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ReplicationIdentity {
    /// The ID of the process.
    run_id: String,
    /// Whether it is a master.
    master: bool,
    replid: String,
    offset: u64,
    /// The previous replication ID.
    replid2: String,
    /// The offset at which the previous history ended: everything before is here.
    second_offset: i64,
}

impl ReplicationIdentity {
    /// Reads the section `replication`. `run_id` is from the section `server`.
    pub(super) fn read(info: &Info, run_id: &str) -> Option<ReplicationIdentity> {
        let text = |name| info.field(name).map(str::to_owned);
        Some(ReplicationIdentity {
            run_id: run_id.to_owned(),
            master: info.field("role")? == "master",
            replid: text("master_replid")?,
            offset: info.number("master_repl_offset")?,
            replid2: text("master_replid2").unwrap_or_default(),
            second_offset: info.number("second_repl_offset").unwrap_or(-1),
        })
    }

    /// Whether everything that was written up to `earlier` must be here, unless it was deleted.
    pub(super) fn continues(&self, earlier: &ReplicationIdentity) -> bool {
        let same = self.replid == earlier.replid;
        // An offset counts what was written, and the new history begins with
        // the next: it must lie beyond the last that was read.
        let promoted = self.replid2 == earlier.replid
            && u64::try_from(self.second_offset).is_ok_and(|next| next > earlier.offset);
        (same || promoted) && self.offset >= earlier.offset
    }

    /// Whether this is the process of `earlier`, a master then and now. Its replication ID may have
    /// changed: a master that has had no replica for an hour gets a new one, with the same data.
    pub(super) fn is_same_master(&self, earlier: &ReplicationIdentity) -> bool {
        self.run_id == earlier.run_id && self.master && earlier.master
    }

    /// Whether this is the process of `earlier`, and its offset has not decreased.
    pub(super) fn is_same_process(&self, earlier: &ReplicationIdentity) -> bool {
        self.run_id == earlier.run_id
            && (self.replid != earlier.replid || self.offset >= earlier.offset)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::info::of_text;
    use super::*;

    pub(in super::super) fn identity(
        run_id: &str,
        replid: &str,
        offset: u64,
        before: (&str, i64),
    ) -> ReplicationIdentity {
        let info = of_text(&format!(
            "role:master\r\nmaster_replid:{replid}\r\nmaster_replid2:{}\r\n\
             master_repl_offset:{offset}\r\nsecond_repl_offset:{}\r\n",
            before.0, before.1
        ));
        ReplicationIdentity::read(&info, run_id).unwrap()
    }

    #[test]
    fn data_goes_on_where_a_history_does_and_is_not_behind() {
        let none = ("0000", -1);
        let read = identity("run1", "data1", 100, none);
        for (heir, continues) in [
            // The same, and a replica that is as far.
            (identity("run1", "data1", 100, none), true),
            (identity("run2", "data1", 120, none), true),
            // A replica that is behind, or was started from an older file.
            (identity("run2", "data1", 99, none), false),
            // A replica that was promoted when it had all, and when it had not.
            (identity("run2", "data2", 150, ("data1", 101)), true),
            (identity("run2", "data2", 150, ("data1", 100)), false),
            (identity("run2", "data2", 150, ("data1", 50)), false),
            // Started from a file with all, and with an older one.
            (identity("run3", "data3", 100, ("data1", 101)), true),
            (identity("run3", "data3", 90, ("data1", 91)), false),
            // Started from nothing, or from a file without a history.
            (identity("run3", "data3", 0, none), false),
            (identity("run1", "data3", 100, none), false),
        ] {
            assert_eq!(heir.continues(&read), continues, "{heir:?}");
        }
    }

    #[test]
    fn a_process_is_the_same_with_a_new_history_too() {
        let none = ("0000", -1);
        let read = identity("run1", "data1", 100, none);
        let later = identity("run1", "data2", 0, none);
        assert!(later.is_same_master(&read) && later.is_same_process(&read));
        assert!(!identity("run2", "data1", 100, none).is_same_process(&read));
        assert!(!identity("run1", "data1", 99, none).is_same_process(&read));
    }

    #[test]
    fn what_does_not_tell_is_not_known() {
        for text in ["", "role:master\r\n", "role:master\r\nmaster_replid:x\r\n"] {
            assert_eq!(ReplicationIdentity::read(&of_text(text), "run"), None);
        }
        // Before Redis 4 there is no second history.
        let old = of_text("role:slave\r\nmaster_replid:x\r\nmaster_repl_offset:1\r\n");
        assert!(ReplicationIdentity::read(&old, "run").is_some());
    }
}
