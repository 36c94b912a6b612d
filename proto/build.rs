//! Compiles the three `.proto` files with protox (no system `protoc`) into Rust types and a
//! descriptor set, which reflection, the text format and the descriptor test read.

use prost::Message as _;
use std::{env, error::Error, fs, path::PathBuf};

const FILES: [&str; 3] = ["model_config.proto", "grpc_service.proto", "health.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let descriptors = protox::compile(FILES, ["proto"])?;
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        // Tensor bytes stay slices of the message they arrived in.
        .bytes(".")
        // Ordered, so that a configuration always prints the same.
        .btree_map(".")
        // Triton's words for a message that cannot be read.
        .codec_path("crate::Codec")
        .emit_rerun_if_changed(false)
        .compile_fds(descriptors)?;
    Ok(())
}
