//! What systemd says of the unit. That it works so is seen in [`crate::booted`].

use std::path::Path;

use cloudhosts_tests::process::{bounded, succeed};

/// What systemd-analyze may call its exposure, out of 10.
const MOST: f64 = 1.5;

#[test]
fn the_sandbox_leaves_little_open() {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/cloudhosts-cached.service");
    let mut analyze = bounded("systemd-analyze");
    analyze
        .args(["security", "--offline=true", "--no-pager"])
        .arg(unit);
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
    assert!(exposure <= MOST, "{said}");
}
