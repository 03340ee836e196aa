//! Asking a sentinel where the master is.

use super::endpoint::Endpoint;
use super::link::Failure;
use super::materials::Materials;
use super::session::plain;
use crate::config::Redis;
use crate::printable::Quoted;
use redis::{Value, cmd};

/// Where this sentinel says that the master is.
///
/// # Errors
/// In words for the operator.
pub(crate) async fn master(
    sentinel: &Endpoint,
    name: &str,
    redis: &Redis,
) -> Result<Endpoint, String> {
    let materials = Materials::for_sentinel(redis, sentinel).await?;
    let secret = materials.password.as_ref();
    let shown = |failure: Failure| match failure {
        Failure::Refused(refusal) => format!("the sentinel said {}", refusal.without(secret)),
        Failure::Lost(why) => why,
    };
    let limit = redis.connect_timeout;
    let link = plain(sentinel, &materials, limit).await;
    let mut link = link.map_err(shown)?;
    let mut question = cmd("SENTINEL");
    question.arg("GET-MASTER-ADDR-BY-NAME").arg(name);
    let answer = link.ask_within(&question, limit).await.map_err(shown)?;
    match &answer {
        Value::Array(parts) => match parts.as_slice() {
            [Value::BulkString(host), Value::BulkString(port)] => {
                let host = String::from_utf8(host.clone()).ok();
                let port = std::str::from_utf8(port)
                    .ok()
                    .and_then(|port| port.parse().ok());
                host.zip(port)
                    .map(|(host, port)| sentinel.master_at(host, port))
            }
            _ => None,
        }
        .ok_or_else(|| "the sentinel's answer is not an address".to_owned()),
        Value::Nil => Err(format!(
            "the sentinel watches no master called {}; check `sentinel`",
            Quoted(name.as_bytes())
        )),
        _ => Err("this is not a sentinel".to_owned()),
    }
}
