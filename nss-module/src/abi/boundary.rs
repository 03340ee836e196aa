//! The boundary that no panic crosses, and the one place that reports to glibc.
//!
//! A panic is a mistake of ours, and the one thing here that needs memory: the
//! standard library boxes what it carries, and ends the process where there is
//! none.

use std::panic::{self, AssertUnwindSafe};

use libc::c_int;

use crate::status::Situation;

/// Where glibc wants to hear how a call ended.
pub(crate) struct Report {
    errnop: *mut c_int,
    h_errnop: *mut c_int,
}

impl Report {
    /// # Safety
    /// For the call, each pointer is null or may be written.
    pub(crate) unsafe fn new(errnop: *mut c_int, h_errnop: *mut c_int) -> Report {
        Report { errnop, h_errnop }
    }

    /// Runs `answer` and says how it ended. A panic ends like a missing table:
    /// glibc asks the next service, and the process lives.
    pub(crate) fn of(self, answer: impl FnOnce() -> Situation) -> c_int {
        let row = guarded(answer).row();
        if let Some(errno) = row.errno
            && !self.errnop.is_null()
        {
            // SAFETY: `new` was promised that it may be written.
            unsafe { self.errnop.write(errno) };
        }
        if !self.h_errnop.is_null() {
            // SAFETY: as above.
            unsafe { self.h_errnop.write(row.h_errno) };
        }
        row.status as c_int
    }
}

/// Runs `answer`, and keeps a panic in.
pub(crate) fn guarded(answer: impl FnOnce() -> Situation) -> Situation {
    // What a panic leaves behind is the caller's buffer, which it must not read
    // after a failure, and statics that are atomics.
    panic::catch_unwind(AssertUnwindSafe(answer)).unwrap_or(Situation::Unavailable)
}

/// Silences the standard library's panic message, which would appear on the
/// host's standard error. The library is linked statically, so this is the
/// module's own hook and nobody else's.
#[cfg(not(test))]
extern "C" fn silence() {
    // A closure that holds nothing is boxed without memory being allocated.
    panic::set_hook(Box::new(|_| {}));
}

/// Run by the loader, once, before anything in the module can be called.
#[cfg(not(test))]
#[used]
// SAFETY: the loader calls what stands in this section without arguments that
// `silence` would miss, and `silence` needs nothing set up before it.
#[unsafe(link_section = ".init_array")]
static AT_LOAD: extern "C" fn() = silence;

#[cfg(test)]
mod tests {
    use super::*;
    use libc::ENOENT;
    use std::ptr;

    #[test]
    fn a_panic_is_reported_as_a_missing_table() {
        let (mut errno, mut h_errno) = (77, 77);
        // SAFETY: both are integers of this function.
        let report = unsafe { Report::new(&raw mut errno, &raw mut h_errno) };
        let status = report.of(|| panic!("a test panics"));
        assert_eq!((status, errno, h_errno), (-1, ENOENT, 3));
    }

    #[test]
    fn success_leaves_errno_alone_and_null_is_nowhere() {
        let (mut errno, mut h_errno) = (77, 77);
        // SAFETY: both are integers of this function.
        let report = unsafe { Report::new(&raw mut errno, &raw mut h_errno) };
        assert_eq!(report.of(|| Situation::Found), 1);
        assert_eq!((errno, h_errno), (77, 0));
        // SAFETY: null is allowed.
        let report = unsafe { Report::new(ptr::null_mut(), ptr::null_mut()) };
        assert_eq!(report.of(|| Situation::NoSuchName), 0);
    }
}
