//! What a path stands for.

use hyper::Method;
use percent_encoding::percent_decode_str;

use crate::metrics::Operation;
use crate::refusal::Refusal;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    Health,
    Metrics,
    NicUpdate,
    /// A change of a role, or of one of its members, as they are written in the path.
    Change {
        action: Action,
        role: String,
        member: Option<String>,
    },
}

/// What is to become of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Put,
    Delete,
}

impl Route {
    /// Reads a method and a path.
    pub(crate) fn read(method: &Method, path: &str) -> Result<Route, Refusal> {
        let only = |route: Route, methods: &[Method], allow: &'static str| {
            if methods.contains(method) {
                Ok(route)
            } else {
                Err(Refusal::method(allow))
            }
        };
        match path {
            "/v1/health" => return only(Route::Health, &[Method::GET, Method::HEAD], "GET, HEAD"),
            "/metrics" => return only(Route::Metrics, &[Method::GET], "GET"),
            "/nic/update" => return only(Route::NicUpdate, &[Method::GET], "GET"),
            _ => {}
        }
        let missing = || {
            let why = "there are /v1/roles/ROLE, /v1/roles/ROLE/members/MEMBER, /v1/health and \
                       /nic/update";
            Refusal::new(cloudhosts_config::gateway::ProblemCode::NotFound, why)
        };
        let rest = path.strip_prefix("/v1/roles/").ok_or_else(missing)?;
        let words: Vec<&str> = rest.split('/').collect();
        let (role, member) = match words.as_slice() {
            [role] => (*role, None),
            [role, "members", member] => (*role, Some(*member)),
            _ => return Err(missing()),
        };
        let action = match *method {
            Method::PUT => Action::Put,
            Method::DELETE => Action::Delete,
            _ => return Err(Refusal::method("PUT, DELETE")),
        };
        Ok(Route::Change {
            action,
            role: decoded(role)?,
            member: member.map(decoded).transpose()?,
        })
    }

    /// What it is counted as. A member with a lease is held.
    pub(crate) fn operation(&self) -> Operation {
        match self {
            Route::Health => Operation::Health,
            Route::Metrics => Operation::Metrics,
            Route::NicUpdate => Operation::NicUpdate,
            Route::Change { action, member, .. } => match (action, member) {
                (Action::Put, None) => Operation::Claim,
                (Action::Put, Some(_)) => Operation::Join,
                (Action::Delete, None) => Operation::Release,
                (Action::Delete, Some(_)) => Operation::Leave,
            },
        }
    }
}

fn decoded(word: &str) -> Result<String, Refusal> {
    let decoded = percent_decode_str(word).decode_utf8();
    decoded
        .map(|text| text.into_owned())
        .map_err(|_| Refusal::invalid("the path is not UTF-8 text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_role_or_a_member() {
        let read = |method: Method, path: &str| Route::read(&method, path).ok();
        let change = |action, role: &str, member: Option<&str>| {
            Some(Route::Change {
                action,
                role: role.to_owned(),
                member: member.map(str::to_owned),
            })
        };
        let (put, delete) = (Method::PUT, Method::DELETE);
        assert_eq!(
            read(put.clone(), "/v1/roles/web"),
            change(Action::Put, "web", None)
        );
        assert_eq!(
            read(delete, "/v1/roles/%2A.web/members/i%2d1"),
            change(Action::Delete, "*.web", Some("i-1"))
        );
        // a slash that is written so is none of the path
        assert_eq!(
            read(put.clone(), "/v1/roles/a%2fb"),
            change(Action::Put, "a/b", None)
        );
        assert_eq!(read(Method::GET, "/nic/update"), Some(Route::NicUpdate));
        for wrong in [
            "/",
            "/v1/roles",
            "/v1/roles/a/b",
            "/v1/roles/a/members/b/c",
            "/v1/roles/%ff",
        ] {
            assert_eq!(read(put.clone(), wrong), None, "{wrong}");
        }
        assert_eq!(read(Method::GET, "/v1/roles/web"), None);
    }
}
