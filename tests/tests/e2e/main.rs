//! End to end: the real server as a process, driven over its sockets. One binary, so that it links
//! once; a module for each thing a user can see. Recorded answers of Triton are replayed from
//! tests/python; here stands what needs a server in a certain state.

mod backends;
mod bad_files;
mod bad_requests;
mod batching;
mod clients;
mod control;
mod decoupled;
mod documentation;
mod drain;
mod ensembles;
mod films;
mod infer;
mod libraries;
mod malformed;
mod observability;
mod otlp;
mod polling;
mod reloads;
mod rollback;
mod shared_memory;
mod startup;
mod strategies;
mod traces;
mod under_load;
