//! The addresses of a role: given on the command line, assigned by a cloud, or the
//! local address of the connection to Redis. A gateway takes the one that it is asked from.

use std::net::IpAddr;

use cloudhosts_config::Zone;
use cloudhosts_config::printable::Escaped;
use cloudhosts_registry::register::{Place, RegisterError, Where};

use super::RegisterContext;
use super::cloud_metadata::{self, Cloud};
use super::store::Store;
use crate::outcome::Failure;

#[derive(Debug, clap::Args)]
pub(crate) struct AddressArgs {
    /// Addresses [default: the local address of the connection to Redis, or the one that the
    /// gateway sees]; with `pick=N` each lookup
    /// returns N of them
    #[arg(value_name = "ADDR")]
    addresses: Vec<String>,
    /// Address for the private view (cloudhosts:private)
    #[arg(long, value_name = "ADDR", conflicts_with = "addresses")]
    private: Vec<String>,
    /// Address for the public view (cloudhosts:public)
    #[arg(long, value_name = "ADDR", conflicts_with = "addresses")]
    public: Vec<String>,
    /// Get the private and public addresses from the metadata service of this cloud
    #[arg(
        long,
        value_name = "CLOUD",
        conflicts_with_all = ["addresses", "private", "public"]
    )]
    from_metadata: Option<Cloud>,
    /// URL of the metadata service [default: http://169.254.169.254]
    #[arg(long, value_name = "URL", requires = "from_metadata")]
    metadata_endpoint: Option<String>,
}

/// The zone of a member.
#[derive(Debug, clap::Args)]
pub(crate) struct ZoneArgs {
    /// Zone of the member; '' for none [default: `zone` in the configuration]
    #[arg(long, value_name = "ZONE")]
    zone: Option<String>,
}

impl ZoneArgs {
    /// The zone that the member gets.
    ///
    /// # Errors
    /// What was given is not a zone.
    pub(crate) fn zone(&self, context: &RegisterContext) -> Result<Option<Zone>, Failure> {
        match self.zone.as_deref() {
            None => Ok(context.config.zone.clone()),
            Some("") => Ok(None),
            Some(zone) => Zone::parse(zone.as_bytes())
                .map(Some)
                .map_err(|error| Failure::Usage(error.to_string())),
        }
    }
}

/// The address of this machine, where it is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LocalAddress {
    /// The addresses are known.
    NotNeeded,
    /// From here Redis is reached; None over a Unix socket.
    OfRedis(Option<IpAddr>),
    /// The gateway sees it.
    LeftToGateway,
}

/// The places of a role, or how to find them.
pub(crate) enum AddressSource {
    /// They are known.
    Known(Vec<Place>),
    /// The local address of the connection to Redis.
    Local {
        /// The hashes to write it to.
        hashes: Vec<String>,
        /// The zone of the member.
        zone: Option<Zone>,
    },
}

impl AddressArgs {
    /// The words from the first one on that looks like the name of a program: it is
    /// not an address, nor a misspelled one.
    pub(crate) fn command(&self) -> Option<&[String]> {
        let is_program = |word: &String| {
            let number = word.starts_with(|first: char| first.is_ascii_digit());
            !number && !word.contains([':', '=', ',']) && Where::addresses(word).is_err()
        };
        let start = self.addresses.iter().position(is_program)?;
        self.addresses.get(start..)
    }

    /// The places by the command line and the metadata service.
    ///
    /// # Errors
    /// An address is invalid, or the metadata service gives none.
    pub(crate) fn source(&self, context: &RegisterContext) -> Result<AddressSource, Failure> {
        if let Some(cloud) = self.from_metadata {
            let (private, public) = context.sides()?;
            let found = cloud_metadata::addresses(cloud, self.metadata_endpoint.as_deref())?;
            let sides = [(private, found.private), (public, found.public)];
            let known = sides.into_iter().filter(|(hash, at)| {
                if at.is_empty() {
                    eprintln!(
                        "cloudhosts: the metadata service has no address for {}, which is left \
                         unchanged",
                        Escaped(hash)
                    );
                }
                !at.is_empty()
            });
            let places = known.map(|(hash, at)| {
                let at: Vec<String> = at.iter().map(IpAddr::to_string).collect();
                place(hash, &at.join(" "))
            });
            return places.collect::<Result<_, _>>().map(AddressSource::Known);
        }
        if !self.private.is_empty() || !self.public.is_empty() {
            let (private, public) = context.sides()?;
            let sides = [(private, &self.private), (public, &self.public)];
            let given = sides.into_iter().filter(|(_, at)| !at.is_empty());
            let places = given.map(|(hash, at)| place(hash, &at.join(" ")));
            return places.collect::<Result<_, _>>().map(AddressSource::Known);
        }
        let hashes = context.hashes()?;
        if self.addresses.is_empty() {
            return Ok(AddressSource::Local { hashes, zone: None });
        }
        let at = self.addresses.join(" ");
        let places = hashes.into_iter().map(|hash| place(hash, &at));
        places.collect::<Result<_, _>>().map(AddressSource::Known)
    }
}

fn place(hash: String, at: &str) -> Result<Place, Failure> {
    let at = Where::addresses(at).map_err(|error| Failure::Usage(error.to_string()))?;
    Ok(Place { hash, at: Some(at) })
}

/// Adds a zone to a value, unless it has one.
fn at_zone(place: Place, zone: Option<&Zone>) -> Place {
    match zone {
        Some(zone) => Place {
            at: place.at.map(|at| at.in_zone(zone)),
            ..place
        },
        None => place,
    }
}

impl AddressSource {
    /// The same for a member in a zone.
    #[must_use]
    pub(crate) fn in_zone(self, zone: Option<Zone>) -> AddressSource {
        match self {
            AddressSource::Known(places) => {
                let places = places
                    .into_iter()
                    .map(|place| at_zone(place, zone.as_ref()));
                AddressSource::Known(places.collect())
            }
            AddressSource::Local { hashes, .. } => AddressSource::Local { hashes, zone },
        }
    }

    /// The zone of an address that is not known yet.
    pub(crate) fn zone_of_local(&self) -> Option<Zone> {
        match self {
            AddressSource::Known(_) => None,
            AddressSource::Local { zone, .. } => zone.clone(),
        }
    }

    /// The local address of the connection to Redis, where it is needed.
    ///
    /// # Errors
    /// Redis can't be reached.
    pub(crate) async fn local(&self, store: &mut Store) -> Result<LocalAddress, RegisterError> {
        match (self, store) {
            (AddressSource::Known(_), _) => Ok(LocalAddress::NotNeeded),
            (AddressSource::Local { .. }, Store::Gateway(_)) => Ok(LocalAddress::LeftToGateway),
            (AddressSource::Local { .. }, Store::Redis(registrar)) => {
                registrar.local().await.map(LocalAddress::OfRedis)
            }
        }
    }

    /// The places, given that address.
    ///
    /// # Errors
    /// Other machines can't use the address.
    pub(crate) fn places(&self, local: LocalAddress) -> Result<Vec<Place>, Failure> {
        match self {
            AddressSource::Known(places) => Ok(places.clone()),
            AddressSource::Local { hashes, .. } if local == LocalAddress::LeftToGateway => {
                let hashes = hashes.iter().cloned();
                Ok(hashes.map(|hash| Place { hash, at: None }).collect())
            }
            AddressSource::Local { hashes, zone } => {
                let local = match local {
                    LocalAddress::OfRedis(local) => local,
                    LocalAddress::NotNeeded | LocalAddress::LeftToGateway => None,
                };
                let at = usable(local)?.to_string();
                let places = hashes.iter().map(|hash| place(hash.clone(), &at));
                places
                    .map(|place| Ok(at_zone(place?, zone.as_ref())))
                    .collect()
            }
        }
    }
}

/// The address, if other machines can use it.
fn usable(local: Option<IpAddr>) -> Result<IpAddr, Failure> {
    let why = match local {
        None => "Redis is reached over a Unix socket".to_owned(),
        Some(at) if at.is_loopback() => format!("Redis is reached from {at}"),
        Some(IpAddr::V6(at)) if at.is_unicast_link_local() => {
            format!("Redis is reached from {at}, which is valid on one link only")
        }
        Some(IpAddr::V6(at)) => match at.to_ipv4_mapped() {
            Some(v4) => return usable(Some(v4.into())),
            None => return Ok(at.into()),
        },
        Some(at) => return Ok(at),
    };
    Err(Failure::Usage(format!(
        "{why}, so this machine's address is not known; pass ADDR, or --private and --public, or \
         --from-metadata"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_other_machines_cannot_use_is_refused() {
        let of = |at: &str| usable(at.parse().ok()).map(|at| at.to_string()).ok();
        assert_eq!(of("10.0.0.5"), Some("10.0.0.5".into()));
        assert_eq!(of("::ffff:10.0.0.5"), Some("10.0.0.5".into()));
        assert_eq!(of("fd00::5"), Some("fd00::5".into()));
        for bad in ["127.0.0.1", "::1", "fe80::1", "::ffff:127.0.0.1", ""] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }
}
