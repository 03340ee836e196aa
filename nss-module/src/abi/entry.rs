//! The functions glibc calls, and nothing else that can be seen from outside.
//!
//! Prototypes are those of glibc's `nss/nss_files` and `resolv/nss_dns`; glibc
//! declares them nowhere. Each converts its pointers, calls one safe function
//! and reports. libnss's `libnss_host_hooks!` would write them, but without
//! `gethostbyname4_r`, without the `h_errnop` of `gethostent_r`, and with
//! `unwrap` and a `Mutex` in them.
//!
//! The contract of all of them, with glibc or whoever else calls: strings end
//! in zero, `buffer` points to `buflen` bytes, an address to as many bytes as
//! its length says, every other pointer to one object of its type. Pointers to
//! results may be null. Nobody else touches any of it during the call.

use std::ffi::c_void;
use std::ptr;

use libc::{AF_INET, AF_INET6, c_char, c_int, size_t, socklen_t};
use libnss::host::CHost;

use crate::abi::addrtuple::{AddrTuple, TupleSlot};
use crate::abi::boundary::{Report, guarded};
use crate::abi::hostent::HostSlot;
use crate::enumerate::HOSTS;
use crate::lookup::{self, Address, Family};
use crate::status::Situation;

/// Most bytes of a name that are looked at: more than any name has.
const LONGEST: usize = 256;

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

/// The same with a time to live, always 0 so that nobody caches the answer,
/// and the canonical name, which is also the result's `h_name`.
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
    let report = unsafe { Report::new(errnop, h_errnop) };
    report.of(|| {
        let Some(family) = family(af) else {
            return Situation::NotOurFamily;
        };
        // SAFETY: the contract of the module.
        let Some(slot) = (unsafe { HostSlot::new(result, buffer, buflen) }) else {
            return Situation::Unavailable;
        };
        // SAFETY: the contract of the module.
        let situation = lookup::by_name(unsafe { bytes(name) }, family, slot);
        if situation == Situation::Found {
            // SAFETY: the contract of the module; it was written just now.
            let name = unsafe { (*result).name };
            // SAFETY: the contract of the module.
            unsafe { set(canonp, name) };
            // SAFETY: the contract of the module.
            unsafe { set(ttlp, 0) };
        }
        situation
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
    let report = unsafe { Report::new(errnop, h_errnop) };
    report.of(|| {
        // SAFETY: the contract of the module.
        let Some(slot) = (unsafe { TupleSlot::new(pat, buffer, buflen) }) else {
            return Situation::Unavailable;
        };
        // SAFETY: the contract of the module.
        let situation = lookup::by_name_in_both(unsafe { bytes(name) }, slot);
        if situation == Situation::Found {
            // SAFETY: the contract of the module.
            unsafe { set(ttlp, 0) };
        }
        situation
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
    let report = unsafe { Report::new(errnop, h_errnop) };
    report.of(|| {
        // SAFETY: the contract of the module.
        let Some(address) = (unsafe { address(addr, len, af) }) else {
            return Situation::NotOurFamily;
        };
        // SAFETY: the contract of the module.
        let Some(slot) = (unsafe { HostSlot::new(result, buffer, buflen) }) else {
            return Situation::Unavailable;
        };
        let situation = lookup::by_address(address, slot);
        if situation == Situation::Found {
            // SAFETY: the contract of the module.
            unsafe { set(ttlp, 0) };
        }
        situation
    })
}

/// `sethostent(3)`: the list of hosts starts anew.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn _nss_cloudhosts_sethostent(_stayopen: c_int) -> c_int {
    guarded(|| HOSTS.rewind()).row().status as c_int
}

/// `endhostent(3)`: the list of hosts is not needed any more.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn _nss_cloudhosts_endhostent() -> c_int {
    guarded(|| HOSTS.rewind()).row().status as c_int
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
    let report = unsafe { Report::new(errnop, h_errnop) };
    report.of(|| {
        // SAFETY: the contract of the module.
        match unsafe { HostSlot::new(result, buffer, buflen) } {
            Some(slot) => lookup::ask(|view| HOSTS.next(view, slot)),
            None => Situation::Unavailable,
        }
    })
}

/// Our name for a family; AF_UNSPEC is none, as in nss_dns.
fn family(af: c_int) -> Option<Family> {
    match af {
        AF_INET => Some(Family::V4),
        AF_INET6 => Some(Family::V6),
        _ => None,
    }
}

/// The name's bytes, or as many as show that it is too long; none of null.
///
/// # Safety
/// `name` is null or ends in zero, and is not written during the call.
unsafe fn bytes<'c>(name: *const c_char) -> &'c [u8] {
    if name.is_null() {
        return &[];
    }
    // SAFETY: it ends in zero.
    let len = unsafe { libc::strnlen(name, LONGEST) };
    // SAFETY: strnlen has seen so many bytes.
    unsafe { std::slice::from_raw_parts(name.cast(), len) }
}

/// The address, when its length is that of its family.
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

/// Stores a result that the caller may not care for.
///
/// # Safety
/// `to` is null or may be written.
unsafe fn set<T>(to: *mut T, value: T) {
    if !to.is_null() {
        // SAFETY: promised above.
        unsafe { to.write(value) };
    }
}
