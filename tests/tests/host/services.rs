//! nscd in front of us.

use cloudhosts_tests::nscd::Nscd;
use cloudhosts_tests::{World, wait};

#[test]
fn behind_nscd_names_resolve_and_change() {
    let world = World::with(&[("web", "10.0.0.5")]);
    let Some(mut nscd) = Nscd::start(&world.sandbox) else {
        return;
    };
    // by fresh processes: one that did not find nscd looks for it only now and then
    let ask = || world.caller().by_name("web").addresses;
    let seen = |address: &str| {
        let what = format!("web at {address}, by nscd");
        wait::until_seen(&what, ask, |seen| seen == &[address]);
    };
    seen("10.0.0.5");
    // who answers is nscd: it keeps what it has until it is told to ask again
    world.hset(&[("web", "10.0.0.6")]);
    wait::until("nscd forgets, and has the new address", || {
        nscd.forget();
        (ask() == ["10.0.0.6"]).then_some(())
    });
    assert!(nscd.runs(), "nscd has ended");
}
