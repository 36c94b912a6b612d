//! The functions of tritonbackend.h and tritonserver.h, under their names: what backends call. Each
//! is a guard around one step on an object; who owns what is written where it changes hands.
//!
//! Safety, for all of them: the caller is a backend that keeps the headers' contract. The argument
//! types of [`handles`](crate::handles) say what that is for each argument.
#![allow(non_snake_case, reason = "the names are the headers'")]

mod backend;
mod execution;
mod inference_request;
mod inference_response;
mod input;
mod instance;
mod memory;
mod metrics;
mod model;
mod objects;
mod request;
mod response;
mod server;
mod state;
mod statistics;
mod strings;
mod trace;
