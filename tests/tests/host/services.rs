//! nscd in front of us.

use std::fs::{create_dir_all, write};
use std::process::{Command, Stdio};

use cloudhosts_tests::process::Process;
use cloudhosts_tests::{World, wait};

const CONFIG: &str = "\
    enable-cache hosts yes\n\
    positive-time-to-live hosts 3600\n\
    negative-time-to-live hosts 20\n\
    persistent hosts no\n\
    shared hosts no\n\
    enable-cache passwd no\n\
    enable-cache group no\n\
    enable-cache services no\n\
    enable-cache netgroup no\n";

#[test]
fn behind_nscd_names_resolve_and_change() {
    // `tests/deps.sh` unpacks Debian's; installed it would answer for the whole machine
    if Command::new("nscd").arg("--version").output().is_err() {
        eprintln!("skipped: there is no nscd here");
        return;
    }
    let world = World::with(&[("web", "10.0.0.5")]);
    create_dir_all(world.sandbox.outside("/run/nscd")).unwrap();
    let config = world.dir.join("nscd.conf");
    write(&config, CONFIG).unwrap();
    let mut command = world.sandbox.entrance().background("nscd");
    command
        .args(["-F", "-f"])
        .arg(&config)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let mut process = Process::start(command);
    let socket = world.sandbox.outside("/run/nscd/socket");
    wait::until("nscd listens", || socket.exists().then_some(()));

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
        world.run("nscd", &["-i", "hosts"]);
        (ask() == ["10.0.0.6"]).then_some(())
    });
    assert!(process.ended().is_none(), "nscd has ended");
}
