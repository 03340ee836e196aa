//! Holding a role: joining again and again, so that it ends when we do.

mod hold_reply;
mod member_name;
mod renewal;

pub use renewal::{Ended, EndedBy, HoldOptions, Renewal};

use super::change::{Place, logged, quoted};
use super::error::RegisterError;
use super::registrar::{ChangeOutcome, Registrar};
use super::reply::{bytes, items, number, text};
use super::role::{Role, Where};
use super::script::{Call, Script, lease_keys, nonce};
use crate::follow::random;
use cloudhosts_config::Config;
use hold_reply::{HoldReply, HoldState, hold_reply};
use redis::Value;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The shortest lease: half of it must be enough to find Redis again.
pub const SHORTEST_LEASE: Duration = Duration::from_secs(3);

/// The longest lease.
pub const LONGEST_LEASE: Duration = Duration::from_secs(24 * 3600);

/// The longest time between two renewals. Leases of others end no sooner than
/// at somebody's renewal, so long leases are renewed as often.
const OFTEN: Duration = Duration::from_secs(4);

/// How many names are tried.
const NAMES: usize = 4;

/// Holds one member of a role.
///
/// It renews when a quarter of the lease has gone, and at least every 4 s. What
/// it does to reach Redis again after a failure is bounded so that it is back
/// within a third of the lease. No attempt to connect and no wait for an answer
/// takes more than a sixth, and no pause between two attempts more than a
/// twelfth.
pub struct Holder {
    registrar: Registrar,
    /// What it is to be, and what it is.
    wanted: Role,
    role: Role,
    options: HoldOptions,
    /// Tells this holder from all others.
    nonce: String,
    due: Instant,
    last: LastReply,
}

/// What Redis told the holder last.
#[derive(Debug, Default)]
struct LastReply {
    state: HolderState,
    /// From when it is so; the term, where the role is held exclusively.
    from: u64,
    /// When the renewal was sent that was confirmed last.
    renewed: Option<Moment>,
    /// Whether an attempt has failed since.
    interrupted: bool,
    /// The term by which the role was taken from us, or 0.
    barred: u64,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
enum HolderState {
    /// Nothing yet.
    #[default]
    New,
    Held,
    /// Somebody else holds it.
    Standby(String),
}

/// A moment by the clock that goes on while the machine is suspended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Moment(Duration);

impl Moment {
    fn now() -> Moment {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Moment(Duration::try_from(now).unwrap_or_default())
    }
}

impl Holder {
    /// One that has not joined yet. The role needs a member.
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

    /// The way to Redis: to ask from which address it is reached.
    pub fn registrar(&mut self) -> &mut Registrar {
        &mut self.registrar
    }

    /// The role, with the member under which it is held: where another holder
    /// has that name, it is another than it was at first.
    #[must_use]
    pub fn role(&self) -> &Role {
        &self.role
    }

    /// Until when it is held for certain, by the clock of this machine: a lease
    /// from when the last renewal was sent. None while it is not held. Who holds
    /// exclusively has lost the role then.
    #[must_use]
    pub fn expires(&self) -> Option<Instant> {
        if self.last.state != HolderState::Held {
            return None;
        }
        let gone = Moment::now().0.saturating_sub(self.last.renewed?.0);
        Some(Instant::now() + self.options.lease.saturating_sub(gone))
    }

    /// Waits until the next renewal is due. The first is at once.
    pub async fn due(&self) {
        tokio::time::sleep_until(self.due.into()).await;
    }

    /// Renews now, in these places. Given up half way it has done no harm.
    pub async fn renew(&mut self, places: Vec<Place>) -> Renewal {
        let sent = Moment::now();
        let renewal = self.try_to_renew(&places, sent).await;
        if let Ok(Renewal::Ended(_)) = &renewal {
            // It ended in one hash; so it does in the others.
            let _ = self.end(places).await;
        }
        self.next(renewal.is_ok());
        renewal.unwrap_or_else(Renewal::Failed)
    }

    /// Takes note of an attempt that failed before it came to renewing.
    pub fn failed(&mut self) {
        self.next(false);
    }

    /// Holds it no more, and stands by no more; how it ended in each hash.
    ///
    /// # Errors
    /// Redis cannot be reached within a sixth of the lease, or says no. The
    /// lease ends by itself.
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
            // The connection may have been dead for as long as nobody asked.
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

    /// What holding does, as lines for `redis-cli`; what no command of Redis
    /// says stands in a comment.
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
                "# HDEL {} whoever of {} has not renewed for a lease",
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
                    let why = format!("{}: others have this name", self.wanted);
                    return Err(RegisterError::Away(why));
                }
                HoldReply::Current(_) => return Err(RegisterError::not_understood()),
            }
        }
    }

    /// The mere renewal; false if there is more to do.
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

    /// All there is to holding.
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

    /// Has what is due expire, beside the renewal: it is nothing to this holder
    /// whether that succeeds.
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

    /// What begins the arguments of each script that holds: who this is.
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

    /// Takes in that all is as it was.
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

    /// Takes in what Redis has told.
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

    /// Whether the lease had run out then, by our own clock.
    fn has_run_out(&self, then: Moment) -> bool {
        let renewed = self.last.renewed;
        renewed.is_none_or(|renewed| then.0.saturating_sub(renewed.0) > self.options.lease)
    }

    /// With jitter, so that those that lost the same Redis come back spread out.
    fn next(&mut self, renewed: bool) {
        let lease = self.options.lease;
        let pause = match renewed {
            true => (lease / 4).min(OFTEN).mul_f64(0.75 + 0.25 * random()),
            false => (lease / 12).min(OFTEN).mul_f64(0.25 + 0.75 * random()),
        };
        self.due = Instant::now() + pause;
        if !renewed {
            self.last.interrupted = true;
            self.registrar.hang_up();
        }
    }
}

/// What is written in each place.
fn values(places: &[Place]) -> impl Iterator<Item = &[u8]> {
    let values = places.iter().map(|place| place.at.as_ref());
    values.map(|at| at.map(Where::as_str).unwrap_or_default().as_bytes())
}
