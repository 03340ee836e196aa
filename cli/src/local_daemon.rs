//! The daemon of this machine: its socket, its table, its status, located by the
//! configuration.

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use cloudhosts_config::Config;
use cloudhosts_config::status::Status;
use cloudhosts_table::client::LAST_GOOD_NAME;
use cloudhosts_table::clock::monotonic;
use cloudhosts_table::{Client, Paths, Unavailable, View};

use crate::outcome::Failure;

/// The daemon's socket, by the configuration; the environment's
/// `CLOUDHOSTS_SOCKET` wins, as it does in the module.
pub(crate) fn socket(config: &Config) -> PathBuf {
    let socket = std::env::var_os("CLOUDHOSTS_SOCKET").filter(|socket| !socket.is_empty());
    socket.map_or_else(|| config.socket.clone(), PathBuf::from)
}

/// The socket and the file of the last good table. None if the path of the socket is too
/// long.
pub(crate) fn paths(config: &Config) -> Option<Paths> {
    let socket = CString::new(socket(config).into_os_string().into_vec()).ok()?;
    let last_good = config.state_dir.join(LAST_GOOD_NAME);
    // This is called a few times per process.
    let last_good: &'static Path = Box::leak(last_good.into_boxed_path());
    Some(Paths::at(&socket)?.with_last_good(last_good))
}

/// The configured socket, whatever the environment says.
pub(crate) fn configured(config: &Config) -> Option<Paths> {
    let socket = CString::new(config.socket.as_os_str().as_bytes()).ok()?;
    Paths::at(&socket)
}

/// Calls `f` with the table that programs of this machine use. Waits for at most 100 ms.
///
/// # Errors
/// There is none, or it is too old to be used.
pub(crate) fn table<R>(config: &Config, f: impl FnOnce(&View<'_>) -> R) -> Result<R, Failure> {
    attached(config, f).map_err(|error| {
        Failure::Unreachable(format!(
            "there is no table to ask: {error}; is cloudhosts-cached running? \
             (cloudhosts doctor)"
        ))
    })
}

/// The same, with the reason why there is none.
///
/// # Errors
/// There is none, or it is too old to be used.
pub(crate) fn attached<R>(
    config: &Config,
    f: impl FnOnce(&View<'_>) -> R,
) -> Result<R, Unavailable> {
    Client::new().with(|| paths(config), monotonic(), f)
}

/// The status file, as text and parsed.
///
/// # Errors
/// It can't be read or parsed.
pub(crate) fn status(config: &Config) -> Result<(String, Status), Failure> {
    let path = config.status_file.display();
    let text = fs::read_to_string(&config.status_file).map_err(|error| {
        Failure::Unreachable(format!(
            "can't read {path}: {error}; is cloudhosts-cached running? \
             (systemctl status cloudhosts-cached)"
        ))
    })?;
    let status = serde_json::from_str(&text)
        .map_err(|error| Failure::Unreachable(format!("{path} is not a status file: {error}")))?;
    Ok((text, status))
}
