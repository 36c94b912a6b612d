//! Models from where they are kept, rather than from a directory: buckets (Amazon S3 and what speaks
//! its protocol, Google Cloud Storage, Azure) and model hubs.
//!
//! [`open`] gives an [`ObjectStore`], which the repository sees as a
//! [`ModelStore`](hippocamp_types::ModelStore): a listing says which files a model has, and what is not
//! in the cache on disk yet is downloaded into it. Nothing is written to a bucket. Knows no
//! configuration, no backend and no protocol of ours.
#![forbid(unsafe_code)]

mod bucket;
mod cache;
mod connect;
mod counters;
mod credentials;
mod digest;
mod directories;
mod download;
mod error;
mod eviction;
mod http;
mod hub;
mod listing;
pub mod manifest;
mod options;
mod place;
mod profile;
mod store;

pub use counters::RequestCount;
pub use error::StoreError;
pub use options::{StoreOptions, Variables, default_cache_directory};
pub use store::{ObjectStore, open};

/// Whether this names a bucket or a hub rather than a directory.
pub fn is_store_url(text: &str) -> bool {
    // "s3:" alone could be a directory, "s3://" cannot be meant as one.
    text.split_once("://").is_some_and(|(scheme, _)| {
        !scheme.is_empty()
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    })
}

#[cfg(test)]
mod tests;
