//! Regions of shared memory that clients register: the names they have, the POSIX objects behind
//! them, and the tensors that requests read from them and write to them. Knows no protocol; the
//! front-ends share one [`Regions`].
//!
//! # Tensors are copied, once each way
//!
//! Triton maps a client's object and hands the mapping to the backend. Here the object stays a file:
//! an input is read from it into memory of the server (`pread`), an output is written to it
//! (`pwrite`). Nothing is mapped, and this crate needs no unsafe code, because of what a mapping is
//! to a server that does not trust its clients:
//!
//! - **A client may shrink its object at any time.** Touching a mapped page that is gone is SIGBUS,
//!   which ends the process, and every other client's requests with it. A look at the size before
//!   each use leaves a gap, and objects of `shm_open` cannot be sealed as those of `memfd_create`
//!   can. A read behind the end of a file is a short read: an error of that one request. The same
//!   holds for a write that finds no room in `/dev/shm`.
//! - **A client may write while the server reads.** A `&[u8]` over such memory is undefined
//!   behaviour, and a tensor whose lengths were checked may have others when they are used. What was
//!   copied stays as it was checked.
//! - **A region may be unregistered while requests use it.** Inputs do not need it any more, and
//!   outputs hold it until they are written.
//!
//! `docs/decisions/0005-tensors-in-shared-memory-are-copied.md` tells what it costs.
//!
//! # Limits
//!
//! A region holds a file descriptor, so there are at most [`MAX_REGIONS`]. Names and keys have at
//! most [`MAX_NAME_BYTES`]. Inputs that live at one time have at most [`MAX_COPIED_BYTES`], whatever
//! sizes sparse objects claim; requests beyond that are refused as UNAVAILABLE.
#![forbid(unsafe_code)]

mod copies;
mod error;
mod object;
mod regions;

pub use copies::MAX_COPIED_BYTES;
pub use error::ShmError;
pub use object::MAX_NAME_BYTES;
pub use regions::{MAX_REGIONS, RegionSlice, RegionStatus, Regions, SharedOutputs, SharedTensor};
