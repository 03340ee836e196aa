//! One call of one function: what is asked, how it ended, and all that must
//! hold whatever it was.

use std::ffi::CString;
use std::net::IpAddr;
use std::ptr;

use libc::{c_char, c_int, hostent, socklen_t};

use super::buffer::{Answered, Buffer};
use super::module::{AddrTuple, Module};

pub const SUCCESS: c_int = 1;
pub const NOTFOUND: c_int = 0;
pub const UNAVAIL: c_int = -1;
pub const TRYAGAIN: c_int = -2;

pub const NETDB_INTERNAL: c_int = -1;
pub const HOST_NOT_FOUND: c_int = 1;
pub const NO_RECOVERY: c_int = 3;
pub const NO_DATA: c_int = 4;

/// What errno and h_errno hold before each call.
pub const JUNK: c_int = 7777;

/// A question to one of the functions.
#[derive(Debug, Clone)]
pub enum Ask {
    Name(String),
    Name2(String, c_int),
    Name3(String, c_int),
    /// With the first tuple given by the caller or not.
    Name4(String, bool),
    Addr(IpAddr),
    Addr2(IpAddr),
    Next,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub status: c_int,
    pub errno: c_int,
    pub h_errno: c_int,
    pub answer: Option<Answered>,
}

impl Outcome {
    /// The row of a failure.
    pub fn failed(status: c_int, errno: c_int, h_errno: c_int) -> Outcome {
        Outcome {
            status,
            errno,
            h_errno,
            answer: None,
        }
    }
}

/// Sets the thread's errno.
pub fn set_errno(value: c_int) {
    // SAFETY: the C library gives the address of this thread's errno.
    unsafe { *libc::__errno_location() = value };
}

/// The thread's errno.
pub fn errno() -> c_int {
    std::io::Error::last_os_error().raw_os_error().unwrap()
}

impl Module {
    /// Asks with a buffer that is surely large enough.
    pub fn ask(&self, ask: &Ask) -> Outcome {
        self.ask_with(ask, &mut Buffer::new(0, 1 << 20))
    }

    /// Asks, reads the answer back, and checks all that must hold for any
    /// call: nothing outside the buffer, and errno as it was.
    pub fn ask_with(&self, ask: &Ask, buffer: &mut Buffer) -> Outcome {
        let (start, len) = (buffer.start(), buffer.len);
        let (mut errno_told, mut h_errno) = (JUNK, JUNK);
        let (e, h) = (&raw mut errno_told, &raw mut h_errno);
        // SAFETY: all zero is a hostent of null pointers.
        let mut host: hostent = unsafe { std::mem::zeroed() };
        let mut ttl = JUNK;
        let mut canonical: *mut c_char = ptr::null_mut();
        let junk = ptr::dangling_mut::<AddrTuple>();
        let mut given = AddrTuple {
            next: junk,
            name: junk.cast(),
            family: JUNK,
            addr: [u32::MAX; 4],
            scopeid: u32::MAX,
        };
        let mut list: *mut AddrTuple = ptr::null_mut();

        set_errno(JUNK);
        let text = |name: &String| CString::new(name.as_str()).unwrap();
        // SAFETY: pointers to locals that live on, and a buffer of `len` bytes.
        let status = unsafe {
            match ask {
                Ask::Name(name) => {
                    (self.gethostbyname_r)(text(name).as_ptr(), &raw mut host, start, len, e, h)
                }
                Ask::Name2(name, af) => {
                    let name = text(name);
                    (self.gethostbyname2_r)(name.as_ptr(), *af, &raw mut host, start, len, e, h)
                }
                Ask::Name3(name, af) => {
                    let (name, host) = (text(name), &raw mut host);
                    let (ttl, canonical) = (&raw mut ttl, &raw mut canonical);
                    (self.gethostbyname3_r)(
                        name.as_ptr(),
                        *af,
                        host,
                        start,
                        len,
                        e,
                        h,
                        ttl,
                        canonical,
                    )
                }
                Ask::Name4(name, with_first) => {
                    if *with_first {
                        list = &raw mut given;
                    }
                    let (name, list) = (text(name), &raw mut list);
                    (self.gethostbyname4_r)(name.as_ptr(), list, start, len, e, h, &raw mut ttl)
                }
                Ask::Addr(ip) => {
                    let (bytes, af) = octets(ip);
                    let (at, size) = (bytes.as_ptr().cast(), bytes.len() as socklen_t);
                    (self.gethostbyaddr_r)(at, size, af, &raw mut host, start, len, e, h)
                }
                Ask::Addr2(ip) => {
                    let (bytes, af) = octets(ip);
                    let (at, size) = (bytes.as_ptr().cast(), bytes.len() as socklen_t);
                    let (host, ttl) = (&raw mut host, &raw mut ttl);
                    (self.gethostbyaddr2_r)(at, size, af, host, start, len, e, h, ttl)
                }
                Ask::Next => (self.gethostent_r)(&raw mut host, start, len, e, h),
            }
        };
        assert_eq!(errno(), JUNK, "the module changed errno itself: {ask:?}");
        buffer.check_poison();

        let found = status == SUCCESS;
        let answer = found.then(|| match ask {
            Ask::Name4(_, with_first) => {
                let first = &raw const given;
                assert_eq!(*with_first, ptr::eq(list, first));
                buffer.tuples(list, first)
            }
            _ => buffer.host(&host),
        });
        if !found {
            let first = &raw const given;
            let untouched = list.is_null() || (ptr::eq(list, first) && given.next == junk);
            assert!(
                untouched && host.h_name.is_null(),
                "half an answer: {ask:?}"
            );
        }
        if matches!(ask, Ask::Name3(..) | Ask::Name4(..) | Ask::Addr2(..)) {
            assert_eq!(ttl, if found { 0 } else { JUNK });
        }
        if matches!(ask, Ask::Name3(..)) {
            assert_eq!(canonical, host.h_name);
        }
        Outcome {
            status,
            errno: errno_told,
            h_errno,
            answer,
        }
    }
}

fn octets(ip: &IpAddr) -> (Vec<u8>, c_int) {
    match ip {
        IpAddr::V4(ip) => (ip.octets().to_vec(), libc::AF_INET),
        IpAddr::V6(ip) => (ip.octets().to_vec(), libc::AF_INET6),
    }
}
