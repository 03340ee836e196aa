//! Whose data it is that a Redis has: that of the one read before, or perhaps
//! an older state of it, or none of it.

use crate::connect::{Failure, Link};
use redis::{Value, cmd};

/// Where the data of a Redis comes from, by what
/// [`INFO`](https://redis.io/docs/latest/commands/info/) says of its process
/// and of its replication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    endpoint: String,
    run_id: String,
    replication: String,
    /// The replication it went on from.
    before: String,
}

impl Origin {
    /// Asks a Redis; `None` where its user may not know.
    ///
    /// # Errors
    /// Why the connection was lost.
    pub(super) async fn ask(link: &mut Link, endpoint: &str) -> Result<Option<Origin>, String> {
        let Some(server) = info(link, "server").await? else {
            return Ok(None);
        };
        let Some(replication) = info(link, "replication").await? else {
            return Ok(None);
        };
        Ok(Origin::parse(endpoint, &server, &replication))
    }

    fn parse(endpoint: &str, server: &str, replication: &str) -> Option<Origin> {
        Some(Origin {
            endpoint: endpoint.to_owned(),
            run_id: field(server, "run_id")?.to_owned(),
            replication: field(replication, "master_replid")?.to_owned(),
            before: field(replication, "master_replid2")?.to_owned(),
        })
    }

    /// Whether all that was written to `earlier` must be here, unless somebody
    /// deleted it: this is the same process, a replica of the same master, or
    /// a replica that was promoted elsewhere.
    ///
    /// A Redis that was started again where it was is none of these, although
    /// it may go on from the same replication: it has what it had saved, which
    /// can be some minutes old.
    pub(super) fn goes_on_from(&self, earlier: &Origin) -> bool {
        self.run_id == earlier.run_id
            || self.replication == earlier.replication
            || self.before == earlier.replication && self.endpoint != earlier.endpoint
    }
}

/// A section of INFO, or `None` where it is refused.
pub(super) async fn info(link: &mut Link, section: &str) -> Result<Option<String>, String> {
    let text = match link.ask(cmd("INFO").arg(section)).await {
        Ok(Value::BulkString(text)) => text,
        Ok(Value::VerbatimString { text, .. }) => text.into_bytes(),
        Ok(_) | Err(Failure::Refused(_)) => return Ok(None),
        Err(Failure::Lost(why)) => return Err(why),
    };
    Ok(Some(String::from_utf8_lossy(&text).into_owned()))
}

/// A field of INFO, if it says something.
fn field<'i>(info: &'i str, name: &str) -> Option<&'i str> {
    let value = |line: &'i str| line.trim_end().strip_prefix(name)?.strip_prefix(':');
    info.lines()
        .find_map(value)
        .filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn origin(endpoint: &str, run_id: &str, replication: &str, before: &str) -> Origin {
        let server = format!("# Server\r\nredis_version:7.0.15\r\nrun_id:{run_id}\r\n");
        let replication =
            format!("# Replication\r\nmaster_replid:{replication}\r\nmaster_replid2:{before}\r\n");
        Origin::parse(endpoint, &server, &replication).unwrap()
    }

    #[test]
    fn data_goes_on_in_the_process_in_a_replica_and_in_a_promoted_replica() {
        let master = origin("a:1", "run1", "data1", "0000");
        for (heir, goes_on) in [
            (origin("a:1", "run1", "data1", "0000"), true),
            (origin("a:1", "run1", "data2", "data1"), true),
            (origin("b:1", "run2", "data1", "0000"), true),
            (origin("b:1", "run2", "data2", "data1"), true),
            // Started again: from what was saved, or from nothing.
            (origin("a:1", "run2", "data2", "data1"), false),
            (origin("a:1", "run2", "data2", "0000"), false),
            (origin("b:1", "run2", "data2", "0000"), false),
        ] {
            assert_eq!(heir.goes_on_from(&master), goes_on, "{heir:?}");
        }
    }

    #[test]
    fn what_does_not_tell_is_not_known() {
        for server in ["", "run_id:\r\n", "run_ids:1\r\n"] {
            let replication = "master_replid:1\r\nmaster_replid2:2\r\n";
            assert_eq!(
                Origin::parse("a:1", server, replication),
                None,
                "{server:?}"
            );
        }
    }
}
