//! What the gateway answered.

use cloudhosts_config::GatewayUrl;
use cloudhosts_config::gateway::{Problem, ProblemCode};
use cloudhosts_config::printable::reason;
use cloudhosts_registry::register::RegisterError;
use hyper::StatusCode;
use hyper::body::Bytes;
use serde::de::DeserializeOwned;

/// An answer, complete.
#[derive(Debug, Clone)]
pub(super) struct GatewayAnswer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

impl GatewayAnswer {
    /// The document of an answer that all went well.
    ///
    /// # Errors
    /// The gateway refuses, or this is not its answer.
    pub(super) fn document<T: DeserializeOwned>(
        &self,
        url: &GatewayUrl,
    ) -> Result<T, RegisterError> {
        if self.status != StatusCode::OK {
            return Err(self.error(url));
        }
        serde_json::from_slice(&self.body).map_err(|_| {
            // The change was made.
            RegisterError::Unanswered(format!(
                "{url}: this program does not understand the answer; is there a \
                 cloudhosts-gateway of the same version?"
            ))
        })
    }

    /// The error for an answer that nothing went well.
    pub(super) fn error(&self, url: &GatewayUrl) -> RegisterError {
        match serde_json::from_slice::<Problem>(&self.body) {
            Ok(problem) => of_problem(&problem, url),
            Err(_) => self.of_status(url),
        }
    }

    /// The error for an answer that is not the gateway's: a proxy's, or that of another server.
    fn of_status(&self, url: &GatewayUrl) -> RegisterError {
        let status = self.status.as_u16();
        let why = format!("{url}: HTTP status {status}");
        match status {
            408 | 425 | 429 => RegisterError::Away(why),
            500..600 => RegisterError::Unanswered(why),
            _ => RegisterError::Refused(format!(
                "{why}, and no answer of a cloudhosts-gateway; is this its URL?"
            )),
        }
    }
}

fn of_problem(problem: &Problem, url: &GatewayUrl) -> RegisterError {
    let detail = reason(&problem.detail);
    let at = format!("{url}: {detail}");
    match problem.code {
        ProblemCode::Differs => RegisterError::Differs(detail),
        ProblemCode::Dangling => RegisterError::Dangling(detail),
        ProblemCode::Unanswered => RegisterError::Unanswered(at),
        ProblemCode::RedisAway | ProblemCode::Timeout | ProblemCode::TooManyRequests => {
            RegisterError::Away(at)
        }
        ProblemCode::Unauthorized
        | ProblemCode::Forbidden
        | ProblemCode::NotFound
        | ProblemCode::MethodNotAllowed
        | ProblemCode::TooLarge
        | ProblemCode::Invalid
        | ProblemCode::Ended
        | ProblemCode::Taken
        | ProblemCode::Refused => RegisterError::Refused(at),
    }
}

#[cfg(test)]
mod tests {
    use cloudhosts_registry::register::RegisterErrorCode;

    use super::*;

    fn code(status: u16, body: &str) -> RegisterErrorCode {
        let answer = GatewayAnswer {
            status: StatusCode::from_u16(status).unwrap(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        };
        let url = GatewayUrl::parse("https://g").unwrap();
        answer.document::<Vec<u8>>(&url).unwrap_err().code()
    }

    #[test]
    fn a_problem_is_the_error_that_redis_would_have_caused() {
        let of = |code| {
            let problem = Problem::new(code, "why");
            self::code(problem.status, &serde_json::to_string(&problem).unwrap())
        };
        assert_eq!(of(ProblemCode::Differs), RegisterErrorCode::Differs);
        assert_eq!(of(ProblemCode::Dangling), RegisterErrorCode::Dangling);
        assert_eq!(of(ProblemCode::Refused), RegisterErrorCode::Refused);
        assert_eq!(of(ProblemCode::Forbidden), RegisterErrorCode::Refused);
        assert_eq!(of(ProblemCode::RedisAway), RegisterErrorCode::RedisAway);
        assert_eq!(
            of(ProblemCode::TooManyRequests),
            RegisterErrorCode::RedisAway
        );
        assert_eq!(of(ProblemCode::Unanswered), RegisterErrorCode::Unanswered);
    }

    #[test]
    fn what_a_proxy_answers_may_hide_a_change() {
        assert_eq!(code(502, "<html>"), RegisterErrorCode::Unanswered);
        assert_eq!(code(504, ""), RegisterErrorCode::Unanswered);
        assert_eq!(code(200, "<html>"), RegisterErrorCode::Unanswered);
        assert_eq!(code(429, ""), RegisterErrorCode::RedisAway);
        assert_eq!(code(404, "<html>"), RegisterErrorCode::Refused);
        assert_eq!(code(301, ""), RegisterErrorCode::Refused);
    }
}
