//! The host process is a difficult place: what the module must live with, in processes it does
//! not know. The built module, real glibc, and C programs (`callers/host*.c`) that do odd things
//! while they look names up.
//!
//! `CLOUDHOSTS_SOAK=1` runs the long forms.

#![allow(unreachable_pub)]

mod crowd;
mod limits;
mod moments;
mod place;
mod publisher;
mod rights;
mod services;
mod valgrind;

/// The short form's number, or the long one's where the long ones are asked for.
fn soak<N>(short: N, long: N) -> N {
    match std::env::var_os("CLOUDHOSTS_SOAK") {
        Some(value) if value == "1" => long,
        _ => short,
    }
}
