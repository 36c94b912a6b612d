//! How the encoders and indexes that are served by default are made: the weights of a published encoder
//! become ONNX ([`minilm`]), the films of the catalogue become an index ([`build_index`]), and what each
//! way of doing it is worth is measured ([`judge`]). Called by the binary of this crate (`make models`),
//! never by the server.
#![forbid(unsafe_code)]

mod encoder;
mod index;
pub mod judge;
pub mod minilm;
mod progress;

pub use encoder::TextEncoder;
pub use index::{Built, IndexOrder, build_index};
