//! What a client sends to prove who it is.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cloudhosts_config::Secret;
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;

/// The secret of a token, and its name where the client says it.
#[derive(Debug)]
pub(crate) struct Credentials {
    pub(crate) name: Option<String>,
    pub(crate) secret: Secret,
}

impl Credentials {
    /// Reads the header: `Bearer SECRET`, or `Basic` with `NAME:SECRET`. None where there is no such
    /// header, or more than one.
    pub(crate) fn read(headers: &HeaderMap) -> Option<Credentials> {
        let mut all = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (all.next(), all.next()) else {
            return None;
        };
        let (scheme, rest) = value.to_str().ok()?.trim().split_once(' ')?;
        let rest = rest.trim();
        if scheme.eq_ignore_ascii_case("bearer") {
            return Some(Credentials {
                name: None,
                secret: Secret::new(rest.to_owned()),
            });
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let text = String::from_utf8(BASE64_STANDARD.decode(rest).ok()?).ok()?;
        let (name, secret) = text.split_once(':')?;
        Some(Credentials {
            name: Some(name.to_owned()),
            secret: Secret::new(secret.to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&str]) -> Option<(Option<String>, String)> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, value.parse().unwrap());
        }
        let read = Credentials::read(&headers)?;
        Some((read.name, read.secret.reveal().to_owned()))
    }

    #[test]
    fn both_schemes_are_read() {
        let secret = |name: Option<&str>| Some((name.map(str::to_owned), "s:1".to_owned()));
        assert_eq!(read(&["Bearer s:1"]), secret(None));
        assert_eq!(read(&["bearer  s:1 "]), secret(None));
        assert_eq!(read(&["Basic d2ViOnM6MQ=="]), secret(Some("web")));
    }

    #[test]
    fn anything_else_is_none() {
        for wrong in [
            &[][..],
            &["Bearer"],
            &["Digest x"],
            &["Basic d2Vi"],
            &["Basic ?"],
            &["Bearer a", "Bearer b"],
        ] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
    }
}
