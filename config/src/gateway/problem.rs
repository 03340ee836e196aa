//! Why a request was refused: what the gateway answers (RFC 9457), and its clients read.

use serde::{Deserialize, Serialize};

/// What the `type` of a problem begins with. Its code follows.
const URN: &str = "urn:cloudhosts:gateway:";

/// What kind of problem it is. Clients decide on this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemCode {
    /// There is no token, or none that the gateway knows.
    Unauthorized,
    /// The token does not allow this.
    Forbidden,
    /// There is nothing at this path.
    NotFound,
    /// This can't be done with what is at the path.
    MethodNotAllowed,
    /// The request took too long to arrive.
    Timeout,
    /// The condition is not met. Nothing was changed.
    Differs,
    /// The request has too many bytes.
    TooLarge,
    /// The request can't be understood, or asks for what can't be.
    Invalid,
    /// Somebody ended this holder; it must not hold the role again.
    Ended,
    /// Another holder has this member ID.
    Taken,
    /// The role has an address, and would have none. Nothing was changed.
    Dangling,
    /// There are too many requests for now.
    TooManyRequests,
    /// No Redis could be reached, or it refuses writes for now. Nothing was changed.
    RedisAway,
    /// Redis did not answer: the change may have been made. Making it again does no harm.
    Unanswered,
    /// Redis refuses. Nothing was changed.
    Refused,
}

impl ProblemCode {
    /// All of them.
    pub const ALL: [ProblemCode; 15] = [
        ProblemCode::Unauthorized,
        ProblemCode::Forbidden,
        ProblemCode::NotFound,
        ProblemCode::MethodNotAllowed,
        ProblemCode::Timeout,
        ProblemCode::Differs,
        ProblemCode::TooLarge,
        ProblemCode::Invalid,
        ProblemCode::Ended,
        ProblemCode::Taken,
        ProblemCode::Dangling,
        ProblemCode::TooManyRequests,
        ProblemCode::RedisAway,
        ProblemCode::Unanswered,
        ProblemCode::Refused,
    ];

    /// Its name in the document, in the log and in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ProblemCode::Unauthorized => "unauthorized",
            ProblemCode::Forbidden => "forbidden",
            ProblemCode::NotFound => "not_found",
            ProblemCode::MethodNotAllowed => "method_not_allowed",
            ProblemCode::Timeout => "timeout",
            ProblemCode::Differs => "differs",
            ProblemCode::TooLarge => "too_large",
            ProblemCode::Invalid => "invalid",
            ProblemCode::Ended => "ended",
            ProblemCode::Taken => "taken",
            ProblemCode::Dangling => "dangling",
            ProblemCode::TooManyRequests => "too_many_requests",
            ProblemCode::RedisAway => "redis_away",
            ProblemCode::Unanswered => "unanswered",
            ProblemCode::Refused => "refused",
        }
    }

    /// The status code of HTTP.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            ProblemCode::Invalid => 400,
            ProblemCode::Unauthorized => 401,
            ProblemCode::Forbidden => 403,
            ProblemCode::NotFound => 404,
            ProblemCode::MethodNotAllowed => 405,
            ProblemCode::Timeout => 408,
            ProblemCode::Ended | ProblemCode::Taken | ProblemCode::Dangling => 409,
            ProblemCode::Differs => 412,
            ProblemCode::TooLarge => 413,
            ProblemCode::TooManyRequests => 429,
            ProblemCode::Refused => 502,
            ProblemCode::RedisAway | ProblemCode::Unanswered => 503,
        }
    }

    /// What it is called, for people.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            ProblemCode::Unauthorized => "a token is needed",
            ProblemCode::Forbidden => "the token does not allow this",
            ProblemCode::NotFound => "there is nothing here",
            ProblemCode::MethodNotAllowed => "this method is not for this path",
            ProblemCode::Timeout => "the request took too long",
            ProblemCode::Differs => "the role has another value",
            ProblemCode::TooLarge => "the request is too large",
            ProblemCode::Invalid => "the request is wrong",
            ProblemCode::Ended => "the holder was ended",
            ProblemCode::Taken => "another holder has this member ID",
            ProblemCode::Dangling => "the role would have no address",
            ProblemCode::TooManyRequests => "too many requests",
            ProblemCode::RedisAway => "Redis can't be reached",
            ProblemCode::Unanswered => "Redis did not answer",
            ProblemCode::Refused => "Redis refuses",
        }
    }
}

/// The document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// A URN with the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// What the code is called.
    pub title: String,
    /// The status code of HTTP.
    pub status: u16,
    /// What is wrong with this request, and what to do.
    pub detail: String,
    /// The code.
    pub code: ProblemCode,
}

impl Problem {
    /// A problem of this kind.
    #[must_use]
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Problem {
        Problem {
            kind: format!("{URN}{}", code.name()),
            title: code.title().to_owned(),
            status: code.status(),
            detail: detail.into(),
            code,
        }
    }
}
