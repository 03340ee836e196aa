//! Writes an answer into the caller's buffer, never past its end.
//!
//! On top of libnss's [`CBuffer`], which counts what is left and says `ERANGE`
//! when that is too little. Of it only `reserve` is used: its strings go over
//! the heap, its pointer arrays are not aligned and end in one byte of zero.

use std::io;
use std::ptr;

use libc::{ERANGE, c_char};
use libnss::interop::CBuffer;

/// What is left of a buffer.
pub(crate) struct Writer<'b> {
    buffer: &'b mut CBuffer,
}

impl<'b> Writer<'b> {
    /// # Safety
    /// The buffer was made of a pointer to so many writable bytes, and stays
    /// so while anything reserved here is used.
    pub(crate) unsafe fn new(buffer: &'b mut CBuffer) -> Writer<'b> {
        Writer { buffer }
    }

    /// Room for `count` values, aligned for them; the values are not set.
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

    /// Writes an array of pointers and the NULL that ends it.
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
            // SAFETY: `reserve` gave `count + 1` aligned slots and fewer than
            // `count` come before this one.
            unsafe { end.write(pointer) };
            end = end.wrapping_add(1);
        }
        // SAFETY: as above; this is at most the last of the `count + 1`.
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

    /// Writes a string and the zero that ends it.
    ///
    /// # Errors
    /// `ERANGE`: it does not fit.
    pub(crate) fn string(&mut self, text: &str) -> io::Result<*mut c_char> {
        let size = text.len().checked_add(1).ok_or_else(too_small)?;
        let at = self.bytes(size)?;
        // SAFETY: `bytes` gave room for the text and one byte; the text is not
        // in the caller's buffer, to which nothing but this call writes.
        unsafe { ptr::copy_nonoverlapping(text.as_ptr(), at, text.len()) };
        // SAFETY: this is that one byte.
        unsafe { at.wrapping_add(text.len()).write(0) };
        Ok(at.cast())
    }

    /// The next bytes of the buffer.
    fn bytes(&mut self, count: usize) -> io::Result<*mut u8> {
        let count = isize::try_from(count).map_err(|_| too_small())?;
        // SAFETY: `new` was promised that the buffer holds what it says, and
        // `reserve` hands out nothing beyond that.
        Ok(unsafe { self.buffer.reserve(count) }?.cast())
    }
}

/// The one error there is. It holds a number, so it needs no memory.
fn too_small() -> io::Error {
    io::Error::from_raw_os_error(ERANGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `write` on every offset and length of a poisoned buffer, and sees
    /// to it that nothing beyond the end was written.
    fn everywhere(write: impl Fn(&mut Writer<'_>) -> io::Result<()>) -> usize {
        let mut least = None;
        for offset in 0..16 {
            for len in 0..200 {
                let mut room = vec![0xa5_u8; 256];
                let start = room[offset..].as_mut_ptr();
                let mut buffer = CBuffer::new(start.cast(), len);
                // SAFETY: `room` has 256 bytes, more than `offset + len`.
                let mut writer = unsafe { Writer::new(&mut buffer) };
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
        assert_eq!(everywhere(|writer| writer.string("abc").map(drop)), 4);
        everywhere(|writer| {
            writer.string("x")?;
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
