//! The addresses of this machine, from the metadata service of its cloud.
//!
//! Each service requires a header that a browser or a proxy would not send, and is
//! asked directly, whatever proxy the environment sets.

use std::net::IpAddr;
use std::time::Duration;

use cloudhosts_config::printable::Escaped;
use ureq::http::Response;
use ureq::{Agent, Body};

use crate::outcome::Failure;

/// How long one answer may take.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Most bytes of an answer: addresses and tokens are short.
const MAX_BYTES: u64 = 4096;

/// The URL in all three clouds.
const DEFAULT_URL: &str = "http://169.254.169.254";

/// The provider of a metadata service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Cloud {
    /// Amazon EC2 (IMDSv2)
    Ec2,
    /// Google Compute Engine
    Gcp,
    /// Microsoft Azure
    Azure,
}

/// The addresses that a service has. There is at least one.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct CloudAddresses {
    /// For machines of the same network.
    pub(crate) private: Vec<IpAddr>,
    /// For everybody; empty where the machine has no such address.
    pub(crate) public: Vec<IpAddr>,
}

/// The paths of the addresses of the first network interface.
struct MetadataPaths {
    private: &'static str,
    public: &'static str,
    /// There is one path for IPv6; whether an address is public shows in the address.
    v6: Option<&'static str>,
}

/// The addresses of the first network interface.
///
/// # Errors
/// There is no such service, or it has no address.
pub(crate) fn addresses(cloud: Cloud, endpoint: Option<&str>) -> Result<CloudAddresses, Failure> {
    let service = MetadataService {
        cloud,
        base: endpoint
            .unwrap_or(DEFAULT_URL)
            .trim_end_matches('/')
            .to_owned(),
        agent: Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .proxy(None)
            .max_redirects(0)
            .http_status_as_error(false)
            .build()
            .into(),
    };
    let header = match cloud {
        Cloud::Ec2 => ("X-aws-ec2-metadata-token", service.token()?),
        Cloud::Gcp => ("Metadata-Flavor", "Google".to_owned()),
        Cloud::Azure => ("Metadata", "true".to_owned()),
    };
    let paths = cloud.paths();
    let mut found = CloudAddresses {
        private: service.addresses(paths.private, &header)?,
        public: service.addresses(paths.public, &header)?,
    };
    if let Some(path) = paths.v6 {
        for address in service.addresses(path, &header)? {
            found.private.push(address);
            found.public.extend(is_global(address).then_some(address));
        }
    }
    if found == CloudAddresses::default() {
        return Err(service
            .failure("it has no address for this machine; pass --private or --public instead"));
    }
    Ok(found)
}

impl Cloud {
    fn paths(self) -> MetadataPaths {
        match self {
            Cloud::Ec2 => MetadataPaths {
                private: "/latest/meta-data/local-ipv4",
                public: "/latest/meta-data/public-ipv4",
                v6: Some("/latest/meta-data/ipv6"),
            },
            Cloud::Gcp => MetadataPaths {
                private: "/computeMetadata/v1/instance/network-interfaces/0/ip",
                public: "/computeMetadata/v1/instance/network-interfaces/0/access-configs/0/\
                         external-ip",
                v6: Some("/computeMetadata/v1/instance/network-interfaces/0/ipv6s"),
            },
            Cloud::Azure => MetadataPaths {
                private: "/metadata/instance/network/interface/0/ipv4/ipAddress/0/\
                          privateIpAddress?api-version=2021-02-01&format=text",
                public: "/metadata/instance/network/interface/0/ipv4/ipAddress/0/\
                         publicIpAddress?api-version=2021-02-01&format=text",
                v6: None,
            },
        }
    }
}

/// Whether an IPv6 address is global, not a unique local address (RFC 4193).
fn is_global(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.segments()[0] & 0xe000 == 0x2000)
}

struct MetadataService {
    cloud: Cloud,
    base: String,
    agent: Agent,
}

impl MetadataService {
    /// The token that EC2 may require (IMDSv2).
    fn token(&self) -> Result<String, Failure> {
        let path = "/latest/api/token";
        let asked = self
            .agent
            .put(format!("{}{path}", self.base))
            .header("X-aws-ec2-metadata-token-ttl-seconds", "60")
            .send_empty();
        self.text(path, asked)?
            .ok_or_else(|| self.failure("it did not return a token"))
    }

    /// The addresses at a path; empty where there are none.
    fn addresses(&self, path: &str, header: &(&str, String)) -> Result<Vec<IpAddr>, Failure> {
        let asked = self
            .agent
            .get(format!("{}{path}", self.base))
            .header(header.0, &header.1)
            .call();
        let text = self.text(path, asked)?.unwrap_or_default();
        let words = text.split(|c: char| c.is_whitespace() || c == ',');
        let address = |word: &str| {
            word.parse()
                .map_err(|_| self.failure(&format!("{path} is not an address: {}", Escaped(&text))))
        };
        words.filter(|word| !word.is_empty()).map(address).collect()
    }

    /// The text of an answer; none where there is nothing at the path.
    fn text(
        &self,
        path: &str,
        asked: Result<Response<Body>, ureq::Error>,
    ) -> Result<Option<String>, Failure> {
        let mut response = asked.map_err(|error| self.silent(&error))?;
        match response.status().as_u16() {
            200 => {}
            404 => return Ok(None),
            code => return Err(self.failure(&format!("HTTP status {code} for {path}"))),
        }
        let text = response
            .body_mut()
            .with_config()
            .limit(MAX_BYTES)
            .read_to_string();
        let text = text.map_err(|error| self.silent(&error))?;
        let text = text.trim();
        Ok((!text.is_empty()).then(|| text.to_owned()))
    }

    fn silent(&self, error: &ureq::Error) -> Failure {
        let why = match error {
            ureq::Error::Timeout(_) => format!("no answer within {} s", TIMEOUT.as_secs()),
            error => error.to_string(),
        };
        self.failure(&why)
    }

    fn failure(&self, why: &str) -> Failure {
        let cloud = match self.cloud {
            Cloud::Ec2 => "an EC2 instance",
            Cloud::Gcp => "a Google Compute Engine instance",
            Cloud::Azure => "an Azure virtual machine",
        };
        Failure::Unreachable(format!(
            "metadata service at {}: {}; is this {cloud}? Nothing was changed",
            Escaped(&self.base),
            Escaped(why)
        ))
    }
}
