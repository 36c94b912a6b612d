//! What end-to-end tests stand on: a [`Sandbox`] runs the real server as a process of its own, over a
//! [`Repository`] made for the test. Used by `tests/tests/*`; no part of the server.

#![forbid(unsafe_code)]

mod compile;
mod repository;
mod sandbox;

pub use compile::{c_compiler, compile_c};
pub use repository::{Repository, golden_models, workspace_root};
pub use sandbox::{Refusal, Sandbox, Settings, server_binary};
