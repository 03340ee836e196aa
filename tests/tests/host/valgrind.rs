//! Under valgrind's memcheck.

use std::path::Path;

use cloudhosts_tests::process::{run, stderr, stdout};

use crate::place::Place;
use crate::publisher::Pace;

/// Runs a program inside under memcheck; what it printed.
fn memcheck(place: &Place, program: &Path, arguments: &[&str]) -> String {
    let mut command = place.command(
        "valgrind",
        &[
            "-q",
            "--error-exitcode=99",
            "--leak-check=full",
            "--errors-for-leak-kinds=definite,possible",
            "--track-fds=no",
        ],
    );
    let output = run(command.arg(program).args(arguments));
    assert!(
        output.status.success() && stderr(&output).is_empty(),
        "{}\n{}",
        output.status,
        stderr(&output)
    );
    stdout(&output)
}

#[test]
fn memcheck_finds_nothing_in_a_look_up() {
    let place = Place::new(Pace::only(7));
    let plain = place.compile("host_plain", &[]);
    let printed = memcheck(&place, &plain, &["which", "nothing", "localhost"]);
    let answers: Vec<&str> = printed.lines().collect();
    assert!(["10.0.0.7", "11.0.0.7"].contains(&answers[0]), "{printed}");
    assert_eq!(answers[1..], ["Name or service not known", "127.0.0.1"]);
}

#[test]
fn memcheck_finds_nothing_in_getent() {
    let place = Place::new(Pace::only(7));
    let getent = Path::new("getent");
    for (arguments, wanted) in [
        (&["ahosts", "which"][..], "10.0.0.7"),
        (&["hosts", "10.0.0.7"], "t7"),
        (&["hosts"], "t7"),
    ] {
        let printed = memcheck(&place, getent, arguments);
        assert!(printed.contains(wanted), "{arguments:?}: {printed}");
    }
}

#[test]
fn memcheck_finds_nothing_while_threads_follow_new_tables() {
    let place = Place::new(Pace::brisk());
    let crowd = place.compile("host_crowd", &[]);
    memcheck(&place, &crowd, &["cancel", "20"]);
}
