//! A POSIX object of shared memory, as a file: opened by its key, read and written at offsets.

use crate::ShmError;
use rustix::{
    buffer::spare_capacity,
    fd::OwnedFd,
    fs::{FileType, Mode, OFlags},
    io::Errno,
};

/// Longest name of a region, longest key of an object; the latter is the system's own limit.
pub const MAX_NAME_BYTES: usize = 255;

/// Objects that Triton's Python backend makes for itself, here as there.
pub(crate) const RESERVED_PREFIX: &str = "triton_python_backend_shm_region_";

/// An object that is open; it lives on when its name is removed.
#[derive(Debug)]
pub(crate) struct Object(OwnedFd);

impl Object {
    /// Opens the object that `region` is to be a part of.
    ///
    /// # Errors
    /// If `key` names none that the server may read and write.
    pub(crate) fn open(region: &str, key: &str) -> Result<Self, ShmError> {
        if key.is_empty() || key.len() > MAX_NAME_BYTES {
            return Err(ShmError::Length { what: "key", bytes: key.len() });
        }
        let name = key.trim_start_matches('/');
        let (region, shown) = (region.to_owned(), key.to_owned());
        if name.starts_with(RESERVED_PREFIX) {
            return Err(ShmError::Reserved { region, key: shown });
        }
        if matches!(name, "" | "." | "..") || name.contains(['/', '\0']) {
            return Err(ShmError::Key { region, key: shown });
        }
        // What `shm_open` does. A link is not followed: it could lead to any file that the server may
        // open; and nothing waits for the other end of what is no file.
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let object = rustix::fs::open(format!("/dev/shm/{name}"), flags, Mode::empty())
            .map_err(|reason| ShmError::Open { key: shown.clone(), reason })?;
        let status = rustix::fs::fstat(&object)
            .map_err(|reason| ShmError::Open { key: shown.clone(), reason })?;
        if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile {
            return Err(ShmError::NoObject { key: shown });
        }
        Ok(Self(object))
    }

    /// Its present size in bytes.
    pub(crate) fn byte_size(&self) -> Result<u64, Errno> {
        // It is never negative.
        Ok(u64::try_from(rustix::fs::fstat(&self.0)?.st_size).unwrap_or(0))
    }

    /// Appends `byte_size` bytes from `offset` to `memory`, which has room for them, or more of them
    /// if there is more room; false if the object ends before.
    pub(crate) fn read(
        &self,
        offset: u64,
        byte_size: usize,
        memory: &mut Vec<u8>,
    ) -> Result<bool, Errno> {
        let start = memory.len();
        while memory.len() - start < byte_size {
            let offset = offset + (memory.len() - start) as u64;
            match rustix::io::pread(&self.0, spare_capacity(memory), offset) {
                Ok(0) => return Ok(false),
                Ok(_) | Err(Errno::INTR) => {}
                Err(reason) => return Err(reason),
            }
        }
        Ok(true)
    }

    /// Writes `data` at `offset`; false if the object ends before the last byte. What happens to its
    /// size in between is its client's loss: the object grows again.
    pub(crate) fn write(&self, mut offset: u64, mut data: &[u8]) -> Result<bool, Errno> {
        if offset + data.len() as u64 > self.byte_size()? {
            return Ok(false);
        }
        while !data.is_empty() {
            match rustix::io::pwrite(&self.0, data, offset) {
                Ok(written) => {
                    data = &data[written..];
                    offset += written as u64;
                }
                Err(Errno::INTR) => {}
                Err(reason) => return Err(reason),
            }
        }
        Ok(true)
    }
}
