//! Reading one hash: at once when it is small, in steps when it is not, so that
//! Redis is never blocked for long; and measured first (`measured.rs`) while
//! something in it is too large.

use super::collect::Collected;
use super::plan::{ReadPlan, Way};
use crate::connect::{Failure, Link, Refusal, Signals};
use crate::pairs::Pairs;
use crate::unreadable::Unreadable;
use redis::{Cmd, Value, cmd};
use std::time::Instant;

/// Above so many fields a hash is read in steps: HGETALL of 100,000 blocks
/// Redis for 40 ms.
pub(super) const SCAN_ABOVE: i64 = 10_000;

/// Fields a step of HSCAN is asked for.
pub(super) const STEP: usize = 1_000;

/// Why a hash was not read.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// This hash cannot be read; the connection is as good as before.
    Hash(Unreadable),
    /// The connection is of no more use.
    Lost(String),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Trouble {
        match failure {
            Failure::Refused(refusal) => Trouble::from(refusal),
            Failure::Lost(why) => Trouble::Lost(why),
        }
    }
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Trouble {
        let why = refusal.to_string();
        match refusal.unreadable() {
            Some(code) => Trouble::Hash(Unreadable { code, why }),
            None => Trouble::Lost(why),
        }
    }
}

/// Reads hashes on one connection.
pub(crate) struct Reader<'a> {
    pub(crate) link: &'a mut Link,
    pub(crate) signals: &'a Signals,
}

impl Reader<'_> {
    /// Reads the hash `key`, the one with this `index`, as its `plan` says, and
    /// writes into the plan how to read it next.
    ///
    /// Changes that were pushed before the question that reads the pairs, or
    /// their names, are forgotten, since the answer has them; later ones stay
    /// with the signals.
    pub(crate) async fn read(
        &mut self,
        index: usize,
        key: &str,
        plan: &mut ReadPlan,
    ) -> Result<Pairs, Trouble> {
        let way = plan.way(Instant::now()).map_err(Trouble::Hash)?;
        self.signals.seen(index);
        let fields = self.count(key).await?;
        self.signals.seen(index);
        let read = match way {
            Way::Whole => self.whole(key, fields).await,
            Way::Measured => self.measured(key, fields).await,
        };
        let now = Instant::now();
        match read {
            Ok(mut read) => {
                plan.done(way, read.sizes, now);
                read.pairs.shrink();
                Ok(read.pairs)
            }
            Err(Trouble::Hash(why)) if way == Way::Measured => {
                plan.cannot_measure(why.clone(), now);
                Err(Trouble::Hash(why))
            }
            Err(trouble) => {
                if self.link.overflowed() {
                    plan.overflowed(way, now);
                }
                Err(trouble)
            }
        }
    }

    async fn whole(&mut self, key: &str, fields: i64) -> Result<Collected, Trouble> {
        match fields > SCAN_ABOVE {
            true => self.in_steps(key).await,
            false => self.at_once(key).await,
        }
    }

    async fn count(&mut self, key: &str) -> Result<i64, Trouble> {
        match self.link.ask(cmd("HLEN").arg(key)).await? {
            Value::Int(fields) => Ok(fields),
            _ => Err(strange("HLEN")),
        }
    }

    async fn at_once(&mut self, key: &str) -> Result<Collected, Trouble> {
        let answer = self.link.ask(cmd("HGETALL").arg(key)).await?;
        let mut collected = Collected::default();
        add_all(&mut collected, answer, "HGETALL")?;
        Ok(collected)
    }

    async fn in_steps(&mut self, key: &str) -> Result<Collected, Trouble> {
        let mut collected = Collected::default();
        let mut steps: i64 = 0;
        let mut answer = self.link.ask(&hscan(key, b"0", STEP)).await?;
        loop {
            let (next, found) = scanned(answer)?;
            if next == b"0" {
                add_all(&mut collected, found, "HSCAN")?;
                break;
            }
            // While Redis works on the next step, this one is taken in.
            let question = hscan(key, &next, STEP);
            let (asked, added) = tokio::join!(self.link.ask(&question), async {
                tokio::task::yield_now().await;
                add_all(&mut collected, found, "HSCAN")
            });
            added?;
            answer = asked?;
            steps += 1;
            self.must_end(key, steps).await?;
        }
        // A scan gives some fields twice when the hash was resized meanwhile.
        if self.count(key).await? != collected.pairs.len() as i64 {
            collected.pairs = collected.pairs.last_of_each();
        }
        Ok(collected)
    }

    /// Ends a scan that goes on for ever. A scan of a hash that shrank visits
    /// many empty places, but never more than this.
    pub(super) async fn must_end(&mut self, key: &str, steps: i64) -> Result<(), Trouble> {
        if steps % 1_000 == 0 && steps > 1_000 + self.count(key).await? {
            return Err(Trouble::Lost("HSCAN does not come to an end".to_owned()));
        }
        Ok(())
    }
}

pub(super) fn hscan(key: &str, cursor: &[u8], step: usize) -> Cmd {
    let mut hscan = cmd("HSCAN");
    hscan.arg(key).arg(cursor).arg("COUNT").arg(step);
    hscan
}

/// The parts of an answer to HSCAN: the next cursor, and the pairs.
pub(super) fn scanned(answer: Value) -> Result<(Vec<u8>, Value), Trouble> {
    let Value::Array(parts) = answer else {
        return Err(strange("HSCAN"));
    };
    let mut parts = parts.into_iter();
    match (parts.next(), parts.next()) {
        (Some(Value::BulkString(cursor)), Some(found)) => Ok((cursor, found)),
        _ => Err(strange("HSCAN")),
    }
}

/// Adds the pairs of an answer, which is a map in RESP3 and flat in RESP2.
fn add_all(collected: &mut Collected, answer: Value, command: &str) -> Result<(), Trouble> {
    match answer {
        Value::Map(found) => {
            for (field, value) in found {
                add(collected, field, value, command)?;
            }
        }
        Value::Array(flat) if flat.len() % 2 == 0 => {
            let mut flat = flat.into_iter();
            while let (Some(field), Some(value)) = (flat.next(), flat.next()) {
                add(collected, field, value, command)?;
            }
        }
        _ => return Err(strange(command)),
    }
    Ok(())
}

fn add(
    collected: &mut Collected,
    field: Value,
    value: Value,
    command: &str,
) -> Result<(), Trouble> {
    let (Value::BulkString(field), Value::BulkString(value)) = (field, value) else {
        return Err(strange(command));
    };
    collected.add(&field, &value)
}

pub(super) fn strange(command: &str) -> Trouble {
    Trouble::Lost(format!("the answer to {command} is not what Redis answers"))
}
