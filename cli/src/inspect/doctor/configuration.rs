//! The configuration: whether the daemon can read it, and has read it.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use cloudhosts_config::status::ConfigStatus;
use cloudhosts_config::{Account, Config, ConfigError};

use super::code::Code;
use super::daemon::DaemonHealth;
use super::finding::Finding;

const CHECK: &str = "config";

/// The configuration is invalid.
pub(super) fn invalid(error: &ConfigError) -> Finding {
    if let Some(file) = error.denied() {
        let says = format_args!("{} can't be read here", file.display());
        let finding = Finding::wrong(CHECK, says, "run this as root");
        return finding.code(Code::Unreadable).evidence(error);
    }
    let todo = "correct that line, then run: cloudhosts-cached --check-config";
    let says = "the configuration is invalid";
    Finding::wrong(CHECK, says, todo)
        .code(Code::Invalid)
        .evidence(error)
}

/// Whether the daemon's user can read it, and whether it is the one in effect.
pub(super) fn look(
    config: &Config,
    health: &DaemonHealth,
    account: Option<&Account>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(denied(config, account));
    let status = health.status().and_then(|status| status.config.as_ref());
    findings.extend(status.and_then(newer));
    findings.extend(status.and_then(pending));
    if findings.is_empty() {
        findings.push(match config.file() {
            Some(file) => Finding::ok(CHECK, file.display()),
            None => Finding::ok(CHECK, "there is no file, so the defaults apply"),
        });
    }
    findings
}

fn denied(config: &Config, account: Option<&Account>) -> Option<Finding> {
    let (file, account) = (config.file()?, account?);
    let opened = account.act(|| File::open(file)).ok()?;
    let error = opened.err()?;
    (error.kind() == ErrorKind::PermissionDenied).then(|| {
        let (name, shown) = (&account.name, file.display());
        let says = format_args!("the daemon's user {name} can't read {shown}");
        let todo = format_args!("run: {}", account.grant(file));
        Finding::wrong(CHECK, says, todo)
            .code(Code::Denied)
            .evidence(error)
    })
}

/// The file has changed since the daemon read it.
fn newer(status: &ConfigStatus) -> Option<Finding> {
    let file = status.file.as_deref()?;
    let changed = changed(file)?;
    (changed > status.read).then(|| {
        let says = "the daemon has not read the current configuration";
        let (changed, read) = (
            humantime::format_rfc3339_seconds(changed),
            humantime::format_rfc3339_seconds(status.read),
        );
        Finding::warning(CHECK, says, "run: systemctl reload cloudhosts-cached")
            .code(Code::Newer)
            .evidence(format_args!(
                "{} was changed at {changed}, and read at {read}",
                file.display()
            ))
    })
}

/// When a file or its directory entry was changed last, whatever its mtime says.
fn changed(file: &Path) -> Option<SystemTime> {
    let found = fs::metadata(file).ok()?;
    let since = Duration::new(
        found.ctime().try_into().ok()?,
        found.ctime_nsec().try_into().ok()?,
    );
    SystemTime::UNIX_EPOCH.checked_add(since)
}

fn pending(status: &ConfigStatus) -> Option<Finding> {
    (!status.pending.is_empty()).then(|| {
        let says = format_args!(
            "takes effect when the daemon is restarted: {}",
            status.pending.join(", ")
        );
        Finding::warning(CHECK, says, "run: systemctl restart cloudhosts-cached")
            .code(Code::Pending)
    })
}
