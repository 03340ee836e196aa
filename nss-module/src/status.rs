//! What glibc is told: one row for each way a call can end.
//!
//! | situation | status | errno | h_errno |
//! |---|---|---|---|
//! | found | SUCCESS | unchanged | NETDB_SUCCESS |
//! | no such name or address | NOTFOUND | ENOENT | HOST_NOT_FOUND |
//! | name known, none in this family | NOTFOUND | ENOENT | NO_DATA |
//! | caller's buffer too small | TRYAGAIN | ERANGE | NETDB_INTERNAL |
//! | no table, corrupt, too stale, panic | UNAVAIL | ENOENT | NO_RECOVERY |
//! | family or address length not ours | UNAVAIL | EAFNOSUPPORT | NO_RECOVERY |
//!
//! The files named below are glibc's.

use libc::{EAFNOSUPPORT, ENOENT, ERANGE, c_int};
use libnss::interop::NssStatus;

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Situation {
    /// The answer stands in the caller's buffer.
    Found,
    /// The table has no such name or address, the list has no further host,
    /// or the name is none that a role could have.
    NoSuchName,
    /// The name has addresses, but none of the family asked for.
    NoneInFamily,
    /// The answer does not fit the caller's buffer.
    BufferTooSmall,
    /// There is no table to answer from, or answering failed.
    Unavailable,
    /// A family, or a length of an address, that hosts do not have.
    NotOurFamily,
}

/// What a situation is called in glibc's terms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Row {
    /// What the function returns.
    pub(crate) status: NssStatus,
    /// What to store through `errnop`; nothing on success.
    pub(crate) errno: Option<c_int>,
    /// What to store through `h_errnop`.
    pub(crate) h_errno: c_int,
}

/// `<netdb.h>`; the libc crate has them for other systems only.
const NETDB_INTERNAL: c_int = -1;
const NETDB_SUCCESS: c_int = 0;
const HOST_NOT_FOUND: c_int = 1;
const NO_RECOVERY: c_int = 3;
const NO_DATA: c_int = 4;

impl Situation {
    pub(crate) fn row(self) -> Row {
        match self {
            // errno is the caller's own (`errnop` is `&errno` in
            // nss/getXXbyYY_r.c), and POSIX lets no function that succeeds
            // set it to 0. libnss's Response::to_c does, and clears the whole
            // buffer at each call besides, so it is not used. gethosts() of
            // sysdeps/posix/getaddrinfo.c up to 2.31 takes a success with
            // a non-zero errno for a failure; it sets it to 0 beforehand.
            Situation::Found => Row {
                status: NssStatus::Success,
                errno: None,
                h_errno: NETDB_SUCCESS,
            },
            // nsswitch.conf's [NOTFOUND=...] applies: DNS is asked next
            // unless it says return. HOST_NOT_FOUND leaves no_data unset in
            // getaddrinfo.c, which ends in EAI_NONAME.
            Situation::NoSuchName => Row {
                status: NssStatus::NotFound,
                errno: Some(ENOENT),
                h_errno: HOST_NOT_FOUND,
            },
            // getaddrinfo.c turns NO_DATA, when both families have it, into
            // EAI_NODATA; alone it is only remembered while the other family
            // is asked.
            Situation::NoneInFamily => Row {
                status: NssStatus::NotFound,
                errno: Some(ENOENT),
                h_errno: NO_DATA,
            },
            // The only row that makes glibc enlarge the buffer and ask again:
            // getaddrinfo.c, getXXbyYY_r.c and getnssent_r.c each test for
            // these three values together. With another h_errno (libnss's
            // macro reports TRY_AGAIN) roles with many addresses would fail.
            Situation::BufferTooSmall => Row {
                status: NssStatus::TryAgain,
                errno: Some(ERANGE),
                h_errno: NETDB_INTERNAL,
            },
            // The next service is asked. Never NETDB_INTERNAL: gethosts()
            // makes EAI_SYSTEM of it at once and asks nobody else. ENOENT,
            // because getXXbyYY_r.c hands errno on to the caller of
            // gethostbyname_r, which an ERANGE would make retry for ever.
            Situation::Unavailable => Row {
                status: NssStatus::Unavail,
                errno: Some(ENOENT),
                h_errno: NO_RECOVERY,
            },
            // As resolv/nss_dns/dns-host.c answers a family it does not know,
            // but for its NO_DATA: nothing is known about the name.
            Situation::NotOurFamily => Row {
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
    fn only_a_small_buffer_makes_glibc_ask_again() {
        let all = [
            Situation::Found,
            Situation::NoSuchName,
            Situation::NoneInFamily,
            Situation::BufferTooSmall,
            Situation::Unavailable,
            Situation::NotOurFamily,
        ];
        for situation in all {
            let row = situation.row();
            let small = situation == Situation::BufferTooSmall;
            assert_eq!(row.status == NssStatus::TryAgain, small);
            assert_eq!(row.errno == Some(ERANGE), small);
            assert_eq!(row.h_errno == NETDB_INTERNAL, small);
        }
    }

    #[test]
    fn success_alone_leaves_errno_be() {
        assert_eq!(Situation::Found.row().errno, None);
        assert_eq!(Situation::Found.row().h_errno, NETDB_SUCCESS);
        assert_eq!(Situation::NoSuchName.row().errno, Some(ENOENT));
        assert_eq!(Situation::NoneInFamily.row().h_errno, NO_DATA);
        assert_eq!(Situation::NotOurFamily.row().errno, Some(EAFNOSUPPORT));
        assert_eq!(Situation::Unavailable.row().h_errno, NO_RECOVERY);
    }
}
