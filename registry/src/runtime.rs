//! The runtime for functions that send a few commands and return.

use tokio::runtime::{Builder, Runtime};

use crate::connect_error::ConnectError;
use crate::fault::Fault;

/// A runtime on this thread.
///
/// # Errors
/// The system has no descriptor or no thread left.
pub(crate) fn runtime() -> Result<Runtime, ConnectError> {
    let built = Builder::new_current_thread().enable_all().build();
    built.map_err(|error| ConnectError::new(String::new(), Fault::system(error)))
}
