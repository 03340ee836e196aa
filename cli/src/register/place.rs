//! Where a role is: the addresses that are given, those the cloud knows, or the
//! one from which this machine reaches Redis.

use std::net::IpAddr;

use cloudhosts_config::Zone;
use cloudhosts_registry::register::{Place, RegisterError, Registrar, Where};

use super::Setting;
use super::metadata::{self, Cloud};
use crate::outcome::{Failure, Plain};

#[derive(Debug, clap::Args)]
pub(crate) struct Addresses {
    /// The addresses [default: that from which this machine reaches Redis]; `pick=N` answers N of
    /// them at each look-up
    #[arg(value_name = "ADDR")]
    addresses: Vec<String>,
    /// Write this address to the private view (cloudhosts:private)
    #[arg(long, value_name = "ADDR", conflicts_with = "addresses")]
    private: Vec<String>,
    /// Write this address to the public view (cloudhosts:public)
    #[arg(long, value_name = "ADDR", conflicts_with = "addresses")]
    public: Vec<String>,
    /// Take the private and the public addresses from the cloud's metadata service
    #[arg(
        long,
        value_name = "CLOUD",
        conflicts_with_all = ["addresses", "private", "public"]
    )]
    from_metadata: Option<Cloud>,
    /// Where the metadata service is [default: http://169.254.169.254]
    #[arg(long, value_name = "URL", requires = "from_metadata")]
    metadata_endpoint: Option<String>,
}

/// Where a member stands.
#[derive(Debug, clap::Args)]
pub(crate) struct InZone {
    /// The zone of this member; '' is none [default: `zone` of the configuration]
    #[arg(long, value_name = "ZONE")]
    zone: Option<String>,
}

impl InZone {
    /// The zone that a member gets.
    ///
    /// # Errors
    /// What was given is none.
    pub(crate) fn zone(&self, setting: &Setting) -> Result<Option<Zone>, Failure> {
        match self.zone.as_deref() {
            None => Ok(setting.config.zone.clone()),
            Some("") => Ok(None),
            Some(zone) => Zone::parse(zone.as_bytes())
                .map(Some)
                .map_err(|error| Failure::Usage(error.to_string())),
        }
    }
}

/// Where a role is to be, as far as it is known without Redis.
pub(crate) enum Source {
    /// All of it is.
    Known(Vec<Place>),
    /// At the address from which this machine reaches Redis.
    Local {
        /// In these hashes.
        hashes: Vec<String>,
        /// The zone in which it stands.
        zone: Option<Zone>,
    },
}

impl Addresses {
    /// The words from the first on that looks like the name of a program: it is
    /// no address, nor meant to be one.
    pub(crate) fn command(&self) -> Option<&[String]> {
        let is_program = |word: &String| {
            let number = word.starts_with(|first: char| first.is_ascii_digit());
            !number && !word.contains([':', '=', ',']) && Where::addresses(word).is_err()
        };
        let start = self.addresses.iter().position(is_program)?;
        self.addresses.get(start..)
    }

    /// What was said, and what the metadata service adds.
    ///
    /// # Errors
    /// An address is none; there is no metadata service, or it knows none.
    pub(crate) fn source(&self, setting: &Setting) -> Result<Source, Failure> {
        if let Some(cloud) = self.from_metadata {
            let (private, public) = setting.sides()?;
            let found = metadata::addresses(cloud, self.metadata_endpoint.as_deref())?;
            let sides = [(private, found.private), (public, found.public)];
            let known = sides.into_iter().filter(|(hash, at)| {
                if at.is_empty() {
                    eprintln!(
                        "cloudhosts: the metadata service knows no address for {}; it is left as \
                         it is",
                        Plain(hash)
                    );
                }
                !at.is_empty()
            });
            let places = known.map(|(hash, at)| {
                let at: Vec<String> = at.iter().map(IpAddr::to_string).collect();
                place(hash, &at.join(" "))
            });
            return places.collect::<Result<_, _>>().map(Source::Known);
        }
        if !self.private.is_empty() || !self.public.is_empty() {
            let (private, public) = setting.sides()?;
            let sides = [(private, &self.private), (public, &self.public)];
            let given = sides.into_iter().filter(|(_, at)| !at.is_empty());
            let places = given.map(|(hash, at)| place(hash, &at.join(" ")));
            return places.collect::<Result<_, _>>().map(Source::Known);
        }
        let hashes = setting.hashes()?;
        if self.addresses.is_empty() {
            return Ok(Source::Local { hashes, zone: None });
        }
        let at = self.addresses.join(" ");
        let places = hashes.into_iter().map(|hash| place(hash, &at));
        places.collect::<Result<_, _>>().map(Source::Known)
    }
}

fn place(hash: String, at: &str) -> Result<Place, Failure> {
    let at = Where::addresses(at).map_err(|error| Failure::Usage(error.to_string()))?;
    Ok(Place { hash, at: Some(at) })
}

/// A place in a zone, unless it says itself in which.
fn at_zone(place: Place, zone: Option<&Zone>) -> Place {
    match zone {
        Some(zone) => Place {
            at: place.at.map(|at| at.in_zone(zone)),
            ..place
        },
        None => place,
    }
}

/// Places from which something is taken away.
pub(crate) fn away(hashes: Vec<String>) -> Vec<Place> {
    let away = |hash| Place { hash, at: None };
    hashes.into_iter().map(away).collect()
}

impl Source {
    /// The same for a member that stands in a zone.
    #[must_use]
    pub(crate) fn in_zone(self, zone: Option<Zone>) -> Source {
        match self {
            Source::Known(places) => {
                let places = places
                    .into_iter()
                    .map(|place| at_zone(place, zone.as_ref()));
                Source::Known(places.collect())
            }
            Source::Local { hashes, .. } => Source::Local { hashes, zone },
        }
    }

    /// The address from which this machine reaches Redis, where it is needed.
    ///
    /// # Errors
    /// Redis can't be reached.
    pub(crate) async fn local(
        &self,
        registrar: &mut Registrar,
    ) -> Result<Option<IpAddr>, RegisterError> {
        match self {
            Source::Known(_) => Ok(None),
            Source::Local { .. } => registrar.local().await,
        }
    }

    /// Everything, with that address.
    ///
    /// # Errors
    /// It is of no use to others.
    pub(crate) fn places(&self, local: Option<IpAddr>) -> Result<Vec<Place>, Failure> {
        match self {
            Source::Known(places) => Ok(places.clone()),
            Source::Local { hashes, zone } => {
                let at = fit(local)?.to_string();
                let places = hashes.iter().map(|hash| place(hash.clone(), &at));
                places
                    .map(|place| Ok(at_zone(place?, zone.as_ref())))
                    .collect()
            }
        }
    }
}

/// The address, if others can use it.
fn fit(local: Option<IpAddr>) -> Result<IpAddr, Failure> {
    let why = match local {
        None => "Redis is reached over a Unix socket".to_owned(),
        Some(at) if at.is_loopback() => format!("Redis is reached from {at}"),
        Some(IpAddr::V6(at)) if at.is_unicast_link_local() => {
            format!("Redis is reached from {at}, which means something on one link only")
        }
        Some(IpAddr::V6(at)) => match at.to_ipv4_mapped() {
            Some(v4) => return fit(Some(v4.into())),
            None => return Ok(at.into()),
        },
        Some(at) => return Ok(at),
    };
    Err(Failure::Usage(format!(
        "{why}, so the address of this machine is not known; pass it: ADDR, or --private and \
         --public, or --from-metadata"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_means_nothing_elsewhere_is_refused() {
        let of = |at: &str| fit(at.parse().ok()).map(|at| at.to_string()).ok();
        assert_eq!(of("10.0.0.5"), Some("10.0.0.5".into()));
        assert_eq!(of("::ffff:10.0.0.5"), Some("10.0.0.5".into()));
        assert_eq!(of("fd00::5"), Some("fd00::5".into()));
        for bad in ["127.0.0.1", "::1", "fe80::1", "::ffff:127.0.0.1", ""] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }
}
