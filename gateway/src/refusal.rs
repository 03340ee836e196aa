//! Why a request is not done, as a response (RFC 9457).

use std::time::Duration;

use cloudhosts_config::gateway::{Problem, ProblemCode};
use cloudhosts_registry::register::RegisterError;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};

/// After how long to try again when Redis is away.
const RETRY: Duration = Duration::from_secs(2);

/// A response. All of them are short.
pub(crate) type Answer = Response<Full<Bytes>>;

/// Why a request is not done.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) code: ProblemCode,
    pub(crate) detail: String,
    /// Another status than that of the code.
    status: Option<StatusCode>,
    /// After how long to try again.
    retry: Option<Duration>,
    /// The methods that are for this path.
    allow: Option<&'static str>,
    /// Whether the rest of the request was not read, so that nothing can follow it.
    close: bool,
}

impl Refusal {
    pub(crate) fn new(code: ProblemCode, detail: impl Into<String>) -> Refusal {
        Refusal {
            code,
            detail: detail.into(),
            status: None,
            retry: None,
            allow: None,
            close: false,
        }
    }

    /// The request can't be understood.
    pub(crate) fn invalid(detail: impl Into<String>) -> Refusal {
        Refusal::new(ProblemCode::Invalid, detail)
    }

    /// It is understood, and asks for what can't be.
    pub(crate) fn unprocessable(detail: impl Into<String>) -> Refusal {
        Refusal {
            status: Some(StatusCode::UNPROCESSABLE_ENTITY),
            ..Refusal::invalid(detail)
        }
    }

    /// The length of a body is not said.
    pub(crate) fn without_length() -> Refusal {
        let why = "say the length of the body (Content-Length): Transfer-Encoding is not accepted";
        Refusal {
            status: Some(StatusCode::LENGTH_REQUIRED),
            ..Refusal::invalid(why).closing()
        }
    }

    /// The token does not allow something.
    pub(crate) fn forbidden(detail: impl Into<String>) -> Refusal {
        Refusal::new(ProblemCode::Forbidden, detail)
    }

    /// No Redis. Nothing was changed.
    pub(crate) fn away(detail: impl Into<String>) -> Refusal {
        Refusal {
            retry: Some(RETRY),
            ..Refusal::new(ProblemCode::RedisAway, detail)
        }
    }

    /// There may be another request after this time.
    pub(crate) fn too_many(detail: &str, wait: Duration) -> Refusal {
        Refusal {
            retry: Some(wait),
            ..Refusal::new(ProblemCode::TooManyRequests, detail)
        }
    }

    /// The path has other methods.
    pub(crate) fn method(allow: &'static str) -> Refusal {
        Refusal {
            allow: Some(allow),
            ..Refusal::new(
                ProblemCode::MethodNotAllowed,
                format!("use one of: {allow}"),
            )
        }
    }

    /// The same, and the connection ends.
    pub(crate) fn closing(self) -> Refusal {
        Refusal {
            close: true,
            ..self
        }
    }

    /// The response.
    pub(crate) fn answer(&self) -> Answer {
        let mut problem = Problem::new(self.code, self.detail.clone());
        if let Some(status) = self.status {
            problem.status = status.as_u16();
        }
        let status = StatusCode::from_u16(problem.status);
        let mut answer = json(
            status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            &problem,
        );
        let headers = answer.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if self.code == ProblemCode::Unauthorized {
            let schemes = HeaderValue::from_static("Basic realm=\"cloudhosts\", Bearer");
            headers.insert(WWW_AUTHENTICATE, schemes);
        }
        if let Some(wait) = self.retry {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        if let Some(allow) = self.allow {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        if self.close {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    }
}

impl From<RegisterError> for Refusal {
    fn from(error: RegisterError) -> Refusal {
        let text = error.to_string();
        match error {
            RegisterError::Away(_) => Refusal::away(text),
            RegisterError::Refused(_) => Refusal::new(ProblemCode::Refused, text),
            RegisterError::Differs(_) => Refusal::new(ProblemCode::Differs, text),
            RegisterError::Dangling(_) => Refusal::new(ProblemCode::Dangling, text),
            RegisterError::Unanswered(_) => Refusal {
                retry: Some(RETRY),
                ..Refusal::new(ProblemCode::Unanswered, error.why())
            },
        }
    }
}

/// A response with a JSON document.
pub(crate) fn json(status: StatusCode, document: &impl serde::Serialize) -> Answer {
    // These documents have nothing that JSON can't say.
    let mut text = serde_json::to_vec(document).unwrap_or_default();
    text.push(b'\n');
    let mut answer = Response::new(Full::new(Bytes::from(text)));
    *answer.status_mut() = status;
    let kind = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    answer
}

/// A response with text.
pub(crate) fn text(status: StatusCode, kind: &'static str, text: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(text)));
    *answer.status_mut() = status;
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}
