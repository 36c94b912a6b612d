//! Requests as they come become what is wanted, checked once: past this module nothing is out of
//! range, unknown or too large.

pub(crate) mod body;
mod fields;
mod filter;
mod options;
mod plot;
mod subject;

pub(crate) use fields::Fields;
pub(crate) use filter::Filter;
pub(crate) use options::{DEFAULT_K, Options, Weights, technique};
pub(crate) use plot::{MOST_BYTES as MOST_PLOT_BYTES, Plot};
pub(crate) use subject::{MOST_FILMS, Picture, Subject};

use crate::{catalogue::Catalogue, error::AppError};
use serde_json::Value;

/// What `POST /predict` asks for.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    /// What films shall be like.
    pub(crate) subject: Subject,
    /// Which, how many, and how they are weighed.
    pub(crate) options: Options,
}

impl Wish {
    /// The wish of a JSON body.
    ///
    /// # Errors
    /// Which field is wrong, what was expected, what came.
    pub(crate) fn from_json(body: &Value, catalogue: &Catalogue) -> Result<Self, AppError> {
        let fields = Fields::root(body)?;
        fields.known(&["plot", "films"], Options::FIELDS)?;
        let subject = match (fields.get("plot"), fields.get("films")) {
            (Some(plot), None) => Subject::plot(plot)?,
            (None, Some(films)) => Subject::films(films, catalogue)?,
            (Some(_), Some(_)) => {
                return Err(AppError::field("plot", "expected either 'plot' or 'films', got both"));
            }
            (None, None) => {
                return Err(AppError::field(
                    "plot",
                    "expected 'plot' (a text) or 'films' ({\"liked\": [ids]}), got neither; a poster is sent as multipart/form-data",
                ));
            }
        };
        Ok(Self { subject, options: Options::read(&fields, catalogue)? })
    }

    /// The wish of a form: a poster, and the rest as JSON, if there is any.
    ///
    /// # Errors
    /// Which field is wrong, what was expected, what came.
    pub(crate) fn from_form(form: body::Form, catalogue: &Catalogue) -> Result<Self, AppError> {
        let given = form.options;
        let fields = Fields::root(&given)?;
        fields.known(&[], Options::FIELDS)?;
        let options = Options::read(&fields, catalogue)?;
        let picture = Picture::new(form.poster)?;
        Ok(Self { subject: Subject::Poster(picture), options })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::tests::catalogue;
    use proptest::prelude::*;
    use serde_json::{Map, json};

    /// Values as a client might send them by mistake.
    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "[a-z'\"é🎬 ]{0,8}".prop_map(Value::from),
            Just(json!("the-kid-1921")),
        ];
        leaf.prop_recursive(2, 8, 3, |inner| {
            prop::collection::vec(inner, 0..3).prop_map(Value::from)
        })
    }

    proptest! {
        /// Any body is a wish or an error that a client can do something with.
        #[test]
        fn any_body_is_understood_or_refused(
            fields in prop::collection::vec(
                (prop::sample::select(vec![
                    "plot", "films", "k", "technique", "filter", "weights", "diversity", "anyway", "x",
                ]), any_value()),
                0..5,
            ),
            nested in prop::collection::vec(
                (prop::sample::select(vec![
                    "liked", "disliked", "genres", "years", "languages", "countries", "runtime", "plot",
                ]), any_value()),
                0..4,
            ),
        ) {
            let catalogue = catalogue();
            let object = |pairs: &[(&str, Value)]| -> Map<String, Value> {
                pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
            };
            let inner = Value::Object(object(&nested));
            let mut body = object(&fields);
            for name in ["films", "filter", "weights"] {
                if body.contains_key(name) {
                    body.insert(name.to_owned(), inner.clone());
                }
            }
            match Wish::from_json(&Value::Object(body), catalogue) {
                Ok(wish) => prop_assert!((1..=50).contains(&wish.options.k)),
                Err(error) => {
                    let status = error.status().as_u16();
                    prop_assert!(status == 400 || status == 413, "{error}");
                }
            }
        }
    }
}
