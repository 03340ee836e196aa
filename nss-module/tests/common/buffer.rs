//! The caller's buffer, and what is found in it after a call.

use std::ffi::CStr;
use std::net::IpAddr;
use std::slice;

use libc::{AF_INET, c_char, c_int, hostent};

use super::module::AddrTuple;

const POISON: u8 = 0xa5;

/// Host or list of tuples, read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    pub name: String,
    pub aliases: Vec<String>,
    pub addresses: Vec<IpAddr>,
}

/// A buffer of the caller's with poison around it.
pub struct Buffer {
    room: Vec<u8>,
    offset: usize,
    pub len: usize,
}

impl Buffer {
    /// `offset` bytes from an address that is a multiple of 16.
    pub fn new(offset: usize, len: usize) -> Buffer {
        let mut room = vec![POISON; len + offset + 64];
        let aligned = room.as_mut_ptr().align_offset(16);
        Buffer {
            room,
            offset: aligned + offset,
            len,
        }
    }

    pub fn start(&mut self) -> *mut c_char {
        self.room[self.offset..].as_mut_ptr().cast()
    }

    fn holds(&self, at: *const u8, bytes: usize) -> bool {
        let start = self.room.as_ptr().addr() + self.offset;
        at.addr() >= start && at.addr() + bytes <= start + self.len
    }

    pub fn check_poison(&self) {
        let (before, rest) = self.room.split_at(self.offset);
        let after = &rest[self.len..];
        let touched = before.iter().chain(after).any(|&byte| byte != POISON);
        assert!(!touched, "written outside of {} bytes", self.len);
    }

    /// Reads a string that must stand in the buffer.
    fn text(&self, at: *const c_char) -> String {
        assert!(self.holds(at.cast(), 1));
        // SAFETY: it stands in the buffer, and the room ends in poison and a
        // zero is checked to come before the end right below.
        let text = unsafe { CStr::from_ptr(at) };
        assert!(self.holds(at.cast(), text.to_bytes().len() + 1));
        text.to_str().unwrap().to_owned()
    }

    /// Reads an array of pointers that must stand in the buffer, up to its NULL.
    fn pointers(&self, at: *mut *mut c_char) -> Vec<*mut c_char> {
        assert!(at.is_aligned(), "pointers at {at:?}");
        let mut found = Vec::new();
        loop {
            let slot = at.wrapping_add(found.len());
            assert!(self.holds(slot.cast(), size_of::<*mut c_char>()));
            // SAFETY: aligned and in the buffer.
            let pointer = unsafe { slot.read() };
            if pointer.is_null() {
                return found;
            }
            found.push(pointer);
        }
    }

    pub fn host(&self, host: &hostent) -> Answered {
        let addresses = self.pointers(host.h_addr_list).into_iter().map(|at| {
            let len = host.h_length as usize;
            assert!(self.holds(at.cast(), len) && at.cast::<u32>().is_aligned());
            // SAFETY: so many bytes stand in the buffer.
            address(host.h_addrtype, unsafe {
                slice::from_raw_parts(at.cast(), len)
            })
        });
        Answered {
            addresses: addresses.collect(),
            name: self.text(host.h_name),
            aliases: self
                .pointers(host.h_aliases)
                .into_iter()
                .map(|at| self.text(at))
                .collect(),
        }
    }

    pub fn tuples(&self, first: *const AddrTuple, given: *const AddrTuple) -> Answered {
        let mut addresses = Vec::new();
        let mut name = None;
        let mut at = first;
        while !at.is_null() {
            assert!(at.is_aligned());
            assert!(self.holds(at.cast(), size_of::<AddrTuple>()) || at == given);
            // SAFETY: aligned, and in the buffer or the one given.
            let tuple = unsafe { at.read() };
            assert_eq!(tuple.scopeid, 0);
            let bytes: Vec<u8> = tuple
                .addr
                .iter()
                .flat_map(|word| word.to_ne_bytes())
                .collect();
            let len = if tuple.family == AF_INET { 4 } else { 16 };
            addresses.push(address(tuple.family, &bytes[..len]));
            name.get_or_insert_with(|| self.text(tuple.name));
            at = tuple.next;
        }
        Answered {
            name: name.unwrap(),
            aliases: Vec::new(),
            addresses,
        }
    }
}

fn address(family: c_int, bytes: &[u8]) -> IpAddr {
    match (family, bytes.len()) {
        (libc::AF_INET, 4) => <[u8; 4]>::try_from(bytes).unwrap().into(),
        (libc::AF_INET6, 16) => <[u8; 16]>::try_from(bytes).unwrap().into(),
        other => panic!("no address: {other:?}"),
    }
}
