//! Whether a token allows what is asked for. Each refusal says which key of the token's table is in
//! the way.

use std::net::IpAddr;

use cloudhosts_config::gateway::{Token, TokenVerb};
use cloudhosts_config::printable::Quoted;
use cloudhosts_registry::register::{Place, Role, Where};

use crate::refusal::Refusal;

/// Checks everything that a token says about a change.
///
/// # Errors
/// Names the key that does not allow it.
pub(crate) fn check(
    token: &Token,
    verb: TokenVerb,
    role: &Role,
    places: &[Place],
    source: IpAddr,
) -> Result<(), Refusal> {
    let no = |key: &str, what: String| {
        let name = &token.name;
        Err(Refusal::forbidden(format!(
            "the token {name} does not allow {what} ({key})"
        )))
    };
    if !token.allows_verb(verb) {
        return no("verbs", verb.name().to_owned());
    }
    if !token.allows_role(role.name()) {
        return no("roles", format!("the role {}", role.name()));
    }
    if let Some(member) = role.member()
        && !token.allows_member(member)
    {
        return no("member", format!("the member {member}"));
    }
    for place in places {
        if !token.allows_view(&place.hash) {
            return no(
                "views",
                format!("the hash {}", Quoted(place.hash.as_bytes())),
            );
        }
        let addresses = place
            .at
            .as_ref()
            .map(Where::to_addresses)
            .unwrap_or_default();
        if let Some(address) = addresses
            .iter()
            .find(|&&address| !token.allows_address(address, source))
        {
            let what = format!("the address {address} in a request from {source}");
            return no("addresses", what);
        }
    }
    Ok(())
}
