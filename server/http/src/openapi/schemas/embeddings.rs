//! The schemas of embeddings and ranks. What is read and written is in `crate::embeddings`.

use utoipa::{
    ToSchema,
    openapi::{
        RefOr, Schema,
        schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, Type},
    },
};

/// Texts to make vectors of.
#[derive(ToSchema)]
#[schema(example = json!({"model": "embed_plot", "input": ["a film about the sea", "a heist in the desert"], "encoding_format": "float"}))]
#[expect(dead_code, reason = "describes JSON, is never made")]
pub(super) struct EmbeddingsRequest {
    /// An encoder of `GET /v1/models`.
    model: String,
    /// A text, or at most 2048; none of them is empty. Token ids are not taken.
    #[schema(schema_with = texts)]
    input: (),
    /// `float` (the default) or `base64`, of little-endian FP32.
    #[schema(schema_with = encoding_format)]
    encoding_format: (),
    /// Elements to keep of each vector, which gets the length 1 again; at most its size.
    #[schema(minimum = 1)]
    dimensions: Option<u32>,
    /// Means nothing here.
    user: Option<String>,
}

/// One vector for each text, in their order.
#[derive(ToSchema)]
#[schema(example = json!({"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.6, 0.8]}], "model": "embed_plot", "usage": {"prompt_tokens": 7, "total_tokens": 7}}))]
#[expect(dead_code, reason = "describes JSON, is never made")]
pub(super) struct EmbeddingsResponse {
    /// Always `list`.
    object: String,
    /// The vectors.
    data: Vec<Embedding>,
    /// The encoder.
    model: String,
    usage: Usage,
}

/// The vector of a text.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes JSON, is never made")]
pub(super) struct Embedding {
    /// Always `embedding`.
    object: String,
    /// Of the text, from 0.
    index: u64,
    /// Numbers, or base64 of little-endian FP32.
    #[schema(schema_with = vector)]
    embedding: (),
}

/// Tokens that the encoder read; 0 where it does not tell.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes JSON, is never made")]
pub(super) struct Usage {
    prompt_tokens: u64,
    total_tokens: u64,
}

/// The encoders that serve.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes JSON, is never made")]
pub(super) struct EncoderList {
    /// Always `list`.
    object: String,
    data: Vec<EncoderModel>,
}

/// An encoder.
#[derive(ToSchema)]
#[schema(example = json!({"id": "embed_plot", "object": "model", "created": 1767225600, "owned_by": "hippocamp", "dimensions": 384}))]
#[expect(dead_code, reason = "describes JSON, is never made")]
pub(super) struct EncoderModel {
    /// The model's name.
    id: String,
    /// Always `model`.
    object: String,
    /// When the files of its version changed, in seconds since 1970; 0 if that cannot be told.
    created: u64,
    owned_by: String,
    /// Elements of a vector.
    dimensions: u64,
}

/// Texts to compare with a query.
#[derive(ToSchema)]
#[schema(example = json!({"model": "embed_plot", "query": "a film about the sea", "texts": ["a sailor drowns", "a heist in the desert"]}))]
#[expect(dead_code, reason = "describes JSON, is never made")]
pub(super) struct RerankRequest {
    /// An encoder of `GET /v1/models`; may be left out where there is one.
    model: Option<String>,
    query: String,
    /// At least one, at most 2048; none of them is empty.
    texts: Vec<String>,
    /// Cosines from -1 to 1, instead of scores from 0 to 1.
    raw_scores: Option<bool>,
    /// Gives the texts back.
    return_text: Option<bool>,
    /// Texts are always cut as the encoder's tokenizer has it.
    truncate: Option<bool>,
    /// `Right`.
    truncation_direction: Option<String>,
}

/// The text most like the query first.
#[derive(ToSchema)]
#[schema(example = json!([{"index": 0, "score": 0.71}, {"index": 1, "score": 0.54}]))]
#[expect(dead_code, reason = "describes JSON, is never made")]
pub(super) struct RerankResponse(Vec<Rank>);

/// A text and its score.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes JSON, is never made")]
pub(super) struct Rank {
    /// Of the text in the request, from 0.
    index: u64,
    score: f64,
    /// With `return_text`.
    text: Option<String>,
}

/// Documents to compare with a query.
#[derive(ToSchema)]
#[schema(example = json!({"model": "embed_plot", "query": "a film about the sea", "documents": ["a sailor drowns", "a heist in the desert"], "top_n": 1}))]
#[expect(dead_code, reason = "describes JSON, is never made")]
pub(super) struct RerankDocumentsRequest {
    /// An encoder of `GET /v1/models`; may be left out where there is one.
    model: Option<String>,
    query: String,
    /// Texts, or objects with a `text`: at least one, at most 2048.
    #[schema(schema_with = documents)]
    documents: (),
    /// How many of the best; all of them if it is left out.
    #[schema(minimum = 1)]
    top_n: Option<u32>,
    /// Gives the documents back.
    return_documents: Option<bool>,
}

/// The document most like the query first.
#[derive(ToSchema)]
#[schema(example = json!({"object": "list", "model": "embed_plot", "results": [{"index": 0, "relevance_score": 0.71}], "usage": {"prompt_tokens": 21, "total_tokens": 21}}))]
#[expect(dead_code, reason = "describes JSON, is never made")]
pub(super) struct RerankDocumentsResponse {
    /// Always `list`.
    object: String,
    model: String,
    results: Vec<RelevantDocument>,
    usage: Usage,
}

/// A document and its score.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes JSON, is never made")]
pub(super) struct RelevantDocument {
    /// Of the document in the request, from 0.
    index: u64,
    /// From 0 to 1.
    relevance_score: f64,
    /// With `return_documents`.
    document: Option<Document>,
}

/// A document.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes JSON, is never made")]
pub(super) struct Document {
    text: String,
}

/// An error, as OpenAI's clients read it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes JSON, is never made")]
pub(super) struct OpenAiError {
    error: OpenAiErrorBody,
}

/// What is wrong.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes JSON, is never made")]
pub(super) struct OpenAiErrorBody {
    /// What was expected, what came, what to do.
    message: String,
    /// `invalid_request_error`, `overloaded_error` or `server_error`.
    r#type: String,
    /// The field that is wrong.
    #[schema(required)]
    param: Option<String>,
    /// For programs, such as `model_not_found`.
    #[schema(required)]
    code: Option<String>,
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn texts() -> RefOr<Schema> {
    let several = ArrayBuilder::new().items(text()).min_items(Some(1)).max_items(Some(2048));
    OneOfBuilder::new().item(text()).item(several).into()
}

fn documents() -> RefOr<Schema> {
    let object = ObjectBuilder::new().property("text", text()).required("text");
    let one = OneOfBuilder::new().item(text()).item(object);
    ArrayBuilder::new().items(one).min_items(Some(1)).max_items(Some(2048)).into()
}

fn encoding_format() -> RefOr<Schema> {
    text().enum_values(Some(["float", "base64"])).into()
}

fn vector() -> RefOr<Schema> {
    let numbers = ArrayBuilder::new().items(ObjectBuilder::new().schema_type(Type::Number));
    OneOfBuilder::new().item(numbers).item(text()).into()
}
