//! Reading a hash in which something is too large: the names first, then the
//! lengths of the values, then the values that can be used. What cannot be
//! used is never transferred.

use super::collect::Collected;
use super::reader::{Reader, SCAN_ABOVE, STEP, Trouble, hscan, scanned, strange};
use crate::connect::Failure;
use crate::pairs::Pairs;
use crate::record::{MAX_FIELD, MAX_VALUE};
use crate::unreadable::{Unreadable, UnreadableCode};
use redis::{Value, cmd, pipe};

/// Bytes of values that one question asks for, unless one value alone is more.
const BATCH: u64 = 4 * 1024 * 1024;

impl Reader<'_> {
    /// Reads all names, and of the values those that are not too long.
    pub(super) async fn measured(&mut self, key: &str, fields: i64) -> Result<Collected, Trouble> {
        let names = self.names(key, fields).await?;
        let mut collected = Collected::default();
        let mut names = names.iter().map(|(name, _)| name);
        loop {
            let step: Vec<&[u8]> = names.by_ref().take(STEP).collect();
            if step.is_empty() {
                return Ok(collected);
            }
            self.values(key, &step, &mut collected).await?;
        }
    }

    /// The names of all fields, each once, as fields without values.
    async fn names(&mut self, key: &str, fields: i64) -> Result<Pairs, Trouble> {
        let in_steps = match fields > SCAN_ABOVE {
            true => self.scan_names(key).await?,
            false => None,
        };
        if let Some(names) = in_steps {
            return Ok(names.pairs.last_of_each());
        }
        let mut names = Collected::default();
        let answer = self.link.ask(cmd("HKEYS").arg(key)).await;
        let answer = answer.map_err(needed)?;
        add_names(&mut names, answer, "HKEYS")?;
        Ok(names.pairs)
    }

    /// The names in steps, so that Redis is never blocked for long; `None`
    /// where Redis is older than 7.4 and has no such scan.
    async fn scan_names(&mut self, key: &str) -> Result<Option<Collected>, Trouble> {
        let mut names = Collected::default();
        let mut cursor = b"0".to_vec();
        let mut steps: i64 = 0;
        loop {
            let question = hscan(key, &cursor, STEP).arg("NOVALUES").to_owned();
            let answer = match self.link.ask(&question).await {
                Err(Failure::Refused(refusal)) if refusal.is_syntax() => return Ok(None),
                answer => answer?,
            };
            let (next, found) = scanned(answer)?;
            add_names(&mut names, found, "HSCAN")?;
            if next == b"0" {
                return Ok(Some(names));
            }
            cursor = next;
            steps += 1;
            self.must_end(key, steps).await?;
        }
    }

    /// Measures the values of some fields, and reads those that can be used.
    async fn values(
        &mut self,
        key: &str,
        names: &[&[u8]],
        collected: &mut Collected,
    ) -> Result<(), Trouble> {
        let mut wanted: Vec<&[u8]> = Vec::with_capacity(names.len());
        let mut bytes = 0;
        for (&name, length) in names.iter().zip(self.lengths(key, names).await?) {
            // A name that was cut is asked for no more: nothing has that name.
            if name.len() > MAX_FIELD {
                collected.add(name, b"")?;
            } else if length > MAX_VALUE as u64 {
                collected.add_too_long(name, length)?;
            } else {
                if bytes + length > BATCH && !wanted.is_empty() {
                    self.some(key, &wanted, collected).await?;
                    wanted.clear();
                    bytes = 0;
                }
                bytes += length;
                wanted.push(name);
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        self.some(key, &wanted, collected).await
    }

    /// How long the values of these fields are; 0 where there is none.
    async fn lengths(&mut self, key: &str, names: &[&[u8]]) -> Result<Vec<u64>, Trouble> {
        let mut questions = pipe();
        for &name in names {
            questions.cmd("HSTRLEN").arg(key).arg(name);
        }
        let length = |answer| match answer {
            Value::Int(length) => u64::try_from(length).ok(),
            _ => None,
        };
        let answers = self.link.ask_all(&questions).await.map_err(needed)?;
        let lengths: Option<Vec<u64>> = answers.into_iter().map(length).collect();
        lengths
            .filter(|lengths| lengths.len() == names.len())
            .ok_or_else(|| strange("HSTRLEN"))
    }

    /// Reads the values of these fields. One that was deleted meanwhile is not
    /// there.
    async fn some(
        &mut self,
        key: &str,
        names: &[&[u8]],
        collected: &mut Collected,
    ) -> Result<(), Trouble> {
        let answer = self.link.ask(cmd("HMGET").arg(key).arg(names)).await;
        let Value::Array(values) = answer.map_err(needed)? else {
            return Err(strange("HMGET"));
        };
        if values.len() != names.len() {
            return Err(strange("HMGET"));
        }
        for (&name, value) in names.iter().zip(values) {
            match value {
                Value::BulkString(value) => collected.add(name, &value)?,
                Value::Nil => {}
                _ => return Err(strange("HMGET")),
            }
        }
        Ok(())
    }
}

/// Why measuring cannot go on. Redis may refuse the questions that nothing else
/// asks: then this hash cannot be read, and the others can.
fn needed(failure: Failure) -> Trouble {
    match failure {
        Failure::Refused(refusal) if refusal.unreadable().is_some() || refusal.is_unknown() => {
            Trouble::Hash(Unreadable {
                code: refusal.unreadable().unwrap_or(UnreadableCode::TooLarge),
                why: format!(
                    "it is too large to be read at once, and the values that are too long \
                     cannot be left out: {refusal}"
                ),
            })
        }
        failure => Trouble::from(failure),
    }
}

/// Adds the names of an answer that holds nothing else.
fn add_names(names: &mut Collected, answer: Value, command: &str) -> Result<(), Trouble> {
    let Value::Array(found) = answer else {
        return Err(strange(command));
    };
    for name in found {
        let Value::BulkString(name) = name else {
            return Err(strange(command));
        };
        names.add(&name, b"")?;
    }
    Ok(())
}
