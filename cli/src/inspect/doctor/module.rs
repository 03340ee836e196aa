//! The module: whether the loader finds it, and whether it is of this version.
//! It is loaded by another process only, so a broken one does no harm here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::finding::Finding;
use crate::child;
use crate::getent;

const CHECK: &str = "module";

/// What glibc asks the loader for.
const FILE: &str = "libnss_cloudhosts.so.2";

/// This program's version.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What stands before the version in the module's note; its other half is
/// `nss-module/src/abi/version.rs`.
const NOTE: [&[u8]; 2] = [&[11, 0, 0, 0, 32, 0, 0, 0, 1, 0, 0, 0], b"cloudhosts\0\0"];

pub(super) fn look() -> Finding {
    // A name that is nowhere, asked of this module alone. The loader tells on
    // stderr what it finds (ld.so(8)).
    let mut command = Command::new("getent");
    command.args([
        "-s",
        "cloudhosts",
        "--",
        "ahosts",
        "cloudhosts-doctor.invalid",
    ]);
    let done = match child::run(command.env("LD_DEBUG", "libs"), getent::LIMIT) {
        Ok(done) => done,
        Err(error) => {
            let says = format_args!("can't run getent: {error}");
            return Finding::wrong(
                CHECK,
                says,
                "install it (libc-bin, glibc-common), or see why it hangs",
            );
        }
    };
    let Some(path) = loaded(&done.stderr) else {
        let why = refused(&done.stderr).unwrap_or("it is in none of the loader's directories");
        return Finding::wrong(
            CHECK,
            format_args!("the loader can't load {FILE}: {why}"),
            "install it where ldconfig looks, and run ldconfig",
        );
    };
    if !matches!(done.status.code(), Some(0 | 2)) {
        let says = format_args!(
            "getent ends with {} when it loads {}",
            done.status,
            path.display()
        );
        return Finding::wrong(CHECK, says, "reinstall the module");
    }
    version(&path)
}

fn version(path: &Path) -> Finding {
    let shown = path.display();
    let found = fs::read(path).map(|module| note(&module));
    match found {
        Ok(Some(version)) if version == VERSION => {
            Finding::ok(CHECK, format_args!("{shown}, version {version}"))
        }
        Ok(Some(version)) => Finding::warning(
            CHECK,
            format_args!("{shown} is of version {version}, this program of {VERSION}"),
            "install both from one package",
        ),
        Ok(None) => Finding::warning(
            CHECK,
            format_args!("{shown} does not say its version"),
            "install it from the package of this program",
        ),
        Err(error) => Finding::warning(
            CHECK,
            format_args!("{shown} is loaded, but can't be read here: {error}"),
            "make it readable for all",
        ),
    }
}

/// The file that the loader has loaded.
fn loaded(told: &str) -> Option<PathBuf> {
    let mut calls = told
        .lines()
        .filter_map(|line| line.split_once("calling init: "));
    let path = calls.find_map(|(_, path)| path.trim().ends_with(FILE).then_some(path.trim()))?;
    Some(path.into())
}

/// Why the loader refused a file it has found.
fn refused(told: &str) -> Option<&str> {
    let mut lines = told
        .lines()
        .filter(|line| line.contains(FILE) && line.contains(": error: "));
    lines
        .find_map(|line| line.split_once(": error: "))
        .map(|(_, why)| why.trim())
}

/// The version that a module's note says.
fn note(module: &[u8]) -> Option<String> {
    let head = NOTE.concat();
    let at = module.windows(head.len()).position(|part| part == head)?;
    let text = module.get(at + head.len()..)?.get(..32)?;
    let text = text.split(|&byte| byte == 0).next()?;
    Some(String::from_utf8_lossy(text).into_owned())
}
