//! What the linker has to be told so that one build of the module loads in
//! every process: into any glibc since 2.30, with no library but libc behind
//! it. Nothing here runs during a lookup.
//!
//! | part | problem | solution |
//! |---|---|---|
//! | `libgcc_s.ld` | std links against libgcc_s.so.1, which every process would have to load | the unwinder is linked statically; `build.rs` passes the script to the linker |
//! | [`dl_find_object`] | that unwinder calls `_dl_find_object`, new in glibc 2.35 | the module brings its own |
//! | [`glibc_shims`] | std refers to `stat64` and others, whose versions are those of the glibc it was built on | the module brings functions that fail |
//! | [`version_note`] | `cloudhosts doctor` must know the version of a module that may not load | an ELF note in the file |
//!
//! The other linker options (soname, `nodelete`, ...) are in `build.rs`.
//! `tests/linkage.rs` checks the result.

#![allow(unsafe_code)]

#[cfg(all(
    not(test),
    any(target_arch = "x86_64", target_arch = "x86", target_arch = "aarch64")
))]
mod dl_find_object;
#[cfg(all(
    not(test),
    any(target_arch = "x86_64", target_arch = "x86", target_arch = "aarch64")
))]
mod glibc_shims;
mod version_note;
