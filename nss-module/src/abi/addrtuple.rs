//! `struct gaih_addrtuple`: the linked list that `gethostbyname4_r` returns,
//! with the addresses of both families.

use std::io;
use std::marker::PhantomData;
use std::ptr;

use cloudhosts_table::Addresses;
use libc::{AF_INET, AF_INET6, c_char, c_int, c_void, size_t};
use libnss::interop::{CBuffer, ToC};

use crate::abi::buffer_writer::BufferWriter;
use crate::outcome::Outcome;

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

/// An answer to be written as a list of tuples.
pub(crate) struct TupleList<'a> {
    /// The canonical name.
    pub(crate) name: &'a [u8],
    /// IPv4 addresses, which come first; getaddrinfo sorts them as RFC 6724 says.
    pub(crate) v4: Addresses<'a, 4>,
    /// IPv6 addresses. The table's have no scope.
    pub(crate) v6: Addresses<'a, 16>,
}

/// Where the caller wants the list, and the buffer for its tuples.
pub(crate) struct TupleSlot<'c> {
    list: *mut *mut AddrTuple,
    buffer: *mut c_char,
    buflen: size_t,
    caller: PhantomData<&'c mut AddrTuple>,
}

impl<'c> TupleSlot<'c> {
    /// None if `list` is null.
    ///
    /// # Safety
    /// For `'c`, `list` is null or points to a pointer, which is null or points
    /// to a tuple, and `buffer` is null or points to `buflen` bytes; all may be
    /// written to, and nothing else reads or writes them.
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

    /// Writes the whole answer, or leaves the list as it is.
    pub(crate) fn put(self, answer: &TupleList<'_>) -> Outcome {
        if answer.v4.len() + answer.v6.len() == 0 {
            // After a success glibc reads the first tuple without checking that
            // there is one.
            return Outcome::NoAddressInFamily;
        }
        let mut buffer = CBuffer::new(self.buffer.cast::<c_void>(), self.buflen);
        // SAFETY: the caller of `new` promised both.
        match unsafe { answer.to_c(self.list, &mut buffer) } {
            Ok(()) => Outcome::Found,
            Err(_) => Outcome::BufferTooSmall,
        }
    }
}

impl ToC<*mut AddrTuple> for TupleList<'_> {
    /// Up to glibc 2.35 getaddrinfo passes the first tuple itself, on its stack,
    /// and expects it to be filled; later versions pass none. This serves both,
    /// as nss_dns and nss-resolve do.
    unsafe fn to_c(&self, list: *mut *mut AddrTuple, buffer: &mut CBuffer) -> io::Result<()> {
        // SAFETY: the caller of `to_c` promises the buffer.
        let mut writer = unsafe { BufferWriter::new(buffer) };
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
            // SAFETY: it is the caller's tuple or one of the `own` reserved
            // ones; together they are `count`.
            unsafe { tuple.write(value) };
            // SAFETY: this is the caller's list, or a tuple written earlier.
            unsafe { link.write(tuple) };
            // `next` is its first field.
            link = tuple.cast();
        }
        Ok(())
    }
}
