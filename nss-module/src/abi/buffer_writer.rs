//! Writes an answer into the caller's buffer, never past its end.
//!
//! It uses libnss's [`CBuffer`], which counts the bytes that are left and fails
//! with `ERANGE` when they don't suffice; but only `CBuffer::reserve`, because
//! its strings are copied through the heap and its arrays of pointers are not
//! aligned and end with a single zero byte.

use std::io;
use std::ptr;

use libc::{ERANGE, c_char};
use libnss::interop::CBuffer;

/// The rest of a buffer.
pub(crate) struct BufferWriter<'b> {
    buffer: &'b mut CBuffer,
}

impl<'b> BufferWriter<'b> {
    /// # Safety
    /// The buffer was made from a pointer to as many writable bytes as it says,
    /// and these stay writable while anything reserved here is used.
    pub(crate) unsafe fn new(buffer: &'b mut CBuffer) -> BufferWriter<'b> {
        BufferWriter { buffer }
    }

    /// Reserves room for `count` values, aligned for them and uninitialized.
    ///
    /// # Errors
    /// `ERANGE`: they do not fit.
    pub(crate) fn reserve<T>(&mut self, count: usize) -> io::Result<*mut T> {
        let at = self.bytes(0)?;
        let padding = at.addr().wrapping_neg() % align_of::<T>();
        let size = count.checked_mul(size_of::<T>()).ok_or_else(too_small)?;
        self.bytes(padding)?;
        Ok(self.bytes(size)?.cast())
    }

    /// Writes an array of pointers with a NULL at its end.
    ///
    /// # Errors
    /// `ERANGE`: they do not fit.
    pub(crate) fn pointers<T>(
        &mut self,
        count: usize,
        mut each: impl FnMut(&mut Self) -> io::Result<Option<*mut T>>,
    ) -> io::Result<*mut *mut T> {
        let slots = count.checked_add(1).ok_or_else(too_small)?;
        let array = self.reserve::<*mut T>(slots)?;
        let mut end = array;
        for _ in 0..count {
            let Some(pointer) = each(self)? else {
                break;
            };
            // SAFETY: `reserve` gave `count + 1` aligned slots, and fewer than
            // `count` of them were written before this one.
            unsafe { end.write(pointer) };
            end = end.wrapping_add(1);
        }
        // SAFETY: as above; at most `count` slots were written.
        unsafe { end.write(ptr::null_mut()) };
        Ok(array)
    }

    /// Writes a value, aligned for its type.
    ///
    /// # Errors
    /// `ERANGE`: it does not fit.
    pub(crate) fn value<T: Copy>(&mut self, value: T) -> io::Result<*mut T> {
        let at = self.reserve::<T>(1)?;
        // SAFETY: `reserve` gave room for one, aligned.
        unsafe { at.write(value) };
        Ok(at)
    }

    /// Writes a string with a zero byte at its end.
    ///
    /// # Errors
    /// `ERANGE`: it does not fit.
    pub(crate) fn string(&mut self, text: &[u8]) -> io::Result<*mut c_char> {
        let size = text.len().checked_add(1).ok_or_else(too_small)?;
        let at = self.bytes(size)?;
        // SAFETY: `bytes` gave room for the text and one byte more. The text is
        // not in the caller's buffer, which only this call writes to.
        unsafe { ptr::copy_nonoverlapping(text.as_ptr(), at, text.len()) };
        // SAFETY: this is the byte after the text.
        unsafe { at.wrapping_add(text.len()).write(0) };
        Ok(at.cast())
    }

    /// The next bytes of the buffer.
    fn bytes(&mut self, count: usize) -> io::Result<*mut u8> {
        let count = isize::try_from(count).map_err(|_| too_small())?;
        // SAFETY: the caller of `new` promised that the buffer is as long as it
        // says, and `reserve` hands out nothing beyond its end.
        Ok(unsafe { self.buffer.reserve(count) }?.cast())
    }
}

/// The only error. It holds a number, so it allocates nothing.
fn too_small() -> io::Error {
    io::Error::from_raw_os_error(ERANGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `write` at every offset and length of a poisoned buffer, and checks
    /// that it wrote nothing beyond the end.
    fn everywhere(write: impl Fn(&mut BufferWriter<'_>) -> io::Result<()>) -> usize {
        let mut least = None;
        for offset in 0..16 {
            for len in 0..200 {
                let mut room = vec![0xa5_u8; 256];
                let start = room[offset..].as_mut_ptr();
                let mut buffer = CBuffer::new(start.cast(), len);
                // SAFETY: `room` has 256 bytes, more than `offset + len`.
                let mut writer = unsafe { BufferWriter::new(&mut buffer) };
                let outcome = write(&mut writer);
                assert!(room[..offset].iter().all(|&byte| byte == 0xa5));
                assert!(room[offset + len..].iter().all(|&byte| byte == 0xa5));
                match outcome {
                    Ok(()) => least = least.or(Some(len)),
                    Err(error) => assert_eq!(error.raw_os_error(), Some(ERANGE)),
                }
            }
        }
        least.unwrap()
    }

    #[test]
    fn nothing_is_written_past_the_end() {
        assert_eq!(everywhere(|writer| writer.string(b"abc").map(drop)), 4);
        everywhere(|writer| {
            writer.string(b"x")?;
            let array = writer.pointers(3, |writer| writer.value([7u8; 4]).map(Some))?;
            assert!(array.is_aligned());
            // SAFETY: three pointers and the NULL were written.
            assert!(unsafe { array.wrapping_add(3).read() }.is_null());
            let number = writer.value(7u64)?;
            assert!(number.is_aligned());
            Ok(())
        });
    }

    #[test]
    fn an_array_cut_short_still_ends_in_null() {
        everywhere(|writer| {
            let array = writer.pointers::<u8>(3, |_| Ok(None))?;
            // SAFETY: the NULL was written first.
            assert!(unsafe { array.read() }.is_null());
            Ok(())
        });
    }

    #[test]
    fn absurd_sizes_do_not_fit() {
        everywhere(|writer| {
            assert!(writer.reserve::<u64>(usize::MAX / 2).is_err());
            assert!(writer.reserve::<u8>(usize::MAX).is_err());
            assert!(writer.pointers::<u8>(usize::MAX, |_| Ok(None)).is_err());
            Ok(())
        });
    }
}
