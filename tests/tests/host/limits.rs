//! Processes that have too little of something.

use std::time::Duration;

use crate::place::{Place, compile, number};
use crate::publisher::Pace;
use crate::soak;

#[test]
fn with_every_descriptor_taken_each_change_is_followed() {
    let place = Place::new(Pace::every(Duration::from_millis(50))).without_file();
    let report = place.report("host_limits", &["descriptors"]);
    assert!(number(&report, "/lookups") > 100, "{report}");
    assert!(number(&report, "/tables") > 10, "{report}");
}

#[test]
fn with_no_address_space_left_each_change_is_followed() {
    let place = Place::new(Pace::every(Duration::from_millis(50))).without_file();
    let report = place.report("host_limits", &["memory"]);
    assert!(number(&report, "/lookups") > 100, "{report}");
    assert!(number(&report, "/tables") > 10, "{report}");
}

#[test]
fn descriptors_are_the_programs_to_close() {
    let place = Place::new(Pace::every(Duration::from_millis(5)));
    place.prints("host_limits", &["closing", soak("200", "5000")]);
}

#[test]
fn without_any_memory_to_be_allocated() {
    let place = Place::new(Pace::every(Duration::from_millis(5)));
    let program = place.compile("host_memory", &["-rdynamic"]);
    cloudhosts_tests::process::succeed(&mut place.command(program, &[]));
}

/// Bytes of its stack that a thread used for two look-ups, the first with all of glibc's loading.
fn stack(place: &Place, kib: u32, name: &str) -> i64 {
    let report = place.report("host_limits", &["stack", &kib.to_string(), name]);
    number(&report, "/used")
}

#[test]
fn on_a_stack_hardly_larger_than_glibc_itself_needs() {
    let null = Place::with_services("null", Pace::only(1));
    compile(
        "host_null",
        &["-shared", "-fPIC"],
        &null.dir.join("modules/libnss_null.so.2"),
    );
    let ours = Place::with_services("cloudhosts", Pace::only(1));
    let (floor, used) = (stack(&null, 256, "which"), stack(&ours, 256, "which"));
    println!("stack of two look-ups: {floor} bytes where the answer is a constant, {used} with us");
    assert!(
        used <= floor + 12 * 1024,
        "{used} bytes, glibc's own {floor}"
    );
    // a module as it is shipped manages with the 16 KiB that are glibc's own least; one that is
    // not optimised needs a little more
    stack(&ours, 32, "which");
}
