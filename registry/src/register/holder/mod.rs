//! Holding a role: joining again and again, so that it ends when we do.

mod answer;
mod beat;
mod name;

pub use beat::{Beat, Ended, EndedBy, HoldOptions};

use super::change::{Place, logged, quoted};
use super::registrar::{Done, Registrar};
use super::reply::{bytes, items, number, text};
use super::role::{Role, Where};
use super::script::{Call, Script, lease_keys, nonce};
use super::trouble::Trouble;
use crate::follow::random;
use answer::{Answer, Holding, answer};
use cloudhosts_config::Config;
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
    told: Told,
}

/// What Redis told the holder last.
#[derive(Debug, Default)]
struct Told {
    state: State,
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
enum State {
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
            told: Told::default(),
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
        if self.told.state != State::Held {
            return None;
        }
        let gone = Moment::now().0.saturating_sub(self.told.renewed?.0);
        Some(Instant::now() + self.options.lease.saturating_sub(gone))
    }

    /// Waits until the next renewal is due. The first is at once.
    pub async fn due(&self) {
        tokio::time::sleep_until(self.due.into()).await;
    }

    /// Renews now, in these places. Given up half way it has done no harm.
    pub async fn renew(&mut self, places: Vec<Place>) -> Beat {
        let sent = Moment::now();
        let beat = self.beat(&places, sent).await;
        if let Ok(Beat::Ended(_)) = &beat {
            // It ended in one hash; so it does in the others.
            let _ = self.end(places).await;
        }
        self.next(beat.is_ok());
        beat.unwrap_or_else(Beat::Failed)
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
    pub async fn end(&mut self, places: Vec<Place>) -> Result<Vec<Ended>, Trouble> {
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
            Err(Trouble::Unanswered(_)) => self.registrar.run(&call).await,
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
            .ok_or_else(Trouble::not_understood)
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
    async fn beat(&mut self, places: &[Place], sent: Moment) -> Result<Beat, Trouble> {
        if self.told.state != State::New && !self.told.interrupted && self.move_on(places).await? {
            return Ok(self.goes_on(places, sent));
        }
        let mut taken = 0;
        loop {
            let answer = self.hold(places).await?;
            match answer {
                Answer::Goes(holding) if holding.done.len() == places.len() => {
                    let due = holding.due.clone();
                    let beat = self.take_in(holding, sent);
                    self.expire(places, &due).await;
                    return Ok(beat);
                }
                Answer::Ended(ended) => {
                    self.told.state = State::New;
                    return Ok(Beat::Ended(ended));
                }
                Answer::Taken if taken < NAMES => {
                    taken += 1;
                    let nonce = if taken > 2 {
                        nonce()
                    } else {
                        self.nonce.clone()
                    };
                    let other = name::other(&self.wanted, taken, &nonce);
                    self.role = other.map_err(|error| Trouble::Refused(error.to_string()))?;
                }
                Answer::Taken => {
                    let why = format!("{}: others have this name", self.wanted);
                    return Err(Trouble::Away(why));
                }
                Answer::Goes(_) => return Err(Trouble::not_understood()),
            }
        }
    }

    /// The mere renewal; false if there is more to do.
    async fn move_on(&mut self, places: &[Place]) -> Result<bool, Trouble> {
        let field = self.role.to_string();
        let values = values(places);
        let arguments: Vec<&[u8]> = [field.as_bytes(), self.nonce.as_bytes()]
            .into_iter()
            .chain(values)
            .collect();
        let hashes = places.iter().map(|place| place.hash.as_str());
        let call = Script::Renew.renewal(hashes, self.role.name(), &arguments);
        let answer = self.registrar.run(&call).await?;
        if let (State::Standby(holder), Some(now)) = (&mut self.told.state, text(&answer)) {
            *holder = now;
            return Ok(true);
        }
        Ok(number(&answer) == Some(1))
    }

    /// All there is to holding.
    async fn hold(&mut self, places: &[Place]) -> Result<Answer, Trouble> {
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
            match self.told.state {
                State::New => "new",
                State::Held => "held",
                State::Standby(_) => "standby",
            }
            .to_owned(),
            self.told.from.to_string(),
            u8::from(self.told.interrupted).to_string(),
            self.told.barred.to_string(),
        ]);
        let call = self.call(Script::Hold, places, &words, "hold");
        answer(&self.registrar.run(&call).await?).ok_or_else(Trouble::not_understood)
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
    fn goes_on(&mut self, places: &[Place], sent: Moment) -> Beat {
        let acquired = self.has_run_out(sent);
        self.told.renewed = Some(sent);
        match &self.told.state {
            State::Standby(holder) => Beat::Standby {
                holder: holder.clone(),
                ended: None,
            },
            _ => self.held(vec![Done::default(); places.len()], acquired),
        }
    }

    /// Takes in what Redis has told.
    fn take_in(&mut self, holding: Holding, sent: Moment) -> Beat {
        let Holding {
            behind,
            from,
            ended,
            barred,
            done,
            ..
        } = holding;
        let was_held = self.told.state == State::Held;
        let acquired = !was_held
            || self.has_run_out(sent)
            || (self.options.exclusive && self.told.from != from);
        let state = match &behind {
            Some(holder) => State::Standby(holder.clone()),
            None => State::Held,
        };
        self.told = Told {
            state,
            from,
            renewed: Some(sent),
            interrupted: false,
            barred,
        };
        match behind {
            Some(holder) => Beat::Standby { holder, ended },
            None => self.held(done, acquired),
        }
    }

    fn held(&self, done: Vec<Done>, acquired: bool) -> Beat {
        Beat::Held {
            done,
            term: self.options.exclusive.then_some(self.told.from),
            acquired,
        }
    }

    /// Whether the lease had run out then, by our own clock.
    fn has_run_out(&self, then: Moment) -> bool {
        let renewed = self.told.renewed;
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
            self.told.interrupted = true;
            self.registrar.hang_up();
        }
    }
}

/// What is written in each place.
fn values(places: &[Place]) -> impl Iterator<Item = &[u8]> {
    let values = places.iter().map(|place| place.at.as_ref());
    values.map(|at| at.map(Where::as_str).unwrap_or_default().as_bytes())
}
