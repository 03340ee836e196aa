//! `--wait`: waiting until the daemon of this machine has published a change.

mod expectation;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use cloudhosts_config::printable::Escaped;
use cloudhosts_config::{Allow, Config};
use cloudhosts_table::client::AttachError;
use cloudhosts_table::clock::monotonic;
use cloudhosts_table::handover::HandoverError;
use cloudhosts_table::{Client, TableRevision, View, client};
pub(super) use expectation::{Expectation, after_accept, after_change, after_import};

use crate::local_daemon::paths;
use crate::outcome::{Failure, Outcome};
use crate::progress::Progress;

/// How many roles that `allow` leaves out are named.
const MAX_NAMED: usize = 3;

/// The result of waiting.
pub(super) enum WaitResult {
    /// The table has the change.
    Published,
    /// The table does not have it, or programs do not get it all the same.
    Unpublished(Unpublished),
    /// There is no daemon.
    Gone(Failure),
}

/// Why programs of this machine do not get a change that was made.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unpublished {
    /// `allow` in the configuration, which is given, leaves these roles out.
    #[error(
        "not mirrored here: no glob of {allow} in the configuration matches {roles}; if that is \
         not intended, add one and run systemctl reload cloudhosts-cached"
    )]
    Filtered { roles: String, allow: String },
    /// The daemon mirrors none of these hashes.
    #[error("the daemon of this machine does not mirror {}", Escaped(.hashes))]
    NotMirrored { hashes: String },
    /// An earlier hash has the role, and decides it.
    #[error(
        "programs of this machine do not get it: {} comes first in `hashes`, and has {role} too \
         (cloudhosts explain {role})",
        Escaped(.by)
    )]
    Overruled { role: String, by: String },
    /// It was not published within this time.
    #[error(
        "the daemon has not published it within {} (--wait); see cloudhosts status",
        humantime::format_duration(*.0)
    )]
    Late(Duration),
}

impl Unpublished {
    /// The code in JSON.
    fn code(&self) -> &'static str {
        match self {
            Unpublished::Filtered { .. } => "filtered",
            Unpublished::NotMirrored { .. } => "not_mirrored",
            Unpublished::Overruled { .. } => "overruled",
            Unpublished::Late(_) => "late",
        }
    }
}

impl WaitResult {
    /// The values in JSON: whether the change is published, and why not. Both are null
    /// without `--wait`.
    pub(super) fn describe(waited: Option<&WaitResult>) -> (Option<bool>, Option<&'static str>) {
        match waited {
            None => (None, None),
            Some(WaitResult::Published) => (Some(true), None),
            Some(WaitResult::Unpublished(why)) => (Some(false), Some(why.code())),
            Some(WaitResult::Gone(_)) => (Some(false), Some("no_daemon")),
        }
    }

    /// How the subcommand ends.
    ///
    /// # Errors
    /// There is no daemon.
    pub(super) fn outcome(waited: Option<WaitResult>) -> Result<Outcome, Failure> {
        match waited {
            None | Some(WaitResult::Published) => Ok(Outcome::Yes),
            Some(WaitResult::Unpublished(_)) => Ok(Outcome::No),
            Some(WaitResult::Gone(failure)) => Err(failure),
        }
    }
}

/// Waits until the table has a change, in each of the hashes that the daemon mirrors.
/// Reports why it does not have it.
pub(super) fn until_published(
    expected: Vec<Expectation<'_>>,
    timeout: Duration,
    config: &Config,
) -> WaitResult {
    let waited = wait(&expected, timeout, config);
    if let WaitResult::Unpublished(why) = &waited {
        eprintln!("cloudhosts: the change was written, but {why}");
    }
    waited
}

fn wait(expected: &[Expectation<'_>], timeout: Duration, config: &Config) -> WaitResult {
    let start = Instant::now();
    let mut fields = expected.iter().flat_map(|one| one.fields.all()).peekable();
    if fields.peek().is_some() && !fields.any(|(role, ..)| config.allow.allows(role)) {
        return WaitResult::Unpublished(filtered(expected, config));
    }
    let daemon = paths(config).ok_or(AttachError::Path);
    match daemon.and_then(|paths| client::pulse(&paths)) {
        // It has not read Redis yet, or is slow.
        Ok(_) | Err(AttachError::Handover(HandoverError::NothingYet | HandoverError::Silence)) => {}
        Err(error) => {
            return WaitResult::Gone(Failure::Unreachable(format!(
                "the change was written, but there is no daemon to wait for: {error}; is cloudhosts-cached \
                 running? (cloudhosts status)"
            )));
        }
    }
    let (table, mut seen) = (Client::new(), None);
    let _progress = Progress::waiting("Waiting for publication...");
    loop {
        let check = |view: &View<'_>| check(view, expected, &config.allow, &mut seen);
        match table.with(|| paths(config), monotonic(), check) {
            Ok(Publication::Published) => return WaitResult::Published,
            Ok(Publication::Never(why)) => return WaitResult::Unpublished(why),
            Ok(Publication::NotYet) | Err(_) => {}
        }
        if start.elapsed() > timeout {
            return WaitResult::Unpublished(Unpublished::Late(timeout));
        }
        table.wait(seen, timeout.saturating_sub(start.elapsed()));
    }
}

/// Names the roles, all of which `allow` leaves out.
fn filtered(expected: &[Expectation<'_>], config: &Config) -> Unpublished {
    let fields = expected.iter().flat_map(|one| one.fields.all());
    let roles: BTreeSet<&str> = fields.map(|(role, ..)| role).collect();
    let shown: Vec<&str> = roles.iter().take(MAX_NAMED).copied().collect();
    let more = match roles.len() - shown.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Unpublished::Filtered {
        roles: shown.join(", ") + &more,
        allow: config.allow.to_string(),
    }
}

/// How far a table is.
enum Publication {
    Published,
    NotYet,
    /// It will not be published, however long one waits.
    Never(Unpublished),
}

/// Checks a table, unless it is the one that was checked last.
fn check(
    view: &View<'_>,
    expected: &[Expectation<'_>],
    allow: &Allow,
    seen: &mut Option<TableRevision>,
) -> Publication {
    let edition = Some(view.revision());
    if std::mem::replace(seen, edition) == edition {
        return Publication::NotYet;
    }
    if let Some(overruled) = expected
        .iter()
        .find_map(|one| one.overruled(view, expected))
    {
        return Publication::Never(overruled);
    }
    let met = expected.iter().filter_map(|one| one.is_met(view, allow));
    let met: Vec<bool> = met.collect();
    match met.as_slice() {
        [] => {
            let hashes: Vec<&str> = expected.iter().map(|one| one.hash.as_str()).collect();
            let hashes = hashes.join(" nor ");
            Publication::Never(Unpublished::NotMirrored { hashes })
        }
        all if all.iter().all(|&met| met) => Publication::Published,
        _ => Publication::NotYet,
    }
}
