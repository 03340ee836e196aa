//! The environment variable `CLOUDHOSTS_SOCKET`: where the daemon's socket is.

use std::ffi::CStr;

use cloudhosts_table::client::Paths;
use libc::c_char;

/// Holds the path of a socket to use instead of the standard one.
const SOCKET_VARIABLE: &CStr = c"CLOUDHOSTS_SOCKET";

unsafe extern "C" {
    /// `getenv(3)`, but null in a program that runs with more privileges than
    /// its caller (setuid, file capabilities). The libc crate declares it for
    /// other systems only.
    fn secure_getenv(name: *const c_char) -> *mut c_char;
}

/// Where to attach. Called at each attempt to attach, and not by a lookup in
/// an attached table.
///
/// None if the variable holds a path that no socket can have: whoever set it
/// does not want the machine's own daemon.
pub(crate) fn paths() -> Option<Paths> {
    // SAFETY: the name ends with a zero byte, and the C library searches the
    // environment as it does for the program's own getenv.
    let value = unsafe { secure_getenv(SOCKET_VARIABLE.as_ptr()) };
    if value.is_null() {
        return Paths::standard();
    }
    // SAFETY: strings of the environment end with a zero byte, and nobody
    // changes this one while it is read, unless the program breaks the rules of
    // setenv itself.
    let socket = unsafe { CStr::from_ptr(value) };
    if socket.is_empty() {
        return Paths::standard();
    }
    Paths::at(socket)
}
