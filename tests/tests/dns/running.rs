//! Starting, reloading and stopping.

use cloudhosts_tests::DnsServer;
use cloudhosts_tests::process::{Signal, run, stderr};
use cloudhosts_tests::{config, programs, wait};

use super::{serving, world};

#[test]
fn sigterm_ends_it_and_sighup_reads_the_configuration_again() {
    let (mut world, mut server) = serving(&[("db.internal", "10.0.0.5")]);
    assert_eq!(server.dig(&["db.internal"]).status, "REFUSED");
    world.config.set("dns.zones", config::list(&["internal"]));
    world.daemon.configure(&world.config.text());
    server.signal(Signal::HUP);
    server.sees("db.internal", &["10.0.0.5"]);
    // a wrong one changes nothing
    world.config.set("dns.ttl", "-1");
    world.daemon.configure(&world.config.text());
    let before = server.log().len();
    server.signal(Signal::HUP);
    wait::until("it says that it is wrong", || {
        server.log()[before..]
            .contains("cloudhosts.toml:")
            .then_some(())
    });
    assert_eq!(server.dig(&["db.internal"]).answers, ["A 10.0.0.5"]);
    server.signal(Signal::TERM);
    assert!(server.wait().success());
}

#[test]
fn of_two_at_one_address_the_second_says_so_and_exits() {
    let (world, server) = serving(&[("db", "10.0.0.5")]);
    let mut second = DnsServer::new(&world.sandbox);
    second.launch();
    assert_eq!(second.wait().code(), Some(1));
    assert!(server.log().contains("127.0.0.153:53"));
    assert_eq!(server.dig(&["db.prod.example.com"]).answers, ["A 10.0.0.5"]);
}

#[test]
fn a_configuration_that_is_not_enough_is_refused() {
    let world = world(&[]).config("domain", "''").build();
    for arguments in [&[][..], &["--check-config"]] {
        let program = programs::find(programs::DNS);
        let output = run(world.sandbox.entrance().command(program).args(arguments));
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(stderr(&output).contains("domain"), "{output:?}");
    }
}
