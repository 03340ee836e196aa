//! Running asynchronous work to its end.

use std::future::Future;

use crate::outcome::Failure;

/// Runs work that talks to Redis, on this thread. A host lookup that exceeds its timeout
/// is abandoned.
///
/// # Errors
/// Those of `work`; or there is no file descriptor left.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Unreachable(format!("can't start: {error}")))?;
    let done = runtime.block_on(work);
    runtime.shutdown_background();
    done
}
