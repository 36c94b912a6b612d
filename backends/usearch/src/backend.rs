//! The backend as the SDK sees it: opens a version's index and answers each request of a batch.

use crate::{
    columns::take,
    config::{EMBEDDING_SPACE, Output, Settings, Source, complete, outputs, settings},
    error::{IndexError, QueryError},
    filter::Filter,
    index::{Hit, Index},
};
use arrow_buffer::BooleanBuffer;
use hippocamp_backend::{
    Attributes, Backend, BackendContext, Batch, DataType, Error, ErrorCode, Instance,
    InstanceContext, InstanceGroupHint, InstanceKind, Model, ModelContext, Request, as_bytes,
};
use std::sync::Arc;

/// The usearch backend; it has no state.
#[derive(Debug)]
pub struct Usearch;

/// One version of a model.
#[derive(Debug)]
pub struct UsearchModel(Arc<Version>);

/// One instance of a model.
#[derive(Debug)]
pub struct UsearchInstance(Arc<Version>);

#[derive(Debug)]
struct Version {
    index: Index,
    settings: Settings,
    outputs: Vec<Output>,
    batched: bool,
}

impl Backend for Usearch {
    type Model = UsearchModel;

    fn initialize(_: &BackendContext<'_>) -> Result<Self, Error> {
        Ok(Self)
    }

    fn load(&self, context: &mut ModelContext<'_>) -> Result<UsearchModel, Error> {
        let model = context.name().to_owned();
        let settings = settings(&model, |key| context.parameter(key).map(str::to_owned))?;
        let directory = context.version_directory();
        let index = Index::open(&directory, settings.search).map_err(|error| {
            let text = format!("model '{model}' version {}: {error}", context.version());
            Error::new(code_of(&error), text)
        })?;
        let schema = index.items().schema();
        if context.auto_complete()
            && let Some(completed) = complete(context.config(), index.manifest(), &schema)
        {
            context.set_config(&completed)?;
        }
        // The ensemble's check goes by this parameter; a server that completes nothing must be told.
        if !context.auto_complete() && context.parameter(EMBEDDING_SPACE).is_none() {
            return Err(Error::invalid(format!(
                "model '{model}': the configuration does not say which encoder the vectors are of, and may not be completed: \
                 write parameters {{ key: \"{EMBEDDING_SPACE}\" value {{ string_value: \"{}\" }} }}",
                index.manifest().embedding_space
            )));
        }
        let outputs = outputs(&model, context.config(), index.manifest(), &schema)?;
        let batched = context.max_batch_size() > 0;
        Ok(UsearchModel(Arc::new(Version { index, settings, outputs, batched })))
    }

    fn attributes(&self) -> Attributes {
        let cpu = InstanceGroupHint { kind: InstanceKind::Cpu, count: 1, devices: Vec::new() };
        Attributes { preferred_groups: vec![cpu], parallel_instances: true }
    }
}

impl Model for UsearchModel {
    type Instance = UsearchInstance;

    fn instance(&self, _: &InstanceContext<'_>) -> Result<UsearchInstance, Error> {
        Ok(UsearchInstance(Arc::clone(&self.0)))
    }
}

impl Instance for UsearchInstance {
    fn execute(&mut self, batch: &Batch) -> Result<(), Error> {
        batch.compute_started();
        for request in batch.requests() {
            // A query that is refused does not fail its neighbours.
            if let Err(error) = self.0.answer(request) {
                request.fail(&error);
            }
        }
        Ok(())
    }
}

impl Version {
    fn answer(&self, request: &Request) -> Result<(), Error> {
        let rows = if self.batched { request.rows() } else { 1 };
        let inputs = Inputs::read(request, rows)?;
        let queries = inputs.queries.values::<f32>()?;
        let dimensions = self.index.manifest().dimensions;
        let found = queries
            .chunks(dimensions.max(1))
            .enumerate()
            .map(|(row, query)| {
                self.search(query, inputs.k(row), inputs.filter(row)).map_err(|error| {
                    let place = if rows > 1 { format!("row {row}: ") } else { String::new() };
                    let code = match error {
                        QueryError::Usearch(_) => ErrorCode::Internal,
                        _ => ErrorCode::InvalidArgument,
                    };
                    Error::new(code, format!("{place}{error}"))
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        self.respond(request, &found)
    }

    fn search(
        &self,
        query: &[f32],
        k: Option<i64>,
        filter: Option<&str>,
    ) -> Result<Vec<Hit>, QueryError> {
        let max_k = self.settings.max_k;
        let k = match k {
            None => self.settings.default_k,
            Some(k) => match usize::try_from(k) {
                Ok(count) if (1..=max_k).contains(&count) => count,
                _ => return Err(QueryError::K { k, max_k }),
            },
        };
        let admitted: Option<BooleanBuffer> = match filter {
            None => None,
            Some(text) => {
                let items = self.index.items();
                Some(Filter::parse(text, &items.schema())?.evaluate(items.table()))
            }
        };
        self.index.search(query, k, admitted.as_ref())
    }

    fn respond(&self, request: &Request, found: &[Vec<Hit>]) -> Result<(), Error> {
        let longest = found.iter().map(Vec::len).max().unwrap_or(0);
        // Shorter rows are filled up: a tensor is a rectangle.
        let hits: Vec<Option<&Hit>> =
            found.iter().flat_map(|hits| (0..longest).map(|position| hits.get(position))).collect();
        let items: Vec<_> = hits.iter().map(|hit| hit.map(|hit| hit.item)).collect();
        let size = |size: usize| {
            i64::try_from(size).map_err(|_large| Error::internal("there are too many items"))
        };
        let shape = [size(found.len())?, size(longest)?];
        let shape = if self.batched { &shape[..] } else { &shape[1..] };
        let wanted = request.outputs()?;
        let mut response = request.response()?;
        for output in self.outputs.iter().filter(|output| wanted.contains(&output.name.as_str())) {
            let data = match output.source {
                Source::Key => {
                    let keys = items.iter().map(|item| item.map_or(Ok(-1), size));
                    as_bytes(&keys.collect::<Result<Vec<i64>, _>>()?).to_vec()
                }
                Source::Score => {
                    let scores: Vec<f32> =
                        hits.iter().map(|hit| hit.map_or(0.0, |hit| hit.score)).collect();
                    as_bytes(&scores).to_vec()
                }
                Source::Column(index) => take(self.index.items().table(), index, &items),
            };
            response.output(&output.name, output.datatype, shape, &data)?;
        }
        response.send()
    }
}

/// The inputs of one request, row by row.
struct Inputs<'r> {
    queries: hippocamp_backend::Input<'r>,
    k: Vec<i64>,
    filters: Vec<String>,
}

impl<'r> Inputs<'r> {
    fn read(request: &'r Request, rows: usize) -> Result<Self, Error> {
        let (mut queries, mut k, mut filters) = (None, Vec::new(), Vec::new());
        for input in request.inputs()? {
            match input.name() {
                "QUERY" => queries = Some(input),
                "K" => {
                    k = match input.datatype() {
                        DataType::Int32 => {
                            input.values::<i32>()?.iter().map(|&k| i64::from(k)).collect()
                        }
                        _ => input.values::<i64>()?.into_owned(),
                    };
                    one_a_row("K", k.len(), rows)?;
                }
                _ => {
                    for text in input.elements()? {
                        let text = std::str::from_utf8(text?).map_err(|error| {
                            Error::invalid(format!(
                                "FILTER is not UTF-8: invalid from byte {} on",
                                error.valid_up_to()
                            ))
                        })?;
                        filters.push(text.to_owned());
                    }
                    one_a_row("FILTER", filters.len(), rows)?;
                }
            }
        }
        let queries = queries.ok_or_else(|| Error::invalid("the request has no input QUERY"))?;
        Ok(Self { queries, k, filters })
    }

    fn k(&self, row: usize) -> Option<i64> {
        self.k.get(row).copied()
    }

    /// In a batch an empty text stands for no filter: the other rows may have one.
    fn filter(&self, row: usize) -> Option<&str> {
        self.filters.get(row).map(String::as_str).filter(|text| !text.is_empty())
    }
}

fn one_a_row(input: &str, elements: usize, rows: usize) -> Result<(), Error> {
    if elements == rows {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "input '{input}' has {elements} elements, expected one in each of {rows} rows"
    )))
}

fn code_of(error: &IndexError) -> ErrorCode {
    match error {
        IndexError::Absent { .. } => ErrorCode::NotFound,
        IndexError::Io { .. } | IndexError::Usearch { .. } => ErrorCode::Internal,
        IndexError::Items { .. }
        | IndexError::Manifest { .. }
        | IndexError::Mismatch { .. }
        | IndexError::Input(_) => ErrorCode::InvalidArgument,
    }
}
