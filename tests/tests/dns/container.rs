//! Programs without glibc, in a root directory that has nothing of cloudhosts: what a container of an
//! Alpine image is to them.

use std::fs;
use std::path::{Path, PathBuf};

use cloudhosts_tests::World;
use cloudhosts_tests::dns::{ADDRESS, DOMAIN};
use cloudhosts_tests::process::{bounded, succeed};

use super::{farm, serving};

/// A root directory with `resolv.conf` and a few programs.
struct Container<'w> {
    world: &'w World,
    root: PathBuf,
}

impl Container<'_> {
    fn new(world: &World) -> Container<'_> {
        let root = world.dir.join("container");
        fs::create_dir_all(root.join("etc")).unwrap();
        let resolv = format!("nameserver {ADDRESS}\nsearch {DOMAIN}\n");
        fs::write(root.join("etc/resolv.conf"), resolv).unwrap();
        Container { world, root }
    }

    /// What a program in there prints.
    fn prints(&self, program: &str, arguments: &[&str]) -> String {
        let root = self.root.to_str().expect("a path of ours");
        let program = format!("/{program}");
        let words = [&[root, &program], arguments].concat();
        self.world.prints("chroot", &words)
    }
}

/// Where the source of a program is.
fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("callers")
        .join(name)
}

/// Follows roles by a program that prints the addresses of a name, one in a line.
fn follows(world: &World, said: impl Fn(&str) -> String) {
    for name in ["web.prod.example.com", "web", "www"] {
        assert_eq!(said(name), "10.0.0.5\n", "{name}");
    }
    assert_eq!(said("nobody.prod.example.com"), "no such name\n");
    world.hset(&[("web", "10.0.0.6"), ("nobody", "10.0.0.7")]);
    world.sees("nobody", &["10.0.0.7"]);
    assert_eq!(said("web"), "10.0.0.6\n");
    assert_eq!(said("nobody.prod.example.com"), "10.0.0.7\n");
}

/// musl, as in Alpine: Debian's has a resolver that knows neither EDNS nor TCP.
#[test]
fn a_musl_program() {
    let (world, _server) = serving(&[("web", "10.0.0.5"), ("www", "web"), ("farm", &farm())]);
    let container = Container::new(&world);
    let mut compiler = bounded("musl-gcc");
    compiler.env("REALGCC", "cc").args(["-static", "-O1", "-o"]);
    succeed(
        compiler
            .arg(container.root.join("musl"))
            .arg(source("musl.c")),
    );
    follows(&world, |name| container.prints("musl", &[name]));
    // as many of 500 as it can be told
    assert!(container.prints("musl", &["farm"]).lines().count() > 20);
}

/// Go's own resolver, which asks again by TCP what was cut off.
#[test]
fn a_static_go_program() {
    let (world, _server) = serving(&[("web", "10.0.0.5"), ("www", "web"), ("farm", &farm())]);
    let container = Container::new(&world);
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let mut compiler = bounded("go");
    compiler
        .env("CGO_ENABLED", "0")
        .env("GO111MODULE", "off")
        .env("GOCACHE", cache.join("go-cache"))
        .env("GOPATH", cache.join("go"))
        .args(["build", "-o"]);
    succeed(
        compiler
            .arg(container.root.join("go"))
            .arg(source("static.go")),
    );
    follows(&world, |name| container.prints("go", &[name]));
    assert_eq!(container.prints("go", &["farm"]).lines().count(), 500);
}

/// The tools of a small image.
#[test]
fn a_static_busybox() {
    let (world, _server) = serving(&[("web", "10.0.0.5"), ("www", "web")]);
    let container = Container::new(&world);
    let busybox = container.root.join("busybox");
    succeed(world.sandbox.entrance().command("sh").args([
        "-c",
        "cp \"$(command -v busybox)\" \"$0\"",
        busybox.to_str().unwrap(),
    ]));
    let found = |name: &str| {
        let said = container.prints("busybox", &["nslookup", name]);
        let last = said.lines().rfind(|line| line.starts_with("Address"));
        let address = last.and_then(|line| line.rsplit(' ').next());
        address.map(str::to_owned)
    };
    for name in ["web.prod.example.com", "www.prod.example.com"] {
        assert_eq!(found(name).as_deref(), Some("10.0.0.5"), "{name}");
    }
    world.hset(&[("web", "10.0.0.6")]);
    world.sees("web", &["10.0.0.6"]);
    let moved = found("www.prod.example.com");
    assert_eq!(moved.as_deref(), Some("10.0.0.6"));
}
