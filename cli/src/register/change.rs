//! `cloudhosts claim`, `join`, `leave`, `point` and `release`: one change of one role.

use cloudhosts_registry::register::{Change, Condition, Place, Role, Verb, Views, Where};

use super::addresses::{AddressArgs, AddressSource, ZoneArgs};
use super::apply::WriteOptions;
use super::{RegisterContext, member, role};
use crate::completions;
use crate::outcome::Failure;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cloudhosts claim db-master 10.0.0.5    # the only holder from now on\n  \
    cloudhosts claim db-master --wait 5s   # this machine; wait for the daemon\n  \
    cloudhosts claim db-master 10.0.0.5 --if 10.0.0.4")]
pub(crate) struct ClaimArgs {
    /// Role name
    #[arg(value_name = "ROLE", add = completions::role())]
    role: String,
    #[command(flatten)]
    addresses: AddressArgs,
    /// Only if the current value of the role, members included, is VALUE; '' if it must not exist
    #[arg(long = "if", value_name = "VALUE")]
    only_if: Option<String>,
    #[command(flatten)]
    pub(super) options: WriteOptions,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cloudhosts join web 10.0.1.1   # the member ID is this machine's hostname\n  \
    cloudhosts join web 10.0.1.2 --member i-0abc --zone eu-1a")]
pub(crate) struct JoinArgs {
    /// Role name
    #[arg(value_name = "ROLE", add = completions::role())]
    role: String,
    #[command(flatten)]
    addresses: AddressArgs,
    #[command(flatten)]
    zone: ZoneArgs,
    /// Member ID [default: this machine's hostname]
    #[arg(long, value_name = "ID")]
    member: Option<String>,
    #[command(flatten)]
    pub(super) options: WriteOptions,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cloudhosts leave web   # this machine\n  \
    cloudhosts leave web --member i-0abc")]
pub(crate) struct LeaveArgs {
    /// Role name
    #[arg(value_name = "ROLE", add = completions::role())]
    role: String,
    /// Member ID [default: this machine's hostname]
    #[arg(long, value_name = "ID", add = completions::member())]
    member: Option<String>,
    #[command(flatten)]
    pub(super) options: WriteOptions,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cloudhosts point www web\n  \
    cloudhosts point db-master db-3.internal --wait")]
pub(crate) struct PointArgs {
    /// Role name
    #[arg(value_name = "ROLE", add = completions::role())]
    role: String,
    /// Name to point at
    #[arg(value_name = "NAME", add = completions::role())]
    name: String,
    /// Point even a role that has addresses at a NAME that has none
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    pub(super) options: WriteOptions,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cloudhosts release db-master\n  \
    cloudhosts release db-master --dry-run")]
pub(crate) struct ReleaseArgs {
    /// Role name
    #[arg(value_name = "ROLE", add = completions::role())]
    role: String,
    #[command(flatten)]
    pub(super) options: WriteOptions,
}

/// A change as the command line asks for it. Its places may have to be found out
/// from Redis first.
pub(crate) struct ChangeRequest {
    pub(super) verb: Verb,
    pub(super) role: Role,
    pub(super) source: AddressSource,
    pub(super) only_if: Option<Condition>,
    /// The hashes in which the target of a pointer is looked up, if it is.
    pub(super) views: Option<Views>,
}

impl ChangeRequest {
    fn new(verb: Verb, role: Role, source: AddressSource) -> ChangeRequest {
        ChangeRequest {
            verb,
            role,
            source,
            only_if: None,
            views: None,
        }
    }

    /// One that removes `role` from the hashes that are written to.
    fn removal(verb: Verb, role: Role, context: &RegisterContext) -> Result<Self, Failure> {
        let hashes = context.hashes()?.into_iter();
        let places = hashes.map(|hash| Place { hash, at: None }).collect();
        Ok(ChangeRequest::new(verb, role, AddressSource::Known(places)))
    }

    /// The change, once its places are known.
    pub(super) fn with_places(self, places: Vec<Place>) -> Change {
        Change {
            verb: self.verb,
            role: self.role,
            places,
            only_if: self.only_if,
            views: self.views,
        }
    }
}

impl ClaimArgs {
    pub(super) fn request(&self, context: &RegisterContext) -> Result<ChangeRequest, Failure> {
        let only_if = self.only_if.as_deref().map(condition).transpose()?;
        let role = role(&self.role)?;
        let source = self.addresses.source(context)?;
        let request = ChangeRequest::new(Verb::Claim, role, source);
        Ok(ChangeRequest { only_if, ..request })
    }
}

/// Parses the value of `--if`: addresses, a pointer, or nothing.
fn condition(text: &str) -> Result<Condition, Failure> {
    if text.trim().is_empty() {
        return Ok(Condition::Absent);
    }
    Where::addresses(text)
        .or_else(|error| Where::pointer(text).map_err(|_| error))
        .map(Condition::At)
        .map_err(|error| Failure::Usage(format!("--if: {error}")))
}

impl JoinArgs {
    pub(super) fn request(&self, context: &RegisterContext) -> Result<ChangeRequest, Failure> {
        let role = member(&self.role, self.member.as_deref())?;
        let source = self.addresses.source(context)?;
        let zone = self.zone.zone(context)?;
        Ok(ChangeRequest::new(Verb::Join, role, source.in_zone(zone)))
    }
}

impl LeaveArgs {
    pub(super) fn request(&self, context: &RegisterContext) -> Result<ChangeRequest, Failure> {
        let role = member(&self.role, self.member.as_deref())?;
        ChangeRequest::removal(Verb::Leave, role, context)
    }
}

impl PointArgs {
    pub(super) fn request(&self, context: &RegisterContext) -> Result<ChangeRequest, Failure> {
        let role = role(&self.role)?;
        let at = Where::pointer(&self.name).map_err(|error| Failure::Usage(error.to_string()))?;
        if at.as_str() == role.name() {
            return Err(Failure::Usage(format!("{role} can't point at itself")));
        }
        let hashes = context.hashes()?;
        let views = (!self.force).then(|| context.views(&hashes));
        let place = |hash| Place {
            hash,
            at: Some(at.clone()),
        };
        let source = AddressSource::Known(hashes.into_iter().map(place).collect());
        let request = ChangeRequest::new(Verb::Point, role, source);
        Ok(ChangeRequest { views, ..request })
    }
}

impl ReleaseArgs {
    pub(super) fn request(&self, context: &RegisterContext) -> Result<ChangeRequest, Failure> {
        ChangeRequest::removal(Verb::Release, role(&self.role)?, context)
    }
}
