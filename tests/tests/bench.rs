//! What `make bench` measures with answers, so that its figures are of answers.

use std::time::Duration;

use cloudhosts_tests::Redis;
use cloudhosts_tests::bench::asker::Call;
use cloudhosts_tests::bench::followers::Followers;
use cloudhosts_tests::bench::names;
use cloudhosts_tests::bench::peers::{Kind, Peers};
use cloudhosts_tests::bench::tools::Tools;
use cloudhosts_tests::bench::wire::{Change, Wire};
use cloudhosts_tests::dir::Dir;
use cloudhosts_tests::world::HASH;

/// They follow a change of either kind, each of them, and cost Redis what they would.
#[test]
fn simulated_followers_all_have_a_change() {
    const FOLLOWERS: u32 = 100;
    const NAMES: u32 = 1_000;
    let dir = Dir::new();
    let redis = Redis::builder(dir.join("redis")).start();
    names::register(&redis, NAMES);
    let mut wire = Wire::new(&redis);
    let mut followers = Followers::start(&redis, FOLLOWERS, HASH, Duration::from_millis(1));
    for (change, command) in [(Change::Logged, "exec"), (Change::Plain, "hgetall")] {
        for nth in 0..3 {
            let before = wire.calls(&[command]);
            let spread = followers.follow(change, &mut wire, &format!("10.2.0.{nth}"));
            assert_eq!(spread.dropped, 0);
            assert!(spread.half <= spread.all);
            let asked = wire.calls(&[command]) - before;
            assert!(asked >= f64::from(FOLLOWERS), "{change:?}: {asked}");
        }
    }
    let before = wire.calls(&["ping"]);
    followers.idle(Duration::from_secs(4));
    let asked = wire.calls(&["ping"]) - before;
    assert!(asked >= f64::from(FOLLOWERS), "{asked} signs of life");
}

/// The program that asks ends where an answer is not the expected one.
#[test]
fn the_floor_and_cloudhosts_both_answer_every_call() {
    let tools = Tools::new();
    let peers = Peers::start(&tools, &[Kind::Null, Kind::Cloudhosts], 10);
    let second = Duration::from_secs(1);
    for asker in &mut peers.askers(&tools) {
        for call in [Call::Unspec, Call::Inet, Call::ByName, Call::ByAddr] {
            let sample = asker.times(call, true, 10, 200, 60 * second);
            assert_eq!(sample.taken, 200, "{call:?}");
            assert!(sample.median() > 0.0 && sample.worst() >= sample.median());
        }
        for call in [Call::Unspec, Call::Inet, Call::ByName] {
            assert_eq!(asker.times(call, false, 10, 50, 60 * second).taken, 50);
        }
        assert!(asker.threads(10, 2, second / 10) > 0.0);
        assert!(asker.own_memory() > 0.0);
    }
}
