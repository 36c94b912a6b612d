//! A typed client for the inference protocol, over HTTP and over gRPC: what the application, the
//! tools and the end-to-end tests reach a server with. It knows the wire and nothing of the server.
//!
//! Both clients share their requests and results:
//!
//! ```no_run
//! use hippocamp_client::{GrpcClient, HttpClient, InferInput, InferRequest};
//!
//! # async fn example() -> Result<(), hippocamp_client::Error> {
//! let numbers: Vec<i32> = (0..16).collect();
//! let request = InferRequest::new("simple")
//!     .input(InferInput::new("INPUT0", &[1, 16], &numbers))
//!     .input(InferInput::new("INPUT1", &[1, 16], &[1i32; 16]).json());
//!
//! let http = HttpClient::new("127.0.0.1:8000")?;
//! let result = http.infer(&request).await?;
//! assert_eq!(result.output("OUTPUT0")?.values::<i32>()?[15], 16);
//!
//! let grpc = GrpcClient::connect("127.0.0.1:8001").await?;
//! assert_eq!(grpc.infer(&request).await?.outputs, result.outputs);
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod describe;
mod element;
mod error;
mod grpc;
mod http;
mod request;
mod tensor;

pub use describe::{
    BatchStatistics, DurationCount, IndexEntry, InferStatistics, LoadOverrides, ModelMetadata,
    ModelStatistics, ServerMetadata, TensorMetadata,
};
pub use element::Element;
pub use error::{Error, StatusCode};
pub use grpc::{GrpcClient, InferStream};
pub use http::{GenerateStream, HttpClient, RawResponse, escaped};
pub use request::{Encoding, InferInput, InferRequest, InferResult, Parameter, RequestedOutput};
pub use tensor::Tensor;
