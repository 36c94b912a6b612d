//! Triton's backend C API, version 1.19, as Rust declarations. No logic: `backend-host` defines the
//! functions, `sdk` calls them. Names, order of arguments and numbers are those of
//! tritonbackend.h and tritonserver.h, where the contract of each function is written.
#![allow(unsafe_code, reason = "declares the functions of a C API")]
#![allow(non_camel_case_types, reason = "the names are the headers'")]

mod callbacks;
mod functions;
mod reports;
mod server;
mod table;
mod types;

pub use callbacks::*;
pub use functions::*;
pub use reports::*;
pub use server::*;
pub use table::*;
pub use types::*;
