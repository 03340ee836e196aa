//! Making a change, and reporting it: as text or JSON, and once published with `--wait`.

use std::time::Duration;

use cloudhosts_config::Config;
use cloudhosts_config::Counted;
use cloudhosts_config::printable::Escaped;
use cloudhosts_registry::register::{Change, ChangeOutcome, ChangeReport, Place, Verb, Where};
use serde_json::{Value, json};

use super::RegisterContext;
use super::addresses::AddressSource;
use super::change::ChangeRequest;
use super::gateway::GatewayRequest;
use super::store::Store;
use super::wait::{self, Expectation, WaitResult};
use crate::outcome::{Failure, Outcome};
use crate::output::print;
use crate::progress::Progress;
use crate::runtime::block_on;

/// The options of every subcommand that writes to Redis.
#[derive(Debug, clap::Args)]
pub(crate) struct WriteOptions {
    /// Print the Redis commands (or that of curl, for a gateway) without running them
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Wait until the daemon of this machine has published the change [default: 10s]
    #[arg(
        long,
        value_name = "DURATION",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "10s",
        value_parser = humantime::parse_duration,
        conflicts_with = "dry_run"
    )]
    wait: Option<Duration>,
    /// Print a JSON object
    #[arg(long, conflicts_with = "dry_run")]
    json: bool,
}

impl WriteOptions {
    /// Reports a change that was made: `text` at once, or `object` when it is known
    /// whether it was published.
    ///
    /// # Errors
    /// There is no daemon to wait for, or stdout can't be written to.
    pub(super) fn report(
        &self,
        text: &str,
        mut object: Value,
        expected: Vec<Expectation<'_>>,
        config: &Config,
    ) -> Result<Outcome, Failure> {
        if !self.json {
            print(text)?;
        }
        let waited = self
            .wait
            .map(|timeout| wait::until_published(expected, timeout, config));
        if self.json {
            let (published, unpublished) = WaitResult::describe(waited.as_ref());
            if let Some(object) = object.as_object_mut() {
                object.insert("published".into(), published.into());
                object.insert("unpublished".into(), unpublished.into());
            }
            print(&format!("{object}\n"))?;
        }
        WaitResult::outcome(waited)
    }
}

/// Makes a change, or prints it with `--dry-run`.
///
/// # Errors
/// It can't be made; or it is made, and there is no daemon to publish it.
pub(super) fn apply(
    request: ChangeRequest,
    options: &WriteOptions,
    context: &RegisterContext,
) -> Result<Outcome, Failure> {
    let zone = request.source.zone_of_local();
    if options.dry_run {
        let places = places(&request.source, context)?;
        let change = request.with_places(places);
        let access = context.config.gateway.as_ref();
        let asked = access
            .zip(GatewayRequest::of_change(&change, zone.as_ref()))
            .map(|(access, request)| request.as_curl(access));
        return print_lines(&asked.unwrap_or_else(|| change.spelled()));
    }
    let (change, done) = block_on(async {
        let mut store = Store::new(&context.config, zone);
        let _progress = Progress::waiting(store.waiting_text());
        let local = request.source.local(&mut store).await?;
        let places = request.source.places(local)?;
        let change = request.with_places(places);
        Ok(store.make(change).await?)
    })?;
    for (place, done) in change.places.iter().zip(&done) {
        report_ended(place, done);
    }
    warn_of_dangling(&change, &done);
    let expected = wait::after_change(&change);
    let text = as_text(&change, &done);
    let object = json!(ChangeReport::new(&change, done));
    options.report(&text, object, expected, &context.config)
}

/// Prints the commands of a dry run.
pub(super) fn print_lines(lines: &[String]) -> Result<Outcome, Failure> {
    print(&(lines.join("\n") + "\n"))?;
    Ok(Outcome::Yes)
}

/// The places of a role. Redis is asked only where they depend on the connection.
pub(super) fn places(
    source: &AddressSource,
    context: &RegisterContext,
) -> Result<Vec<Place>, Failure> {
    match source {
        AddressSource::Known(places) => Ok(places.clone()),
        AddressSource::Local { .. } => block_on(async {
            let mut store = Store::new(&context.config, None);
            let address = source.local(&mut store).await?;
            source.places(address)
        }),
    }
}

/// Names the holders that `claim` or `release` has ended.
fn report_ended(place: &Place, done: &ChangeOutcome) {
    if done.ended.is_empty() {
        return;
    }
    let hash = Escaped(&place.hash);
    // Redis has them in the order of their last renewal.
    let mut ended = done.ended.clone();
    ended.sort_unstable();
    eprintln!(
        "cloudhosts: {} in {hash}: was held; its holder finds out at its next renewal",
        Escaped(&ended.join(", "))
    );
}

/// Warns where a role was pointed at a name without an address.
fn warn_of_dangling(change: &Change, done: &[ChangeOutcome]) {
    let at = change.places.iter().find_map(|place| place.at.as_ref());
    let name = at.and_then(|at| at.as_str().split(' ').next());
    if let Some(name) = name.filter(|_| done.iter().any(|one| one.dangling)) {
        eprintln!(
            "cloudhosts: {name} has no address: {} does not resolve until it has one",
            change.role
        );
    }
}

/// A line for each hash.
fn as_text(change: &Change, done: &[ChangeOutcome]) -> String {
    let role = &change.role;
    let mut text = String::new();
    for (Place { hash, at }, done) in change.places.iter().zip(done) {
        let members = done
            .removed
            .iter()
            .filter(|field| field.contains('/'))
            .count();
        let hash = Escaped(hash);
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
