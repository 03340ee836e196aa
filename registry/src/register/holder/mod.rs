//! Holds a role with a lease, which is renewed until the holder ends.

mod hold_reply;
mod member_name;
mod renewal;

use std::sync::Arc;
use std::time::{Duration, Instant};

use cloudhosts_config::Config;
use hold_reply::{HoldReply, HoldState, hold_reply};
use redis::Value;
pub use renewal::{Ended, EndedBy, HoldOptions, Renewal};

use super::change::{Place, logged, quoted};
use super::error::RegisterError;
use super::registrar::{ChangeOutcome, Registrar};
use super::role::{Role, Where};
use super::script::{Call, Script, lease_keys, nonce};
use crate::jitter;
use crate::reply::{bytes, items, number, text};

/// The shortest lease: half of it must suffice to reconnect to Redis.
pub const SHORTEST_LEASE: Duration = Duration::from_secs(3);

/// The longest lease.
pub const LONGEST_LEASE: Duration = Duration::from_secs(24 * 3600);

/// The longest time between two renewals. Expired members are removed at the renewal of another, so
/// long leases are renewed as often.
const OFTEN: Duration = Duration::from_secs(4);

/// How many member IDs are tried.
const NAMES: usize = 4;

/// Holds one member of a role.
///
/// It renews after a quarter of the lease, and at least every 4 s. After a failure it reaches Redis
/// again within a third of the lease: connecting and waiting for a reply take at most a sixth each,
/// and the pause between two attempts at most a twelfth.
pub struct Holder {
    registrar: Registrar,
    /// The configured role and member, and the current one.
    wanted: Role,
    role: Role,
    options: HoldOptions,
    /// Identifies this holder.
    nonce: String,
    due: Instant,
    last: LastReply,
}

/// The state after the last reply.
#[derive(Debug, Default)]
struct LastReply {
    state: HolderState,
    /// Since when; for an exclusive holder the term.
    from: u64,
    /// When the last confirmed renewal was sent.
    renewed: Option<Moment>,
    /// Whether an attempt has failed since.
    interrupted: bool,
    /// The term by which this holder was ended, or 0.
    barred: u64,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
enum HolderState {
    /// Not joined yet.
    #[default]
    New,
    Held,
    /// Another holder has it.
    Standby(String),
}

/// A time by CLOCK_BOOTTIME, which advances while the machine is suspended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Moment(Duration);

impl Moment {
    fn now() -> Moment {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Moment(Duration::try_from(now).unwrap_or_default())
    }
}

impl Holder {
    /// A holder that has not joined yet. The role needs a member.
    #[must_use]
    pub fn new(config: &Config, role: Role, options: HoldOptions) -> Holder {
        let lease = options.lease;
        let mut config = config.clone();
        config.redis.connect_timeout = config.redis.connect_timeout.min(lease / 6);
        let patience = (lease / 6).min(Duration::from_secs(4));
        Holder {
            registrar: Registrar::new(Arc::new(config)).with_patience(patience),
            wanted: role.clone(),
            role,
            options,
            nonce: nonce(),
            due: Instant::now(),
            last: LastReply::default(),
        }
    }

    /// The registrar, to learn the address from which Redis is reached.
    pub fn registrar(&mut self) -> &mut Registrar {
        &mut self.registrar
    }

    /// The role with the member ID under which it is held. It differs from the configured one if
    /// another holder has that.
    #[must_use]
    pub fn role(&self) -> &Role {
        &self.role
    }

    /// Until when it is certainly held, by the clock of this machine: one lease after the last
    /// renewal was sent. None while it is not held. An exclusive holder has lost the role then.
    #[must_use]
    pub fn expires(&self) -> Option<Instant> {
        if self.last.state != HolderState::Held {
            return None;
        }
        let gone = Moment::now().0.saturating_sub(self.last.renewed?.0);
        Some(Instant::now() + self.options.lease.saturating_sub(gone))
    }

    /// Waits until the next renewal is due. The first is due at once.
    pub async fn due(&self) {
        tokio::time::sleep_until(self.due.into()).await;
    }

    /// Renews now, in these places. It may be cancelled.
    pub async fn renew(&mut self, places: Vec<Place>) -> Renewal {
        let sent = Moment::now();
        let renewal = self.try_to_renew(&places, sent).await;
        if let Ok(Renewal::Ended(_)) = &renewal {
            // If it ended in one hash, it ends in all.
            let _ = self.end(places).await;
        }
        self.next(renewal.is_ok());
        renewal.unwrap_or_else(Renewal::Failed)
    }

    /// Records an attempt that failed before the renewal.
    pub fn failed(&mut self) {
        self.next(false);
    }

    /// Ends holding, or standby. Returns the result for each hash.
    ///
    /// # Errors
    /// Redis cannot be reached within a sixth of the lease, or refuses. The lease expires by
    /// itself.
    pub async fn end(&mut self, places: Vec<Place>) -> Result<Vec<Ended>, RegisterError> {
        let keep = if self.options.keep_last {
            "keep"
        } else {
            "remove"
        };
        let mut words = self.words();
        words.push(keep.to_owned());
        let call = self.call(Script::End, &places, &words, "end");
        let answer = match self.registrar.run(&call).await {
            // The connection may have been dead since the last renewal.
            Err(RegisterError::Unanswered(_)) => self.registrar.run(&call).await,
            answer => answer,
        }?;
        let ended = |one: &Value| match bytes(one)? {
            b"removed" => Some(Ended::Removed),
            b"kept" => Some(Ended::Kept),
            b"absent" => Some(Ended::Absent),
            _ => None,
        };
        let all: Option<Vec<Ended>> = items(&answer).iter().map(ended).collect();
        all.filter(|all| all.len() == places.len())
            .ok_or_else(RegisterError::not_understood)
    }

    /// Holding as lines for `redis-cli`. What is not a Redis command is in comments.
    #[must_use]
    pub fn spelled(&self, places: &[Place]) -> Vec<String> {
        let (role, lease) = (&self.role, self.options.lease.as_millis());
        let mut lines = vec!["# in one step, by a script:".to_owned()];
        for Place { hash, at } in places {
            let [held, times, _] = lease_keys(hash, role.name()).map(|key| quoted(&key));
            let at = at.as_ref().map(Where::as_str).unwrap_or_default();
            if self.options.exclusive {
                let name = role.name();
                lines.push(format!(
                    "# if nobody else holds {name} in {}:",
                    quoted(hash)
                ));
            }
            lines.push(format!(
                "# HSET {held} {role} (who holds it, for {lease} ms: {})",
                quoted(at)
            ));
            lines.push(format!("# ZADD {times} (the time of Redis in ms) {role}"));
            lines.push(logged(hash, "hold", &[(&format!("+{role}"), at)]));
            lines.push(format!("HSET {} {role} {}", quoted(hash), quoted(at)));
            lines.push(format!(
                "# HDEL {} the members of {} whose lease has expired",
                quoted(hash),
                role.name()
            ));
        }
        lines
    }

    /// One attempt.
    async fn try_to_renew(
        &mut self,
        places: &[Place],
        sent: Moment,
    ) -> Result<Renewal, RegisterError> {
        if self.last.state != HolderState::New
            && !self.last.interrupted
            && self.renew_lease(places).await?
        {
            return Ok(self.unchanged(places, sent));
        }
        let mut taken = 0;
        loop {
            let answer = self.hold(places).await?;
            match answer {
                HoldReply::Current(holding) if holding.done.len() == places.len() => {
                    let due = holding.due.clone();
                    let renewal = self.take_in(holding, sent);
                    self.expire(places, &due).await;
                    return Ok(renewal);
                }
                HoldReply::Ended(ended) => {
                    self.last.state = HolderState::New;
                    return Ok(Renewal::Ended(ended));
                }
                HoldReply::NameTaken if taken < NAMES => {
                    taken += 1;
                    let nonce = if taken > 2 {
                        nonce()
                    } else {
                        self.nonce.clone()
                    };
                    let other = member_name::other(&self.wanted, taken, &nonce);
                    self.role = other.map_err(|error| RegisterError::Refused(error.to_string()))?;
                }
                HoldReply::NameTaken => {
                    let why = format!("{}: other holders have this member ID", self.wanted);
                    return Err(RegisterError::Away(why));
                }
                HoldReply::Current(_) => return Err(RegisterError::not_understood()),
            }
        }
    }

    /// Runs `lua/renew.lua`. False if there is more to do.
    async fn renew_lease(&mut self, places: &[Place]) -> Result<bool, RegisterError> {
        let field = self.role.to_string();
        let values = values(places);
        let arguments: Vec<&[u8]> = [field.as_bytes(), self.nonce.as_bytes()]
            .into_iter()
            .chain(values)
            .collect();
        let hashes = places.iter().map(|place| place.hash.as_str());
        let call = Script::Renew.renewal(hashes, self.role.name(), &arguments);
        let answer = self.registrar.run(&call).await?;
        if let (HolderState::Standby(holder), Some(now)) = (&mut self.last.state, text(&answer)) {
            *holder = now;
            return Ok(true);
        }
        Ok(number(&answer) == Some(1))
    }

    /// Runs `lua/hold.lua`.
    async fn hold(&mut self, places: &[Place]) -> Result<HoldReply, RegisterError> {
        let lease = |lease: Duration| lease.as_millis().to_string();
        let HoldOptions {
            exclusive,
            expire_last,
            ..
        } = self.options;
        let mut words = self.words();
        words.extend([
            lease(self.options.lease),
            if exclusive { "exclusive" } else { "shared" }.to_owned(),
            expire_last.map_or_else(|| "-".to_owned(), lease),
            match self.last.state {
                HolderState::New => "new",
                HolderState::Held => "held",
                HolderState::Standby(_) => "standby",
            }
            .to_owned(),
            self.last.from.to_string(),
            u8::from(self.last.interrupted).to_string(),
            self.last.barred.to_string(),
        ]);
        let call = self.call(Script::Hold, places, &words, "hold");
        hold_reply(&self.registrar.run(&call).await?).ok_or_else(RegisterError::not_understood)
    }

    /// Runs `lua/expire.lua` for what has expired. A failure does not concern this holder.
    async fn expire(&mut self, places: &[Place], due: &[Option<Vec<u8>>]) {
        for (place, due) in places.iter().zip(due) {
            let Some(due) = due else { continue };
            let role = due.split(|&byte| byte == b'/').next().unwrap_or_default();
            let Ok(role) = std::str::from_utf8(role) else {
                continue;
            };
            let field = self.role.to_string();
            let arguments = [field.as_bytes(), self.nonce.as_bytes(), due];
            let hash = std::iter::once(place.hash.as_str());
            let author = self.registrar.author();
            let call = Script::Expire.leases(hash, role, &arguments, "expire", author);
            if self.registrar.run(&call).await.is_err() {
                return;
            }
        }
    }

    /// The first arguments of each script: who this is.
    fn words(&self) -> Vec<String> {
        let member = self.role.member().unwrap_or_default();
        vec![
            self.role.name().to_owned(),
            member.to_owned(),
            self.nonce.clone(),
        ]
    }

    fn call(&self, script: Script, places: &[Place], words: &[String], verb: &str) -> Call {
        let words = words.iter().map(String::as_bytes);
        let arguments: Vec<&[u8]> = match script {
            Script::Hold => words.chain(values(places)).collect(),
            _ => words.collect(),
        };
        let hashes = places.iter().map(|place| place.hash.as_str());
        let author = self.registrar.author();
        script.leases(hashes, self.role.name(), &arguments, verb, author)
    }

    /// Nothing has changed.
    fn unchanged(&mut self, places: &[Place], sent: Moment) -> Renewal {
        let acquired = self.has_run_out(sent);
        self.last.renewed = Some(sent);
        match &self.last.state {
            HolderState::Standby(holder) => Renewal::Standby {
                holder: holder.clone(),
                ended: None,
            },
            _ => self.held(vec![ChangeOutcome::default(); places.len()], acquired),
        }
    }

    /// Takes in the reply of `lua/hold.lua`.
    fn take_in(&mut self, holding: HoldState, sent: Moment) -> Renewal {
        let HoldState {
            behind,
            from,
            ended,
            barred,
            done,
            ..
        } = holding;
        let was_held = self.last.state == HolderState::Held;
        let acquired = !was_held
            || self.has_run_out(sent)
            || (self.options.exclusive && self.last.from != from);
        let state = match &behind {
            Some(holder) => HolderState::Standby(holder.clone()),
            None => HolderState::Held,
        };
        self.last = LastReply {
            state,
            from,
            renewed: Some(sent),
            interrupted: false,
            barred,
        };
        match behind {
            Some(holder) => Renewal::Standby { holder, ended },
            None => self.held(done, acquired),
        }
    }

    fn held(&self, done: Vec<ChangeOutcome>, acquired: bool) -> Renewal {
        Renewal::Held {
            done,
            term: self.options.exclusive.then_some(self.last.from),
            acquired,
        }
    }

    /// Whether the lease had expired then, by the clock of this machine.
    fn has_run_out(&self, then: Moment) -> bool {
        let renewed = self.last.renewed;
        renewed.is_none_or(|renewed| then.0.saturating_sub(renewed.0) > self.options.lease)
    }

    /// Schedules the next attempt, with jitter, so that holders that lost the same Redis come back
    /// spread out.
    fn next(&mut self, renewed: bool) {
        let lease = self.options.lease;
        let pause = if renewed {
            jitter::between((lease / 4).min(OFTEN), 0.75, 1.0)
        } else {
            jitter::between((lease / 12).min(OFTEN), 0.25, 1.0)
        };
        self.due = Instant::now() + pause;
        if !renewed {
            self.last.interrupted = true;
            self.registrar.disconnect();
        }
    }
}

/// The value for each place.
fn values(places: &[Place]) -> impl Iterator<Item = &[u8]> {
    let values = places.iter().map(|place| place.at.as_ref());
    values.map(|at| at.map(Where::as_str).unwrap_or_default().as_bytes())
}
