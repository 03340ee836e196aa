//! Reading one hash whole: at once when it is small, in steps when it is not,
//! so that Redis is never blocked for long.

use crate::connect::{Failure, Link, Refusal, Signals};
use crate::pairs::Pairs;
use crate::record::MAX_VALUE;
use crate::unreadable::{Unreadable, UnreadableCode};
use redis::{Cmd, Value, cmd};

/// Above so many fields a hash is read in steps: HGETALL of 100,000 blocks
/// Redis for 40 ms.
const SCAN_ABOVE: i64 = 10_000;

/// Fields a step of HSCAN is asked for.
const STEP: usize = 1_000;

/// The same for a hash whose values are so large that a reply passed the
/// budget of the connection.
const SMALL_STEP: usize = 16;

/// Most fields of one hash that are kept; far more than a table can serve.
const MOST_PAIRS: usize = 10_000_000;

/// Most bytes of one hash that are kept.
const MOST_BYTES: usize = 2 * 1024 * 1024 * 1024;

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
    /// Reads the hash `key`, the one with this `index`. `careful`: in small
    /// steps, because its values are large.
    ///
    /// Changes that were pushed before the question that reads the pairs are
    /// forgotten, since the answer has them; later ones stay with the signals.
    pub(crate) async fn read(
        &mut self,
        index: usize,
        key: &str,
        careful: bool,
    ) -> Result<Pairs, Trouble> {
        self.signals.seen(index);
        let fields = self.count(key).await?;
        self.signals.seen(index);
        let mut pairs = match (careful, fields > SCAN_ABOVE) {
            (false, false) => self.at_once(key).await?,
            (false, true) => self.in_steps(key, STEP).await?,
            (true, _) => self.in_steps(key, SMALL_STEP).await?,
        };
        pairs.shrink();
        Ok(pairs)
    }

    async fn count(&mut self, key: &str) -> Result<i64, Trouble> {
        match self.link.ask(cmd("HLEN").arg(key)).await? {
            Value::Int(fields) => Ok(fields),
            _ => Err(strange("HLEN")),
        }
    }

    async fn at_once(&mut self, key: &str) -> Result<Pairs, Trouble> {
        let answer = self.link.ask(cmd("HGETALL").arg(key)).await?;
        let mut pairs = Pairs::new();
        add_all(&mut pairs, answer, "HGETALL")?;
        Ok(pairs)
    }

    async fn in_steps(&mut self, key: &str, step: usize) -> Result<Pairs, Trouble> {
        let mut pairs = Pairs::new();
        let mut steps: i64 = 0;
        let mut answer = self.link.ask(&hscan(key, b"0", step)).await?;
        loop {
            let (next, found) = scanned(answer)?;
            if next == b"0" {
                add_all(&mut pairs, found, "HSCAN")?;
                break;
            }
            // While Redis works on the next step, this one is taken in.
            let question = hscan(key, &next, step);
            let (asked, added) = tokio::join!(self.link.ask(&question), async {
                tokio::task::yield_now().await;
                add_all(&mut pairs, found, "HSCAN")
            });
            added?;
            answer = asked?;
            steps += 1;
            // A scan of a hash that shrank visits many empty places, but
            // never more than this.
            if steps % 1_000 == 0 && steps > 1_000 + self.count(key).await? {
                return Err(Trouble::Lost("HSCAN does not come to an end".to_owned()));
            }
        }
        // A scan gives some fields twice when the hash was resized meanwhile.
        match self.count(key).await? == pairs.len() as i64 {
            true => Ok(pairs),
            false => Ok(pairs.last_of_each()),
        }
    }
}

fn hscan(key: &str, cursor: &[u8], step: usize) -> Cmd {
    let mut hscan = cmd("HSCAN");
    hscan.arg(key).arg(cursor).arg("COUNT").arg(step);
    hscan
}

/// The parts of an answer to HSCAN: the next cursor, and the pairs.
fn scanned(answer: Value) -> Result<(Vec<u8>, Value), Trouble> {
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
fn add_all(pairs: &mut Pairs, answer: Value, command: &str) -> Result<(), Trouble> {
    match answer {
        Value::Map(found) => {
            for (field, value) in found {
                add(pairs, field, value, command)?;
            }
        }
        Value::Array(flat) if flat.len() % 2 == 0 => {
            let mut flat = flat.into_iter();
            while let (Some(field), Some(value)) = (flat.next(), flat.next()) {
                add(pairs, field, value, command)?;
            }
        }
        _ => return Err(strange(command)),
    }
    Ok(())
}

fn add(pairs: &mut Pairs, field: Value, value: Value, command: &str) -> Result<(), Trouble> {
    let (Value::BulkString(field), Value::BulkString(value)) = (field, value) else {
        return Err(strange(command));
    };
    // One byte more than a value may have is enough to be refused later.
    let value = value.get(..=MAX_VALUE).unwrap_or(&value);
    let fits = pairs.len() < MOST_PAIRS && pairs.bytes() < MOST_BYTES;
    let added = fits && pairs.push(&field, value).is_ok();
    added.then_some(()).ok_or_else(|| {
        Trouble::Hash(Unreadable {
            code: UnreadableCode::TooLarge,
            why: format!("the hash has more than {MOST_PAIRS} fields or {MOST_BYTES} bytes"),
        })
    })
}

fn strange(command: &str) -> Trouble {
    Trouble::Lost(format!("the answer to {command} is not what Redis answers"))
}
