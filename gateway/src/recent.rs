//! What was written a short time ago, so that who says the same again is answered without Redis.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use cloudhosts_registry::register::{Place, Role};

/// How long it counts. Meanwhile others may have changed Redis without this gateway.
const FRESH: Duration = Duration::from_secs(60);

/// Roles that are remembered.
const MOST_ROLES: usize = 16_384;

/// The last changes of each role.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    roles: HashMap<String, RoleChanges>,
    last: u64,
}

/// The last changes of one role, by member.
#[derive(Debug, Default)]
struct RoleChanges {
    /// The newest of its changes, which may not be made yet.
    newest: u64,
    written: HashMap<Option<String>, Written>,
}

/// A change that is being made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket(u64);

/// What was written.
#[derive(Debug)]
struct Written {
    token: String,
    places: Vec<Place>,
    at: Instant,
}

impl Recent {
    /// Whether this token has written just this, and nobody here has changed the role since.
    pub(crate) fn has(&self, token: &str, role: &Role, places: &[Place], now: Instant) -> bool {
        let member = role.member().map(str::to_owned);
        let written = self
            .roles
            .get(role.name())
            .and_then(|role| role.written.get(&member));
        written.is_some_and(|written| {
            written.token == token
                && written.places == places
                && now.saturating_duration_since(written.at) < FRESH
        })
    }

    /// A change of this role, or of this member, begins: forgets what it may make untrue.
    pub(crate) fn begin(&mut self, role: &Role) -> Ticket {
        if self.roles.len() >= MOST_ROLES {
            self.roles.clear();
        }
        self.last += 1;
        let changes = self.roles.entry(role.name().to_owned()).or_default();
        changes.newest = self.last;
        if role.member().is_none() || changes.written.len() >= MOST_ROLES {
            changes.written.clear();
        } else {
            changes.written.remove(&None);
            changes.written.remove(&role.member().map(str::to_owned));
        }
        Ticket(self.last)
    }

    /// Remembers what has been written, unless another change of the role has begun since: nobody
    /// knows which of the two came first.
    pub(crate) fn remember(
        &mut self,
        ticket: Ticket,
        token: &str,
        role: &Role,
        places: &[Place],
        now: Instant,
    ) {
        let changes = self.roles.get_mut(role.name());
        if let Some(changes) = changes.filter(|changes| changes.newest == ticket.0) {
            let written = Written {
                token: token.to_owned(),
                places: places.to_vec(),
                at: now,
            };
            changes
                .written
                .insert(role.member().map(str::to_owned), written);
        }
    }
}

#[cfg(test)]
mod tests {
    use cloudhosts_registry::register::Where;

    use super::*;

    #[test]
    fn any_other_change_makes_it_untrue() {
        let (mut recent, now) = (Recent::default(), Instant::now());
        let role = Role::parse("web").unwrap();
        let member = |name: &str| role.clone().with_member(name).unwrap();
        let at = |text: &str| {
            vec![Place {
                hash: "h".to_owned(),
                at: Some(Where::addresses(text).unwrap()),
            }]
        };
        let (one, other) = (at("10.0.0.1"), at("10.0.0.2"));
        let write = |recent: &mut Recent, token: &str, role: &Role| {
            let ticket = recent.begin(role);
            recent.remember(ticket, token, role, &one, now);
        };
        write(&mut recent, "a", &member("i"));
        write(&mut recent, "b", &member("j"));
        assert!(recent.has("a", &member("i"), &one, now));
        assert!(!recent.has("a", &member("i"), &other, now));
        assert!(!recent.has("b", &member("i"), &one, now));
        assert!(!recent.has("a", &role, &one, now));
        assert!(!recent.has("a", &member("i"), &one, now + FRESH));
        let earlier = recent.begin(&member("j"));
        assert!(recent.has("a", &member("i"), &one, now));
        recent.begin(&role);
        assert!(!recent.has("a", &member("i"), &one, now));
        recent.remember(earlier, "b", &member("j"), &one, now);
        assert!(!recent.has("b", &member("j"), &one, now));
        write(&mut recent, "a", &role);
        assert!(recent.has("a", &role, &one, now));
        recent.begin(&member("j"));
        assert!(!recent.has("a", &role, &one, now));
    }
}
