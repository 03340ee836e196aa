//! The values of the configuration: types that check themselves while they
//! are parsed.

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use cloudhosts_table::{MAX_HASHES, MAX_KEY, Name, Order};
use rustls_pki_types::ServerName;
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};
use thiserror::Error;
use toml::Spanned;
use wildmatch::WildMatch;

use crate::endpoint::{Endpoint, EndpointError, MAX_SOCKET_PATH};
use crate::paths::SOCKET;
use crate::printable::Quoted;
use crate::zone::Zone;

/// The longest time a setting takes; for "for ever" there is 0.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// TextVisitor that says, where it is not text, how it should be written.
pub(crate) struct TextVisitor(pub(crate) &'static str);

impl Visitor<'_> for TextVisitor {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }
}

/// A time greater than zero.
pub(crate) struct Interval(pub(crate) Duration);

impl<'de> Deserialize<'de> for Interval {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Interval, D::Error> {
        match duration(from)? {
            Duration::ZERO => Err(D::Error::custom("this time must be greater than zero")),
            time => Ok(Interval(time)),
        }
    }
}

/// How long a table lives without a daemon; 0 is for ever.
pub(crate) struct StaleMax(pub(crate) Option<Duration>);

impl Default for StaleMax {
    fn default() -> StaleMax {
        StaleMax(Some(Duration::from_secs(24 * 3600)))
    }
}

impl<'de> Deserialize<'de> for StaleMax {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<StaleMax, D::Error> {
        let time = duration(from)?;
        Ok(StaleMax((!time.is_zero()).then_some(time)))
    }
}

fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let how = "a time in quotes with a unit, such as \"500ms\", \"60s\" or \"24h\"";
    let text = from.deserialize_str(TextVisitor(how))?;
    if text.trim() == "0" {
        return Ok(Duration::ZERO);
    }
    let time = humantime::parse_duration(&text)
        .map_err(|error| D::Error::custom(format!("{error}; write {how}")))?;
    if time > LONGEST {
        return Err(D::Error::custom("this time is longer than a year"));
    }
    Ok(time)
}

/// An absolute path; empty counts as not written.
pub(crate) struct AbsolutePath(pub(crate) Option<PathBuf>);

impl<'de> Deserialize<'de> for AbsolutePath {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<AbsolutePath, D::Error> {
        let text = from.deserialize_str(TextVisitor("a path in quotes"))?;
        if text.is_empty() {
            return Ok(AbsolutePath(None));
        }
        if !text.starts_with('/') || text.contains('\0') {
            return Err(D::Error::custom(
                "the path must be absolute; write it from the root, starting with '/'",
            ));
        }
        Ok(AbsolutePath(Some(PathBuf::from(text))))
    }
}

/// The path of our own socket.
pub(crate) struct SocketPath(pub(crate) PathBuf);

impl Default for SocketPath {
    fn default() -> SocketPath {
        SocketPath(PathBuf::from(SOCKET))
    }
}

impl<'de> Deserialize<'de> for SocketPath {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<SocketPath, D::Error> {
        let Some(path) = AbsolutePath::deserialize(from)?.0 else {
            return Ok(SocketPath::default());
        };
        if path.as_os_str().len() > MAX_SOCKET_PATH {
            return Err(D::Error::custom(format!(
                "the path of a socket cannot be longer than {MAX_SOCKET_PATH} bytes; \
                 choose a shorter one"
            )));
        }
        Ok(SocketPath(path))
    }
}

/// The domain, or none where it is empty.
#[derive(Default)]
pub(crate) struct Domain(pub(crate) Option<Name>);

impl<'de> Deserialize<'de> for Domain {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Domain, D::Error> {
        let text = from.deserialize_str(TextVisitor("a domain in quotes"))?;
        if text.is_empty() {
            return Ok(Domain(None));
        }
        match Name::parse(text.as_bytes()) {
            Ok(name) => Ok(Domain(Some(name))),
            Err(why) => Err(D::Error::custom(format!(
                "{why}; write a domain such as \"prod.example.com\", or \"\" for none"
            ))),
        }
    }
}

/// The zone, or none where it is empty.
#[derive(Default)]
pub(crate) struct ZoneText(pub(crate) Option<Zone>);

impl<'de> Deserialize<'de> for ZoneText {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<ZoneText, D::Error> {
        let text = from.deserialize_str(TextVisitor("a zone in quotes"))?;
        if text.is_empty() {
            return Ok(ZoneText(None));
        }
        match Zone::parse(text.as_bytes()) {
            Ok(zone) => Ok(ZoneText(Some(zone))),
            Err(why) => Err(D::Error::custom(format!(
                "{why}; write one such as \"eu-1a\", or \"\" for none"
            ))),
        }
    }
}

/// The name that certificates are verified for, or none where it is empty.
pub(crate) struct ServerNameText(pub(crate) Option<ServerName<'static>>);

impl<'de> Deserialize<'de> for ServerNameText {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<ServerNameText, D::Error> {
        let text = from.deserialize_str(TextVisitor("a host name in quotes"))?;
        if text.is_empty() {
            return Ok(ServerNameText(None));
        }
        ServerName::try_from(text)
            .map(|name| ServerNameText(Some(name)))
            .map_err(|_| {
                D::Error::custom(
                    "this is neither a host name nor an address; write the name as it is in the \
                     certificate, such as \"redis.example.com\"",
                )
            })
    }
}

/// The scheme of the Redis that sentinels name.
pub(crate) enum SchemeText {
    /// That of the sentinel's URL.
    AsSentinel,
    /// `redis`
    Plain,
    /// `rediss`
    Tls,
}

impl SchemeText {
    /// Whether it means TLS; none where the sentinel's URL says.
    pub(crate) fn tls(&self) -> Option<bool> {
        match self {
            SchemeText::AsSentinel => None,
            SchemeText::Plain => Some(false),
            SchemeText::Tls => Some(true),
        }
    }
}

impl<'de> Deserialize<'de> for SchemeText {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<SchemeText, D::Error> {
        let how = "\"redis\", \"rediss\" (TLS), or \"\" for that of the sentinel's URL";
        match from.deserialize_str(TextVisitor(how))?.as_str() {
            "" => Ok(SchemeText::AsSentinel),
            "redis" => Ok(SchemeText::Plain),
            "rediss" => Ok(SchemeText::Tls),
            _ => Err(D::Error::custom(format!("unknown scheme; write {how}"))),
        }
    }
}

/// `max_fields`: how much of Redis is mirrored at most.
pub(crate) struct MaxFields(pub(crate) usize);

impl MaxFields {
    /// More than any table serves.
    const MOST: usize = 10_000_000;
}

impl Default for MaxFields {
    fn default() -> MaxFields {
        MaxFields(2_000_000)
    }
}

impl<'de> Deserialize<'de> for MaxFields {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<MaxFields, D::Error> {
        let written = usize::deserialize(from).ok();
        let fits = written.filter(|fields| (1..=MaxFields::MOST).contains(fields));
        fits.map(MaxFields).ok_or_else(|| {
            let most = MaxFields::MOST;
            D::Error::custom(format!("write a number from 1 to {most}, without quotes"))
        })
    }
}

/// `order`.
#[derive(Default)]
pub(crate) struct OrderText(pub(crate) Order);

impl<'de> Deserialize<'de> for OrderText {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<OrderText, D::Error> {
        let how = "\"rotate\" or \"fixed\"";
        match from.deserialize_str(TextVisitor(how))?.as_str() {
            "rotate" => Ok(OrderText(Order::Rotate)),
            "fixed" => Ok(OrderText(Order::Fixed)),
            _ => Err(D::Error::custom(format!("unknown order; write {how}"))),
        }
    }
}

/// `reverse`: unless it is said, addresses are looked up.
pub(crate) struct Reverse(pub(crate) bool);

impl Default for Reverse {
    fn default() -> Reverse {
        Reverse(true)
    }
}

impl<'de> Deserialize<'de> for Reverse {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Reverse, D::Error> {
        let written = bool::deserialize(from)
            .map_err(|_| D::Error::custom("write true or false, without quotes"))?;
        Ok(Reverse(written))
    }
}

/// The hashes, checked.
pub(crate) struct Hashes(pub(crate) Vec<String>);

impl Default for Hashes {
    fn default() -> Hashes {
        Hashes(vec!["cloudhosts".to_owned()])
    }
}

impl<'de> Deserialize<'de> for Hashes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Hashes, D::Error> {
        let hashes = Vec::deserialize(from)
            .map_err(|_| D::Error::custom("write a list of keys, such as [\"cloudhosts\"]"))?;
        check_hashes(hashes).map(Hashes).map_err(D::Error::custom)
    }
}

/// Why a list of hashes cannot be used.
#[derive(Debug, Error)]
pub(crate) enum HashesError {
    #[error("there must be at least one hash, such as [\"cloudhosts\"]")]
    None,
    #[error("more than {MAX_HASHES} hashes; leave some out")]
    TooMany,
    #[error("the hash {} has a name of more than {MAX_KEY} bytes", Quoted(.0.as_bytes()))]
    TooLong(String),
    #[error("the name of a hash is empty; write a Redis key")]
    NoName,
    #[error("the hash {} is there twice; leave one out", Quoted(.0.as_bytes()))]
    Twice(String),
}

/// At least one hash and as many as a table can name, none empty, none twice.
pub(crate) fn check_hashes(hashes: Vec<String>) -> Result<Vec<String>, HashesError> {
    if hashes.is_empty() {
        return Err(HashesError::None);
    }
    if hashes.len() > MAX_HASHES {
        return Err(HashesError::TooMany);
    }
    let mut seen = HashSet::new();
    for hash in &hashes {
        if hash.len() > MAX_KEY {
            return Err(HashesError::TooLong(hash.clone()));
        }
        if hash.is_empty() {
            return Err(HashesError::NoName);
        }
        if !seen.insert(hash) {
            return Err(HashesError::Twice(hash.clone()));
        }
    }
    Ok(hashes)
}

/// Why a list of URLs cannot be used.
#[derive(Debug, Error)]
pub(crate) enum UrlsError {
    #[error("there must be at least one URL, such as [\"redis://127.0.0.1:6379\"]")]
    None,
    #[error(transparent)]
    Url(#[from] EndpointError),
    #[error(
        "with `sentinel` set, urls are those of the sentinels, and these are reached \
         over redis:// or rediss:// only"
    )]
    SentinelOverUnix,
}

/// The URLs as written, each with its place; checked by [`Urls::check`].
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct Urls(Vec<Spanned<String>>);

impl Urls {
    /// Reads each URL; the error comes with its place, or with none where it
    /// is about all of them.
    pub(crate) fn check(self) -> Result<Vec<Endpoint>, (Option<Range<usize>>, UrlsError)> {
        if self.0.is_empty() {
            return Err((None, UrlsError::None));
        }
        let read = |url: Spanned<String>| {
            Endpoint::parse(url.as_ref()).map_err(|error| (Some(url.span()), error.into()))
        };
        self.0.into_iter().map(read).collect()
    }
}

/// Where Redis is when the file does not say.
pub(crate) fn standard_urls() -> Vec<Endpoint> {
    Endpoint::parse("redis://127.0.0.1:6379")
        .into_iter()
        .collect()
}

/// Which names are mirrored: those that match one of the globs. `*` stands
/// for any run of characters, dots among them, `?` for one.
#[derive(Debug, Clone, PartialEq)]
pub struct Allow(Vec<WildMatch>);

impl Allow {
    /// Whether a role, in its normal form, is mirrored.
    #[must_use]
    pub fn allows(&self, role: &str) -> bool {
        self.0.iter().any(|glob| glob.matches(role))
    }

    /// Whether every role is, whatever it is called.
    #[must_use]
    pub fn allows_all(&self) -> bool {
        self.0.iter().any(|glob| glob.pattern_chars() == ['*'])
    }
}

impl fmt::Display for Allow {
    /// The line of the configuration, in lower case.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let globs = self.0.iter().map(|glob| format!("{:?}", glob.pattern()));
        write!(f, "allow = [{}]", globs.collect::<Vec<_>>().join(", "))
    }
}

impl Default for Allow {
    fn default() -> Allow {
        Allow(vec![WildMatch::new("*")])
    }
}

/// Whether a glob has only characters that a role may have, and those of globs.
fn could_match(glob: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.*?".contains(&byte);
    glob.bytes().all(known)
}

impl<'de> Deserialize<'de> for Allow {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Allow, D::Error> {
        let globs: Vec<String> = Vec::deserialize(from)
            .map_err(|_| D::Error::custom("write a list of globs, such as [\"*\"]"))?;
        if globs.is_empty() || globs.iter().any(String::is_empty) {
            return Err(D::Error::custom(
                "an empty list or glob allows nothing; write [\"*\"] to allow every name",
            ));
        }
        if let Some(glob) = globs.iter().find(|glob| !could_match(glob)) {
            let glob = Quoted(glob.as_bytes());
            return Err(D::Error::custom(format!(
                "the glob {glob} matches no name: names are letters, digits, '-', '_' and '.', and \
                 of other characters '*' stands for any run and '?' for one"
            )));
        }
        // Roles are in lower case; a glob is to match them however it is written.
        let globs = globs
            .iter()
            .map(|glob| WildMatch::new(&glob.to_ascii_lowercase()));
        Ok(Allow(globs.collect()))
    }
}
