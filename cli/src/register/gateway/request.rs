//! One request to the gateway.

use std::fmt;
use std::path::Path;

use cloudhosts_config::{GatewayAccess, Zone};
use cloudhosts_registry::register::{Change, Condition, Place, RequestBody, Role, Verb};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

/// What is percent-encoded in a segment of a path: all but the unreserved characters (RFC 3986).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What is done with the resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum RequestMethod {
    Get,
    Put,
    Delete,
}

impl RequestMethod {
    /// Its name in HTTP.
    pub(super) fn name(self) -> &'static str {
        match self {
            RequestMethod::Get => "GET",
            RequestMethod::Put => "PUT",
            RequestMethod::Delete => "DELETE",
        }
    }
}

/// A request, without the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct GatewayRequest {
    pub(super) method: RequestMethod,
    /// The path, after that of the gateway's URL.
    pub(super) path: String,
    /// The header with the condition of a change, and its value.
    pub(super) condition: Option<(&'static str, String)>,
    /// JSON, or empty.
    pub(super) body: String,
}

impl GatewayRequest {
    /// One without a body.
    pub(super) fn get(path: &str) -> GatewayRequest {
        GatewayRequest {
            method: RequestMethod::Get,
            path: path.to_owned(),
            condition: None,
            body: String::new(),
        }
    }

    /// A change. None for those that a gateway does not make. Values that are left out are in `zone`.
    pub(in super::super) fn of_change(
        change: &Change,
        zone: Option<&Zone>,
    ) -> Option<GatewayRequest> {
        let method = match change.verb {
            Verb::Claim | Verb::Join => RequestMethod::Put,
            Verb::Leave | Verb::Release => RequestMethod::Delete,
            Verb::Point => return None,
        };
        let condition = change.only_if.as_ref().map(|condition| match condition {
            Condition::Absent => ("if-none-match", "*".to_owned()),
            Condition::At(at) => ("if-match", format!("\"{at}\"")),
        });
        let request = of_role::<()>(method, &change.role, &change.places, zone, None);
        Some(GatewayRequest {
            condition,
            ..request
        })
    }

    /// A holder's request to join or to renew.
    pub(in super::super) fn of_holder<H: Serialize>(
        role: &Role,
        places: &[Place],
        zone: Option<&Zone>,
        holder: H,
    ) -> GatewayRequest {
        of_role(RequestMethod::Put, role, places, zone, Some(holder))
    }

    /// A holder's request to end its lease.
    pub(super) fn of_end<H: Serialize>(role: &Role, places: &[Place], holder: H) -> GatewayRequest {
        // How it ends does not depend on what was written.
        let places = places.iter().map(|place| Place {
            hash: place.hash.clone(),
            at: None,
        });
        let places: Vec<Place> = places.collect();
        of_role(RequestMethod::Delete, role, &places, None, Some(holder))
    }

    /// The same as a command line. The token is read by the shell, and by curl from a pipe, so that it is
    /// not in the list of processes.
    pub(in super::super) fn as_curl(&self, access: &GatewayAccess) -> Vec<String> {
        let token = access
            .token_file
            .as_deref()
            .unwrap_or(Path::new("TOKEN_FILE"));
        let token = ShellWord(&token.to_string_lossy()).to_string();
        let mut lines = vec![format!(
            "printf 'Authorization: Bearer %s' \"$(cat {token})\" |"
        )];
        let mut command = format!("  curl -sS -X {} -H @-", self.method.name());
        if let Some(file) = &access.ca_file {
            command += &format!(" --cacert {}", ShellWord(&file.to_string_lossy()));
        }
        if let Some((name, value)) = &self.condition {
            let header = format!("{name}: {value}");
            command += &format!(" -H {}", ShellWord(&header));
        }
        lines.push(command + " \\");
        if !self.body.is_empty() {
            lines.push(format!(
                "  -H 'Content-Type: application/json' -d {} \\",
                ShellWord(&self.body)
            ));
        }
        let url = format!("{}{}", access.url, self.path);
        lines.push(format!("  {}", ShellWord(&url)));
        lines
    }
}

/// A request about a role, or about a member of it.
fn of_role<H: Serialize>(
    method: RequestMethod,
    role: &Role,
    places: &[Place],
    zone: Option<&Zone>,
    holder: Option<H>,
) -> GatewayRequest {
    let segment = |text| utf8_percent_encode(text, SEGMENT);
    let mut path = format!("/v1/roles/{}", segment(role.name()));
    if let Some(member) = role.member() {
        path += &format!("/members/{}", segment(member));
    }
    let body = RequestBody {
        zone: zone.map(Zone::to_string),
        ..RequestBody::of(places, holder)
    };
    GatewayRequest {
        method,
        path,
        condition: None,
        // These types have nothing that JSON cannot express.
        body: serde_json::to_string(&body).unwrap_or_default(),
    }
}

/// A word, quoted for sh.
struct ShellWord<'w>(&'w str);

impl fmt::Display for ShellWord<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@%".contains(&byte);
        if !self.0.is_empty() && self.0.bytes().all(plain) {
            f.write_str(self.0)
        } else {
            write!(f, "'{}'", self.0.replace('\'', r"'\''"))
        }
    }
}

#[cfg(test)]
mod tests {
    use cloudhosts_config::GatewayUrl;
    use cloudhosts_registry::register::Where;

    use super::*;

    fn change(verb: Verb, role: Role, at: Option<&str>) -> Change {
        Change {
            verb,
            role,
            places: vec![Place {
                hash: "cloudhosts".into(),
                at: at.map(|at| Where::addresses(at).unwrap()),
            }],
            only_if: None,
            views: None,
        }
    }

    #[test]
    fn a_change_is_a_method_a_path_a_condition_and_a_body() {
        let role = || Role::parse("*.web").unwrap();
        let mut claim = change(Verb::Claim, role(), Some("10.0.0.5"));
        claim.only_if = Some(Condition::At(Where::addresses("10.0.0.4").unwrap()));
        let request = GatewayRequest::of_change(&claim, None).unwrap();
        assert_eq!(request.method, RequestMethod::Put);
        assert_eq!(request.path, "/v1/roles/%2A.web");
        assert_eq!(request.condition, Some(("if-match", "\"10.0.0.4\"".into())));
        assert_eq!(
            request.body,
            r#"{"places":[{"hash":"cloudhosts","value":"10.0.0.5"}]}"#
        );
        let member = role().with_member("i-1").unwrap();
        let zone = Zone::parse(b"eu-1a").unwrap();
        let join = change(Verb::Join, member.clone(), None);
        let request = GatewayRequest::of_change(&join, Some(&zone)).unwrap();
        assert_eq!(request.path, "/v1/roles/%2A.web/members/i-1");
        assert_eq!(
            request.body,
            r#"{"places":[{"hash":"cloudhosts"}],"zone":"eu-1a"}"#
        );
        let leave = change(Verb::Leave, member, None);
        let request = GatewayRequest::of_change(&leave, None).unwrap();
        assert_eq!(request.method, RequestMethod::Delete);
        let mut absent = change(Verb::Claim, role(), None);
        absent.only_if = Some(Condition::Absent);
        let request = GatewayRequest::of_change(&absent, None).unwrap();
        assert_eq!(request.condition, Some(("if-none-match", "*".into())));
        assert_eq!(
            GatewayRequest::of_change(&change(Verb::Point, role(), None), None),
            None
        );
    }

    #[test]
    fn what_sh_would_understand_is_quoted() {
        let shown = |word| ShellWord(word).to_string();
        assert_eq!(shown("https://h:8443/v1"), "https://h:8443/v1");
        assert_eq!(shown("a b"), "'a b'");
        assert_eq!(shown("it's $(x)"), r"'it'\''s $(x)'");
        assert_eq!(shown(""), "''");
        let access = GatewayAccess {
            url: GatewayUrl::parse("https://g/a").unwrap(),
            token_file: Some("/etc/the token".into()),
            ca_file: None,
        };
        let lines = GatewayRequest::get("/v1/health")
            .as_curl(&access)
            .join("\n");
        assert!(lines.contains("cat '/etc/the token'"), "{lines}");
        assert!(lines.ends_with("https://g/a/v1/health"), "{lines}");
    }
}
