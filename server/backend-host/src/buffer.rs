//! Memory that a backend writes and the server sends or frees: aligned for vector instructions,
//! zeroed, so that nothing of another request ever leaves with an output that is not written whole.

use hippocamp_types::Error;
use std::{
    alloc::{Layout, alloc_zeroed, dealloc},
    ffi::c_void,
    ptr::NonNull,
    slice,
};

/// Start of every buffer: a cache line, and what AVX-512 loads want.
const ALIGNMENT: usize = 64;

/// An output's memory. It becomes [`Bytes`](bytes::Bytes) without a copy when the response is sent.
#[derive(Debug)]
pub(crate) struct OutputBuffer {
    start: NonNull<u8>,
    layout: Layout,
    length: usize,
}

// SAFETY: the memory belongs to this value alone.
unsafe impl Send for OutputBuffer {}
// SAFETY: a shared reference only reads.
unsafe impl Sync for OutputBuffer {}

impl OutputBuffer {
    /// Zeroed memory for `length` bytes.
    pub(crate) fn new(length: usize) -> Result<Self, Error> {
        let (start, layout) = allocate(length)?;
        Ok(Self { start, layout, length })
    }

    /// Where the backend writes.
    pub(crate) fn as_mut_ptr(&self) -> *mut c_void {
        self.start.as_ptr().cast()
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }
}

impl AsRef<[u8]> for OutputBuffer {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: `length` bytes were allocated and zeroed; the backend gave up writing when it
        // sent the response, before which nobody reads.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl Drop for OutputBuffer {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, freed once.
        unsafe { dealloc(self.start.as_ptr(), self.layout) };
    }
}

/// What stands before the memory that a backend allocates through the memory manager.
struct Header {
    tag: u64,
    layout: Layout,
}

const HEADER_TAG: u64 = crate::handles::tag(b"hc alloc");

/// Memory for a backend; [`free`] takes it back.
pub(crate) fn allocate_for_backend(length: usize) -> Result<*mut c_void, Error> {
    let whole = length.checked_add(ALIGNMENT).ok_or_else(|| too_large(length))?;
    let (start, layout) = allocate(whole)?;
    // SAFETY: the allocation is aligned for a `Header`, which is no larger than `ALIGNMENT`.
    unsafe { start.cast::<Header>().write(Header { tag: HEADER_TAG, layout }) };
    // SAFETY: within the allocation, which has `ALIGNMENT` bytes before the backend's.
    Ok(unsafe { start.as_ptr().add(ALIGNMENT) }.cast())
}

/// Frees what [`allocate_for_backend`] gave.
///
/// # Safety
/// `buffer` is null or memory of [`allocate_for_backend`] that is not freed.
pub(crate) unsafe fn free(buffer: *mut c_void) -> Result<(), Error> {
    if buffer.is_null() {
        return Ok(());
    }
    let foreign = || {
        Error::invalid("the buffer was not allocated by this server's memory manager, or was freed")
    };
    if !buffer.addr().is_multiple_of(ALIGNMENT) {
        return Err(foreign());
    }
    // SAFETY: `ALIGNMENT` bytes stand before what was given to the backend, by contract.
    let header = unsafe { buffer.cast::<u8>().sub(ALIGNMENT) }.cast::<Header>();
    // SAFETY: the header lies there, by contract.
    let found = unsafe { &mut *header };
    if found.tag != HEADER_TAG {
        return Err(foreign());
    }
    found.tag = 0;
    let layout = found.layout;
    // SAFETY: allocated with this layout; the tag says that it was not freed.
    unsafe { dealloc(header.cast(), layout) };
    Ok(())
}

fn allocate(length: usize) -> Result<(NonNull<u8>, Layout), Error> {
    // An allocation of nothing is not allowed; one byte stands for it.
    let layout =
        Layout::from_size_align(length.max(1), ALIGNMENT).map_err(|_large| too_large(length))?;
    // SAFETY: the layout has a size.
    let start = NonNull::new(unsafe { alloc_zeroed(layout) }).ok_or_else(|| too_large(length))?;
    Ok((start, layout))
}

fn too_large(length: usize) -> Error {
    Error::unavailable(format!("cannot allocate {length} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_aligned_and_zeroed() {
        for length in [0, 1, 63, 64, 65, 4096] {
            let buffer = OutputBuffer::new(length).unwrap();
            assert_eq!(buffer.as_mut_ptr().addr() % ALIGNMENT, 0);
            assert_eq!(buffer.as_ref(), vec![0; length]);
        }
        assert!(OutputBuffer::new(usize::MAX).is_err());
    }

    #[test]
    fn the_memory_manager_takes_back_what_it_gave() {
        let buffer = allocate_for_backend(100).unwrap();
        assert_eq!(buffer.addr() % ALIGNMENT, 0);
        // SAFETY: just allocated.
        unsafe { free(buffer) }.unwrap();
        assert!(allocate_for_backend(usize::MAX).is_err());
        let mut other = vec![0_u64; 64];
        let inside = other.as_mut_ptr().cast::<u8>();
        let offset = inside.align_offset(ALIGNMENT) + ALIGNMENT;
        // SAFETY: within the vector, which has as many bytes before it as a header.
        let aligned = unsafe { inside.add(offset) };
        // SAFETY: readable memory stands before it, which is all that the check needs.
        assert!(unsafe { free(aligned.cast()) }.is_err());
    }
}
