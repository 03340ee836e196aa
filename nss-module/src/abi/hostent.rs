//! `struct hostent`: a name, its aliases, its addresses of one family.

use std::io;
use std::marker::PhantomData;

use libc::{AF_INET, AF_INET6, c_char, c_int, c_void, size_t};
use libnss::host::CHost;
use libnss::interop::{CBuffer, ToC};

use crate::abi::buffer_writer::BufferWriter;
use crate::outcome::Outcome;

/// An answer to be written as a `struct hostent`.
pub(crate) struct Host<'a, Aliases, Addresses> {
    /// The canonical name.
    pub(crate) name: &'a [u8],
    /// Its other names.
    pub(crate) aliases: Aliases,
    /// Its addresses of one family; 4 or 16 bytes each, in network byte order.
    pub(crate) addresses: Addresses,
}

/// Where the caller wants the `struct hostent`, and the buffer for what it
/// points to.
pub(crate) struct HostSlot<'c> {
    result: *mut CHost,
    buffer: *mut c_char,
    buflen: size_t,
    caller: PhantomData<&'c mut CHost>,
}

impl<'c> HostSlot<'c> {
    /// None if `result` is null.
    ///
    /// # Safety
    /// For `'c`, `result` is null or points to a `struct hostent` and `buffer`
    /// is null or points to `buflen` bytes; both may be written to, and nothing
    /// else reads or writes them.
    pub(crate) unsafe fn new(
        result: *mut CHost,
        buffer: *mut c_char,
        buflen: size_t,
    ) -> Option<HostSlot<'c>> {
        let buflen = if buffer.is_null() { 0 } else { buflen };
        (!result.is_null()).then_some(HostSlot {
            result,
            buffer,
            buflen,
            caller: PhantomData,
        })
    }

    /// Writes the whole answer, or leaves `result` as it is.
    pub(crate) fn put<Aliases, Addresses, const N: usize>(
        self,
        host: &Host<'_, Aliases, Addresses>,
    ) -> Outcome
    where
        Aliases: Iterator<Item: AsRef<[u8]>> + Clone,
        Addresses: ExactSizeIterator<Item = [u8; N]> + Clone,
    {
        if host.addresses.len() == 0 {
            return Outcome::NoAddressInFamily;
        }
        let mut buffer = CBuffer::new(self.buffer.cast::<c_void>(), self.buflen);
        // SAFETY: the caller of `new` promised both.
        match unsafe { host.to_c(self.result, &mut buffer) } {
            Ok(()) => Outcome::Found,
            Err(_) => Outcome::BufferTooSmall,
        }
    }
}

impl<Aliases, Addresses, const N: usize> ToC<CHost> for Host<'_, Aliases, Addresses>
where
    Aliases: Iterator<Item: AsRef<[u8]>> + Clone,
    Addresses: ExactSizeIterator<Item = [u8; N]> + Clone,
{
    unsafe fn to_c(&self, result: *mut CHost, buffer: &mut CBuffer) -> io::Result<()> {
        // SAFETY: the caller of `to_c` promises the buffer.
        let mut writer = unsafe { BufferWriter::new(buffer) };
        let mut addresses = self.addresses.clone();
        let mut aliases = self.aliases.clone();
        let count = aliases.clone().count();
        // Programs read h_addr_list[i] as a struct in_addr, so addresses are
        // aligned to 4 like its s_addr.
        let h_addr_list = writer.pointers(addresses.len(), |writer| {
            let Some(address) = addresses.next() else {
                return Ok(None);
            };
            let at = writer.value(Aligned(address))?;
            Ok(Some(at.cast::<c_char>()))
        })?;
        let h_aliases = writer.pointers(count, |writer| {
            let alias = aliases.next();
            alias.map(|alias| writer.string(alias.as_ref())).transpose()
        })?;
        let host = CHost {
            name: writer.string(self.name)?,
            h_aliases,
            h_addrtype: if N == 4 { AF_INET } else { AF_INET6 },
            h_length: N as c_int,
            h_addr_list,
        };
        // SAFETY: the caller of `to_c` promises the result.
        unsafe { result.write(host) };
        Ok(())
    }
}

/// An address, aligned as a `struct in_addr` or `in6_addr`.
#[derive(Clone, Copy)]
#[repr(C, align(4))]
struct Aligned<const N: usize>([u8; N]);
