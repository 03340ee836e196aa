//! How a call can end, and what glibc is told then.
//!
//! | outcome | status | errno | h_errno |
//! |---|---|---|---|
//! | found | SUCCESS | unchanged | NETDB_SUCCESS |
//! | no such name or address | NOTFOUND | ENOENT | HOST_NOT_FOUND |
//! | no address of the name in this family | NOTFOUND | ENOENT | NO_DATA |
//! | caller's buffer too small | TRYAGAIN | ERANGE | NETDB_INTERNAL |
//! | no table, corrupt, too stale, panic | UNAVAIL | ENOENT | NO_RECOVERY |
//! | unsupported family or length of an address | UNAVAIL | EAFNOSUPPORT | NO_RECOVERY |
//!
//! The files named below are glibc's.

use libc::{EAFNOSUPPORT, ENOENT, ERANGE, c_int};
use libnss::interop::NssStatus;

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The answer is in the caller's buffer.
    Found,
    /// The table has no such name or address, no role can have such a name, or
    /// the list has no further host.
    NoSuchName,
    /// The name has addresses, but none in the requested family.
    NoAddressInFamily,
    /// The answer does not fit the caller's buffer.
    BufferTooSmall,
    /// There is no table to answer from, or the lookup failed.
    Unavailable,
    /// Hosts have no addresses of this family or length.
    UnsupportedFamily,
}

/// An outcome in glibc's terms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct GlibcResult {
    /// What the function returns.
    pub(crate) status: NssStatus,
    /// Stored through `errnop`; none on success.
    pub(crate) errno: Option<c_int>,
    /// Stored through `h_errnop`.
    pub(crate) h_errno: c_int,
}

/// Constants of `<netdb.h>`; the libc crate has them for other systems only.
const NETDB_INTERNAL: c_int = -1;
const NETDB_SUCCESS: c_int = 0;
const HOST_NOT_FOUND: c_int = 1;
const NO_RECOVERY: c_int = 3;
const NO_DATA: c_int = 4;

impl Outcome {
    pub(crate) fn glibc_result(self) -> GlibcResult {
        match self {
            // errno is the caller's own (`errnop` is `&errno` in
            // nss/getXXbyYY_r.c), and POSIX forbids a function that succeeds to
            // set it to 0. libnss's Response::to_c does, and clears the whole
            // buffer at each call, so it is not used. Up to 2.31 gethosts() of
            // sysdeps/posix/getaddrinfo.c takes a success with a non-zero errno
            // for a failure, but sets errno to 0 before the call.
            Outcome::Found => GlibcResult {
                status: NssStatus::Success,
                errno: None,
                h_errno: NETDB_SUCCESS,
            },
            // [NOTFOUND=...] of nsswitch.conf applies: DNS is asked next,
            // unless it says return. HOST_NOT_FOUND leaves no_data unset in
            // getaddrinfo.c, which then returns EAI_NONAME.
            Outcome::NoSuchName => GlibcResult {
                status: NssStatus::NotFound,
                errno: Some(ENOENT),
                h_errno: HOST_NOT_FOUND,
            },
            // If both families end like this, getaddrinfo.c returns EAI_NODATA;
            // if only one does, the other one's addresses.
            Outcome::NoAddressInFamily => GlibcResult {
                status: NssStatus::NotFound,
                errno: Some(ENOENT),
                h_errno: NO_DATA,
            },
            // The only result for which glibc enlarges the buffer and calls
            // again: getaddrinfo.c, getXXbyYY_r.c and getnssent_r.c each test
            // for these three values together. With another h_errno (libnss's
            // macro reports TRY_AGAIN) roles with many addresses would fail.
            Outcome::BufferTooSmall => GlibcResult {
                status: NssStatus::TryAgain,
                errno: Some(ERANGE),
                h_errno: NETDB_INTERNAL,
            },
            // The next service is asked. Not NETDB_INTERNAL, for which
            // gethosts() returns EAI_SYSTEM without asking any other. ENOENT,
            // because getXXbyYY_r.c passes errno on to the caller of
            // gethostbyname_r, which would retry for ever on ERANGE.
            Outcome::Unavailable => GlibcResult {
                status: NssStatus::Unavail,
                errno: Some(ENOENT),
                h_errno: NO_RECOVERY,
            },
            // As resolv/nss_dns/dns-host.c answers a family that it does not
            // know, except for its NO_DATA: nothing is known about the name.
            Outcome::UnsupportedFamily => GlibcResult {
                status: NssStatus::Unavail,
                errno: Some(EAFNOSUPPORT),
                h_errno: NO_RECOVERY,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_small_buffer_makes_glibc_call_again() {
        let outcomes = [
            Outcome::Found,
            Outcome::NoSuchName,
            Outcome::NoAddressInFamily,
            Outcome::BufferTooSmall,
            Outcome::Unavailable,
            Outcome::UnsupportedFamily,
        ];
        for outcome in outcomes {
            let result = outcome.glibc_result();
            let small = outcome == Outcome::BufferTooSmall;
            assert_eq!(result.status == NssStatus::TryAgain, small);
            assert_eq!(result.errno == Some(ERANGE), small);
            assert_eq!(result.h_errno == NETDB_INTERNAL, small);
        }
    }

    #[test]
    fn only_success_leaves_errno_alone() {
        assert_eq!(Outcome::Found.glibc_result().errno, None);
        assert_eq!(Outcome::Found.glibc_result().h_errno, NETDB_SUCCESS);
        assert_eq!(Outcome::NoSuchName.glibc_result().errno, Some(ENOENT));
        assert_eq!(Outcome::NoAddressInFamily.glibc_result().h_errno, NO_DATA);
        assert_eq!(
            Outcome::UnsupportedFamily.glibc_result().errno,
            Some(EAFNOSUPPORT)
        );
        assert_eq!(Outcome::Unavailable.glibc_result().h_errno, NO_RECOVERY);
    }
}
