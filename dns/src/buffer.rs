//! Room for one message, of a size that is known beforehand: writing an answer
//! allocates nothing.

use domain::base::wire::Composer;
use domain::dep::octseq::builder::{OctetsBuilder, ShortBuf, Truncate};

/// The beginning of a slice that is being written.
#[derive(Debug)]
pub(crate) struct Buffer<'b> {
    bytes: &'b mut [u8],
    len: usize,
}

impl<'b> Buffer<'b> {
    /// Nothing is written yet.
    pub(crate) fn new(bytes: &'b mut [u8]) -> Buffer<'b> {
        Buffer { bytes, len: 0 }
    }
}

impl AsRef<[u8]> for Buffer<'_> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl AsMut<[u8]> for Buffer<'_> {
    fn as_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(..self.len).unwrap_or_default()
    }
}

impl OctetsBuilder for Buffer<'_> {
    type AppendError = ShortBuf;

    fn append_slice(&mut self, slice: &[u8]) -> Result<(), ShortBuf> {
        let end = self.len + slice.len();
        let free = self.bytes.get_mut(self.len..end).ok_or(ShortBuf)?;
        free.copy_from_slice(slice);
        self.len = end;
        Ok(())
    }
}

impl Truncate for Buffer<'_> {
    fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }
}

impl Composer for Buffer<'_> {}
