//! What systemd says of the units. That they work so is seen in [`crate::booted`].

use std::path::Path;

use cloudhosts_tests::process::{bounded, succeed};

/// What systemd-analyze may call the exposure of each, out of 10. Who holds a role runs checks and
/// hooks, and these may need a little more; who answers DNS or is the gateway has a capability, for
/// ports 53 and 443.
const MOST: [(&str, f64); 5] = [
    ("cloudhosts-cached.service", 1.2),
    ("cloudhosts-dns.service", 1.5),
    ("cloudhosts-gateway.service", 1.5),
    ("cloudhosts-hold@.service", 1.5),
    ("cloudhosts-metrics.service", 1.2),
];

#[test]
fn the_sandboxes_leave_little_open() {
    for (unit, most) in MOST {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging");
        let mut analyze = bounded("systemd-analyze");
        analyze
            .args(["security", "--offline=true", "--no-pager"])
            .arg(file.join(unit));
        let said = succeed(analyze.env("LC_ALL", "C"));
        let verdict = said
            .lines()
            .find_map(|line| line.split_once("Overall exposure level for "));
        let (_, verdict) = verdict.unwrap_or_else(|| panic!("{said}"));
        let exposure = verdict
            .split_whitespace()
            .nth(1)
            .and_then(|word| word.parse::<f64>().ok());
        let exposure = exposure.unwrap_or_else(|| panic!("{verdict}"));
        assert!(exposure <= most, "{unit}: {said}");
    }
}
