//! The addresses of this machine by its cloud's metadata service.
//!
//! Each service asks for a header that a browser or a proxy would not send, and
//! is asked directly, whatever proxy the environment names.

use std::net::IpAddr;
use std::time::Duration;

use ureq::http::Response;
use ureq::{Agent, Body};

use crate::outcome::{Failure, Plain};

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// Most bytes of an answer: addresses and tokens are short.
const MOST: u64 = 4096;

/// The address at which all three clouds have it.
const STANDARD: &str = "http://169.254.169.254";

/// Whose service it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Cloud {
    /// Amazon EC2 (IMDSv2)
    Ec2,
    /// Google Compute Engine
    Gcp,
    /// Microsoft Azure
    Azure,
}

/// What the service knows.
pub(crate) struct Found {
    pub(crate) private: IpAddr,
    pub(crate) public: IpAddr,
}

/// Both IPv4 addresses of the first network interface.
///
/// # Errors
/// There is no such service, or the machine has no public address.
pub(crate) fn addresses(cloud: Cloud, endpoint: Option<&str>) -> Result<Found, Failure> {
    let service = Service {
        cloud,
        base: endpoint
            .unwrap_or(STANDARD)
            .trim_end_matches('/')
            .to_owned(),
        agent: Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .proxy(None)
            .max_redirects(0)
            .http_status_as_error(false)
            .build()
            .into(),
    };
    let (header, private, public) = match cloud {
        Cloud::Ec2 => (
            ("X-aws-ec2-metadata-token", service.token()?),
            "/latest/meta-data/local-ipv4",
            "/latest/meta-data/public-ipv4",
        ),
        Cloud::Gcp => (
            ("Metadata-Flavor", "Google".to_owned()),
            "/computeMetadata/v1/instance/network-interfaces/0/ip",
            "/computeMetadata/v1/instance/network-interfaces/0/access-configs/0/external-ip",
        ),
        Cloud::Azure => (
            ("Metadata", "true".to_owned()),
            "/metadata/instance/network/interface/0/ipv4/ipAddress/0/privateIpAddress\
             ?api-version=2021-02-01&format=text",
            "/metadata/instance/network/interface/0/ipv4/ipAddress/0/publicIpAddress\
             ?api-version=2021-02-01&format=text",
        ),
    };
    let private = service.address(private, &header)?;
    let public = service.address(public, &header)?;
    let none = |which: &str| {
        service.failure(&format!(
            "this machine has no {which} address there; pass what there is with --private or \
             --public instead"
        ))
    };
    Ok(Found {
        private: private.ok_or_else(|| none("private"))?,
        public: public.ok_or_else(|| none("public"))?,
    })
}

struct Service {
    cloud: Cloud,
    base: String,
    agent: Agent,
}

impl Service {
    /// The token without which EC2 may refuse to answer.
    fn token(&self) -> Result<String, Failure> {
        let path = "/latest/api/token";
        let asked = self
            .agent
            .put(format!("{}{path}", self.base))
            .header("X-aws-ec2-metadata-token-ttl-seconds", "60")
            .send_empty();
        self.text(path, asked)?
            .ok_or_else(|| self.failure("it gives no token"))
    }

    /// The address at a path; none where the service knows none.
    fn address(&self, path: &str, header: &(&str, String)) -> Result<Option<IpAddr>, Failure> {
        let asked = self
            .agent
            .get(format!("{}{path}", self.base))
            .header(header.0, &header.1)
            .call();
        let Some(text) = self.text(path, asked)? else {
            return Ok(None);
        };
        let address = text.parse().map_err(|_| {
            self.failure(&format!(
                "what it says at {path} is no address: {}",
                Plain(&text)
            ))
        });
        address.map(Some)
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
            code => return Err(self.failure(&format!("it answers {code} at {path}"))),
        }
        let text = response
            .body_mut()
            .with_config()
            .limit(MOST)
            .read_to_string();
        let text = text.map_err(|error| self.silent(&error))?;
        let text = text.trim();
        Ok((!text.is_empty()).then(|| text.to_owned()))
    }

    fn silent(&self, error: &ureq::Error) -> Failure {
        let why = match error {
            ureq::Error::Timeout(_) => format!("no answer within {} s", PATIENCE.as_secs()),
            error => error.to_string(),
        };
        self.failure(&why)
    }

    fn failure(&self, why: &str) -> Failure {
        let cloud = match self.cloud {
            Cloud::Ec2 => "an EC2 instance",
            Cloud::Gcp => "a machine of Google's Compute Engine",
            Cloud::Azure => "a machine in Azure",
        };
        Failure::Unreachable(format!(
            "the metadata service at {}: {}; is this {cloud}? Nothing was changed",
            Plain(&self.base),
            Plain(why)
        ))
    }
}
