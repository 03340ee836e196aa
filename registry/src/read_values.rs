//! The values of a few fields, for whoever may read them.

use std::sync::Arc;

use redis::{Value, cmd};

use crate::connect::Connector;
use cloudhosts_config::Config;

/// Reads fields as they stand in Redis: each by the key of its hash and its raw
/// name. Nothing stands where nothing was asked for, or where there is none.
///
/// # Errors
/// No Redis answers, or lets us read; in words for the operator.
pub fn read_values(
    config: &Config,
    fields: &[Option<(String, Vec<u8>)>],
) -> Result<Vec<Option<Vec<u8>>>, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(read(config, fields))
}

async fn read(
    config: &Config,
    fields: &[Option<(String, Vec<u8>)>],
) -> Result<Vec<Option<Vec<u8>>>, String> {
    let connected = Connector::new(Arc::new(config.clone())).connect().await;
    let mut connection = connected.map_err(|down| format!("{}: {}", down.endpoint, down.why))?;
    let mut values = Vec::with_capacity(fields.len());
    for field in fields {
        let Some((hash, field)) = field else {
            values.push(None);
            continue;
        };
        let question = cmd("HMGET").arg(hash).arg(field).to_owned();
        let answer = connection.link.ask(&question).await;
        let Value::Array(answer) = answer.map_err(|failure| failure.to_string())? else {
            return Err("not the answer to HMGET".into());
        };
        values.push(match answer.into_iter().next() {
            Some(Value::BulkString(value)) => Some(value),
            _ => None,
        });
    }
    Ok(values)
}
