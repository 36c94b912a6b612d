//! What clients send: JSON objects, in the shapes of OpenAI, of Hugging Face's text embeddings inference
//! (TEI) and of Cohere. Fields that are not known here mean nothing and are left alone, as there.

use super::error::OpenAiError;
use serde_json::{Map, Value};

/// Texts of one call, as at OpenAI.
pub(crate) const MAX_TEXTS: usize = 2048;

/// How vectors are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// A JSON list.
    Float,
    /// Base64 of little-endian FP32.
    Base64,
}

/// `/v1/embeddings`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct EmbeddingsRequest {
    pub(crate) model: String,
    /// At least one, none of them empty.
    pub(crate) texts: Vec<String>,
    pub(crate) format: Format,
    /// Elements to keep of each vector.
    pub(crate) dimensions: Option<usize>,
}

/// Which texts are like a query.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RerankRequest {
    /// `None`: the only encoder.
    pub(crate) model: Option<String>,
    /// The query, then the texts that are compared with it, at least one.
    pub(crate) texts: Vec<String>,
    /// Cosines, instead of scores from 0 to 1.
    pub(crate) raw_scores: bool,
    pub(crate) return_texts: bool,
    /// How many of the best are wanted.
    pub(crate) top: Option<usize>,
}

/// Reads a body of `/v1/embeddings`.
pub(crate) fn embeddings(body: &[u8]) -> Result<EmbeddingsRequest, OpenAiError> {
    let mut fields = object(body)?;
    let format = match string(&fields, "encoding_format")? {
        None | Some("float") => Format::Float,
        Some("base64") => Format::Base64,
        Some(other) => {
            let text = format!("'encoding_format' should be 'float' or 'base64', got '{other}'");
            return Err(OpenAiError::field("encoding_format", text));
        }
    };
    let dimensions = count(&fields, "dimensions")?;
    let model = string(&fields, "model")?.unwrap_or_default().to_owned();
    if model.is_empty() {
        return Err(OpenAiError::field(
            "model",
            "'model' is missing: name an encoder of GET /v1/models",
        ));
    }
    let texts = match fields.remove("input") {
        Some(Value::String(text)) => texts("input", vec![Value::String(text)])?,
        Some(Value::Array(values)) => texts("input", values)?,
        other => return Err(wrong("input", "a text or a list of texts", other.as_ref())),
    };
    Ok(EmbeddingsRequest { model, texts, format, dimensions })
}

/// Reads a body of `/rerank`, in TEI's shape.
pub(crate) fn rerank(body: &[u8]) -> Result<RerankRequest, OpenAiError> {
    let mut fields = object(body)?;
    let raw_scores = flag(&fields, "raw_scores")?;
    let return_texts = flag(&fields, "return_text")?;
    // A tokenizer cuts at its model's length and at the right end, whatever is asked for.
    flag(&fields, "truncate")?;
    if let Some(direction) = string(&fields, "truncation_direction")?
        && !direction.eq_ignore_ascii_case("right")
    {
        let text = format!("'truncation_direction' should be 'Right', got '{direction}'");
        return Err(OpenAiError::field("truncation_direction", text));
    }
    let model = string(&fields, "model")?.map(str::to_owned);
    let texts = with_query(&mut fields, "texts")?;
    Ok(RerankRequest { model, texts, raw_scores, return_texts, top: None })
}

/// Reads a body of `/v1/rerank`, in Cohere's shape.
pub(crate) fn rerank_documents(body: &[u8]) -> Result<RerankRequest, OpenAiError> {
    let mut fields = object(body)?;
    let return_texts = flag(&fields, "return_documents")?;
    let top = count(&fields, "top_n")?;
    let model = string(&fields, "model")?.map(str::to_owned);
    if let Some(Value::Array(documents)) = fields.get_mut("documents") {
        // A document may be an object with its text.
        for document in documents {
            if let Value::Object(object) = document
                && let Some(text) = object.remove("text")
            {
                *document = text;
            }
        }
    }
    let texts = with_query(&mut fields, "documents")?;
    Ok(RerankRequest { model, texts, raw_scores: false, return_texts, top })
}

fn object(body: &[u8]) -> Result<Map<String, Value>, OpenAiError> {
    let invalid = |text: String| OpenAiError::from(hippocamp_types::Error::invalid(text));
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(other) => Err(invalid(format!("expected a JSON object, got {}", kind(&other)))),
        Err(error) => Err(invalid(format!("failed to parse the request JSON buffer: {error}"))),
    }
}

/// The query, then the list of texts in `param`.
fn with_query(
    fields: &mut Map<String, Value>,
    param: &'static str,
) -> Result<Vec<String>, OpenAiError> {
    let query = string(fields, "query")?.unwrap_or_default().to_owned();
    if query.is_empty() {
        return Err(OpenAiError::field("query", "'query' should be a text that is not empty"));
    }
    let mut all = vec![query];
    match fields.remove(param) {
        Some(Value::Array(values)) => all.extend(texts(param, values)?),
        other => return Err(wrong(param, "a list of texts", other.as_ref())),
    }
    Ok(all)
}

fn texts(param: &'static str, values: Vec<Value>) -> Result<Vec<String>, OpenAiError> {
    if values.is_empty() {
        return Err(OpenAiError::field(param, format!("'{param}' should have at least one text")));
    }
    if values.len() > MAX_TEXTS {
        let text = format!("'{param}' should have at most {MAX_TEXTS} texts, got {}", values.len());
        return Err(OpenAiError::field(param, text));
    }
    let text = |(index, value)| match value {
        Value::String(text) if text.is_empty() => {
            Err(OpenAiError::field(param, format!("'{param}' has an empty text at {index}")))
        }
        Value::String(text) => Ok(text),
        Value::Number(_) | Value::Array(_) => Err(OpenAiError::field(
            param,
            format!(
                "'{param}' should have texts, got {} at {index}: token ids are not taken, send the text",
                kind(&value)
            ),
        )),
        other => Err(OpenAiError::field(
            param,
            format!("'{param}' should have texts, got {} at {index}", kind(&other)),
        )),
    };
    values.into_iter().enumerate().map(text).collect()
}

fn string<'a>(
    fields: &'a Map<String, Value>,
    param: &'static str,
) -> Result<Option<&'a str>, OpenAiError> {
    match fields.get(param) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        other => Err(wrong(param, "a text", other)),
    }
}

fn flag(fields: &Map<String, Value>, param: &'static str) -> Result<bool, OpenAiError> {
    match fields.get(param) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(value)) => Ok(*value),
        other => Err(wrong(param, "true or false", other)),
    }
}

/// A number of at least 1.
fn count(fields: &Map<String, Value>, param: &'static str) -> Result<Option<usize>, OpenAiError> {
    let value = match fields.get(param) {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => value,
    };
    match value.as_u64().and_then(|value| usize::try_from(value).ok()) {
        Some(value) if value > 0 => Ok(Some(value)),
        _ if value.is_number() => {
            let text = format!("'{param}' should be an integer of at least 1, got {value}");
            Err(OpenAiError::field(param, text))
        }
        _ => Err(wrong(param, "an integer of at least 1", Some(value))),
    }
}

fn wrong(param: &'static str, expected: &str, value: Option<&Value>) -> OpenAiError {
    let text = match value {
        None => format!("'{param}' is missing: it should be {expected}"),
        Some(value) => format!("'{param}' should be {expected}, got {}", kind(value)),
    };
    OpenAiError::field(param, text)
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn embeddings_take_one_text_or_several() {
        let check = |body: Value, texts: &[&str], format: Format, dimensions: Option<usize>| {
            let request = embeddings(body.to_string().as_bytes()).unwrap();
            assert_eq!(
                (request.model.as_str(), request.texts.as_slice()),
                ("m", &*texts.iter().map(ToString::to_string).collect::<Vec<_>>())
            );
            assert_eq!((request.format, request.dimensions), (format, dimensions));
        };
        check(json!({"model": "m", "input": "a"}), &["a"], Format::Float, None);
        let all = json!({"model": "m", "input": ["a", "b"], "encoding_format": "base64", "dimensions": 2, "user": "u"});
        check(all, &["a", "b"], Format::Base64, Some(2));
        let nulls =
            json!({"model": "m", "input": ["a"], "encoding_format": null, "dimensions": null});
        check(nulls, &["a"], Format::Float, None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let check = |body: Value, expect: &str| {
            let error = embeddings(body.to_string().as_bytes()).unwrap_err();
            assert_eq!(error.to_string(), expect, "{body}");
        };
        check(json!([]), "expected a JSON object, got a list");
        check(json!({"input": "a"}), "'model' is missing: name an encoder of GET /v1/models");
        check(json!({"model": 1, "input": "a"}), "'model' should be a text, got a number");
        check(json!({"model": "m"}), "'input' is missing: it should be a text or a list of texts");
        check(
            json!({"model": "m", "input": 3}),
            "'input' should be a text or a list of texts, got a number",
        );
        check(json!({"model": "m", "input": ""}), "'input' has an empty text at 0");
        check(json!({"model": "m", "input": []}), "'input' should have at least one text");
        check(json!({"model": "m", "input": ["a", ""]}), "'input' has an empty text at 1");
        check(
            json!({"model": "m", "input": ["a", null]}),
            "'input' should have texts, got null at 1",
        );
        let tokens = "token ids are not taken, send the text";
        check(
            json!({"model": "m", "input": [1, 2]}),
            &format!("'input' should have texts, got a number at 0: {tokens}"),
        );
        check(
            json!({"model": "m", "input": [[1, 2]]}),
            &format!("'input' should have texts, got a list at 0: {tokens}"),
        );
        check(
            json!({"model": "m", "input": vec!["a"; 2049]}),
            "'input' should have at most 2048 texts, got 2049",
        );
        check(
            json!({"model": "m", "input": "a", "encoding_format": "int8"}),
            "'encoding_format' should be 'float' or 'base64', got 'int8'",
        );
        check(
            json!({"model": "m", "input": "a", "dimensions": 0}),
            "'dimensions' should be an integer of at least 1, got 0",
        );
        check(
            json!({"model": "m", "input": "a", "dimensions": 1.5}),
            "'dimensions' should be an integer of at least 1, got 1.5",
        );
        check(
            json!({"model": "m", "input": "a", "dimensions": "3"}),
            "'dimensions' should be an integer of at least 1, got a text",
        );
        let error = embeddings(b"{\"model\"").unwrap_err();
        assert!(
            error.to_string().starts_with("failed to parse the request JSON buffer: EOF"),
            "{error}"
        );
    }

    #[test]
    fn reranking_takes_both_shapes() {
        let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        let request =
            rerank(br#"{"query": "q", "texts": ["a", "b"], "raw_scores": true, "truncate": true}"#);
        let expect = RerankRequest {
            model: None,
            texts: texts(&["q", "a", "b"]),
            raw_scores: true,
            return_texts: false,
            top: None,
        };
        assert_eq!(request, Ok(expect));
        let body = br#"{"model": "m", "query": "q", "documents": ["a", {"text": "b"}], "top_n": 1, "return_documents": true}"#;
        let expect = RerankRequest {
            model: Some("m".to_owned()),
            texts: texts(&["q", "a", "b"]),
            raw_scores: false,
            return_texts: true,
            top: Some(1),
        };
        assert_eq!(rerank_documents(body), Ok(expect));
        let check = |body: Value, expect: &str| {
            assert_eq!(rerank(body.to_string().as_bytes()).unwrap_err().to_string(), expect);
        };
        check(json!({"texts": ["a"]}), "'query' should be a text that is not empty");
        check(json!({"query": "q"}), "'texts' is missing: it should be a list of texts");
        check(json!({"query": "q", "texts": "a"}), "'texts' should be a list of texts, got a text");
        check(
            json!({"query": "q", "texts": ["a"], "raw_scores": 1}),
            "'raw_scores' should be true or false, got a number",
        );
        check(
            json!({"query": "q", "texts": ["a"], "truncation_direction": "Left"}),
            "'truncation_direction' should be 'Right', got 'Left'",
        );
        let documents = json!({"query": "q", "documents": [{"title": "t"}]}).to_string();
        let error = rerank_documents(documents.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), "'documents' should have texts, got an object at 0");
    }
}
