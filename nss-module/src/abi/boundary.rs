//! The boundary that no panic crosses, and the one place that reports to glibc.
//!
//! A panic is a bug in the module. It is also the one thing here that allocates:
//! the standard library boxes its payload, and aborts the process if it can't.

use std::panic::{self, AssertUnwindSafe};

use libc::c_int;

use crate::outcome::Outcome;

/// The caller's `errno` and `h_errno`, which each function reports through.
pub(crate) struct ErrorPointers {
    errnop: *mut c_int,
    h_errnop: *mut c_int,
}

impl ErrorPointers {
    /// # Safety
    /// During the call, each pointer is null or may be written to.
    pub(crate) unsafe fn new(errnop: *mut c_int, h_errnop: *mut c_int) -> ErrorPointers {
        ErrorPointers { errnop, h_errnop }
    }

    /// Runs `answer`, stores how it ended, and returns the status. A panic ends
    /// like a missing table: glibc asks the next service, and the process lives.
    pub(crate) fn report(self, answer: impl FnOnce() -> Outcome) -> c_int {
        let result = catch(answer).glibc_result();
        if let Some(errno) = result.errno
            && !self.errnop.is_null()
        {
            // SAFETY: the caller of `new` promised that it may be written to.
            unsafe { self.errnop.write(errno) };
        }
        if !self.h_errnop.is_null() {
            // SAFETY: as above.
            unsafe { self.h_errnop.write(result.h_errno) };
        }
        result.status as c_int
    }
}

/// Runs `answer`, and turns a panic into [`Outcome::Unavailable`].
pub(crate) fn catch(answer: impl FnOnce() -> Outcome) -> Outcome {
    // A panic can leave half an answer in the caller's buffer, which the caller
    // must not read after a failure, and in statics, all of which are atomics.
    panic::catch_unwind(AssertUnwindSafe(answer)).unwrap_or(Outcome::Unavailable)
}

/// Silences the standard library's panic message, which would appear on the
/// host program's standard error. The library is linked statically, so this
/// sets the module's own hook and nobody else's.
#[cfg(not(test))]
extern "C" fn silence() {
    // A closure that captures nothing is boxed without an allocation.
    panic::set_hook(Box::new(|_| {}));
}

/// The loader runs this once, before anything in the module can be called.
#[cfg(not(test))]
#[used]
// SAFETY: the loader calls the functions in this section with arguments that
// `silence` ignores, and `silence` needs nothing to be set up before it.
#[unsafe(link_section = ".init_array")]
static AT_LOAD: extern "C" fn() = silence;

#[cfg(test)]
mod tests {
    use std::ptr;

    use libc::ENOENT;

    use super::*;

    #[test]
    fn a_panic_is_reported_as_a_missing_table() {
        let (mut errno, mut h_errno) = (77, 77);
        // SAFETY: both are integers of this function.
        let pointers = unsafe { ErrorPointers::new(&raw mut errno, &raw mut h_errno) };
        let status = pointers.report(|| panic!("a test panics"));
        assert_eq!((status, errno, h_errno), (-1, ENOENT, 3));
    }

    #[test]
    fn success_leaves_errno_alone_and_null_is_not_written() {
        let (mut errno, mut h_errno) = (77, 77);
        // SAFETY: both are integers of this function.
        let pointers = unsafe { ErrorPointers::new(&raw mut errno, &raw mut h_errno) };
        assert_eq!(pointers.report(|| Outcome::Found), 1);
        assert_eq!((errno, h_errno), (77, 0));
        // SAFETY: null is allowed.
        let pointers = unsafe { ErrorPointers::new(ptr::null_mut(), ptr::null_mut()) };
        assert_eq!(pointers.report(|| Outcome::NoSuchName), 0);
    }
}
