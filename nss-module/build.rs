//! How the module is linked: its name, and its unwinder inside it.
//!
//! What it exports needs no version script of ours: rustc writes one for a
//! cdylib that keeps everything but the `no_mangle` functions local
//! (`tests/linkage.rs` holds it to that).

use std::path::PathBuf;
use std::{env, fs, io};

/// A linker script that takes the place of libgcc's shared library.
///
/// The standard library asks for `-lgcc_s`, which would make every process
/// that resolves a name load libgcc_s.so.1: about 130 us more at the first
/// look-up. The archive holds the same unwinder.
const STATIC_UNWINDER: &str = "INPUT(-lgcc_eh)\n";

/// - `soname`: what glibc asks for, `libnss_NAME.so.2`.
/// - `nodelete`: a program may dlclose the module while a thread is in it, and
///   a module that is loaded anew would map the table once more.
/// - `Bsymbolic`: its functions call each other, not a namesake in the program.
/// - `now`, `relro`: a guest in sshd and sudo has no writable pointers to
///   functions. There are few enough symbols for it to cost nothing.
const ARGUMENTS: [&str; 5] = [
    "-Wl,-soname,libnss_cloudhosts.so.2",
    "-Wl,-z,nodelete",
    "-Wl,-Bsymbolic",
    "-Wl,-z,now,-z,relro",
    "-Wl,--hash-style=gnu",
];

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    let out = env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?;
    let out = PathBuf::from(out);
    fs::write(out.join("libgcc_s.so"), STATIC_UNWINDER)?;
    println!("cargo:rustc-link-search=native={}", out.display());
    for argument in ARGUMENTS {
        println!("cargo:rustc-cdylib-link-arg={argument}");
    }
    Ok(())
}
