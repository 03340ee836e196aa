//! The rows of DESIGN.md's table: what glibc is told when there is no answer.

use std::ptr;

use libc::{AF_INET, AF_INET6, AF_UNSPEC, EAFNOSUPPORT, ENOENT, ERANGE};

use crate::common::*;
use crate::fixture::*;

#[test]
fn each_situation_has_its_row() {
    let (_daemon, module) = attached();
    let missing = Outcome::failed(NOTFOUND, ENOENT, HOST_NOT_FOUND);
    let long = "a".repeat(300);
    let names = [
        "nobody",
        "",
        ".",
        "both..",
        "not a name",
        "a/b",
        "10.0.0.1",
        "localhost",
        &long,
    ];
    for name in names {
        for af in [AF_INET, AF_INET6] {
            assert_eq!(module.ask(&name2(name, af)), missing, "{name:?}");
        }
        assert_eq!(module.ask(&name4(name)), missing, "{name:?}");
    }
    let no_data = Outcome::failed(NOTFOUND, ENOENT, NO_DATA);
    assert_eq!(module.ask(&Ask::Name("six".into())), no_data);
    assert_eq!(module.ask(&Ask::Name3("farm-25".into(), AF_INET6)), no_data);
    let other_family = Outcome::failed(UNAVAIL, EAFNOSUPPORT, NO_RECOVERY);
    for af in [AF_UNSPEC, libc::AF_UNIX, -1] {
        assert_eq!(module.ask(&name2("both", af)), other_family);
    }
    let small = Outcome::failed(TRYAGAIN, ERANGE, NETDB_INTERNAL);
    for ask in [
        Ask::Name("both".into()),
        name4("both"),
        addr("192.0.2.5"),
        Ask::Next,
    ] {
        assert_eq!(module.ask_with(&ask, &mut Buffer::new(0, 8)), small);
    }
}

#[test]
fn a_name_of_bytes_that_are_no_text_is_not_found() {
    let (_daemon, module) = attached();
    let (mut errno, mut h_errno) = (JUNK, JUNK);
    let mut list = ptr::null_mut();
    // SAFETY: the name ends in zero; nothing is written to an empty buffer.
    let status = unsafe {
        (module.gethostbyname4_r)(
            c"\xff\xfe\x80".as_ptr(),
            &raw mut list,
            ptr::null_mut(),
            0,
            &raw mut errno,
            &raw mut h_errno,
            ptr::null_mut(),
        )
    };
    assert_eq!((status, errno, h_errno), (NOTFOUND, ENOENT, HOST_NOT_FOUND));
}

#[test]
fn an_address_of_another_length_is_not_ours() {
    let (_daemon, module) = attached();
    let bytes = [0u8; 64];
    let lengths = [
        (AF_INET, 0),
        (AF_INET, 16),
        (AF_INET6, 4),
        (AF_INET6, 15),
        (AF_UNSPEC, 4),
    ];
    for (af, len) in lengths {
        let (mut errno, mut h_errno) = (JUNK, JUNK);
        let mut room = [0; 512];
        // SAFETY: an all-zero hostent has null pointers.
        let mut host = unsafe { std::mem::zeroed() };
        // SAFETY: pointers to locals, with their true sizes.
        let status = unsafe {
            (module.gethostbyaddr_r)(
                bytes.as_ptr().cast(),
                len,
                af,
                &raw mut host,
                room.as_mut_ptr(),
                room.len(),
                &raw mut errno,
                &raw mut h_errno,
            )
        };
        assert_eq!(
            (status, errno, h_errno),
            (UNAVAIL, EAFNOSUPPORT, NO_RECOVERY)
        );
    }
}

#[test]
fn pointers_may_be_null() {
    let (_daemon, module) = attached();
    let null = ptr::null_mut();
    // The first of the list may be any role: the largest needs this.
    let mut room = vec![0; 1 << 20];
    let (start, len) = (room.as_mut_ptr(), room.len());
    // SAFETY: an all-zero hostent has null pointers.
    let mut host = unsafe { std::mem::zeroed() };
    let host = &raw mut host;
    let mut list = ptr::null_mut();
    let name = c"both".as_ptr();
    let n = ptr::null_mut();
    // SAFETY: what is not null points to a local; the module promises to
    // take null for results and for the buffer.
    let statuses = unsafe {
        [
            (module.gethostbyname_r)(name, host, start, len, n, n),
            (module.gethostbyname3_r)(name, AF_INET, host, start, len, n, n, n, ptr::null_mut()),
            (module.gethostbyname4_r)(name, &raw mut list, start, len, n, n, n),
            (module.gethostbyname_r)(name, host, ptr::null_mut(), 512, n, n),
            (module.gethostbyname_r)(ptr::null(), host, start, len, n, n),
            (module.gethostbyname_r)(name, ptr::null_mut(), start, len, n, n),
            (module.gethostbyname4_r)(name, ptr::null_mut(), start, len, n, n, n),
            (module.gethostbyaddr_r)(ptr::null(), 4, AF_INET, host, start, len, n, n),
            (module.gethostent_r)(host, start, len, n, n),
            (module.gethostent_r)(ptr::null_mut(), start, len, n, null),
        ]
    };
    let expected = [
        SUCCESS, SUCCESS, SUCCESS, TRYAGAIN, NOTFOUND, UNAVAIL, UNAVAIL, UNAVAIL, SUCCESS, UNAVAIL,
    ];
    assert_eq!(statuses, expected);
}
