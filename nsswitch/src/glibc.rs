//! The one function of glibc that no crate has.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int};

// <nss.h>, in every glibc since 2.0; it is what `getent -s` calls.
unsafe extern "C" {
    fn __nss_configure_lookup(database: *const c_char, services: *const c_char) -> c_int;
}

/// Makes glibc ask these services for hosts in this process from now on, not those of
/// nsswitch.conf, and not nscd. False if it can't parse them.
///
/// `getaddrinfo` asks nscd only while no services were set in this way
/// (`__nss_database_custom`), and does not read nsswitch.conf again.
pub(crate) fn set_hosts_services(services: &CStr) -> bool {
    // SAFETY: both strings end with NUL, and glibc copies what it keeps of them.
    // It may be called while other threads look names up: up to glibc 2.32 the
    // services are replaced under the lock that guards them, and since 2.33 by
    // storing one aligned pointer to a list that is never freed, after a flag
    // that keeps other threads from storing theirs.
    let refused = unsafe { __nss_configure_lookup(c"hosts".as_ptr(), services.as_ptr()) };
    refused == 0
}
