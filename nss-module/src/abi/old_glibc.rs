//! Stand-ins for functions that would tie the module to glibc 2.33 and later.
//!
//! The standard library and the unwinder refer to them in code that never runs
//! here: printing a backtrace (`stat64`, `fstat64`; the panic hook is silent)
//! and thread-specific data of C++ exceptions. Linked against glibc 2.34 or
//! later, each would come with that version, and an older glibc would refuse
//! to load the module for it. The oldest that loads it is 2.30 (`gettid`),
//! see `tests/linkage.rs`.

use std::arch::global_asm;

use libc::c_int;

/// Fails. The unwinder then does by itself what `pthread_once` would have done
/// (uw_init_context_1 in libgcc's unwind-dw2.c), as in a program without threads.
extern "C" fn refused() -> c_int {
    -1
}

macro_rules! refuse {
    ($($name:literal),+) => {
        $(
            // Hidden, which `no_mangle` in a cdylib is not: only references of
            // the module itself end here.
            global_asm!(
                concat!(".globl ", $name),
                concat!(".hidden ", $name),
                concat!(".type ", $name, ", %function"),
                concat!($name, ":"),
                #[cfg(target_arch = "x86_64")]
                "jmp {refused}",
                #[cfg(target_arch = "aarch64")]
                "b {refused}",
                concat!(".size ", $name, ", . - ", $name),
                refused = sym refused,
            );
        )+
    };
}

refuse!("stat64", "fstat64", "pthread_once", "__pthread_key_create");
