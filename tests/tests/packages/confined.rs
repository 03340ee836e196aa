//! AppArmor's abstraction, as the parser takes it into a program's profile.

use std::io::Write;
use std::process::Stdio;

use cloudhosts_tests::dir::Dir;
use cloudhosts_tests::process::{bounded, stderr, stdout, succeed};

/// A program that is confined, as Debian's are.
const PROFILE: &str = "abi <abi/3.0>,
include <tunables/global>
profile confined /usr/bin/confined {
  include <abstractions/base>
  include <abstractions/nameservice>
}
";

#[test]
fn a_profile_with_nameservice_may_reach_the_daemon() {
    let directory = Dir::new();
    let own = directory.join("apparmor.d");
    succeed(bounded("cp").args(["-rT", "/etc/apparmor.d"]).arg(&own));
    // without ours, so that the machine's own packages decide nothing
    succeed(
        bounded("rm")
            .arg("-rf")
            .arg(own.join("abstractions/nameservice.d")),
    );
    let without = parse(&own);
    assert!(!without.contains("cached.sock"), "{without}");

    let ours = own.join("abstractions/nameservice.d");
    std::fs::create_dir(&ours).unwrap();
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../packaging/apparmor/cloudhosts"
    );
    std::fs::copy(file, ours.join("cloudhosts")).unwrap();
    let with = parse(&own);
    for (path, rights) in [
        ("/cloudhosts/cached.sock)", "rw"),
        ("/cloudhosts/last-good.table)", "r"),
    ] {
        // Mode: rwa:rwa Name: ({/run,/var/run}/cloudhosts/cached.sock)
        let rule = with.lines().find(|line| line.contains(path));
        let mode = rule.and_then(|rule| rule.split_whitespace().nth(1));
        assert!(
            mode.is_some_and(|mode| mode.starts_with(rights)),
            "{path}: {with}"
        );
    }
}

/// The rules the parser makes of the profile.
fn parse(own: &std::path::Path) -> String {
    let mut parser = bounded("apparmor_parser");
    parser
        .args(["-QTK", "--debug", "--base"])
        .arg(own)
        .stdin(Stdio::piped());
    parser.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut parser = parser.spawn().expect("apparmor_parser starts");
    parser
        .stdin
        .take()
        .unwrap()
        .write_all(PROFILE.as_bytes())
        .unwrap();
    let output = parser.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    format!("{}{}", stdout(&output), stderr(&output))
}
