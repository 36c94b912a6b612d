//! What clients get: vectors, as lists or in base64, and ranks.

use super::{
    encoder::{Embeddings, dot},
    request::{Format, RerankRequest},
};
use crate::codec::{push_float, push_integer, push_string};
use base64::{Engine as _, engine::general_purpose::STANDARD};

/// One text and how like the query it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rank {
    /// Of the text in the request, from 0.
    pub(crate) index: usize,
    /// The cosine of the two vectors; unless it is to be raw, moved to 0 (opposite) to 1 (the same).
    pub(crate) score: f64,
}

/// The body of `/v1/embeddings`.
pub(crate) fn embeddings(model: &str, format: Format, embeddings: &Embeddings) -> Vec<u8> {
    let mut json = b"{\"object\":\"list\",\"data\":[".to_vec();
    let mut bytes = Vec::new();
    for (index, vector) in embeddings.vectors().enumerate() {
        json.extend_from_slice(if index == 0 { b"" } else { b"," });
        json.extend_from_slice(b"{\"object\":\"embedding\",\"index\":");
        push_integer(&mut json, index);
        json.extend_from_slice(b",\"embedding\":");
        match format {
            Format::Float => {
                for (place, &value) in vector.iter().enumerate() {
                    json.push(if place == 0 { b'[' } else { b',' });
                    push_float(&mut json, value);
                }
                json.push(b']');
            }
            Format::Base64 => {
                bytes.clear();
                bytes.extend(vector.iter().flat_map(|value| value.to_le_bytes()));
                push_string(&mut json, &STANDARD.encode(&bytes));
            }
        }
        json.push(b'}');
    }
    json.extend_from_slice(b"],\"model\":");
    push_string(&mut json, model);
    json.extend_from_slice(b",\"usage\":");
    push_usage(&mut json, embeddings.tokens);
    json.push(b'}');
    json
}

/// The texts of a request, the one most like its query first.
pub(crate) fn ranks(request: &RerankRequest, embeddings: &Embeddings) -> Vec<Rank> {
    let mut vectors = embeddings.vectors();
    let Some(query) = vectors.next() else { return Vec::new() };
    let length = |vector: &[f32]| dot(vector, vector).sqrt();
    let query_length = length(query);
    let mut ranks: Vec<Rank> = vectors
        .enumerate()
        .map(|(index, vector)| {
            let lengths = query_length * length(vector);
            // A vector without a direction is like nothing.
            let cosine =
                if lengths > 0.0 { (dot(query, vector) / lengths).clamp(-1.0, 1.0) } else { 0.0 };
            let score = if request.raw_scores { cosine } else { f64::midpoint(1.0, cosine) };
            Rank { index, score }
        })
        .collect();
    // Stable: of two texts alike, the first one stays the first.
    ranks.sort_by(|one, other| other.score.total_cmp(&one.score));
    ranks.truncate(request.top.unwrap_or(usize::MAX));
    ranks
}

/// The body of `/rerank`, in TEI's shape.
pub(crate) fn rerank(request: &RerankRequest, ranks: &[Rank]) -> Vec<u8> {
    let mut json = b"[".to_vec();
    push_ranks(&mut json, request, ranks, "score", |json, text| {
        json.extend_from_slice(b",\"text\":");
        push_string(json, text);
    });
    json.push(b']');
    json
}

/// The body of `/v1/rerank`, in Cohere's shape.
pub(crate) fn rerank_documents(
    model: &str,
    request: &RerankRequest,
    ranks: &[Rank],
    tokens: u64,
) -> Vec<u8> {
    let mut json = b"{\"object\":\"list\",\"model\":".to_vec();
    push_string(&mut json, model);
    json.extend_from_slice(b",\"results\":[");
    push_ranks(&mut json, request, ranks, "relevance_score", |json, text| {
        json.extend_from_slice(b",\"document\":{\"text\":");
        push_string(json, text);
        json.push(b'}');
    });
    json.extend_from_slice(b"],\"usage\":");
    push_usage(&mut json, tokens);
    json.push(b'}');
    json
}

fn push_ranks(
    json: &mut Vec<u8>,
    request: &RerankRequest,
    ranks: &[Rank],
    key: &str,
    push_text: impl Fn(&mut Vec<u8>, &str),
) {
    for (place, rank) in ranks.iter().enumerate() {
        json.extend_from_slice(if place == 0 { b"{\"index\":" } else { b",{\"index\":" });
        push_integer(json, rank.index);
        json.push(b',');
        push_string(json, key);
        json.push(b':');
        push_float(json, rank.score);
        if request.return_texts {
            // The query stands before the texts.
            push_text(json, &request.texts[rank.index + 1]);
        }
        json.push(b'}');
    }
}

fn push_usage(json: &mut Vec<u8>, tokens: u64) {
    json.extend_from_slice(b"{\"prompt_tokens\":");
    push_integer(json, tokens);
    json.extend_from_slice(b",\"total_tokens\":");
    push_integer(json, tokens);
    json.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn made(values: &[f32], size: usize, tokens: u64) -> Embeddings {
        Embeddings::new(values.to_vec(), size, tokens)
    }

    #[test]
    fn vectors_are_lists_or_base64() {
        let vectors = made(&[0.5, -1.0, 0.1, 3.0], 2, 7);
        let read = |format| -> Value {
            serde_json::from_slice(&embeddings("a \"b\"", format, &vectors)).unwrap()
        };
        let body = |first: Value, second: Value| {
            json!({
                "object": "list",
                "data": [
                    {"object": "embedding", "index": 0, "embedding": first},
                    {"object": "embedding", "index": 1, "embedding": second},
                ],
                "model": "a \"b\"",
                "usage": {"prompt_tokens": 7, "total_tokens": 7},
            })
        };
        assert_eq!(read(Format::Float), body(json!([0.5, -1.0]), json!([0.1, 3.0])));
        assert_eq!(read(Format::Base64), body(json!("AAAAPwAAgL8="), json!("zczMPQAAQEA=")));
    }

    #[test]
    fn texts_are_ranked_by_their_cosine() {
        let mut request = RerankRequest {
            model: None,
            texts: ["q", "across", "same", "longer", "opposite", "nothing"]
                .map(str::to_owned)
                .to_vec(),
            raw_scores: true,
            return_texts: false,
            top: None,
        };
        let vectors = made(&[0.0, 2.0, 1.0, 0.0, 0.0, 1.0, 0.0, 5.0, 0.0, -1.0, 0.0, 0.0], 2, 0);
        let scores = |request: &RerankRequest| {
            ranks(request, &vectors).iter().map(|rank| (rank.index, rank.score)).collect::<Vec<_>>()
        };
        assert_eq!(scores(&request), [(1, 1.0), (2, 1.0), (0, 0.0), (4, 0.0), (3, -1.0)]);
        request.raw_scores = false;
        request.top = Some(3);
        assert_eq!(scores(&request), [(1, 1.0), (2, 1.0), (0, 0.5)]);
        let ranks = ranks(&request, &vectors);
        let read = |body: Vec<u8>| serde_json::from_slice::<Value>(&body).unwrap();
        assert_eq!(
            read(rerank(&request, &ranks)),
            json!([{"index": 1, "score": 1.0}, {"index": 2, "score": 1.0}, {"index": 0, "score": 0.5}])
        );
        request.return_texts = true;
        let body = read(rerank_documents("m", &request, &ranks[..1], 3));
        assert_eq!(
            body,
            json!({
                "object": "list", "model": "m",
                "results": [{"index": 1, "relevance_score": 1.0, "document": {"text": "same"}}],
                "usage": {"prompt_tokens": 3, "total_tokens": 3},
            })
        );
    }
}
