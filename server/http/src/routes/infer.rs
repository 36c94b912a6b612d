//! Inference: one request, one response.

use super::{Call, Route, json, traced::Traced};
use crate::{
    body::{Encoding, compress, frames, offload},
    codec::{
        Classes, DecodedRequest, EncodedResponse, Target, decode_raw_request, decode_request,
        encode_response,
    },
    error::HttpError,
    openapi::{Body, Docs},
};
use axum::response::Response;
use bytes::Bytes;
use hippocamp_core::{ModelVersion, unary_reply};
use hippocamp_shm::{Regions, SharedOutputs};
use hippocamp_types::Error;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use std::sync::Arc;

/// Length of the JSON before the binary data of a body.
const HEADER_LENGTH: HeaderName = HeaderName::from_static("inference-header-content-length");

const DOCS: Docs = Docs {
    tag: "Inference",
    summary: "Infer",
    description: "Tensors travel as JSON, or in binary: the JSON, whose length the header `Inference-Header-Content-Length` gives, is followed by the tensors' little-endian bytes in the order of the inputs, each of `binary_data_size` bytes. Elements of BYTES stand behind a 4-byte length. With `Inference-Header-Content-Length: 0` the whole body is the model's one input. The body may be compressed (`Content-Encoding: gzip`, `deflate`), and so may the answer (`Accept-Encoding`).",
    request: Body::Infer("InferRequest"),
    response: Body::Infer("InferResponse"),
    errors: &[400, 404, 408, 500, 501, 503],
};

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::POST,
        path: "/v2/models/{model}/infer",
        handler: |call| Box::pin(infer(call)),
        docs: DOCS,
    },
    Route {
        method: Method::POST,
        path: "/v2/models/{model}/versions/{version}/infer",
        handler: |call| Box::pin(infer(call)),
        docs: DOCS,
    },
];

async fn infer(call: Call) -> Result<Response, HttpError> {
    let mut traced = Traced::new(&call);
    let answer = answer(call, &mut traced).await;
    traced.end(answer)
}

async fn answer(mut call: Call, traced: &mut Traced) -> Result<Response, HttpError> {
    let version = call.version()?;
    let model = call.front.server.model(call.name(), version)?;
    if model.config.decoupled {
        return Err(Error::unsupported(
            "HTTP end point doesn't support models with decoupled transaction policy",
        )
        .into());
    }
    traced.sample(&call, call.name());
    let body = call.read_body().await?;
    let received = call.front.server.now();
    traced.received(received);
    let header_length = header_length(&call.parts.headers, body.len())?;
    let request = decode(body, header_length, &model, call.front.options.max_input_size).await?;

    let (request, outputs) = share(request, &call.front.options.regions).await?;

    let (responder, reply) = unary_reply();
    let (mut request, plan) = request.into_request(received, responder);
    let id = request.id.clone();
    let failed = |error| HttpError::of_request(id.clone(), error);
    call.equip(&mut request, call.name()).map_err(failed)?;
    request.trace = traced.of_request();
    let (labels, batched) = (Arc::clone(&model.labels), model.config.max_batch_size > 0);
    // Held while its backend computes, the version could not be unloaded before that ends.
    drop(model);
    call.front.server.infer(call.name(), version, request);
    let response = reply.await.map_err(failed)?;
    traced.responded();

    let encoding = Encoding::accepted(&call.parts.headers);
    let size = response.outputs.iter().map(|output| output.data.len()).sum();
    let encode = move || -> Result<Response, Error> {
        for output in &response.outputs {
            outputs.write(&output.name, &output.data)?;
        }
        let classes = Classes { labels: &labels, batched };
        Ok(respond(encode_response(&response, &plan, classes)?, encoding))
    };
    offload(size, encode).await?.map_err(failed)
}

async fn decode(
    body: Bytes,
    header_length: Option<usize>,
    model: &Arc<ModelVersion>,
    max_input_size: usize,
) -> Result<DecodedRequest, HttpError> {
    // An empty body has no JSON either: Triton takes it for raw data, too.
    let json_length = header_length.unwrap_or(body.len());
    if json_length == 0 {
        return Ok(decode_raw_request(&body, &model.config)?);
    }
    let model = Arc::clone(model);
    let work = move || {
        decode_request(&body, header_length, Target { model: &model.config.name, max_input_size })
    };
    Ok(offload(json_length, work).await??)
}

/// Reads the inputs that lie in shared memory, and finds where the outputs go that belong there.
async fn share(
    mut request: DecodedRequest,
    regions: &Regions,
) -> Result<(DecodedRequest, SharedOutputs), HttpError> {
    let mut outputs = SharedOutputs::default();
    for output in &request.plan.requested {
        if let Some(shared) = &output.shared {
            let slice = regions.slice(shared).map_err(Error::from)?;
            outputs.add(output.name.clone(), slice);
        }
    }
    if request.shared.is_empty() {
        return Ok((request, outputs));
    }
    let slices = std::mem::take(&mut request.shared)
        .into_iter()
        .map(|(input, shared)| Ok((input, regions.slice(&shared)?)))
        .collect::<Result<Vec<_>, Error>>()?;
    let bytes = slices.iter().fold(0_u64, |sum, (_, slice)| sum.saturating_add(slice.byte_size()));
    let read = move || -> Result<DecodedRequest, Error> {
        for (input, slice) in slices {
            request.inputs[input].data = slice.read()?;
        }
        Ok(request)
    };
    let request = offload(usize::try_from(bytes).unwrap_or(usize::MAX), read).await??;
    Ok((request, outputs))
}

/// `Inference-Header-Content-Length`, if given.
fn header_length(headers: &HeaderMap, body_length: usize) -> Result<Option<usize>, Error> {
    let Some(value) = headers.get(HEADER_LENGTH) else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(value.as_bytes());
    let digits = text.trim().strip_prefix('-').unwrap_or(text.trim());
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Error::invalid(format!(
            "Unable to parse Inference-Header-Content-Length, got: {text}"
        )));
    }
    match text.trim().parse::<usize>() {
        Ok(length) if length <= body_length => Ok(Some(length)),
        _ => Err(Error::invalid(format!(
            "inference header size should be in range (0, {body_length}), got: {text}"
        ))),
    }
}

fn respond(encoded: EncodedResponse, encoding: Option<Encoding>) -> Response {
    let EncodedResponse { header: json_header, tail } = encoded;
    let binary = (!tail.is_empty()).then_some(json_header.len());
    let body = match encoding {
        None => frames(json_header, tail),
        Some(encoding) => compress(std::iter::once(&json_header).chain(&tail), encoding).into(),
    };
    let mut response = json(body);
    let headers = response.headers_mut();
    if let Some(length) = binary {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        headers.insert(HEADER_LENGTH, HeaderValue::from(length));
    }
    if let Some(encoding) = encoding {
        headers.insert(header::CONTENT_ENCODING, encoding.header_value());
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_length_stays_within_the_body() {
        let check = |value: &str, expect: Result<usize, &str>| {
            let headers =
                HeaderMap::from_iter([(HEADER_LENGTH, HeaderValue::from_str(value).unwrap())]);
            let found = header_length(&headers, 338)
                .map(Option::unwrap)
                .map_err(|error| error.message().to_owned());
            assert_eq!(found, expect.map_err(str::to_owned), "{value}");
        };
        check("0", Ok(0));
        check("338", Ok(338));
        check(" 20 ", Ok(20));
        check("-1", Err("inference header size should be in range (0, 338), got: -1"));
        check("339", Err("inference header size should be in range (0, 338), got: 339"));
        check(
            "99999999999999999999999",
            Err("inference header size should be in range (0, 338), got: 99999999999999999999999"),
        );
        check("abc", Err("Unable to parse Inference-Header-Content-Length, got: abc"));
        check("", Err("Unable to parse Inference-Header-Content-Length, got: "));
        check("1e2", Err("Unable to parse Inference-Header-Content-Length, got: 1e2"));
        assert_eq!(header_length(&HeaderMap::new(), 5), Ok(None));
    }

    #[test]
    fn binary_data_changes_type_and_headers() {
        let encoded = EncodedResponse { header: "{}".into(), tail: vec!["ab".into()] };
        let response = respond(encoded.clone(), None);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/octet-stream");
        assert_eq!(response.headers()[HEADER_LENGTH], "2");
        let response = respond(encoded, Some(Encoding::Gzip));
        assert_eq!(response.headers()[header::CONTENT_ENCODING], "gzip");
        let response = respond(EncodedResponse { header: "{}".into(), tail: Vec::new() }, None);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
        assert!(!response.headers().contains_key(HEADER_LENGTH));
    }
}
