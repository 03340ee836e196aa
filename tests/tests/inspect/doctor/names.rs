//! What programs get of the names.

use cloudhosts_tests::World;
use cloudhosts_tests::world::HASH;

use super::{doctor, says};

#[test]
fn what_allow_leaves_out_is_counted() {
    let world = World::new()
        .config("allow", "['db*']")
        .hash(HASH, &[("db", "10.0.0.6"), ("web", "10.0.0.5")])
        .start();
    let (code, said) = doctor(&world);
    assert_eq!(code, 0, "{said}");
    says(&said, "ok", "names", &["allow", "db*"]);
    world.redis.cli(&["HDEL", HASH, "db"]);
    world
        .daemon
        .wait_for("one is left", |status| status["hashes"][0]["in_redis"] == 1);
    says(&doctor(&world).1, "warning", "names", &["allow", "reload"]);
}
