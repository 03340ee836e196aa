//! Shims for functions that would tie the module to glibc 2.33 or later.
//!
//! The standard library and the unwinder refer to them in code that never runs
//! here: printing a backtrace (`stat64`, `fstat64`; the panic hook is silent)
//! and thread-specific data of C++ exceptions. Linked against glibc 2.34 or
//! later, each reference would carry that version, and an older glibc would
//! refuse to load the module. With the shims the oldest that loads it is 2.30
//! (`gettid`); `tests/linkage.rs` checks this.

use std::arch::global_asm;

use libc::c_int;

/// Fails. Where `pthread_once` fails, the unwinder initializes itself, as in a
/// program without threads (uw_init_context_1 in libgcc's unwind-dw2.c).
extern "C" fn fail() -> c_int {
    -1
}

macro_rules! shim {
    ($($name:literal),+) => {
        $(
            // Hidden, which `no_mangle` in a cdylib is not: only references
            // from within the module resolve to it.
            global_asm!(
                concat!(".globl ", $name),
                concat!(".hidden ", $name),
                concat!(".type ", $name, ", %function"),
                concat!($name, ":"),
                #[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
                "jmp {fail}",
                #[cfg(target_arch = "aarch64")]
                "b {fail}",
                concat!(".size ", $name, ", . - ", $name),
                fail = sym fail,
            );
        )+
    };
}

shim!("stat64", "fstat64", "pthread_once", "__pthread_key_create");
