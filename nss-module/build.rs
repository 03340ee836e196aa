//! How the module is linked: its name, and its unwinder inside it.
//!
//! It needs no version script: for a cdylib rustc writes one that keeps
//! everything local but the `no_mangle` functions (`tests/linkage.rs` checks it).

use std::path::PathBuf;
use std::{env, fs, io};

/// The linker script that links the unwinder statically, and says why.
const STATIC_UNWINDER: &str = "src/compat/libgcc_s.ld";

/// - `soname`: the name glibc loads, `libnss_NAME.so.2`.
/// - `nodelete`: a program may dlclose the module while a thread is in it, and
///   a module that is loaded again would map the table a second time.
/// - `Bsymbolic`: its functions call each other, not a namesake in the program.
/// - `now`, `relro`: no writable function pointers in sshd and sudo. There are
///   so few symbols that resolving them at once costs nothing.
const ARGUMENTS: [&str; 5] = [
    "-Wl,-soname,libnss_cloudhosts.so.2",
    "-Wl,-z,nodelete",
    "-Wl,-Bsymbolic",
    "-Wl,-z,now,-z,relro",
    "-Wl,--hash-style=gnu",
];

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={STATIC_UNWINDER}");
    let out = env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?;
    let out = PathBuf::from(out);
    fs::write(out.join("libgcc_s.so"), fs::read(STATIC_UNWINDER)?)?;
    println!("cargo:rustc-link-search=native={}", out.display());
    for argument in ARGUMENTS {
        println!("cargo:rustc-cdylib-link-arg={argument}");
    }
    Ok(())
}
