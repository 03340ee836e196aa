//! Running asynchronous work to its end.

use std::future::Future;

use crate::outcome::Failure;

/// Runs what talks to Redis, on this one thread. A look-up of the host that
/// outlives its timeout is left behind.
///
/// # Errors
/// As `work`; or the system gives no descriptor.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Unreachable(format!("can't start: {error}")))?;
    let done = runtime.block_on(work);
    runtime.shutdown_background();
    done
}
