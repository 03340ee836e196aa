//! The tables `[[token]]`: what each client may do.

use std::fmt;
use std::net::IpAddr;

use serde::Deserialize;
use serde::de::{Deserializer, Error};
use toml::Spanned;
use wildmatch::WildMatch;

use super::network::Network;
use crate::error::{ConfigError, ConfigText};
use crate::printable::Quoted;
use crate::values::{Hashes, TextVisitor};

/// Most characters of the name of a token.
const LONGEST_NAME: usize = 64;

/// What stands for the source of the request in `addresses`.
const SOURCE: &str = "source";

/// What the client with one secret may do.
#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    /// Its name: who makes a change, in logs. Unique.
    pub name: String,
    /// The SHA-256 of the secret. Unique.
    pub sha256: SecretHash,
    /// The roles it may change: globs. At least one.
    pub roles: Vec<WildMatch>,
    /// What it may do with them. At least one.
    pub verbs: Vec<TokenVerb>,
    /// The members it may be: a glob. None for any.
    pub member: Option<WildMatch>,
    /// The addresses that it may register. At least one.
    pub addresses: Vec<AddressRule>,
    /// The hashes it may write to. At least one.
    pub views: Vec<String>,
}

impl Token {
    /// Whether it may change this role, in its normal form.
    #[must_use]
    pub fn allows_role(&self, role: &str) -> bool {
        self.roles.iter().any(|glob| glob.matches(role))
    }

    /// Whether it may do this.
    #[must_use]
    pub fn allows_verb(&self, verb: TokenVerb) -> bool {
        self.verbs.contains(&verb)
    }

    /// Whether it may be this member.
    #[must_use]
    pub fn allows_member(&self, member: &str) -> bool {
        self.member.as_ref().is_none_or(|glob| glob.matches(member))
    }

    /// The only member that it may be, if there is one only.
    #[must_use]
    pub fn literal_member(&self) -> Option<String> {
        let pattern = self.member.as_ref()?.pattern();
        (!pattern.contains(['*', '?'])).then_some(pattern)
    }

    /// Whether it may register this address, in a request from `source`.
    #[must_use]
    pub fn allows_address(&self, address: IpAddr, source: IpAddr) -> bool {
        let address = address.to_canonical();
        self.addresses.iter().any(|rule| match rule {
            AddressRule::Source => address == source.to_canonical(),
            AddressRule::Network(network) => network.contains(address),
        })
    }

    /// Whether it may write to this hash.
    #[must_use]
    pub fn allows_view(&self, hash: &str) -> bool {
        self.views.iter().any(|view| view == hash)
    }
}

/// What a token may allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenVerb {
    /// To set a role, and remove all members.
    Claim,
    /// To add a member.
    Join,
    /// To remove a member.
    Leave,
    /// To remove a role.
    Release,
    /// To be a member as long as its lease is renewed.
    Hold,
}

impl TokenVerb {
    /// All of them.
    pub const ALL: [TokenVerb; 5] = [
        TokenVerb::Claim,
        TokenVerb::Join,
        TokenVerb::Leave,
        TokenVerb::Release,
        TokenVerb::Hold,
    ];

    /// How it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            TokenVerb::Claim => "claim",
            TokenVerb::Join => "join",
            TokenVerb::Leave => "leave",
            TokenVerb::Release => "release",
            TokenVerb::Hold => "hold",
        }
    }
}

/// Which addresses a token may register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressRule {
    /// The one that the request came from.
    Source,
    /// Those of a network.
    Network(Network),
}

impl<'de> Deserialize<'de> for AddressRule {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<AddressRule, D::Error> {
        let text = from.deserialize_str(TextVisitor("a network in quotes, or \"source\""))?;
        if text == SOURCE {
            return Ok(AddressRule::Source);
        }
        let network = text.parse().map_err(|why| {
            D::Error::custom(format!(
                "{text:?}: {why}, or \"{SOURCE}\" for that of the request"
            ))
        })?;
        Ok(AddressRule::Network(network))
    }
}

/// The SHA-256 of a secret. It is not shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SecretHash(pub [u8; 32]);

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash")
    }
}

impl<'de> Deserialize<'de> for SecretHash {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<SecretHash, D::Error> {
        let how = "the 64 hexadecimal digits that cloudhosts gateway-token prints, in quotes";
        let text = from.deserialize_str(TextVisitor(how))?;
        digits(&text)
            .map(SecretHash)
            .ok_or_else(|| D::Error::custom(format!("write {how}")))
    }
}

fn digits(text: &str) -> Option<[u8; 32]> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|digit| u8::try_from(digit.to_digit(16)?).ok())
        .collect();
    let digits: [u8; 64] = digits?.try_into().ok()?;
    let mut hash = [0; 32];
    for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = pair.iter().fold(0, |byte, digit| byte << 4 | digit);
    }
    Some(hash)
}

/// The table as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenTable {
    name: Spanned<TokenName>,
    sha256: Spanned<SecretHash>,
    roles: Globs,
    verbs: Verbs,
    #[serde(default)]
    member: Option<MemberGlob>,
    #[serde(default)]
    addresses: Addresses,
    #[serde(default)]
    views: Option<Spanned<Vec<String>>>,
}

impl TokenTable {
    /// The hashes that it names, or the default where it names none.
    pub(crate) fn views(&self) -> Hashes {
        let named = self.views.as_ref();
        named.map_or_else(Hashes::default, |views| Hashes(views.as_ref().clone()))
    }

    /// The token, if it fits to the hashes there are and to the tokens before it.
    pub(crate) fn check(
        self,
        hashes: &[String],
        before: &[Token],
        source: &ConfigText,
    ) -> Result<Token, ConfigError> {
        let name_at = self.name.span();
        let hash_at = self.sha256.span();
        let name = self.name.into_inner().0;
        let sha256 = self.sha256.into_inner();
        if before.iter().any(|token| token.name == name) {
            let why = format!("there is a token {name} already; give this one another name");
            return Err(source.error(Some(&name_at), why));
        }
        if let Some(other) = before.iter().find(|token| token.sha256 == sha256) {
            let why = format!(
                "the token {} has the same secret; make another one",
                other.name
            );
            return Err(source.error(Some(&hash_at), why));
        }
        let views = match self.views {
            Some(views) => {
                let at = views.span();
                check_views(views.into_inner(), hashes)
                    .map_err(|why| source.error(Some(&at), why))?
            }
            None if hashes.len() == 1 => hashes.to_vec(),
            None => {
                let why = "there are several hashes; say with views = [...] which of them this \
                           token may write to";
                return Err(source.error(Some(&name_at), why.to_owned()));
            }
        };
        Ok(Token {
            name,
            sha256,
            roles: self.roles.0,
            verbs: self.verbs.0,
            member: self.member.map(|member| member.0),
            addresses: self.addresses.0,
            views,
        })
    }
}

/// Each must be one of `hashes`.
fn check_views(views: Vec<String>, hashes: &[String]) -> Result<Vec<String>, String> {
    if views.is_empty() {
        return Err("there must be at least one hash in views".to_owned());
    }
    if let Some(view) = views.iter().find(|view| !hashes.contains(view)) {
        return Err(format!(
            "{} is none of `hashes`; name one of these, or add it there",
            Quoted(view.as_bytes())
        ));
    }
    Ok(views)
}

/// The name of a token.
struct TokenName(String);

impl<'de> Deserialize<'de> for TokenName {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<TokenName, D::Error> {
        let text = from.deserialize_str(TextVisitor("the name of a token in quotes"))?;
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if text.is_empty() || text.len() > LONGEST_NAME || !text.bytes().all(known) {
            return Err(D::Error::custom(format!(
                "the name of a token has 1 to {LONGEST_NAME} letters, digits, '.', '_' and '-'"
            )));
        }
        Ok(TokenName(text))
    }
}

/// `roles`.
struct Globs(Vec<WildMatch>);

impl<'de> Deserialize<'de> for Globs {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Globs, D::Error> {
        let globs: Vec<String> = Vec::deserialize(from)
            .map_err(|_| D::Error::custom("write a list of roles or globs, such as [\"web\"]"))?;
        if globs.is_empty() {
            return Err(D::Error::custom("there must be at least one role"));
        }
        // Roles are in lower case and without a dot at the end.
        let globs = globs.iter().map(|glob| {
            let plain = glob.strip_suffix('.').unwrap_or(glob);
            checked_glob(&plain.to_ascii_lowercase()).map_err(D::Error::custom)
        });
        Ok(Globs(globs.collect::<Result<_, _>>()?))
    }
}

/// `member`.
struct MemberGlob(WildMatch);

impl<'de> Deserialize<'de> for MemberGlob {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<MemberGlob, D::Error> {
        let text = from.deserialize_str(TextVisitor("a member ID or a glob in quotes"))?;
        Ok(MemberGlob(checked_glob(&text).map_err(D::Error::custom)?))
    }
}

fn checked_glob(glob: &str) -> Result<WildMatch, String> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.*?".contains(&byte);
    if glob.is_empty() || !glob.bytes().all(known) {
        return Err(format!(
            "the glob {} matches nothing: there are letters, digits, '-', '_' and '.', and of other \
             characters '*' stands for any run and '?' for one",
            Quoted(glob.as_bytes())
        ));
    }
    Ok(WildMatch::new(glob))
}

/// `verbs`.
struct Verbs(Vec<TokenVerb>);

impl<'de> Deserialize<'de> for Verbs {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Verbs, D::Error> {
        let verbs = Vec::<TokenVerb>::deserialize(from).unwrap_or_default();
        if verbs.is_empty() {
            let names = TokenVerb::ALL.map(TokenVerb::name).join(", ");
            return Err(D::Error::custom(format!(
                "write a list of verbs, of: {names}"
            )));
        }
        Ok(Verbs(verbs))
    }
}

/// `addresses`.
struct Addresses(Vec<AddressRule>);

impl Default for Addresses {
    fn default() -> Addresses {
        Addresses(vec![AddressRule::Source])
    }
}

impl<'de> Deserialize<'de> for Addresses {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Addresses, D::Error> {
        let rules = Vec::deserialize(from)?;
        if rules.is_empty() {
            return Err(D::Error::custom(
                "with no addresses nothing can be registered; write [\"source\"] for that of the request",
            ));
        }
        Ok(Addresses(rules))
    }
}
