//! The functions that glibc calls: all that the module exports.
//!
//! glibc declares them in no header; the prototypes are those of its
//! `nss/nss_files` and `resolv/nss_dns`. Each converts its pointers, calls one
//! safe function and reports. libnss's `libnss_host_hooks!` would generate them,
//! but without `gethostbyname4_r`, without the `h_errnop` of `gethostent_r`, and
//! with `unwrap` and a `Mutex` in them.
//!
//! The contract of all of them, with glibc or whoever else calls: strings end
//! with a zero byte, `buffer` points to `buflen` bytes, an address to as many
//! bytes as its length says, every other pointer to one object of its type.
//! Pointers to results may be null. Nobody else touches any of it during the
//! call.

use std::ffi::c_void;
use std::ptr;

use libc::{AF_INET, AF_INET6, c_char, c_int, size_t, socklen_t};
use libnss::host::CHost;

use crate::abi::addrtuple::{AddrTuple, TupleSlot};
use crate::abi::boundary::{ErrorPointers, catch};
use crate::abi::hostent::HostSlot;
use crate::enumeration::ENUMERATION;
use crate::lookup::{self, Address, Family};
use crate::outcome::Outcome;

/// A name is read up to this many bytes: more than any valid one has.
const MAX_NAME_READ: usize = 256;

/// `gethostbyname_r(3)`: IPv4 addresses of a name.
///
/// # Safety
/// See the module.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn _nss_cloudhosts_gethostbyname_r(
    name: *const c_char,
    result: *mut CHost,
    buffer: *mut c_char,
    buflen: size_t,
    errnop: *mut c_int,
    h_errnop: *mut c_int,
) -> c_int {
    // SAFETY: the same contract.
    unsafe {
        _nss_cloudhosts_gethostbyname2_r(name, AF_INET, result, buffer, buflen, errnop, h_errnop)
    }
}

/// `gethostbyname2_r(3)`: addresses of a name in one family.
///
/// # Safety
/// See the module.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn _nss_cloudhosts_gethostbyname2_r(
    name: *const c_char,
    af: c_int,
    result: *mut CHost,
    buffer: *mut c_char,
    buflen: size_t,
    errnop: *mut c_int,
    h_errnop: *mut c_int,
) -> c_int {
    let (ttlp, canonp) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: the same contract, and null is allowed.
    unsafe {
        _nss_cloudhosts_gethostbyname3_r(
            name, af, result, buffer, buflen, errnop, h_errnop, ttlp, canonp,
        )
    }
}

/// The same with a time to live, which is 0 so that nobody caches the answer,
/// and with the canonical name, which is also the result's `h_name`.
///
/// # Safety
/// See the module.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn _nss_cloudhosts_gethostbyname3_r(
    name: *const c_char,
    af: c_int,
    result: *mut CHost,
    buffer: *mut c_char,
    buflen: size_t,
    errnop: *mut c_int,
    h_errnop: *mut c_int,
    ttlp: *mut i32,
    canonp: *mut *mut c_char,
) -> c_int {
    // SAFETY: the contract of the module.
    let pointers = unsafe { ErrorPointers::new(errnop, h_errnop) };
    pointers.report(|| {
        let Some(family) = family(af) else {
            return Outcome::UnsupportedFamily;
        };
        // SAFETY: the contract of the module.
        let Some(slot) = (unsafe { HostSlot::new(result, buffer, buflen) }) else {
            return Outcome::Unavailable;
        };
        // SAFETY: the contract of the module.
        let outcome = lookup::by_name(unsafe { bytes(name) }, family, slot);
        if outcome == Outcome::Found {
            // SAFETY: the contract of the module; it has just been written.
            let name = unsafe { (*result).name };
            // SAFETY: the contract of the module.
            unsafe { set(canonp, name) };
            // SAFETY: the contract of the module.
            unsafe { set(ttlp, 0) };
        }
        outcome
    })
}

/// Addresses of a name in both families, for getaddrinfo.
///
/// # Safety
/// See the module.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn _nss_cloudhosts_gethostbyname4_r(
    name: *const c_char,
    pat: *mut *mut AddrTuple,
    buffer: *mut c_char,
    buflen: size_t,
    errnop: *mut c_int,
    h_errnop: *mut c_int,
    ttlp: *mut i32,
) -> c_int {
    // SAFETY: the contract of the module.
    let pointers = unsafe { ErrorPointers::new(errnop, h_errnop) };
    pointers.report(|| {
        // SAFETY: the contract of the module.
        let Some(slot) = (unsafe { TupleSlot::new(pat, buffer, buflen) }) else {
            return Outcome::Unavailable;
        };
        // SAFETY: the contract of the module.
        let outcome = lookup::by_name_in_both(unsafe { bytes(name) }, slot);
        if outcome == Outcome::Found {
            // SAFETY: the contract of the module.
            unsafe { set(ttlp, 0) };
        }
        outcome
    })
}

/// `gethostbyaddr_r(3)`: the names of an address.
///
/// # Safety
/// See the module.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn _nss_cloudhosts_gethostbyaddr_r(
    addr: *const c_void,
    len: socklen_t,
    af: c_int,
    result: *mut CHost,
    buffer: *mut c_char,
    buflen: size_t,
    errnop: *mut c_int,
    h_errnop: *mut c_int,
) -> c_int {
    let ttlp = ptr::null_mut();
    // SAFETY: the same contract, and null is allowed.
    unsafe {
        _nss_cloudhosts_gethostbyaddr2_r(
            addr, len, af, result, buffer, buflen, errnop, h_errnop, ttlp,
        )
    }
}

/// The same with a time to live.
///
/// # Safety
/// See the module.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn _nss_cloudhosts_gethostbyaddr2_r(
    addr: *const c_void,
    len: socklen_t,
    af: c_int,
    result: *mut CHost,
    buffer: *mut c_char,
    buflen: size_t,
    errnop: *mut c_int,
    h_errnop: *mut c_int,
    ttlp: *mut i32,
) -> c_int {
    // SAFETY: the contract of the module.
    let pointers = unsafe { ErrorPointers::new(errnop, h_errnop) };
    pointers.report(|| {
        // SAFETY: the contract of the module.
        let Some(address) = (unsafe { address(addr, len, af) }) else {
            return Outcome::UnsupportedFamily;
        };
        // SAFETY: the contract of the module.
        let Some(slot) = (unsafe { HostSlot::new(result, buffer, buflen) }) else {
            return Outcome::Unavailable;
        };
        let outcome = lookup::by_address(address, slot);
        if outcome == Outcome::Found {
            // SAFETY: the contract of the module.
            unsafe { set(ttlp, 0) };
        }
        outcome
    })
}

/// `sethostent(3)`: rewinds the list of hosts.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn _nss_cloudhosts_sethostent(_stayopen: c_int) -> c_int {
    catch(|| ENUMERATION.rewind()).glibc_result().status as c_int
}

/// `endhostent(3)`: closes the list of hosts. There is nothing to close, so
/// this rewinds it.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn _nss_cloudhosts_endhostent() -> c_int {
    catch(|| ENUMERATION.rewind()).glibc_result().status as c_int
}

/// `gethostent_r(3)`: the next host of the list.
///
/// # Safety
/// See the module.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn _nss_cloudhosts_gethostent_r(
    result: *mut CHost,
    buffer: *mut c_char,
    buflen: size_t,
    errnop: *mut c_int,
    h_errnop: *mut c_int,
) -> c_int {
    // SAFETY: the contract of the module.
    let pointers = unsafe { ErrorPointers::new(errnop, h_errnop) };
    pointers.report(|| {
        // SAFETY: the contract of the module.
        match unsafe { HostSlot::new(result, buffer, buflen) } {
            Some(slot) => lookup::ask(|view| ENUMERATION.next(view, slot)),
            None => Outcome::Unavailable,
        }
    })
}

/// The family of an `AF_` constant; AF_UNSPEC is none, as in nss_dns.
fn family(af: c_int) -> Option<Family> {
    match af {
        AF_INET => Some(Family::V4),
        AF_INET6 => Some(Family::V6),
        _ => None,
    }
}

/// The bytes of a name, at most [`MAX_NAME_READ`]; no bytes if it is null.
///
/// # Safety
/// `name` is null or ends with a zero byte, and is not written to during the
/// call.
unsafe fn bytes<'c>(name: *const c_char) -> &'c [u8] {
    if name.is_null() {
        return &[];
    }
    // SAFETY: it ends with a zero byte.
    let len = unsafe { libc::strnlen(name, MAX_NAME_READ) };
    // SAFETY: strnlen has read these bytes.
    unsafe { std::slice::from_raw_parts(name.cast(), len) }
}

/// The address, if its length is that of its family.
///
/// # Safety
/// `addr` is null or points to `len` bytes.
unsafe fn address(addr: *const c_void, len: socklen_t, af: c_int) -> Option<Address> {
    if addr.is_null() {
        return None;
    }
    match (family(af)?, len) {
        // SAFETY: it points to 4 bytes, and an array of bytes has no alignment.
        (Family::V4, 4) => Some(Address::V4(unsafe { addr.cast::<[u8; 4]>().read() })),
        // SAFETY: likewise to 16.
        (Family::V6, 16) => Some(Address::V6(unsafe { addr.cast::<[u8; 16]>().read() })),
        _ => None,
    }
}

/// Stores a result that the caller may not have asked for.
///
/// # Safety
/// `to` is null or may be written to.
unsafe fn set<T>(to: *mut T, value: T) {
    if !to.is_null() {
        // SAFETY: the caller promised it.
        unsafe { to.write(value) };
    }
}
