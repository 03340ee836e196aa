//! The module that glibc loads.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use cloudhosts_tests::World;
use cloudhosts_tests::process::succeed;

use super::{doctor, examine, says};

#[test]
fn a_module_that_is_missing_broken_or_of_another_version_is_told() {
    let world = World::with(&[("web", "10.0.0.5")]);
    let module = world.dir.join("modules/libnss_cloudhosts.so.2");
    let good = fs::read(&module).unwrap();
    let replace = |bytes: &[u8]| {
        // never into a file that is mapped
        fs::remove_file(&module).unwrap();
        fs::write(&module, bytes).unwrap();
    };
    replace(b"not a library");
    let (code, said) = doctor(&world);
    assert_eq!(code, 1);
    says(&said, "wrong", "module", &["libnss_cloudhosts.so.2"]);
    examine(&world).is("module", &["not-elf"]);

    let version = b"cloudhosts\0\0";
    let at = good
        .windows(version.len())
        .rposition(|part| part == version)
        .unwrap();
    let mut other = good.clone();
    other[at + version.len()] = b'9';
    replace(&other);
    says(&doctor(&world).1, "warning", "module", &["9.1.0"]);
    examine(&world).is("module", &["other-version"]);

    let source = world.dir.join("crash.c");
    fs::write(
        &source,
        "#include <stdlib.h>\nint _nss_cloudhosts_gethostbyname4_r(void) { abort(); }\n",
    )
    .unwrap();
    fs::remove_file(&module).unwrap();
    let line = format!(
        "cc -shared -fPIC -o {} {}",
        module.display(),
        source.display()
    );
    succeed(&mut world.shell(&line));
    let (code, said) = doctor(&world);
    assert_eq!(code, 1, "{said}");
    examine(&world).is("module", &["crashes"]);
    // which is visited without the module
    says(&said, "ok", "redis", &[]);
    says(&said, "wrong", "names", &["getent ahosts web"]);

    fs::remove_file(&module).unwrap();
    examine(&world).is("module", &["missing"]);
}

/// Whether this is root: others can't look as another user does.
fn root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("skipped: only root looks as another user");
    }
    root
}

#[test]
fn why_the_loader_refuses_the_module_is_told_in_its_words() {
    let world = World::with(&[("web", "10.0.0.5")]);
    let modules = world.dir.join("modules");
    let module = modules.join("libnss_cloudhosts.so.2");
    let good = fs::read(&module).unwrap();
    let replace = |bytes: &[u8]| {
        fs::remove_file(&module).unwrap();
        fs::write(&module, bytes).unwrap();
    };
    let refused = |code: &str, words: &str| {
        let examined = examine(&world);
        examined.is("module", &[code]);
        let evidence = examined.evidence("module", code);
        assert!(evidence.contains(words), "{code}: {evidence}");
        assert_ne!(examined.remedy("module", code), "");
    };
    replace(b"not a library, and long enough to have had the head of one in its first bytes");
    refused("not-elf", "invalid ELF header");
    let mut foreign = good.clone();
    // the machine (elf(5)): one that is neither x86-64 nor AArch64
    foreign[18..20].copy_from_slice(&[0x08, 0]);
    replace(&foreign);
    refused("wrong-architecture", "libnss_cloudhosts.so.2");
    replace(&good[..200]);
    refused("unloadable", "libnss_cloudhosts.so.2");
    // the head is whole, and what it says of the rest is not so
    replace(&good[..8192]);
    refused("crashes", "signal");
    replace(&good);
    examine(&world).is("module", &["ok"]);
    if !root() {
        return;
    }
    let mount = |arguments: &[&str]| {
        let directory = modules.display().to_string();
        let mut command = world.sandbox.entrance().command("mount");
        succeed(command.arg("-n").args(arguments).arg(&directory));
    };
    let directory = modules.display().to_string();
    mount(&["--bind", &directory]);
    mount(&["-o", "remount,bind,noexec"]);
    refused("noexec", "failed to map segment");
    let examined = examine(&world);
    let remedy = examined.remedy("module", "noexec");
    assert!(remedy.contains(&directory), "{remedy}");
}

#[test]
fn a_module_that_other_users_cannot_read_is_told_to_root_too() {
    if !root() {
        return;
    }
    let world = World::with(&[("web", "10.0.0.5")]);
    let modules = world.dir.join("modules");
    let module = modules.join("libnss_cloudhosts.so.2");
    let shut = |path: &std::path::Path, mode: u32, letter: char| {
        let before = fs::metadata(path).unwrap().permissions();
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        let examined = examine(&world);
        examined.is("module", &["denied"]);
        let remedy = format!("run: chmod o+{letter} {}", path.display());
        assert_eq!(examined.remedy("module", "denied"), remedy);
        fs::set_permissions(path, before).unwrap();
    };
    shut(&module, 0o600, 'r');
    shut(&modules, 0o700, 'x');
    examine(&world).is("module", &["ok"]);
}
