//! Vectors of texts, for clients that speak OpenAI's or a reranker's protocol: which models are encoders
//! and how texts go through them ([`encoder`]), what clients send ([`request`]), and what they get
//! ([`response`], [`error`]). The routes hand over; nothing here knows a path.

pub(crate) mod encoder;
pub(crate) mod error;
pub(crate) mod request;
pub(crate) mod response;
