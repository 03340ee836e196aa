//! The systemd unit of the daemon.

use std::path::Path;

use cloudhosts_config::Unit;

use super::code::Code;
use super::finding::Finding;

const CHECK: &str = "unit";

/// Exists if systemd is running (sd_booted(3)).
const BOOTED: &str = "/run/systemd/system";

/// Whether systemd is running.
pub(super) fn is_booted() -> bool {
    Path::new(BOOTED).is_dir()
}

/// The command that starts the daemon on this machine.
pub(super) fn start() -> String {
    if is_booted() {
        "run: systemctl start cloudhosts-cached".to_owned()
    } else {
        "run: setpriv --reuid cloudhosts --regid cloudhosts --clear-groups cloudhosts-cached &"
            .to_owned()
    }
}

/// Whether the daemon is started at boot. Without systemd or a unit there is nothing to
/// check.
pub(super) fn look(unit: Option<&Unit>) -> Option<Finding> {
    let unit = unit.filter(|_| is_booted())?;
    let file = unit.file.display();
    Some(if unit.masked {
        let says = "cloudhosts-cached is masked, so it can't be started";
        let todo = "run: systemctl unmask cloudhosts-cached";
        Finding::wrong(CHECK, says, todo)
            .code(Code::Masked)
            .evidence(format_args!("{file} is a link to /dev/null"))
    } else if unit.enabled {
        Finding::ok(CHECK, "cloudhosts-cached starts at boot")
    } else {
        let says = "cloudhosts-cached does not start at boot";
        let todo = "run: systemctl enable cloudhosts-cached";
        Finding::warning(CHECK, says, todo)
            .code(Code::NotEnabled)
            .evidence(format_args!("no target wants {file}"))
    })
}
