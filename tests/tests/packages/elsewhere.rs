//! A release whose glibc is too old for the package: it is refused there, and its module serves all
//! the same, as in a container of that release.

use cloudhosts_tests::{Redis, wait};

use crate::built;
use crate::machine::Debian;

/// glibc 2.31.
const OLD: &str = "bullseye";

#[test]
#[ignore = "make package-matrix"]
fn an_older_debian_refuses_the_package_and_loads_the_module() {
    let host = Debian::new("bookworm");
    let redis = Redis::builder(host.root().with_file_name("redis"))
        .tcp()
        .start();
    redis.hset("cloudhosts", &[("db", "10.0.0.5")]);
    let package = host.bring(&built::deb());
    host.ok(&format!("apt-get install -y {package}"));
    let _daemon = host.background(&format!(
        "cloudhosts-cached --redis-url {}",
        redis.tcp_url()
    ));
    wait::until("the daemon is live", || {
        host.run("cloudhosts status").status.success().then_some(())
    });

    let old = Debian::new(OLD);
    let package = old.bring(&built::deb());
    let refused = old.run(&format!("apt-get install -y {package} 2>&1"));
    let said = String::from_utf8_lossy(&refused.stdout);
    assert!(
        !refused.status.success() && said.contains("Depends: libc6 (>= 2.34)"),
        "{said}"
    );
    assert!(!old.has("/usr/sbin/cloudhosts-cached"));

    // as a container: the two directories, the module and the word
    let mount = |directory: &str| {
        std::fs::create_dir_all(old.path(directory)).unwrap();
        let mut bind = old.beside("mount");
        bind.arg("--bind")
            .args([host.path(directory), old.path(directory)]);
        cloudhosts_tests::process::succeed(&mut bind);
    };
    mount("/run/cloudhosts");
    mount("/var/lib/cloudhosts");
    let library = host.ok("dpkg -L cloudhosts | grep libnss_cloudhosts");
    let library = library.trim();
    std::fs::copy(host.path(library), old.path(library)).unwrap();
    old.ok("sed -i 's/^hosts: .*/hosts: files cloudhosts dns/' /etc/nsswitch.conf");
    assert!(old.ok("getent hosts db").starts_with("10.0.0.5"));
    redis.hset("cloudhosts", &[("db", "10.0.0.6")]);
    wait::until_seen(
        "the change is seen in the container",
        || old.ok("getent hosts db"),
        |said| said.starts_with("10.0.0.6"),
    );
}
