//! Memory for inputs that were read from regions, counted while they live.

use crate::ShmError;
use bytes::Bytes;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Bytes of inputs from regions that live at one time, over all requests. A gRPC message may have as
/// many, but its client has to send them, while a sparse object of any size costs a client nothing.
pub const MAX_COPIED_BYTES: usize = i32::MAX as usize;

/// Where copies start: a cache line. Copying to a place that is aligned for nothing takes the kernel
/// five times as long.
const ALIGNMENT: usize = 64;

/// Counts the bytes of copies that live.
#[derive(Clone, Debug, Default)]
pub(crate) struct Copies(Arc<AtomicUsize>);

/// A copy; its bytes count until it is dropped.
struct Held {
    memory: Vec<u8>,
    /// Where in `memory` the copy starts.
    start: usize,
    _counted: Counted,
}

struct Counted {
    byte_size: usize,
    copies: Copies,
}

impl Copies {
    /// `byte_size` bytes, which `fill` appends to a vector that has room for them, and for a few more
    /// that are cut off again.
    ///
    /// # Errors
    /// UNAVAILABLE if too many bytes live already; else what `fill` tells.
    pub(crate) fn take(
        &self,
        byte_size: usize,
        fill: impl FnOnce(&mut Vec<u8>) -> Result<(), ShmError>,
    ) -> Result<Bytes, ShmError> {
        if byte_size == 0 {
            return Ok(Bytes::new());
        }
        let counted = self.count(byte_size)?;
        let mut memory: Vec<u8> = Vec::new();
        let room = byte_size + ALIGNMENT;
        if memory.try_reserve_exact(room).is_err() {
            let live = self.0.load(Ordering::Relaxed);
            return Err(ShmError::Memory { byte_size, live });
        }
        let start = memory.as_ptr().align_offset(ALIGNMENT);
        // `align_offset` may give up; then the copy is a little slower.
        let start = if start < ALIGNMENT { start } else { 0 };
        memory.resize(start, 0);
        fill(&mut memory)?;
        memory.truncate(start + byte_size);
        debug_assert_eq!(memory.len(), start + byte_size);
        Ok(Bytes::from_owner(Held { memory, start, _counted: counted }))
    }

    fn count(&self, byte_size: usize) -> Result<Counted, ShmError> {
        let more =
            |live: usize| live.checked_add(byte_size).filter(|&live| live <= MAX_COPIED_BYTES);
        match self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more) {
            Ok(_before) => Ok(Counted { byte_size, copies: self.clone() }),
            Err(live) => Err(ShmError::Memory { byte_size, live }),
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.copies.0.fetch_sub(self.byte_size, Ordering::Relaxed);
    }
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.memory[self.start..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_count_while_they_live() {
        let copies = Copies::default();
        let live = || copies.0.load(Ordering::Relaxed);
        let first = copies.take(3, |memory| {
            memory.extend_from_slice(b"abc, and more than was wanted");
            Ok(())
        });
        let first = first.unwrap();
        assert_eq!(first, "abc");
        assert_eq!(first.as_ptr().addr() % ALIGNMENT, 0);
        assert_eq!(live(), 3);

        let untouched = |_: &mut Vec<u8>| panic!("nothing is read");
        let refused = copies.take(MAX_COPIED_BYTES - 2, untouched).unwrap_err();
        assert_eq!(refused, ShmError::Memory { byte_size: MAX_COPIED_BYTES - 2, live: 3 });
        assert_eq!(copies.take(usize::MAX, untouched).unwrap_err().code().http_status(), 503);
        assert_eq!(copies.take(0, untouched).unwrap(), "");

        let failed = copies.take(5, |_| Err(ShmError::Disabled));
        assert_eq!(failed.unwrap_err(), ShmError::Disabled);
        let slice = first.slice(1..2);
        drop(first);
        assert_eq!(live(), 3, "a slice keeps the whole");
        drop(slice);
        assert_eq!(live(), 0);
    }
}
