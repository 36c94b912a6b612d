//! The regions by name, and parts of them as tensors name them.

use crate::{
    ShmError,
    copies::Copies,
    object::{MAX_NAME_BYTES, Object},
};
use bytes::Bytes;
use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

/// Regions that may be registered at one time: each holds a file descriptor, of which a process often
/// has 1024.
pub const MAX_REGIONS: usize = 512;

/// The regions that clients have registered. Every front-end serves the same ones.
#[derive(Debug)]
pub struct Regions {
    /// `--allow-client-shm`.
    allowed: bool,
    by_name: RwLock<BTreeMap<String, Arc<Region>>>,
    copies: Copies,
}

/// Where the parameters of a tensor say that it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedTensor {
    /// `shared_memory_region`.
    pub region: String,
    /// `shared_memory_offset`: in bytes, from the region's start.
    pub offset: u64,
    /// `shared_memory_byte_size`.
    pub byte_size: u64,
}

/// What a client is told about a region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegionStatus {
    /// Its name.
    pub name: String,
    /// The key of the object behind it.
    pub key: String,
    /// Where in the object it starts, in bytes.
    pub offset: u64,
    /// Its size in bytes.
    pub byte_size: u64,
}

#[derive(Debug)]
struct Region {
    status: RegionStatus,
    object: Object,
}

/// A part of a region, held for as long as a request needs it.
#[derive(Clone, Debug)]
pub struct RegionSlice {
    region: Arc<Region>,
    /// From the region's start.
    offset: u64,
    byte_size: u64,
    copies: Copies,
}

/// The outputs of one request that go into regions, by name.
#[derive(Debug, Default)]
pub struct SharedOutputs(Vec<(String, RegionSlice)>);

impl Regions {
    /// No regions yet; `allowed` says whether clients may register some.
    pub fn new(allowed: bool) -> Self {
        Self { allowed, by_name: RwLock::default(), copies: Copies::default() }
    }

    /// Registers `byte_size` bytes from `offset` of the object `key` as `name`.
    ///
    /// # Errors
    /// If clients may not register regions, there are too many, the name is taken, or there are no
    /// such bytes.
    pub fn register(
        &self,
        name: &str,
        key: &str,
        offset: u64,
        byte_size: u64,
    ) -> Result<(), ShmError> {
        self.check_allowed()?;
        if name.is_empty() {
            return Err(ShmError::NoName { kind: "system" });
        }
        if name.len() > MAX_NAME_BYTES {
            return Err(ShmError::Length { what: "name", bytes: name.len() });
        }
        let object = Object::open(name, key)?;
        let size =
            object.byte_size().map_err(|reason| ShmError::Open { key: key.to_owned(), reason })?;
        let end = offset.checked_add(byte_size).filter(|&end| end <= size);
        if byte_size == 0 || end.is_none() {
            return Err(ShmError::Bounds {
                region: name.to_owned(),
                object: size,
                offset,
                byte_size,
            });
        }
        let status = RegionStatus { name: name.to_owned(), key: key.to_owned(), offset, byte_size };
        let mut regions = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
        if regions.contains_key(name) {
            return Err(ShmError::AlreadyExists(name.to_owned()));
        }
        if regions.len() == MAX_REGIONS {
            return Err(ShmError::TooMany { region: name.to_owned() });
        }
        regions.insert(name.to_owned(), Arc::new(Region { status, object }));
        Ok(())
    }

    /// Forgets the region `name`, or all where it is empty. Requests that use one keep it until they
    /// end; a region that is not registered is no error.
    ///
    /// # Errors
    /// If clients may not register regions.
    pub fn unregister(&self, name: &str) -> Result<(), ShmError> {
        self.check_allowed()?;
        let mut regions = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
        if name.is_empty() {
            regions.clear();
        } else {
            regions.remove(name);
        }
        Ok(())
    }

    /// The region `name`, or all where it is empty, by name.
    ///
    /// # Errors
    /// If there is no such region.
    pub fn status(&self, name: &str) -> Result<Vec<RegionStatus>, ShmError> {
        let regions = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
        if name.is_empty() {
            return Ok(regions.values().map(|region| region.status.clone()).collect());
        }
        match regions.get(name) {
            Some(region) => Ok(vec![region.status.clone()]),
            None => Err(ShmError::Unknown { kind: "system ", region: name.to_owned() }),
        }
    }

    /// Says of the region `name` that it is none in a GPU's memory; where it is empty, that there are
    /// none.
    ///
    /// # Errors
    /// Always for a name.
    pub fn cuda_status(&self, name: &str) -> Result<(), ShmError> {
        let regions = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
        match name {
            "" => Ok(()),
            name if regions.contains_key(name) => Err(ShmError::NotCuda(name.to_owned())),
            name => Err(ShmError::Unknown { kind: "cuda ", region: name.to_owned() }),
        }
    }

    /// Refuses a region of a GPU's memory, as a Triton without GPUs does.
    ///
    /// # Errors
    /// Always.
    pub fn register_cuda(&self, name: &str) -> Result<(), ShmError> {
        self.check_allowed()?;
        Err(match name {
            "" => ShmError::NoName { kind: "cuda" },
            name => ShmError::Cuda(name.to_owned()),
        })
    }

    /// Forgets regions of a GPU's memory, of which there are none.
    ///
    /// # Errors
    /// If clients may not register regions.
    pub fn unregister_cuda(&self) -> Result<(), ShmError> {
        self.check_allowed()
    }

    /// The part of a region that `tensor` names.
    ///
    /// # Errors
    /// If the region is not registered, or the part is not within it.
    pub fn slice(&self, tensor: &SharedTensor) -> Result<RegionSlice, ShmError> {
        let SharedTensor { region: name, offset, byte_size } = tensor;
        let (offset, byte_size) = (*offset, *byte_size);
        let region = {
            let regions = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
            regions.get(name).cloned()
        };
        let Some(region) = region else {
            return Err(ShmError::Unknown { kind: "", region: name.clone() });
        };
        let size = region.status.byte_size;
        if offset >= size {
            return Err(ShmError::Offset { region: name.clone(), size, offset });
        }
        if byte_size > size - offset {
            return Err(ShmError::End { region: name.clone(), size, offset, byte_size });
        }
        Ok(RegionSlice { region, offset, byte_size, copies: self.copies.clone() })
    }

    /// Whether clients may register regions.
    ///
    /// # Errors
    /// If not; it names the flag.
    pub fn check_allowed(&self) -> Result<(), ShmError> {
        if self.allowed { Ok(()) } else { Err(ShmError::Disabled) }
    }
}

impl RegionSlice {
    /// Its size in bytes.
    pub fn byte_size(&self) -> u64 {
        self.byte_size
    }

    /// A copy of what is in it now.
    ///
    /// # Errors
    /// If the object was truncated, or too much memory is taken by such copies.
    pub fn read(&self) -> Result<Bytes, ShmError> {
        let Ok(byte_size) = usize::try_from(self.byte_size) else {
            return Err(ShmError::Memory { byte_size: usize::MAX, live: 0 });
        };
        self.copies.take(byte_size, |memory| {
            let read = self.region.object.read(self.start(), byte_size, memory);
            self.done("read", read)
        })
    }

    /// Writes `data`, the whole of `output`, to its start.
    ///
    /// # Errors
    /// If it is too large, or the object was truncated.
    pub fn write(&self, output: &str, data: &[u8]) -> Result<(), ShmError> {
        if data.len() as u64 > self.byte_size {
            return Err(ShmError::OutputTooLarge {
                output: output.to_owned(),
                given: self.byte_size,
                needed: data.len(),
            });
        }
        self.done("written", self.region.object.write(self.start(), data))
    }

    /// From the object's start; the sum was checked at registration.
    fn start(&self) -> u64 {
        self.region.status.offset + self.offset
    }

    fn done(&self, what: &'static str, done: rustix::io::Result<bool>) -> Result<(), ShmError> {
        let region = || self.region.status.name.clone();
        match done {
            Ok(true) => Ok(()),
            Ok(false) => Err(ShmError::Truncated(region())),
            Err(reason) => Err(ShmError::Io { region: region(), what, reason }),
        }
    }
}

impl SharedOutputs {
    /// `output` goes into `slice`; of two, the first counts.
    pub fn add(&mut self, output: String, slice: RegionSlice) {
        self.0.push((output, slice));
    }

    /// Writes `data`, if `output` goes into a region; whether it does.
    ///
    /// # Errors
    /// As [`RegionSlice::write`].
    pub fn write(&self, output: &str, data: &[u8]) -> Result<bool, ShmError> {
        let Some((_, slice)) = self.0.iter().find(|(name, _)| name == output) else {
            return Ok(false);
        };
        slice.write(output, data)?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
