//! A replica, and its link to its master.

use cloudhosts_config::status::MasterLink;

use crate::server::{Redis, wait_for};
use crate::watcher::Watcher;

#[test]
fn the_link_of_a_replica_to_its_master_is_told() {
    let mut master = Redis::start(&[]);
    let mut replica = Redis::start(&[]);
    master.run("HSET cloudhosts a 1");
    replica.run(&format!("REPLICAOF 127.0.0.1 {}", master.port));
    wait_for("the replica has the data", || {
        replica.run("EXISTS cloudhosts") == redis::Value::Int(1)
    });
    let mut watcher = Watcher::of(&replica.url());
    watcher.until_link(Some(MasterLink::Up));
    watcher.until_holds(&[("a", "1")]);
    master.run("SAVE");
    master.kill();
    watcher.until_link(Some(MasterLink::Down));
    // A daemon that starts now learns it at once, too, and follows all the same.
    let mut late = Watcher::of(&replica.url());
    late.until_link(Some(MasterLink::Down));
    late.until_holds(&[("a", "1")]);
    master.start_again();
    master.run("HSET cloudhosts a 2");
    for watcher in [&mut watcher, &mut late] {
        watcher.until_link(Some(MasterLink::Up));
        watcher.until_holds(&[("a", "2")]);
    }
    // A master has no link.
    replica.run("REPLICAOF NO ONE");
    watcher.until_link(None);
}

#[test]
fn where_info_may_not_be_read_the_link_is_not_known_and_the_rest_is_followed() {
    let mut master = Redis::start(&[]);
    let mut replica = Redis::start(&[]);
    replica.run(&format!("REPLICAOF 127.0.0.1 {}", master.port));
    replica.run("ACL SETUSER default -info");
    let mut watcher = Watcher::of(&replica.url());
    watcher.full();
    master.run("HSET cloudhosts a 1");
    watcher.until_holds(&[("a", "1")]);
    master.kill();
    // Long enough for two PINGs.
    std::thread::sleep(std::time::Duration::from_secs(6));
    replica.run("REPLICAOF NO ONE");
    replica.run("HSET cloudhosts a 2");
    watcher.until_holds(&[("a", "2")]);
}
