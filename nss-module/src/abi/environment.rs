//! What the module takes from the environment: where the daemon's socket is.

use std::ffi::CStr;

use cloudhosts_table::client::Paths;
use libc::c_char;

/// Names another socket than the daemon's own.
const SOCKET_VARIABLE: &CStr = c"CLOUDHOSTS_SOCKET";

unsafe extern "C" {
    /// `getenv(3)`, but nothing in a program that runs with more rights than
    /// its caller (setuid, file capabilities). The libc crate has it for other
    /// systems only.
    fn secure_getenv(name: *const c_char) -> *mut c_char;
}

/// Where to attach. Asked for at each attach, never at a look-up that the
/// attached table answers.
///
/// None when the variable holds a path that no socket can have: whoever set it
/// wants another daemon than the machine's.
pub(crate) fn paths() -> Option<Paths> {
    // SAFETY: the name ends in zero, and the C library looks for it as any
    // program's own getenv does.
    let value = unsafe { secure_getenv(SOCKET_VARIABLE.as_ptr()) };
    if value.is_null() {
        return Paths::standard();
    }
    // SAFETY: the environment's strings end in zero, and nobody changes this
    // one while it is read, unless the program breaks setenv's own rules.
    let socket = unsafe { CStr::from_ptr(value) };
    if socket.is_empty() {
        return Paths::standard();
    }
    Paths::at(socket)
}
