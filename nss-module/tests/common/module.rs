//! The module, loaded as glibc loads it.

use std::ffi::{CString, c_void};
use std::sync::atomic::{AtomicBool, Ordering};

use libc::{c_char, c_int, hostent, size_t, socklen_t};

use super::{built, socket};

/// `struct gaih_addrtuple`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct AddrTuple {
    pub next: *mut AddrTuple,
    pub name: *mut c_char,
    pub family: c_int,
    pub addr: [u32; 4],
    pub scopeid: u32,
}

type ByName = unsafe extern "C" fn(
    *const c_char,
    *mut hostent,
    *mut c_char,
    size_t,
    *mut c_int,
    *mut c_int,
) -> c_int;
type ByName2 = unsafe extern "C" fn(
    *const c_char,
    c_int,
    *mut hostent,
    *mut c_char,
    size_t,
    *mut c_int,
    *mut c_int,
) -> c_int;
type ByName3 = unsafe extern "C" fn(
    *const c_char,
    c_int,
    *mut hostent,
    *mut c_char,
    size_t,
    *mut c_int,
    *mut c_int,
    *mut i32,
    *mut *mut c_char,
) -> c_int;
type ByName4 = unsafe extern "C" fn(
    *const c_char,
    *mut *mut AddrTuple,
    *mut c_char,
    size_t,
    *mut c_int,
    *mut c_int,
    *mut i32,
) -> c_int;
type ByAddr = unsafe extern "C" fn(
    *const c_void,
    socklen_t,
    c_int,
    *mut hostent,
    *mut c_char,
    size_t,
    *mut c_int,
    *mut c_int,
) -> c_int;
type ByAddr2 = unsafe extern "C" fn(
    *const c_void,
    socklen_t,
    c_int,
    *mut hostent,
    *mut c_char,
    size_t,
    *mut c_int,
    *mut c_int,
    *mut i32,
) -> c_int;
type SetEnt = unsafe extern "C" fn(c_int) -> c_int;
type EndEnt = unsafe extern "C" fn() -> c_int;
type GetEnt =
    unsafe extern "C" fn(*mut hostent, *mut c_char, size_t, *mut c_int, *mut c_int) -> c_int;

/// The functions of the module.
#[derive(Clone, Copy)]
pub struct Module {
    pub gethostbyname_r: ByName,
    pub gethostbyname2_r: ByName2,
    pub gethostbyname3_r: ByName3,
    pub gethostbyname4_r: ByName4,
    pub gethostbyaddr_r: ByAddr,
    pub gethostbyaddr2_r: ByAddr2,
    pub sethostent: SetEnt,
    pub gethostent_r: GetEnt,
    pub endhostent: EndEnt,
}

impl Module {
    /// Loads the module as glibc does, once in a process: it attaches only once.
    pub fn load() -> Module {
        static LOADED: AtomicBool = AtomicBool::new(false);
        assert!(
            !LOADED.swap(true, Ordering::SeqCst),
            "each test needs a process of its own: `cargo nextest run`, or one test alone"
        );
        socket();
        let path = CString::new(built().into_os_string().into_encoded_bytes()).unwrap();
        // SAFETY: the path ends in zero.
        let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW) };
        assert!(!handle.is_null(), "{path:?} can't be loaded");
        let function = |name: &str| {
            let name = CString::new(format!("_nss_cloudhosts_{name}")).unwrap();
            // SAFETY: the handle is that of dlopen, the name ends in zero.
            let found = unsafe { libc::dlsym(handle, name.as_ptr()) };
            assert!(!found.is_null(), "{name:?} is not exported");
            found
        };
        macro_rules! function {
            ($name:literal) => {
                // SAFETY: the type is that of the prototype in glibc.
                unsafe { std::mem::transmute(function($name)) }
            };
        }
        Module {
            gethostbyname_r: function!("gethostbyname_r"),
            gethostbyname2_r: function!("gethostbyname2_r"),
            gethostbyname3_r: function!("gethostbyname3_r"),
            gethostbyname4_r: function!("gethostbyname4_r"),
            gethostbyaddr_r: function!("gethostbyaddr_r"),
            gethostbyaddr2_r: function!("gethostbyaddr2_r"),
            sethostent: function!("sethostent"),
            gethostent_r: function!("gethostent_r"),
            endhostent: function!("endhostent"),
        }
    }
}
