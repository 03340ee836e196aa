//! What `make bench` measures with answers, so that its figures are of answers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use cloudhosts_tests::bench::asker::Call;
use cloudhosts_tests::bench::peers::{Kind, Peers};
use cloudhosts_tests::bench::tools::Tools;

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
