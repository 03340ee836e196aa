//! Odd moments in the life of a process or thread.

use std::path::Path;
use std::time::Duration;

use crate::place::{Place, lines, number};
use crate::publisher::Pace;
use crate::soak;

const MOMENTS: [&str; 7] = [
    "library-constructor",
    "program-constructor",
    "main",
    "exiting-thread",
    "atexit",
    "program-destructor",
    "library-destructor",
];

/// What the program prints when it looks up at those moments.
fn look_up_at(place: &Place, program: &Path, library: &Path, moments: &[&str]) -> Vec<String> {
    // by the loader's own option: an environment would load it into nsenter too
    let mut command = place.command("env", &[]);
    command
        .arg(format!("LD_PRELOAD={}", library.display()))
        .arg(format!("HOST_MOMENTS={}", moments.join(",")))
        .arg(program);
    lines(&mut command)
}

#[test]
fn in_a_constructor_an_exiting_thread_an_atexit_handler_and_a_destructor() {
    let place = Place::new(Pace::only(7));
    let program = place.compile("host_moments", &[]);
    let library = crate::place::compile(
        "host_moments",
        &["-DLIBRARY", "-shared", "-fPIC"],
        &place.dir.join("moments.so"),
    );
    let wanted = MOMENTS.map(|moment| format!("{moment} 7"));
    // glibc gives a module back before the last destructors run, but not ours (-z nodelete)
    assert_eq!(look_up_at(&place, &program, &library, &MOMENTS), wanted);
    // each of them as the process's first look-up
    for (moment, wanted) in MOMENTS.into_iter().zip(wanted) {
        assert_eq!(look_up_at(&place, &program, &library, &[moment]), [wanted]);
    }
}

#[test]
fn in_the_key_destructors_of_many_threads() {
    let place = Place::new(Pace::brisk());
    let threads = soak(200, 5000);
    let report = place.report("host_crowd", &["exiting", &threads.to_string()]);
    // the first run of each sets the key anew, so that there is a second
    assert_eq!(number(&report, "/last_words"), 2 * threads);
}

#[test]
fn interrupted_by_a_signal_every_hundred_microseconds() {
    // long enough for a signal or two while the module waits for the table
    let delay = Duration::from_micros(500);
    let place = Place::new(Pace::every(Duration::from_millis(5)).after(delay));
    let tables = soak(200, 2000);
    let report = place.report("host_limits", &["interrupted", &tables.to_string()]);
    assert!(number(&report, "/interruptions") >= 1000, "{report}");
    assert!(number(&report, "/tables") >= tables, "{report}");
    println!("{report}");
}

#[test]
fn unloaded_and_loaded_again() {
    let place = Place::new(Pace::brisk());
    place.prints("host_memory", &["reload", soak("200", "10000")]);
}

/// A program that leaves a handler by siglongjmp in the midst of its first look-up: the next ones
/// attach, and do not wait for the one that never ends.
#[test]
fn left_by_siglongjmp_in_the_midst_of_an_attach() {
    let place = Place::new(Pace::only(7).after(Duration::from_millis(30))).without_file();
    let report = place.report("host_limits", &["left"]);
    assert!(number(&report, "/hundred_us") < 50_000, "{report}");
}

/// A handler that forks: the child goes on while its parent's look-up stands still in it.
#[test]
fn forked_by_a_handler_in_the_midst_of_a_look_up() {
    let place = Place::new(Pace::brisk().moving()).without_file();
    let times = soak(50, 2000);
    let report = place.report("host_limits", &["forking", &times.to_string()]);
    assert_eq!(number(&report, "/children"), times);
}
