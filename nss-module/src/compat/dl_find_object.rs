//! The module's own `_dl_find_object`, which finds its unwind tables.
//!
//! The unwinder (libgcc's, linked statically) calls it for each frame of a
//! panic. glibc has it only since 2.35, and an older one could not load a module
//! that imports it. A panic never leaves the module, so there is one object to
//! find, the module, and its program headers say where its tables are. Unlike
//! dl_iterate_phdr, this takes no lock and calls nothing.

use std::arch::global_asm;
use std::ffi::c_void;
use std::ptr;

#[cfg(target_pointer_width = "32")]
use libc::{Elf32_Ehdr as Header, Elf32_Phdr as ProgramHeader};
#[cfg(target_pointer_width = "64")]
use libc::{Elf64_Ehdr as Header, Elf64_Phdr as ProgramHeader};
use libc::{PT_GNU_EH_FRAME, PT_LOAD, c_int};

/// `struct dl_find_object` of `<dlfcn.h>`, up to the last field that libgcc reads.
#[repr(C)]
struct DlFindObject {
    flags: u64,
    map_start: *mut c_void,
    map_end: *mut c_void,
    link_map: *mut c_void,
    eh_frame: *mut c_void,
    /// Absent on x86-64 (DLFO_STRUCT_HAS_EH_DBASE), unused elsewhere.
    #[cfg(not(target_arch = "x86_64"))]
    eh_dbase: *mut c_void,
}

unsafe extern "C" {
    /// The module's first bytes. The linker defines this symbol, hidden.
    static __ehdr_start: Header;
}

/// Returns 0 and stores where the unwind tables are if `address` lies in this
/// module. Otherwise returns -1, which ends the unwinding.
unsafe extern "C" fn find_object(address: *const c_void, result: *mut DlFindObject) -> c_int {
    let header = &raw const __ehdr_start;
    let base = header.cast::<u8>();
    // SAFETY: the linker puts the header at the start of the first segment,
    // which stays mapped as long as this code does.
    let Header {
        e_phoff, e_phnum, ..
    } = unsafe { header.read() };
    let headers = base.wrapping_add(e_phoff as usize).cast::<ProgramHeader>();

    let mut size = 0;
    let mut tables = ptr::null();
    for n in 0..usize::from(e_phnum) {
        // SAFETY: the program headers follow the header in the same segment,
        // `e_phnum` of them.
        let segment = unsafe { headers.wrapping_add(n).read() };
        let start = segment.p_vaddr as usize;
        match segment.p_type {
            PT_LOAD => size = start + segment.p_memsz as usize,
            PT_GNU_EH_FRAME => tables = base.wrapping_add(start),
            _ => {}
        }
    }
    let inside = address.addr().wrapping_sub(base.addr()) < size;
    if !inside || tables.is_null() {
        return -1;
    }
    let own = DlFindObject {
        flags: 0,
        map_start: base.cast_mut().cast(),
        map_end: base.wrapping_add(size).cast_mut().cast(),
        link_map: ptr::null_mut(),
        eh_frame: tables.cast_mut().cast(),
        #[cfg(not(target_arch = "x86_64"))]
        eh_dbase: ptr::null_mut(),
    };
    // SAFETY: the unwinder passes a larger struct that starts with these.
    unsafe { result.write(own) };
    0
}

// Hidden, which `no_mangle` in a cdylib is not: only the module's own unwinder
// calls it.
global_asm!(
    ".globl _dl_find_object",
    ".hidden _dl_find_object",
    ".type _dl_find_object, %function",
    "_dl_find_object:",
    #[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
    "jmp {find}",
    #[cfg(target_arch = "aarch64")]
    "b {find}",
    ".size _dl_find_object, . - _dl_find_object",
    find = sym find_object,
);
