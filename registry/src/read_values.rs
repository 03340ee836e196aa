//! Reads a few fields, for `cloudhosts lint`.

use std::sync::Arc;

use cloudhosts_config::Config;
use redis::{Value, cmd};

use crate::connect::Connector;
use crate::connect_error::ConnectError;
use crate::fault::Fault;
use crate::runtime::runtime;

/// Reads fields, each by the key of its hash and its raw name. The result is None for a field that is
/// None or does not exist.
///
/// # Errors
/// No Redis can be connected to, or it refuses the command.
pub fn read_values(
    config: &Config,
    fields: &[Option<(String, Vec<u8>)>],
) -> Result<Vec<Option<Vec<u8>>>, ConnectError> {
    runtime()?.block_on(read(config, fields))
}

async fn read(
    config: &Config,
    fields: &[Option<(String, Vec<u8>)>],
) -> Result<Vec<Option<Vec<u8>>>, ConnectError> {
    let mut connector = Connector::new(Arc::new(config.clone()));
    let mut connection = connector.connect().await?;
    let endpoint = connection.endpoint.clone();
    let mut values = Vec::with_capacity(fields.len());
    for field in fields {
        let Some((hash, field)) = field else {
            values.push(None);
            continue;
        };
        let question = cmd("HMGET").arg(hash).arg(field).to_owned();
        let answer = connection.link.send(&question).await;
        let answer = answer.map_err(|error| ConnectError::of_command(&endpoint, error))?;
        let Value::Array(answer) = answer else {
            return Err(ConnectError::new(
                endpoint,
                Fault::unexpected_reply("HMGET"),
            ));
        };
        values.push(match answer.into_iter().next() {
            Some(Value::BulkString(value)) => Some(value),
            _ => None,
        });
    }
    Ok(values)
}
