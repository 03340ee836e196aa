//! Asks all sentinels for the master, and decides which answer counts.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use cloudhosts_config::printable::Quoted;
use cloudhosts_config::{Config, Endpoint, Redis};
use redis::{Value, cmd};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::credentials::Credentials;
use super::link::{CommandError, Link};
use super::login::plain;
use crate::fault::{Fault, FaultCode};

/// Once one sentinel has answered, the others have this long: a dead one must not delay a
/// failover.
const STRAGGLERS: Duration = Duration::from_millis(300);

/// The master that one sentinel names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedMaster {
    pub(crate) master: Endpoint,
    /// The configuration epoch, which grows with each failover. None if the sentinel does not say
    /// it.
    epoch: Option<u64>,
}

/// The answers of the sentinels, in the order of the configuration.
pub(crate) struct Sentinels {
    pub(crate) answers: Vec<(Endpoint, Result<NamedMaster, Fault>)>,
}

impl Sentinels {
    /// Asks all of them at once. Empty if no sentinels are configured.
    pub(crate) async fn ask(config: &Arc<Config>) -> Sentinels {
        let urls = config.redis.urls.iter();
        let silent = || {
            let why = "no answer in time, while another sentinel answers";
            Err(Fault::new(FaultCode::TimedOut, why))
        };
        let mut answers: Vec<_> = urls.map(|url| (url.clone(), silent())).collect();
        let Some(name) = &config.redis.sentinel else {
            return Sentinels {
                answers: Vec::new(),
            };
        };
        let mut asked = JoinSet::new();
        for (at, (url, _)) in answers.iter().enumerate() {
            let (url, name, config) = (url.clone(), name.clone(), config.clone());
            asked.spawn(async move { (at, master(&url, &name, &config.redis).await) });
        }
        let mut end: Option<Instant> = None;
        loop {
            let answer = match end {
                None => asked.join_next().await,
                Some(end) => timeout_at(end, asked.join_next()).await.unwrap_or(None),
            };
            let Some(answer) = answer else {
                return Sentinels { answers };
            };
            let Ok((at, answer)) = answer else { continue };
            if answer.is_ok() {
                end.get_or_insert_with(|| Instant::now() + STRAGGLERS);
            }
            if let Some((_, last)) = answers.get_mut(at) {
                *last = answer;
            }
        }
    }

    /// The master to use, and the first sentinel that names it.
    pub(crate) fn master(&self) -> Option<(&Endpoint, &Endpoint)> {
        let named: Vec<(&Endpoint, &NamedMaster)> = self
            .answers
            .iter()
            .filter_map(|(url, answer)| Some((url, answer.as_ref().ok()?)))
            .collect();
        let words: Vec<&NamedMaster> = named.iter().map(|(_, named)| *named).collect();
        let (url, believed) = named.get(believed(&words)?)?;
        Some((&believed.master, url))
    }

    /// Why the others name no master.
    pub(crate) fn failures(&self) -> Vec<(String, Fault)> {
        let failed = |(url, answer): &(Endpoint, Result<NamedMaster, Fault>)| {
            Some((url.to_string(), answer.as_ref().err()?.clone()))
        };
        self.answers.iter().filter_map(failed).collect()
    }
}

/// Which answer counts: that with the highest epoch, as among the sentinels themselves, because one
/// that was disconnected during a failover has an older configuration. Among equal ones that of the
/// majority, then the first.
fn believed(words: &[&NamedMaster]) -> Option<usize> {
    let votes = |named: &NamedMaster| {
        let same = words.iter().filter(|other| other.master == named.master);
        same.count()
    };
    let ranked = words.iter().enumerate();
    ranked
        .max_by_key(|(at, named)| (named.epoch, votes(named), Reverse(*at)))
        .map(|(at, _)| at)
}

/// The master that this sentinel names.
async fn master(sentinel: &Endpoint, name: &str, redis: &Redis) -> Result<NamedMaster, Fault> {
    let credentials = Credentials::for_sentinel(redis, sentinel).await?;
    let secret = credentials.password.as_ref();
    let shown = |failure: CommandError| match failure {
        CommandError::ErrorReply(reply) => {
            let mut fault = reply.without(secret).fault();
            fault.why = format!("the sentinel said {}", fault.why);
            fault
        }
        CommandError::Lost(fault) => fault,
    };
    let limit = redis.connect_timeout;
    let link = plain(sentinel, &credentials, limit).await;
    let mut link = link.map_err(shown)?;
    let mut question = cmd("SENTINEL");
    question.arg("GET-MASTER-ADDR-BY-NAME").arg(name);
    let answer = link.send_within(&question, limit).await.map_err(shown)?;
    let master = match &answer {
        Value::Array(parts) => match parts.as_slice() {
            [Value::BulkString(host), Value::BulkString(port)] => {
                let host = String::from_utf8(host.clone()).ok();
                let port = std::str::from_utf8(port)
                    .ok()
                    .and_then(|port| port.parse().ok());
                let tls = redis.master_tls.unwrap_or_else(|| sentinel.is_tls());
                host.zip(port)
                    .map(|(host, port)| sentinel.master_at(host, port, tls))
            }
            _ => None,
        }
        .ok_or_else(|| Fault::unexpected_reply("SENTINEL GET-MASTER-ADDR-BY-NAME"))?,
        Value::Nil => {
            let name = Quoted(name.as_bytes());
            let why = format!("the sentinel monitors no master called {name}; check `sentinel`");
            return Err(Fault::new(FaultCode::NoSentinel, why));
        }
        _ => return Err(Fault::new(FaultCode::NoSentinel, "this is not a sentinel")),
    };
    let epoch = epoch(&mut link, name, limit).await.map_err(shown)?;
    Ok(NamedMaster { master, epoch })
}

/// The configuration epoch of the sentinel. None if its user may not ask for it.
async fn epoch(link: &mut Link, name: &str, limit: Duration) -> Result<Option<u64>, CommandError> {
    let mut question = cmd("SENTINEL");
    question.arg("MASTER").arg(name);
    let fields = match link.send_within(&question, limit).await {
        Ok(Value::Array(fields)) => fields,
        Ok(_) | Err(CommandError::ErrorReply(_)) => return Ok(None),
        Err(lost) => return Err(lost),
    };
    let mut pairs = fields.chunks_exact(2);
    let value = pairs.find_map(|pair| match pair {
        [Value::BulkString(field), Value::BulkString(value)] if field == b"config-epoch" => {
            Some(value)
        }
        _ => None,
    });
    let number = value.and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_configuration_is_believed_then_the_most_then_the_first() {
        let sentinel = Endpoint::parse("redis://s").unwrap();
        let says = |port: u16, epoch: Option<u64>| NamedMaster {
            master: sentinel.master_at("m".into(), port, false),
            epoch,
        };
        for (words, believe) in [
            (vec![], None),
            (vec![says(1, Some(0))], Some(0)),
            // cut off during a failover, and in the majority
            (
                vec![says(1, Some(3)), says(1, Some(3)), says(2, Some(4))],
                Some(2),
            ),
            (
                vec![says(1, Some(4)), says(2, Some(4)), says(2, Some(4))],
                Some(1),
            ),
            (vec![says(1, Some(4)), says(2, Some(4))], Some(0)),
            // those that do not say are believed where nobody does
            (vec![says(1, None), says(2, Some(0))], Some(1)),
            (vec![says(1, None), says(2, None), says(2, None)], Some(1)),
        ] {
            let words: Vec<&NamedMaster> = words.iter().collect();
            assert_eq!(believed(&words), believe, "{words:?}");
        }
    }
}
