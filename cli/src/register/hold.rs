//! `cloudhosts hold`: in a role for as long as this program runs, or COMMAND.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use cloudhosts_registry::register::{
    Beat, Done, Ended, EndedBy, HoldOptions, Holder, LONGEST_LEASE, Place, Role, SHORTEST_LEASE,
};
use sd_notify::NotifyState;
use tokio::process::{Child, Command};

use super::place::Source;
use super::signals::{Signals, pass};
use super::{Setting, block_on, member, perform, place};
use crate::outcome::{Failure, Outcome, Plain};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The role
    #[arg(value_name = "ROLE")]
    role: String,
    #[command(flatten)]
    place: place::Addresses,
    /// Who of several this is [default: the name of this machine]
    #[arg(long, value_name = "ID")]
    member: Option<String>,
    /// How long the membership outlives this machine
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = lease)]
    lease: Duration,
    /// Print the Redis commands and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Run this, and hold the role while it runs
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

fn lease(text: &str) -> Result<Duration, String> {
    let lease = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if !(SHORTEST_LEASE..=LONGEST_LEASE).contains(&lease) {
        let shortest = humantime::format_duration(SHORTEST_LEASE);
        let longest = humantime::format_duration(LONGEST_LEASE);
        return Err(format!("a lease lasts from {shortest} to {longest}"));
    }
    Ok(lease)
}

pub(crate) fn run(arguments: &Arguments, setting: &Setting) -> Result<Outcome, Failure> {
    let role = member(&arguments.role, arguments.member.as_deref())?;
    let source = arguments.place.source(setting)?;
    let options = HoldOptions {
        lease: arguments.lease,
        exclusive: false,
        expire_last: None,
        keep_last: false,
    };
    if arguments.dry_run {
        let places = perform::places_of(&source, setting)?;
        let holder = Holder::new(&setting.config, role, options);
        return perform::print_lines(&holder.spelled(&places));
    }
    block_on(async {
        let signals = Signals::new(!arguments.command.is_empty());
        let signals = signals
            .map_err(|error| Failure::Unreachable(format!("can't take signals over: {error}")))?;
        let hold = Hold {
            holder: Holder::new(&setting.config, role.clone(), options),
            source,
            role,
            lease: arguments.lease,
            places: None,
            held: None,
            said: String::new(),
        };
        hold.run(signals, &arguments.command).await
    })
}

/// The exit code where somebody has taken the role from its holders.
const ENDED: u8 = 4;

/// A role that is held.
struct Hold {
    holder: Holder,
    source: Source,
    role: Role,
    lease: Duration,
    /// Where it may be registered.
    places: Option<Vec<Place>>,
    /// Where it was last held.
    held: Option<Vec<Place>>,
    /// What was said last of it.
    said: String,
}

impl Hold {
    /// Holds until a signal comes, or the command ends.
    async fn run(mut self, mut signals: Signals, command: &[OsString]) -> Result<Outcome, Failure> {
        let mut child: Option<Child> = None;
        let mut begun = false;
        let outcome = loop {
            tokio::select! {
                biased;
                signal = signals.next() => match &child {
                    Some(child) => pass(signal, child),
                    None => break Ok(Outcome::Yes),
                },
                code = ended(&mut child) => break Ok(Outcome::Code(code)),
                beat = self.beat() => {
                    let first = !std::mem::replace(&mut begun, true);
                    match beat {
                        Ok(beat) if first && refused(&beat).is_some() => {
                            let why = refused(&beat).unwrap_or_default();
                            return Err(Failure::Unreachable(format!("can't hold {}: {why}", self.role)));
                        }
                        Err(failure @ Failure::Usage(_)) if first => return Err(failure),
                        Ok(Beat::Ended(EndedBy { by, verb })) => {
                            let by = Plain(&by);
                            eprintln!("cloudhosts: {}: ended by {by} ({verb})", self.role);
                            break Ok(Outcome::Code(ENDED));
                        }
                        beat => self.tell(beat),
                    }
                    if first && !command.is_empty() {
                        match start(command) {
                            Ok(started) => child = Some(started),
                            Err(outcome) => break Ok(outcome),
                        }
                    }
                }
            }
        };
        self.end().await;
        outcome
    }

    /// Waits until it is time, and renews.
    async fn beat(&mut self) -> Result<Beat, Failure> {
        self.holder.due().await;
        let local = match self.source.local(self.holder.registrar()).await {
            Ok(local) => local,
            Err(trouble) => {
                self.holder.failed();
                return Ok(Beat::Failed(trouble));
            }
        };
        match self.source.places(local) {
            Ok(places) => {
                self.places = Some(places.clone());
                Ok(self.holder.renew(places).await)
            }
            Err(failure) => {
                self.holder.failed();
                Err(failure)
            }
        }
    }

    /// Says what came of it, to people and to systemd, unless it is what was
    /// said last.
    fn tell(&mut self, beat: Result<Beat, Failure>) {
        let role = &self.role;
        let trouble = match beat {
            Ok(Beat::Held { done, .. }) => return self.held(&done),
            Ok(Beat::Standby { holder, .. }) => format!("{} has it", Plain(&holder)),
            Ok(Beat::Ended(EndedBy { by, .. })) => format!("ended by {}", Plain(&by)),
            Ok(Beat::Failed(trouble)) => trouble.to_string(),
            Err(failure) => failure.to_string(),
        };
        let so_far = match self.places {
            Some(_) if !self.said.is_empty() => "not renewed",
            _ => "not held yet",
        };
        self.say(format!("{role}: {so_far}: {trouble}; trying again"), false);
    }

    fn held(&mut self, done: &[Done]) {
        let places = self.places.iter().flatten();
        let at = places.filter_map(|place| {
            let at = place.at.as_ref()?;
            Some(format!("at {at} in {}", Plain(&place.hash)))
        });
        let at = at.collect::<Vec<_>>().join(", ");
        let lease = humantime::format_duration(self.lease);
        // What was there before it was first held here is our own from another life.
        let again = self.held == self.places;
        self.held.clone_from(&self.places);
        let strangers = done.iter().flat_map(|one| &one.removed);
        for stranger in strangers.filter(|_| again) {
            eprintln!(
                "cloudhosts: {}: somebody else had written {}; does another machine have the same \
                 --member?",
                self.role,
                Plain(stranger)
            );
        }
        self.say(format!("{}: held {at}, lease {lease}", self.role), true);
    }

    fn say(&mut self, text: String, held: bool) {
        if self.said == text {
            return;
        }
        eprintln!("cloudhosts: {text}");
        let status = NotifyState::Status(&text);
        // Without systemd nobody listens.
        let _ = match held {
            true => sd_notify::notify(&[NotifyState::Ready, status]),
            false => sd_notify::notify(&[status]),
        };
        self.said = text;
    }

    /// Leaves, within bounds: the lease does it otherwise.
    async fn end(mut self) {
        let _ = sd_notify::notify(&[NotifyState::Stopping]);
        let Some(places) = self.places.take() else {
            return;
        };
        let role = &self.role;
        match self.holder.end(places.clone()).await {
            Ok(done) => {
                for (place, done) in places.iter().zip(done) {
                    let hash = Plain(&place.hash);
                    match done {
                        Ended::Removed | Ended::Absent => {
                            eprintln!("cloudhosts: {role}: left {hash}")
                        }
                        Ended::Kept => eprintln!(
                            "cloudhosts: {role}: stays in {hash}, as the last of {}, until \
                             somebody else holds or claims it",
                            role.name()
                        ),
                    }
                }
            }
            Err(trouble) => eprintln!(
                "cloudhosts: {role}: could not leave: {trouble}; its lease ends in {} at most",
                humantime::format_duration(self.lease)
            ),
        }
    }
}

/// Why Redis will never say yes, where that is so.
fn refused(beat: &Beat) -> Option<String> {
    match beat {
        Beat::Failed(trouble) if !trouble.may_pass() => Some(trouble.to_string()),
        _ => None,
    }
}

/// Starts the command. It is not the one that systemd waits for.
fn start(command: &[OsString]) -> Result<Child, Outcome> {
    let (program, arguments) = command.split_first().ok_or(Outcome::Yes)?;
    let started = Command::new(program)
        .args(arguments)
        .env_remove("NOTIFY_SOCKET")
        .spawn();
    started.map_err(|error| {
        let program = program.to_string_lossy();
        eprintln!("cloudhosts: can't run {}: {error}", Plain(&program));
        // As env(1) and the shells say it.
        Outcome::Code(match error.kind() {
            std::io::ErrorKind::NotFound => 127,
            _ => 126,
        })
    })
}

/// Waits until the command has ended; its exit code, as a shell gives it.
async fn ended(child: &mut Option<Child>) -> u8 {
    let Some(child) = child else {
        return std::future::pending().await;
    };
    let code = |status: ExitStatus| match (status.code(), status.signal()) {
        (Some(code), _) => u8::try_from(code).unwrap_or(1),
        (None, Some(signal)) => u8::try_from(128 + signal).unwrap_or(1),
        (None, None) => 1,
    };
    match child.wait().await {
        Ok(status) => code(status),
        Err(_) => 1,
    }
}
