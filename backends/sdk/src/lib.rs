//! Write a backend in safe Rust. A backend implements [`Backend`], [`Model`] and [`Instance`];
//! [`backend!`] turns it into the table of C functions that a server of Triton's backend C API
//! drives, [`export_backend!`] exports them from a shared library. There is nothing else to do:
//! handles are owned and freed here, a panic fails its batch and not the server, statistics are
//! reported around each execution.
//!
//! ```no_run
//! use hippocamp_backend::{Backend, BackendContext, Batch, Error, Instance, InstanceContext, Model, ModelContext};
//!
//! struct Echo;
//! impl Backend for Echo {
//!     type Model = Self;
//!     fn initialize(_: &BackendContext) -> Result<Self, Error> { Ok(Self) }
//!     fn load(&self, _: &mut ModelContext) -> Result<Self, Error> { Ok(Self) }
//! }
//! impl Model for Echo {
//!     type Instance = Self;
//!     fn instance(&self, _: &InstanceContext) -> Result<Self, Error> { Ok(Self) }
//! }
//! impl Instance for Echo {
//!     fn execute(&mut self, batch: &Batch) -> Result<(), Error> {
//!         batch.compute_started();
//!         for request in batch.requests() {
//!             let input = request.input("IN")?;
//!             let mut response = request.response()?;
//!             response.output("OUT", input.datatype(), input.shape(), input.data())?;
//!             response.send()?;
//!         }
//!         Ok(())
//!     }
//! }
//! # use hippocamp_backend_host as _; // the server of this example
//! const TABLE: hippocamp_backend::abi::BackendTable = hippocamp_backend::backend!(Echo);
//! ```
#![allow(unsafe_code, reason = "this crate makes safe types of the handles of the backend C API")]

mod api;
mod batch;
pub mod config;
mod context;
mod element;
#[doc(hidden)]
pub mod entry;
mod gather;
mod input;
mod log;
mod raw;
mod request;
mod response;
mod streams;

pub use api::{Attributes, Backend, Instance, InstanceGroupHint, Model};
pub use batch::Batch;
pub use context::{BackendContext, InstanceContext, InstanceKind, ModelContext};
pub use element::{Element, as_bytes};
pub use gather::{Gathered, OutputTensor};
pub use hippocamp_backend_abi as abi;
pub use hippocamp_types::Parameter;
pub use hippocamp_types::{DataType, Error, ErrorCode, push_bytes_element};
pub use input::Input;
pub use log::{Level, log};
pub use request::{Correlation, Request};
pub use response::{Response, ResponseFactory};
pub use streams::{ResponseStream, ResponseStreams};
