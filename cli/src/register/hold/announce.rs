//! Messages of a holder, on standard error and to systemd.

use std::time::Duration;

use cloudhosts_config::printable::Escaped;
use cloudhosts_registry::register::{ChangeOutcome, Ended, EndedBy, Place, Role};
use sd_notify::NotifyState;

use super::membership::Membership;

/// Announces the state, once each time it changes.
#[derive(Debug, Default)]
pub(super) struct Announcer {
    /// What was announced last.
    last: String,
    /// The places that were last announced as held.
    held: Option<Vec<Place>>,
    /// The foreign field that was last reported there.
    foreign: String,
}

/// What the service manager is notified of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Readiness {
    /// It is held, or this is the standby that was wanted.
    Ready,
    /// Not yet, or not now; only the status text changes.
    Underway,
}

impl Announcer {
    /// The role is held.
    pub(super) fn held(
        &mut self,
        membership: &Membership,
        done: &[ChangeOutcome],
        term: Option<u64>,
        lease: Duration,
    ) {
        let (role, places) = (membership.role(), membership.places());
        self.report_foreign(role, places, done);
        let at = places.iter().filter_map(|place| {
            let at = place.at.as_ref()?;
            Some(format!("at {at} in {}", Escaped(&place.hash)))
        });
        let at = at.collect::<Vec<_>>().join(", ");
        let term = term
            .map(|term| format!(", term {term}"))
            .unwrap_or_default();
        let lease = humantime::format_duration(lease);
        let text = format!("{role}: held {at}{term}, lease {lease}");
        self.say(text, Readiness::Ready);
    }

    /// Reports what somebody else has written in the meantime. What was there before
    /// the role was first held is our own, from an earlier run.
    fn report_foreign(&mut self, role: &Role, places: &[Place], done: &[ChangeOutcome]) {
        let again = self.held.as_deref() == Some(places);
        self.held = Some(places.to_vec());
        let foreign = done.iter().flat_map(|one| &one.removed);
        for field in foreign.filter(|_| again) {
            if self.foreign != *field {
                let written = Escaped(field);
                eprintln!("cloudhosts: {role}: somebody else had written {written}");
            }
            self.foreign.clone_from(field);
        }
    }

    /// Somebody else holds it, or nobody.
    pub(super) fn standby(&mut self, role: &Role, holder: &str) {
        let text = match holder {
            "" => format!("{role}: standing by; nobody holds it yet"),
            holder => format!("{role}: standing by; held by {}", Escaped(holder)),
        };
        self.say(text, Readiness::Ready);
    }

    /// Somebody has claimed or released the role.
    pub(super) fn ended(&mut self, role: &Role, EndedBy { by, verb }: &EndedBy) {
        let text = format!("{role}: ended by {} ({})", Escaped(by), Escaped(verb));
        self.say(text, Readiness::Underway);
    }

    /// It could not be renewed.
    pub(super) fn not_renewed(&mut self, role: &Role, held: bool, why: &str) {
        let so_far = if held { "not renewed" } else { "not held yet" };
        let text = format!("{role}: {so_far}: {why}; trying again");
        self.say(text, Readiness::Underway);
    }

    /// The lease is about to end, and it is not known whether the role is still held.
    pub(super) fn surrendered(&mut self, role: &Role, left: Duration) {
        let left = Duration::from_millis(u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
        let left = humantime::format_duration(left);
        let text = format!("{role}: given up: not renewed, and the lease ends in {left}");
        self.say(text, Readiness::Underway);
    }

    /// The check fails, so this machine is not a member.
    pub(super) fn unhealthy(&mut self, role: &Role, why: &str) {
        let text = format!("{role}: not a member: the check fails: {why}");
        self.say(text, Readiness::Underway);
    }

    /// The check fails, without consequences yet.
    pub(super) fn failing(&self, role: &Role, why: &str) {
        eprintln!("cloudhosts: {role}: the check fails: {why}");
    }

    /// The role was left, in each of its hashes.
    pub(super) fn left(&mut self, role: &Role, places: &[Place], ended: &[Ended]) {
        self.held = None;
        for (place, ended) in places.iter().zip(ended) {
            let hash = Escaped(&place.hash);
            match ended {
                Ended::Removed => eprintln!("cloudhosts: {role}: left {hash}"),
                Ended::Kept => eprintln!(
                    "cloudhosts: {role}: stays in {hash}, as the last of {}, until somebody else \
                     holds or claims it",
                    role.name()
                ),
                Ended::Absent => {}
            }
        }
    }

    /// It could not be left.
    pub(super) fn not_left(&mut self, role: &Role, why: &str, lease: Duration) {
        let lease = humantime::format_duration(lease);
        eprintln!("cloudhosts: {role}: could not leave: {why}; its lease ends in {lease} at most");
    }

    /// This program is about to end.
    pub(super) fn stopping() {
        // Without systemd nobody listens.
        let _ = sd_notify::notify(&[NotifyState::Stopping]);
    }

    fn say(&mut self, text: String, readiness: Readiness) {
        if self.last == text {
            return;
        }
        eprintln!("cloudhosts: {text}");
        let status = NotifyState::Status(&text);
        // Without systemd nobody listens.
        let _ = match readiness {
            Readiness::Ready => sd_notify::notify(&[NotifyState::Ready, status]),
            Readiness::Underway => sd_notify::notify(&[status]),
        };
        self.last = text;
    }
}
