//! Leases in Redis: the scripts of a holder.

use std::time::Duration;

use redis::Value;

use super::hold_reply::{HoldReply, HoldState, hold_reply};
use super::lease_reply::LeaseReply;
use super::lease_request::{EndRequest, LeaseRequest, LeaseState};
use super::lease_store::LeaseStore;
use super::renewal::Ended;
use crate::register::change::Place;
use crate::register::error::RegisterError;
use crate::register::outcome::PlaceOutcome;
use crate::register::registrar::Registrar;
use crate::register::role::{Role, Where};
use crate::register::script::{Call, Script};
use crate::reply::{bytes, items, number, text};

impl LeaseStore for Registrar {
    async fn renew(
        &mut self,
        role: &Role,
        places: &[Place],
        request: &LeaseRequest,
    ) -> Result<LeaseReply, RegisterError> {
        let mut lease = RedisLease {
            registrar: self,
            role,
            places,
            nonce: request.nonce.as_str(),
        };
        if let Some(renewed) = lease.renew(request).await? {
            return Ok(renewed);
        }
        match lease.hold(request).await? {
            HoldReply::Current(holding) => {
                lease.expire(&holding.due).await;
                Ok(lease.current(holding))
            }
            HoldReply::Ended(ended) => {
                if request.state == LeaseState::Unknown {
                    // If it ended in one hash, it ends in all. A holder with state sees to that.
                    let _ = lease.end(false).await;
                }
                Ok(LeaseReply::Ended(ended))
            }
            HoldReply::NameTaken => Ok(LeaseReply::Taken),
        }
    }

    async fn end(
        &mut self,
        role: &Role,
        places: &[Place],
        request: &EndRequest,
    ) -> Result<Vec<Ended>, RegisterError> {
        let mut lease = RedisLease {
            registrar: self,
            role,
            places,
            nonce: request.nonce.as_str(),
        };
        lease.end(request.keep_last).await
    }

    fn disconnect(&mut self) {
        Registrar::disconnect(self);
    }
}

/// The lease of one holder.
struct RedisLease<'r> {
    registrar: &'r mut Registrar,
    role: &'r Role,
    places: &'r [Place],
    nonce: &'r str,
}

impl RedisLease<'_> {
    /// Runs `lua/renew.lua`. None if there is more to do.
    async fn renew(&mut self, request: &LeaseRequest) -> Result<Option<LeaseReply>, RegisterError> {
        let renews = match request.state {
            LeaseState::New => false,
            LeaseState::Unknown => true,
            LeaseState::Held | LeaseState::Standby => !request.interrupted,
        };
        if !renews {
            return Ok(None);
        }
        let field = self.role.to_string();
        let arguments: Vec<&[u8]> = [field.as_bytes(), self.nonce.as_bytes()]
            .into_iter()
            .chain(values(self.places))
            .collect();
        let hashes = self.places.iter().map(|place| place.hash.as_str());
        let call = Script::Renew.renewal(hashes, self.role.name(), &arguments);
        let answer = self.registrar.run(&call).await?;
        let (from, barred) = (request.from, request.barred);
        Ok(match (request.state, text(&answer)) {
            (LeaseState::Standby | LeaseState::Unknown, Some(holder)) => {
                Some(LeaseReply::Standby {
                    holder,
                    from,
                    ended: None,
                    barred,
                })
            }
            (LeaseState::Held | LeaseState::Unknown, None) if number(&answer) == Some(1) => {
                let places = self.places.iter().cloned();
                Some(LeaseReply::Held {
                    from,
                    barred,
                    places: places.map(PlaceOutcome::unchanged).collect(),
                })
            }
            _ => None,
        })
    }

    /// Runs `lua/hold.lua`.
    async fn hold(&mut self, request: &LeaseRequest) -> Result<HoldReply, RegisterError> {
        let lease = |lease: Duration| lease.as_millis().to_string();
        let shared = if request.exclusive {
            "exclusive"
        } else {
            "shared"
        };
        let state = match request.state {
            LeaseState::New | LeaseState::Unknown => "new",
            LeaseState::Held => "held",
            LeaseState::Standby => "standby",
        };
        let mut words = self.words();
        words.extend([
            lease(request.lease),
            shared.to_owned(),
            request.expire_last.map_or_else(|| "-".to_owned(), lease),
            state.to_owned(),
            request.from.to_string(),
            u8::from(request.interrupted).to_string(),
            request.barred.to_string(),
        ]);
        let call = self.call(Script::Hold, &words, "hold");
        let reply = hold_reply(&self.registrar.run(&call).await?);
        reply
            .filter(|reply| match reply {
                HoldReply::Current(holding) => holding.done.len() == self.places.len(),
                HoldReply::Ended(_) | HoldReply::NameTaken => true,
            })
            .ok_or_else(RegisterError::not_understood)
    }

    /// What `lua/hold.lua` answered, for the holder.
    fn current(&self, holding: HoldState) -> LeaseReply {
        let HoldState {
            behind,
            from,
            ended,
            barred,
            done,
            ..
        } = holding;
        match behind {
            Some(holder) => LeaseReply::Standby {
                holder,
                from,
                ended,
                barred,
            },
            None => LeaseReply::Held {
                from,
                barred,
                places: PlaceOutcome::all(self.places, done),
            },
        }
    }

    /// Runs `lua/expire.lua` for what has expired. A failure does not concern this holder.
    async fn expire(&mut self, due: &[Option<Vec<u8>>]) {
        for (place, due) in self.places.iter().zip(due) {
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

    /// Runs `lua/end.lua`.
    async fn end(&mut self, keep_last: bool) -> Result<Vec<Ended>, RegisterError> {
        let mut words = self.words();
        words.push(if keep_last { "keep" } else { "remove" }.to_owned());
        let call = self.call(Script::End, &words, "end");
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
        all.filter(|all| all.len() == self.places.len())
            .ok_or_else(RegisterError::not_understood)
    }

    /// The first arguments of each script: who this is.
    fn words(&self) -> Vec<String> {
        let member = self.role.member().unwrap_or_default();
        [self.role.name(), member, self.nonce]
            .map(str::to_owned)
            .to_vec()
    }

    fn call(&self, script: Script, words: &[String], verb: &str) -> Call {
        let words = words.iter().map(String::as_bytes);
        let arguments: Vec<&[u8]> = match script {
            Script::Hold => words.chain(values(self.places)).collect(),
            _ => words.collect(),
        };
        let hashes = self.places.iter().map(|place| place.hash.as_str());
        let author = self.registrar.author();
        script.leases(hashes, self.role.name(), &arguments, verb, author)
    }
}

/// The value for each place.
fn values(places: &[Place]) -> impl Iterator<Item = &[u8]> {
    let values = places.iter().map(|place| place.at.as_ref());
    values.map(|at| at.map(Where::as_str).unwrap_or_default().as_bytes())
}
