//! The inputs of one request, row by row.

use crate::{
    config::{DISLIKED, DIVERSITY, FILTER, K, LIKED, QUERY, WEIGHTS},
    facets::{Facet, Facets},
};
use hippocamp_backend::{DataType, Error, Input, Request};

/// The inputs of a request; what did not come is empty, else it has an equal share for each row.
#[derive(Debug, Default)]
pub(crate) struct Inputs {
    rows: usize,
    queries: Vec<f32>,
    k: Vec<i64>,
    filters: Vec<String>,
    liked: Vec<String>,
    disliked: Vec<String>,
    diversity: Vec<f32>,
    weights: Vec<f32>,
    /// By facet.
    own: Vec<Vec<f32>>,
}

/// What one row asks for.
#[derive(Debug)]
pub(crate) struct Row<'i> {
    pub(crate) query: Option<&'i [f32]>,
    pub(crate) k: Option<i64>,
    pub(crate) filter: Option<&'i str>,
    pub(crate) liked: Vec<&'i str>,
    pub(crate) disliked: Vec<&'i str>,
    pub(crate) diversity: Option<f32>,
    pub(crate) weights: Option<&'i [f32]>,
    /// By facet: what the row itself has of it.
    pub(crate) own: Vec<Option<&'i [f32]>>,
}

impl Inputs {
    /// # Errors
    /// If an input has not what it takes for each of `rows`.
    pub(crate) fn read(
        request: &Request,
        rows: usize,
        facets: Option<&Facets>,
    ) -> Result<Self, Error> {
        let count = facets.map_or(0, |facets| facets.iter().len());
        let mut inputs = Self { rows, own: vec![Vec::new(); count], ..Self::default() };
        for input in request.inputs()? {
            match input.name() {
                QUERY => inputs.queries = input.values::<f32>()?.into_owned(),
                K => {
                    inputs.k = match input.datatype() {
                        DataType::Int32 => {
                            input.values::<i32>()?.iter().map(|&k| i64::from(k)).collect()
                        }
                        _ => input.values::<i64>()?.into_owned(),
                    };
                    each_row(K, inputs.k.len(), rows, 1)?;
                }
                FILTER => {
                    inputs.filters = texts(&input)?;
                    each_row(FILTER, inputs.filters.len(), rows, 1)?;
                }
                LIKED => inputs.liked = texts(&input)?,
                DISLIKED => inputs.disliked = texts(&input)?,
                DIVERSITY => inputs.diversity = numbers(&input, rows, 1)?,
                WEIGHTS => inputs.weights = numbers(&input, rows, count)?,
                name => {
                    let mut known = facets.into_iter().flat_map(Facets::iter).enumerate();
                    let own = known.find_map(|(place, facet)| {
                        facet.input().filter(|(own, _)| own == name).map(|(_, size)| (place, size))
                    });
                    let Some((place, size)) = own else {
                        return Err(Error::invalid(format!("input '{name}' is unknown")));
                    };
                    let values = numbers(&input, rows, size)?;
                    let shares = facets.into_iter().flat_map(Facets::iter).nth(place);
                    if shares.is_some_and(Facet::is_set)
                        && let Some(value) =
                            values.iter().find(|value| !(0.0..=1.0).contains(*value))
                    {
                        return Err(Error::invalid(format!(
                            "{name} has {value}: expected shares from 0 to 1"
                        )));
                    }
                    inputs.own[place] = values;
                }
            }
        }
        Ok(inputs)
    }

    /// What row `row` asks for. In a batch an empty text stands for none: the other rows may have one.
    pub(crate) fn row(&self, row: usize) -> Row<'_> {
        let ids = |ids| share::<String>(ids, self.rows, row).into_iter().flatten();
        let given = |text: &&str| !text.is_empty();
        Row {
            query: share(&self.queries, self.rows, row),
            k: self.k.get(row).copied(),
            filter: self.filters.get(row).map(String::as_str).filter(given),
            liked: ids(&self.liked).map(String::as_str).filter(given).collect(),
            disliked: ids(&self.disliked).map(String::as_str).filter(given).collect(),
            diversity: self.diversity.get(row).copied(),
            weights: share(&self.weights, self.rows, row),
            own: self.own.iter().map(|own| share(own, self.rows, row)).collect(),
        }
    }
}

/// A row's part of what all rows have; `None` if they have nothing.
fn share<T>(all: &[T], rows: usize, row: usize) -> Option<&[T]> {
    let size = all.len() / rows.max(1);
    (size > 0).then(|| &all[row * size..(row + 1) * size])
}

fn texts(input: &Input<'_>) -> Result<Vec<String>, Error> {
    let text = |bytes: Result<&[u8], Error>| {
        let text = std::str::from_utf8(bytes?).map_err(|error| {
            let (name, valid) = (input.name(), error.valid_up_to());
            Error::invalid(format!("{name} is not UTF-8: invalid from byte {valid} on"))
        })?;
        Ok(text.to_owned())
    };
    input.elements()?.map(text).collect()
}

fn numbers(input: &Input<'_>, rows: usize, size: usize) -> Result<Vec<f32>, Error> {
    let values = input.values::<f32>()?.into_owned();
    each_row(input.name(), values.len(), rows, size)?;
    if let Some(value) = values.iter().find(|value| !value.is_finite()) {
        let name = input.name();
        return Err(Error::invalid(format!("{name} has an element {value}, expected numbers")));
    }
    Ok(values)
}

fn each_row(input: &str, elements: usize, rows: usize, size: usize) -> Result<(), Error> {
    if elements == rows * size {
        return Ok(());
    }
    let size = if size == 1 { "one".to_owned() } else { size.to_string() };
    Err(Error::invalid(format!(
        "input '{input}' has {elements} elements, expected {size} in each of {rows} rows"
    )))
}
