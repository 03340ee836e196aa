//! `cloudhosts dns`: the way from the resolver of this machine to cloudhosts-dns(8).
//!
//! - [`resolver`]: the resolvers, and the file that each of them reads;
//! - [`drop_in`]: that file, written and removed;
//! - [`in_use`]: which of them programs ask, by [`resolv_conf`] and [`listener`];
//! - [`resolved`]: where a file for systemd-resolved would do harm;
//! - [`query`]: a question to a server;
//! - [`report`]: what is printed.

pub(crate) mod drop_in;
mod in_use;
mod listener;
pub(crate) mod query;
mod report;
pub(crate) mod resolv_conf;
mod resolved;
pub(crate) mod resolver;

use std::path::{Path, PathBuf};

use cloudhosts_config::{Config, ConfigError, paths};
use drop_in::{DropIn, Route, State};
use in_use::Evidence;
use report::{FileReport, Report};
use resolver::{Kind, Resolver};

use crate::outcome::{Failure, Outcome};
use crate::output::print;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cloudhosts dns enable\n  \
    cloudhosts dns enable --for unbound --root /srv/image\n  \
    cloudhosts dns status --json")]
pub(crate) struct DnsArgs {
    /// Action
    #[arg(value_enum)]
    action: Action,
    /// Resolver, instead of the one that /etc/resolv.conf names (disable: instead of all)
    #[arg(long = "for", value_enum, value_name = "RESOLVER")]
    resolver: Option<Resolver>,
    /// Root directory of an image, with its own configuration, to use instead of this machine
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/",
        hide_default_value = true
    )]
    root: PathBuf,
    /// Replace or remove a file that was changed by hand; enable a global server although other
    /// names would fail
    #[arg(long)]
    force: bool,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Action {
    /// Have the resolver ask cloudhosts-dns for the domain and the zones
    Enable,
    /// Remove what enable has written
    Disable,
    /// Show the state; exit 0 if the resolver is enabled, else 1
    Status,
}

impl DnsArgs {
    /// The configuration in the image; none for this machine.
    pub(crate) fn image_config(&self) -> Option<PathBuf> {
        let file = Path::new(paths::CONFIG_FILE).strip_prefix("/").ok()?;
        (self.root != Path::new("/")).then(|| self.root.join(file))
    }
}

pub(crate) fn run(args: &DnsArgs, config: Result<Config, ConfigError>) -> Result<Outcome, Failure> {
    let report = match args.action {
        Action::Enable => enable(args, &config.map_err(usage)?)?,
        // Whatever the configuration is like: a package that is removed calls it.
        Action::Disable => disable(args)?,
        Action::Status => status(args, &config.map_err(usage)?)?,
    };
    print(&if args.json {
        format!("{}\n", report.as_json())
    } else {
        report.as_lines()
    })?;
    Ok(match (args.action, report.state()) {
        (Action::Status, State::Enabled) | (Action::Enable | Action::Disable, _) => Outcome::Yes,
        (Action::Status, _) => Outcome::No,
    })
}

fn usage(error: ConfigError) -> Failure {
    Failure::Usage(error.to_string())
}

fn enable(args: &DnsArgs, config: &Config) -> Result<Report, Failure> {
    let route = Route::of(config).ok_or_else(|| {
        Failure::Usage(
            "there is no domain, below which cloudhosts-dns could answer; set domain = \
             \"prod.example.com\" at the top of cloudhosts.toml, and run: systemctl reload cloudhosts-cached"
                .into(),
        )
    })?;
    let (resolver, evidence) = match args.resolver {
        Some(resolver) => (resolver, Evidence::Named),
        None => in_use::find(&args.root).map_err(|none| Failure::Failed(none.to_string()))?,
    };
    let kind = resolver.kind(&args.root);
    let mut drop_in = DropIn::read(kind, &args.root)?;
    if kind == Kind::ResolvedConf && !args.force {
        harmless(&args.root, drop_in.path())?;
    }
    let changed = drop_in.enable(&route, args.force)?;
    let mut files = vec![FileReport::of(&drop_in, Some(&route), changed)];
    // An upgrade of systemd makes another of its files the right one.
    for other in Kind::ALL {
        if other.resolver() == resolver && other != kind {
            let mut other = DropIn::read(other, &args.root)?;
            if other.disable(args.force)? {
                files.push(FileReport::of(&other, Some(&route), true));
            }
        }
    }
    if args.root == Path::new("/") {
        tell_if_silent(&route);
    }
    Ok(Report {
        resolver: Some((resolver, evidence)),
        unknown: None,
        route: Some(route),
        files,
    })
}

/// Sees that a global server leaves all other names as they are.
fn harmless(root: &Path, own: &Path) -> Result<(), Failure> {
    resolved::hazard(root, own).map_or(Ok(()), |hazard| {
        Err(Failure::Refused(format!(
            "{} is not written, since other names would fail: {hazard}; set these servers for an \
             interface (DNS= in systemd.network(5), or in NetworkManager), or take systemd 258, \
             dnsmasq or Unbound; --force writes it all the same",
            own.display()
        )))
    })
}

/// Says so where nobody answers yet what is going to be asked.
fn tell_if_silent(route: &Route) {
    let domain = route.zones.first();
    if domain.is_some_and(|domain| query::soa(route.server, domain).is_err()) {
        eprintln!(
            "cloudhosts: cloudhosts-dns does not answer at {}; run: systemctl enable --now \
             cloudhosts-dns",
            route.server
        );
    }
}

fn disable(args: &DnsArgs) -> Result<Report, Failure> {
    let mut files = Vec::new();
    let mut failure = None;
    let asked = |kind: &Kind| args.resolver.is_none_or(|named| named == kind.resolver());
    for kind in Kind::ALL.into_iter().filter(asked) {
        let mut drop_in = DropIn::read(kind, &args.root)?;
        match drop_in.disable(args.force) {
            Ok(true) => files.push(FileReport::of(&drop_in, None, true)),
            Ok(false) => {}
            // The others are removed all the same.
            Err(error) => failure = Some(error),
        }
    }
    let report = Report {
        resolver: args.resolver.map(|resolver| (resolver, Evidence::Named)),
        unknown: None,
        route: None,
        files,
    };
    match failure {
        None => Ok(report),
        Some(failure) => {
            for command in report.commands() {
                eprintln!("cloudhosts: others were removed; run: {command}");
            }
            Err(failure)
        }
    }
}

fn status(args: &DnsArgs, config: &Config) -> Result<Report, Failure> {
    let found = match args.resolver {
        Some(resolver) => Ok((resolver, Evidence::Named)),
        None => in_use::find(&args.root),
    };
    let route = Route::of(config);
    let kind = found
        .as_ref()
        .ok()
        .map(|(resolver, _)| resolver.kind(&args.root));
    let mut files = Vec::new();
    if let Some(kind) = kind {
        let drop_in = DropIn::read(kind, &args.root)?;
        files.push(FileReport::of(&drop_in, route.as_ref(), false));
    }
    for drop_in in present(&args.root)? {
        if Some(drop_in.kind()) != kind {
            files.push(FileReport::of(&drop_in, route.as_ref(), false));
        }
    }
    Ok(Report {
        unknown: found.as_ref().err().map(ToString::to_string),
        resolver: found.ok(),
        route,
        files,
    })
}

/// The files that are there.
///
/// # Errors
/// One can't be read.
pub(crate) fn present(root: &Path) -> Result<Vec<DropIn>, Failure> {
    let mut present = Vec::new();
    for kind in Kind::ALL {
        let drop_in = DropIn::read(kind, root)?;
        if drop_in.exists() {
            present.push(drop_in);
        }
    }
    Ok(present)
}
