//! `struct gaih_addrtuple`: the list that `gethostbyname4_r` answers with,
//! addresses of both families under one name.

use std::io;
use std::marker::PhantomData;
use std::ptr;

use cloudhosts_table::Addresses;
use libc::{AF_INET, AF_INET6, c_char, c_int, c_void, size_t};
use libnss::interop::{CBuffer, ToC};

use crate::abi::writer::Writer;
use crate::status::Situation;

/// `struct gaih_addrtuple` of glibc's `<nss.h>`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(crate) struct AddrTuple {
    next: *mut AddrTuple,
    name: *mut c_char,
    family: c_int,
    addr: [u8; 16],
    scopeid: u32,
}

/// An answer that is to become a list of tuples.
pub(crate) struct TupleList<'a> {
    /// The canonical name.
    pub(crate) name: &'a str,
    /// IPv4 addresses, which come first; getaddrinfo sorts them as RFC 6724 says.
    pub(crate) v4: Addresses<'a, 4>,
    /// IPv6 addresses. The table's have no scope.
    pub(crate) v6: Addresses<'a, 16>,
}

/// Where the caller wants the list.
pub(crate) struct TupleSlot<'c> {
    list: *mut *mut AddrTuple,
    buffer: *mut c_char,
    buflen: size_t,
    caller: PhantomData<&'c mut AddrTuple>,
}

impl<'c> TupleSlot<'c> {
    /// None when there is nowhere to put the list.
    ///
    /// # Safety
    /// For `'c`, `list` is null or points to a pointer, which is null or points
    /// to a tuple, and `buffer` is null or points to `buflen` bytes; all may be
    /// written, and nothing else reads or writes them.
    pub(crate) unsafe fn new(
        list: *mut *mut AddrTuple,
        buffer: *mut c_char,
        buflen: size_t,
    ) -> Option<TupleSlot<'c>> {
        let buflen = if buffer.is_null() { 0 } else { buflen };
        (!list.is_null()).then_some(TupleSlot {
            list,
            buffer,
            buflen,
            caller: PhantomData,
        })
    }

    /// Hands the answer over, whole or not at all.
    pub(crate) fn put(self, answer: &TupleList<'_>) -> Situation {
        if answer.v4.len() + answer.v6.len() == 0 {
            // glibc reads the first tuple of a success without looking.
            return Situation::NoneInFamily;
        }
        let mut buffer = CBuffer::new(self.buffer.cast::<c_void>(), self.buflen);
        // SAFETY: `new` was promised both.
        match unsafe { answer.to_c(self.list, &mut buffer) } {
            Ok(()) => Situation::Found,
            Err(_) => Situation::BufferTooSmall,
        }
    }
}

impl ToC<*mut AddrTuple> for TupleList<'_> {
    /// Up to 2.35 getaddrinfo gives the first tuple itself, on its stack, and
    /// expects it to be filled; since then it gives none. nss_dns and
    /// nss-resolve serve both, and so does this.
    unsafe fn to_c(&self, list: *mut *mut AddrTuple, buffer: &mut CBuffer) -> io::Result<()> {
        // SAFETY: the caller of `to_c` promises the buffer.
        let mut writer = unsafe { Writer::new(buffer) };
        // SAFETY: the caller of `to_c` promises that the list can be read.
        let given = unsafe { list.read() };
        let count = self.v4.len() + self.v6.len();
        let own = count - usize::from(!given.is_null() && count > 0);
        let tuples = writer.reserve::<AddrTuple>(own)?;
        let name = writer.string(self.name)?;

        let v4 = self.v4.clone().map(|address| {
            let mut addr = [0; 16];
            for (to, byte) in addr.iter_mut().zip(address) {
                *to = byte;
            }
            (AF_INET, addr)
        });
        let v6 = self.v6.clone().map(|address| (AF_INET6, address));
        let mut link = list;
        let mut free = tuples;
        for (n, (family, addr)) in v4.chain(v6).take(count).enumerate() {
            let tuple = if n == 0 && !given.is_null() {
                given
            } else {
                let next = free.wrapping_add(1);
                std::mem::replace(&mut free, next)
            };
            let value = AddrTuple {
                next: ptr::null_mut(),
                name,
                family,
                addr,
                scopeid: 0,
            };
            // SAFETY: it is the caller's or one of the `own` reserved, which
            // with the caller's make `count`.
            unsafe { tuple.write(value) };
            // SAFETY: this is the caller's list, or a tuple written before.
            unsafe { link.write(tuple) };
            // Its first field is `next`.
            link = tuple.cast();
        }
        Ok(())
    }
}
