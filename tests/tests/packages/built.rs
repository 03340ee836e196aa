//! Where the packages and the roots are that `make packages` has made.

use std::path::PathBuf;

/// The package for Debian.
pub(crate) fn deb() -> PathBuf {
    one(".", "deb")
}

/// The same with a lower version.
pub(crate) fn deb_before() -> PathBuf {
    one("before", "deb")
}

/// The package for Fedora and RHEL.
pub(crate) fn rpm() -> PathBuf {
    one(".", "rpm")
}

/// The same with a lower version.
pub(crate) fn rpm_before() -> PathBuf {
    one("before", "rpm")
}

/// The root directory of a Debian, as an archive.
pub(crate) fn root(name: &str) -> PathBuf {
    let archive = made().join(format!("roots/{name}.tar"));
    assert!(
        archive.exists(),
        "{}: not there; `make packages` and `make package-matrix` make it",
        archive.display()
    );
    archive
}

/// The version of all that is built.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

fn made() -> PathBuf {
    let directory = std::env::var_os("CLOUDHOSTS_PACKAGES");
    directory
        .map(PathBuf::from)
        .expect("CLOUDHOSTS_PACKAGES is set; `make packages` sets it and builds them")
}

/// The one file of that kind in a directory.
fn one(directory: &str, extension: &str) -> PathBuf {
    let directory = made().join(directory);
    let found: Vec<PathBuf> = std::fs::read_dir(&directory)
        .unwrap_or_else(|error| panic!("{}: {error}; run `make packages`", directory.display()))
        .map(|entry| entry.expect("a directory can be read").path())
        .filter(|path| path.extension().is_some_and(|has| has == extension))
        .collect();
    match found.as_slice() {
        [path] => path.clone(),
        _ => panic!(
            "{}: one .{extension} expected, {found:?} found",
            directory.display()
        ),
    }
}
