//! Wire types of the inference protocol: [`inference`] (service and model configuration) and
//! [`health`]. Generated at build time from `proto/*.proto`; the generated code is never in the tree.
//!
//! Used by `config` (model configuration) and by the gRPC front-end and client. Nothing else of the
//! server sees these types: protobuf stops at those crates.
#![forbid(unsafe_code)]

mod codec;

pub use codec::{Codec, MessageDecoder, MessageEncoder};

use prost_reflect::DescriptorPool;
use std::sync::LazyLock;

/// Package `inference`: the 20 RPCs of the inference service, and the model configuration.
#[allow(
    missing_docs,
    unreachable_pub,
    missing_debug_implementations,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "generated code"
)]
pub mod inference {
    tonic::include_proto!("inference");
}

/// Package `grpc.health.v1`: the standard health service.
#[allow(
    missing_docs,
    unreachable_pub,
    missing_debug_implementations,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "generated code"
)]
pub mod health {
    tonic::include_proto!("grpc.health.v1");
}

/// The encoded `FileDescriptorSet` of all three files, for gRPC reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// The same descriptors, decoded once, for reflection-driven code (text format, JSON).
pub static DESCRIPTORS: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(FILE_DESCRIPTOR_SET)
        .expect("descriptors written by our build script decode")
});
