//! Dynamic DNS clients: `GET /nic/update`, the protocol dyndns2. Each hostname has a line of the
//! answer, with a word that clients know.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use cloudhosts_config::gateway::{ProblemCode, TokenVerb};
use cloudhosts_config::printable::Quoted;
use cloudhosts_registry::register::{Change, Place, Role, Verb};
use cloudhosts_table::Name;
use hyper::StatusCode;
use hyper::header::{HeaderMap, USER_AGENT};
use url::form_urlencoded;

use crate::caller::Caller;
use crate::gateway::Gateway;
use crate::metrics::count;
use crate::permission;
use crate::places::{self, Query};
use crate::refusal::{Answer, Refusal, text};

/// Most hostnames of one request.
const MOST_HOSTS: usize = 20;

/// One line of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NicReply {
    /// Written.
    Good(String),
    /// It was written a short time ago.
    NoChange(String),
    /// No token, or none that is known.
    BadAuth,
    /// This is no name.
    NotFqdn,
    /// The token does not allow it.
    NoHost,
    /// Too many names.
    NumHost,
    /// Too many requests.
    Abuse,
    /// The client does not say what it is.
    BadAgent,
    /// It can't be written.
    DnsErr,
    /// Redis is away.
    Away,
}

impl fmt::Display for NicReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NicReply::Good(at) => write!(f, "good {at}"),
            NicReply::NoChange(at) => write!(f, "nochg {at}"),
            NicReply::BadAuth => f.write_str("badauth"),
            NicReply::NotFqdn => f.write_str("notfqdn"),
            NicReply::NoHost => f.write_str("nohost"),
            NicReply::NumHost => f.write_str("numhost"),
            NicReply::Abuse => f.write_str("abuse"),
            NicReply::BadAgent => f.write_str("badagent"),
            NicReply::DnsErr => f.write_str("dnserr"),
            NicReply::Away => f.write_str("911"),
        }
    }
}

impl NicReply {
    /// The word for what else would be a problem document.
    fn of(why: &Refusal) -> NicReply {
        match why.code {
            ProblemCode::Unauthorized => NicReply::BadAuth,
            ProblemCode::Forbidden => NicReply::NoHost,
            ProblemCode::TooManyRequests => NicReply::Abuse,
            ProblemCode::RedisAway | ProblemCode::Unanswered => NicReply::Away,
            _ => NicReply::DnsErr,
        }
    }

    /// The code it is counted by.
    pub(crate) fn result(&self) -> Result<(), ProblemCode> {
        match self {
            NicReply::Good(_) | NicReply::NoChange(_) => Ok(()),
            NicReply::BadAuth => Err(ProblemCode::Unauthorized),
            NicReply::NotFqdn | NicReply::NumHost | NicReply::BadAgent => Err(ProblemCode::Invalid),
            NicReply::NoHost => Err(ProblemCode::Forbidden),
            NicReply::Abuse => Err(ProblemCode::TooManyRequests),
            NicReply::DnsErr => Err(ProblemCode::Refused),
            NicReply::Away => Err(ProblemCode::RedisAway),
        }
    }
}

/// The answer for a request that is refused as a whole. Clients look for the word, and most of them
/// only where the status is 200.
pub(crate) fn refused(why: &Refusal) -> Answer {
    let mut answer = lines(&[NicReply::of(why)]);
    if why.code == ProblemCode::Unauthorized {
        let headers = why.answer().headers().clone();
        *answer.status_mut() = StatusCode::UNAUTHORIZED;
        for (name, value) in headers {
            if let Some(name) = name.filter(|name| *name == hyper::header::WWW_AUTHENTICATE) {
                answer.headers_mut().insert(name, value);
            }
        }
    }
    answer
}

/// The answer.
pub(crate) fn lines(replies: &[NicReply]) -> Answer {
    let lines = replies.iter().map(|reply| format!("{reply}\n"));
    text(StatusCode::OK, "text/plain; charset=utf-8", lines.collect())
}

/// The query of an update.
#[derive(Debug, Default, PartialEq, Eq)]
struct UpdateQuery {
    hosts: Vec<String>,
    addresses: Vec<String>,
    hashes: Vec<String>,
}

impl UpdateQuery {
    /// Reads `hostname=`, `myip=` and `myipv6=`, which are lists; and `hash=`, which is ours. Clients
    /// send more, such as `system=` and `wildcard=`.
    fn read(query: &str) -> UpdateQuery {
        let mut read = UpdateQuery::default();
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            let into = match key.as_ref() {
                "hostname" => &mut read.hosts,
                "myip" | "myipv6" => &mut read.addresses,
                "hash" => &mut read.hashes,
                _ => continue,
            };
            let words = value
                .split(',')
                .map(str::trim)
                .filter(|word| !word.is_empty());
            into.extend(words.map(str::to_owned));
        }
        read
    }
}

/// Makes an update; a line for each hostname. Each of them counts as a request.
pub(crate) async fn update(
    gateway: &Arc<Gateway>,
    caller: &Caller,
    query: &str,
    headers: &HeaderMap,
) -> Vec<NicReply> {
    let query = UpdateQuery::read(query);
    if headers.get(USER_AGENT).is_none_or(|agent| agent.is_empty()) {
        return vec![NicReply::BadAgent];
    }
    if query.hosts.is_empty() {
        return vec![NicReply::NotFqdn];
    }
    if query.hosts.len() > MOST_HOSTS {
        return vec![NicReply::NumHost];
    }
    let mut replies = Vec::new();
    for (nth, host) in query.hosts.iter().enumerate() {
        let rate = caller.settings.token_rate;
        // The first one is counted with the request.
        let may = nth == 0 || caller.token.take(rate, Instant::now()).is_ok();
        let reply = match role_of(host, caller.settings.domain.as_ref()) {
            Some(role) if may => one(gateway, caller, role, &query).await,
            Some(_) => NicReply::Abuse,
            None => NicReply::NotFqdn,
        };
        replies.push(reply);
    }
    replies
}

/// The role that a hostname means: a name below the domain is the one before it.
fn role_of(host: &str, domain: Option<&Name>) -> Option<Role> {
    let name = Role::parse(host).ok()?;
    let inner = domain.and_then(|domain| {
        let inner = name
            .name()
            .strip_suffix(domain.as_str())?
            .strip_suffix('.')?;
        Some(inner.to_owned())
    });
    match inner {
        Some(inner) => Role::parse(&inner).ok(),
        None => Some(name),
    }
}

/// Updates one role.
async fn one(gateway: &Arc<Gateway>, caller: &Caller, role: Role, query: &UpdateQuery) -> NicReply {
    let host = role.name().to_owned();
    let change = match change(caller, role, query) {
        Ok(change) => change,
        Err(why) => {
            let what = format!("update {}", Quoted(host.as_bytes()));
            caller.log_refused(&what, &why);
            return NicReply::of(&why);
        }
    };
    let shown = written(&change.places);
    let token = &caller.token.rules.name;
    if gateway
        .recent()
        .has(token, &change.role, &change.places, Instant::now())
    {
        count(&gateway.metrics.unchanged);
        return NicReply::NoChange(shown);
    }
    match gateway.commit(caller.clone(), change).await {
        Ok(_) => NicReply::Good(shown),
        Err(why) => NicReply::of(&why),
    }
}

/// The change that an update means, if the token allows it.
fn change(caller: &Caller, role: Role, query: &UpdateQuery) -> Result<Change, Refusal> {
    let token = &caller.token.rules;
    let (verb, of_token, role) = match token.literal_member() {
        Some(member) => {
            let role = role
                .with_member(&member)
                .map_err(|why| Refusal::unprocessable(why.to_string()))?;
            (Verb::Join, TokenVerb::Join, role)
        }
        None => (Verb::Claim, TokenVerb::Claim, role),
    };
    if let Some(wrong) = query
        .addresses
        .iter()
        .find(|text| text.parse::<IpAddr>().is_err())
    {
        let wrong = Quoted(wrong.as_bytes());
        return Err(Refusal::unprocessable(format!(
            "myip: {wrong} is no address"
        )));
    }
    let asked = Query {
        addresses: query.addresses.clone(),
        hashes: query.hashes.clone(),
        lease: None,
    };
    let places = places::to_write(&asked, &[], None, token, caller.source)?;
    permission::check(token, of_token, &role, &places, caller.source)?;
    Ok(Change {
        verb,
        role,
        places,
        only_if: None,
        views: None,
    })
}

/// The addresses, as clients read them.
fn written(places: &[Place]) -> String {
    let at = places.first().and_then(|place| place.at.as_ref());
    let addresses = at.map(|at| at.to_addresses()).unwrap_or_default();
    let addresses = addresses.iter().map(IpAddr::to_string);
    addresses.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostname_is_a_role_or_a_name_below_the_domain() {
        let domain = Name::parse(b"prod.example.com").unwrap();
        let role = |host: &str| role_of(host, Some(&domain)).map(|role| role.name().to_owned());
        let some = |name: &str| Some(name.to_owned());
        assert_eq!(role("Web.Prod.example.com."), some("web"));
        assert_eq!(role("a.web.prod.example.com"), some("a.web"));
        assert_eq!(role("web"), some("web"));
        assert_eq!(role("webprod.example.com"), some("webprod.example.com"));
        assert_eq!(role("prod.example.com"), some("prod.example.com"));
        for wrong in ["", "a b", "web/i", "10.0.0.1", "localhost"] {
            assert_eq!(role(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_query_has_lists() {
        let read = UpdateQuery::read("hostname=a,b&myip=10.0.0.1,&myipv6=fd00::1&system=dyndns");
        assert_eq!(read.hosts, ["a", "b"]);
        assert_eq!(read.addresses, ["10.0.0.1", "fd00::1"]);
        assert_eq!(UpdateQuery::read("").hosts, [""; 0]);
    }
}
