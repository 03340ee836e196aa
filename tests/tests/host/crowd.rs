//! Many threads and many processes, while tables come and go.

use std::time::Duration;

use cloudhosts_tests::process::succeed;
use cloudhosts_tests::{World, wait};
use serde_json::Value;

use crate::place::{LAST_GOOD, Place, compile, number};
use crate::publisher::Pace;
use crate::soak;

/// Nothing more after than before: neither descriptors nor threads, mappings or memory.
///
/// Of regions, two may be mapped: the current one, and the one before it where nothing has come
/// since. The kernel counts resident pages in batches for each thread and
/// core, and maps tables with pages read ahead, so that wants some room, as a leaked table of
/// `others` roles would not.
fn flat(report: &Value) {
    let of = |when: &str, what: &str| number(report, &format!("/{when}/{what}"));
    for exact in ["descriptors", "threads"] {
        assert_eq!(of("after", exact), of("before", exact), "{exact}: {report}");
    }
    assert!(of("after", "tables") <= 2, "mappings: {report}");
    assert!(
        of("after", "heap") <= of("before", "heap") + 4096,
        "heap: {report}"
    );
    for (roomy, room) in [("mapped_kib", 512), ("resident_kib", 1024)] {
        assert!(
            of("after", roomy) <= of("before", roomy) + room,
            "{roomy}: {report}"
        );
    }
}

#[test]
fn sixty_four_threads_are_answered_while_tables_change_a_hundred_times_a_second() {
    let place = Place::new(Pace::brisk().beside(300).moving());
    let time = soak(2_000, 10_000).to_string();
    let report = place.report("host_crowd", &["crowd", "64", &time]);
    let newest = number(&report, "/newest");
    assert!(newest <= i64::from(place.publisher.newest()), "{report}");
    assert!(number(&report, "/lookups") > 1000, "{report}");
    flat(&report);
}

#[test]
fn nothing_is_left_of_many_look_ups_and_re_attaches() {
    let place = Place::new(Pace::every(Duration::from_millis(3)).beside(100).moving());
    let (lookups, tables) = soak(("50000", "200"), ("1000000", "10000"));
    let report = place.report("host_crowd", &["soak", lookups, tables]);
    assert!(number(&report, "/tables") >= tables.parse().unwrap());
    flat(&report);
}

#[test]
fn a_child_forked_while_threads_are_in_the_module_goes_on_by_itself() {
    let place = Place::new(Pace::every(Duration::from_millis(2)));
    let children = soak(40, 500);
    let report = place.report("host_crowd", &["fork", &children.to_string()]);
    assert_eq!(number(&report, "/children"), children);
}

#[test]
fn vfork_and_posix_spawn_while_threads_are_in_the_module() {
    let place = Place::new(Pace::every(Duration::from_millis(2)));
    let plain = place.compile("host_plain", &[]);
    let times = soak("60", "500");
    let printed = place.prints(
        "host_crowd",
        &["spawn", times, plain.to_str().unwrap(), "which"],
    );
    let answers: Vec<&str> = printed.lines().collect();
    assert_eq!(answers.len(), 2 * times.parse::<usize>().unwrap());
    for answer in answers {
        assert!(
            answer.starts_with("10.") || answer.starts_with("11."),
            "{answer}"
        );
    }
}

#[test]
fn a_swarm_of_short_lived_processes_is_answered_by_the_daemon() {
    let world = World::with(&[("web", "10.0.0.5")]);
    let file = world.sandbox.outside(LAST_GOOD);
    wait::until("there is a last good table", || file.exists().then_some(()));
    let plain = compile("host_plain", &[], &world.dir.join("plain"));
    let swarm = compile("host_crowd", &[], &world.dir.join("crowd"));
    let processes = soak("500", "5000");
    let mut command = world.sandbox.entrance().command(swarm);
    let printed = succeed(command.args(["swarm", processes]).arg(plain).arg("web"));
    assert_eq!(printed.lines().count(), processes.parse::<usize>().unwrap());
    assert!(printed.lines().all(|line| line == "10.0.0.5"), "{printed}");
}

#[test]
fn a_thread_that_is_cancelled_in_a_look_up_holds_nothing_up() {
    let place = Place::new(Pace::every(Duration::from_millis(1)));
    let report = place.report("host_crowd", &["cancel", soak("200", "3000")]);
    assert!(number(&report, "/after/tables") <= 4, "{report}");
    for exact in ["descriptors", "threads"] {
        let of = |when: &str| number(&report, &format!("/{when}/{exact}"));
        assert_eq!(of("after"), of("before"), "{exact}: {report}");
    }
}
