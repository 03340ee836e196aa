//! Having a change made, and telling what came of it.

use std::sync::Arc;
use std::time::Duration;

use cloudhosts_config::Counted;
use cloudhosts_registry::register::{
    Change, ChangeOutcome, Condition, Place, Registrar, Role, Verb, Views, Where,
};
use serde_json::{Value, json};

use super::place::Source;
use super::wait::{self, Waited};
use super::{REDIS, Setting, block_on};
use crate::outcome::{Failure, Outcome, Plain, print};
use crate::progress::Progress;

/// What every verb that changes something takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Print the Redis commands and change nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Return when the daemon of this machine has published the change [default: 10s]
    #[arg(
        long,
        value_name = "DURATION",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "10s",
        value_parser = humantime::parse_duration,
        conflicts_with = "dry_run"
    )]
    pub(super) wait: Option<Duration>,
    /// Print one JSON object
    #[arg(long, conflicts_with = "dry_run")]
    pub(super) json: bool,
}

/// What is to be done.
pub(crate) struct Task {
    pub(crate) verb: Verb,
    pub(crate) role: Role,
    pub(crate) source: Source,
    pub(crate) only_if: Option<Condition>,
    /// Where what a role is pointed at is looked for, if it is.
    pub(crate) views: Option<Views>,
}

impl Options {
    /// Does it, and says so.
    ///
    /// # Errors
    /// It can't be done; or it is done, and no daemon is there to publish it.
    pub(crate) fn perform(&self, task: Task, setting: &Setting) -> Result<Outcome, Failure> {
        if self.dry_run {
            return dry_run(task, setting);
        }
        let (change, done) = block_on(async {
            let _progress = Progress::waiting(REDIS);
            let mut registrar = Registrar::new(Arc::new(setting.config.clone()));
            let local = task.source.local(&mut registrar).await?;
            let places = task.source.places(local)?;
            let change = change(&task, places);
            let done = registrar.make(&change).await?;
            Ok((change, done))
        })?;
        for (place, done) in change.places.iter().zip(&done) {
            tell_ended(place, done);
        }
        warn_of_dangling(&change, &done);
        if !self.json {
            print(&told(&change, &done))?;
        }
        let waited = self.wait.map(|patience| {
            let wanted = wait::of_change(&change);
            wait::until_published(wanted, patience, &setting.config)
        });
        if self.json {
            print(&format!("{}\n", as_json(&change, &done, waited.as_ref())))?;
        }
        Waited::outcome(waited)
    }
}

fn change(task: &Task, places: Vec<Place>) -> Change {
    Change {
        verb: task.verb,
        role: task.role.clone(),
        places,
        only_if: task.only_if.clone(),
        views: task.views.clone(),
    }
}

/// Prints the commands. Redis is asked only for the address of this machine.
fn dry_run(task: Task, setting: &Setting) -> Result<Outcome, Failure> {
    let places = places_of(&task.source, setting)?;
    print_lines(&change(&task, places).spelled())
}

/// Prints the commands of a dry run.
pub(crate) fn print_lines(lines: &[String]) -> Result<Outcome, Failure> {
    print(&(lines.join("\n") + "\n"))?;
    Ok(Outcome::Yes)
}

/// Where a role is to be. Redis is asked only for the address of this machine.
pub(crate) fn places_of(source: &Source, setting: &Setting) -> Result<Vec<Place>, Failure> {
    Ok(match source {
        Source::Known(places) => places.clone(),
        local => block_on(async {
            let mut registrar = Registrar::new(Arc::new(setting.config.clone()));
            let address = local.local(&mut registrar).await?;
            local.places(address)
        })?,
    })
}

/// Says whose `cloudhosts hold` finds out that it holds the role no more.
fn tell_ended(place: &Place, done: &ChangeOutcome) {
    if done.ended.is_empty() {
        return;
    }
    let hash = Plain(&place.hash);
    // Redis has them in the order in which they renewed.
    let mut ended = done.ended.clone();
    ended.sort_unstable();
    eprintln!(
        "cloudhosts: {} in {hash}: was held; its holder is told when it renews",
        Plain(&ended.join(", "))
    );
}

/// Says that a role points at what has no address, where that is so.
fn warn_of_dangling(change: &Change, done: &[ChangeOutcome]) {
    let at = change.places.iter().find_map(|place| place.at.as_ref());
    let name = at.and_then(|at| at.as_str().split(' ').next());
    if let Some(name) = name.filter(|_| done.iter().any(|one| one.dangling)) {
        eprintln!(
            "cloudhosts: {name} has no address: programs get nothing for {} until it has",
            change.role
        );
    }
}

/// A line for each hash.
fn told(change: &Change, done: &[ChangeOutcome]) -> String {
    let role = &change.role;
    let mut text = String::new();
    for (Place { hash, at }, done) in change.places.iter().zip(done) {
        let members = done
            .removed
            .iter()
            .filter(|field| field.contains('/'))
            .count();
        let hash = Plain(hash);
        let what = match at {
            Some(at) if is_pointer(at) => format!("points at {at} in {hash}"),
            Some(at) => format!("is at {at} in {hash}"),
            None if done.changed => format!("is gone from {hash}"),
            None => format!("was not in {hash}"),
        };
        let also = match members {
            _ if !matches!(change.verb, Verb::Claim | Verb::Point | Verb::Release) => String::new(),
            0 => String::new(),
            members => format!(", {} removed", Counted::new(members as u64, "member")),
        };
        text.push_str(&format!("{role} {what}{also}\n"));
    }
    text
}

fn is_pointer(at: &Where) -> bool {
    let first = at.as_str().split(' ').next().unwrap_or_default();
    first.parse::<std::net::IpAddr>().is_err()
}

fn as_json(change: &Change, done: &[ChangeOutcome], waited: Option<&Waited>) -> Value {
    let (published, unpublished) = Waited::describe(waited);
    let places = change.places.iter().zip(done).map(|(place, done)| {
        json!({
            "hash": place.hash,
            "value": place.at.as_ref().map(Where::as_str),
            "changed": done.changed,
            "removed": done.removed,
            "ended": done.ended,
        })
    });
    json!({
        "verb": change.verb.name(),
        "role": change.role.name(),
        "member": change.role.member(),
        "places": places.collect::<Vec<_>>(),
        "dangling": done.iter().any(|one| one.dangling),
        "published": published,
        "unpublished": unpublished,
    })
}
