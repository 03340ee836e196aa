//! What a holder tells people, and systemd.

use std::time::Duration;

use cloudhosts_registry::register::{ChangeOutcome, Ended, EndedBy, Place, Role};
use sd_notify::NotifyState;

use super::membership::Membership;
use crate::outcome::Plain;

/// Says how it stands, once for each time that it changes.
#[derive(Debug, Default)]
pub(super) struct Announcer {
    /// What was said last.
    said: String,
    /// Where it was last said to be held.
    held: Option<Vec<Place>>,
    /// What somebody else was last said to have written there.
    stranger: String,
}

/// How far it has come, for the service manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// It is held, or this is the standby that was wanted.
    Ready,
    /// Not yet, or not now.
    Underway,
}

impl Announcer {
    /// It is held.
    pub(super) fn held(
        &mut self,
        membership: &Membership,
        done: &[ChangeOutcome],
        term: Option<u64>,
        lease: Duration,
    ) {
        let (role, places) = (membership.role(), membership.places());
        self.strangers(role, places, done);
        let at = places.iter().filter_map(|place| {
            let at = place.at.as_ref()?;
            Some(format!("at {at} in {}", Plain(&place.hash)))
        });
        let at = at.collect::<Vec<_>>().join(", ");
        let term = term
            .map(|term| format!(", term {term}"))
            .unwrap_or_default();
        let lease = humantime::format_duration(lease);
        let text = format!("{role}: held {at}{term}, lease {lease}");
        self.say(text, Progress::Ready);
    }

    /// What somebody else had written there meanwhile. What was there before it
    /// was first held here is our own from another life.
    fn strangers(&mut self, role: &Role, places: &[Place], done: &[ChangeOutcome]) {
        let again = self.held.as_deref() == Some(places);
        self.held = Some(places.to_vec());
        let strangers = done.iter().flat_map(|one| &one.removed);
        for stranger in strangers.filter(|_| again) {
            if self.stranger != *stranger {
                let written = Plain(stranger);
                eprintln!("cloudhosts: {role}: somebody else had written {written}");
            }
            self.stranger.clone_from(stranger);
        }
    }

    /// Somebody else holds it, or nobody.
    pub(super) fn standby(&mut self, role: &Role, holder: &str) {
        let text = match holder {
            "" => format!("{role}: standing by; nobody holds it yet"),
            holder => format!("{role}: standing by; held by {}", Plain(holder)),
        };
        self.say(text, Progress::Ready);
    }

    /// Somebody has taken the role from its holders.
    pub(super) fn ended(&mut self, role: &Role, EndedBy { by, verb }: &EndedBy) {
        let text = format!("{role}: ended by {} ({})", Plain(by), Plain(verb));
        self.say(text, Progress::Underway);
    }

    /// It could not be renewed.
    pub(super) fn not_renewed(&mut self, role: &Role, held: bool, why: &str) {
        let so_far = if held { "not renewed" } else { "not held yet" };
        let text = format!("{role}: {so_far}: {why}; trying again");
        self.say(text, Progress::Underway);
    }

    /// The lease is running out, and nobody knows whether it is held still.
    pub(super) fn surrendered(&mut self, role: &Role, left: Duration) {
        let left = Duration::from_millis(u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
        let left = humantime::format_duration(left);
        let text = format!("{role}: given up: not renewed, and the lease ends in {left}");
        self.say(text, Progress::Underway);
    }

    /// It is not fit to be a member.
    pub(super) fn unhealthy(&mut self, role: &Role, why: &str) {
        let text = format!("{role}: not a member: the check fails: {why}");
        self.say(text, Progress::Underway);
    }

    /// The check fails, and nothing follows from it yet.
    pub(super) fn failing(&self, role: &Role, why: &str) {
        eprintln!("cloudhosts: {role}: the check fails: {why}");
    }

    /// It was left, place by place.
    pub(super) fn left(&mut self, role: &Role, places: &[Place], ended: &[Ended]) {
        self.held = None;
        for (place, ended) in places.iter().zip(ended) {
            let hash = Plain(&place.hash);
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

    fn say(&mut self, text: String, progress: Progress) {
        if self.said == text {
            return;
        }
        eprintln!("cloudhosts: {text}");
        let status = NotifyState::Status(&text);
        // Without systemd nobody listens.
        let _ = match progress {
            Progress::Ready => sd_notify::notify(&[NotifyState::Ready, status]),
            Progress::Underway => sd_notify::notify(&[status]),
        };
        self.said = text;
    }
}
