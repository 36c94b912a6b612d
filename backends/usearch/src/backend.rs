//! The backend as the SDK sees it: opens a version's index and answers each request of a batch.

use crate::{
    columns::take,
    config::{
        EMBEDDING_SPACE, FACETS, Output, Settings, Source, complete, outputs, settings, takes_ids,
    },
    error::{IndexError, QueryError},
    facets::Facets,
    index::{Hit, Index},
    query::{Found, Searcher},
    request::Inputs,
};
use hippocamp_backend::{
    Attributes, Backend, BackendContext, Batch, Error, ErrorCode, Instance, InstanceContext,
    InstanceGroupHint, InstanceKind, Model, ModelContext, Request, as_bytes,
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
    searcher: Searcher,
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
        let refuse = |text: String| Error::invalid(format!("model '{model}': {text}"));
        let facets = match context.parameter(FACETS) {
            None => None,
            Some(text) => Some(
                Facets::read(text, index.items().table())
                    .map_err(|error| refuse(format!("parameter '{FACETS}': {error}")))?,
            ),
        };
        if context.auto_complete()
            && let Some(completed) =
                complete(context.config(), index.manifest(), &schema, facets.as_ref())
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
        let outputs =
            outputs(&model, context.config(), index.manifest(), &schema, facets.as_ref())?;
        let Settings { id_column, limits, .. } = settings;
        let id_column = takes_ids(context.config()).then_some(id_column.as_str());
        let searcher = Searcher::new(index, facets, id_column, limits).map_err(refuse)?;
        // The index is mapped; the table of items is unpacked.
        let table = searcher.index().items().table().get_array_memory_size() as u64;
        context.report_memory(context.version_bytes()?.saturating_add(table))?;
        let batched = context.max_batch_size() > 0;
        Ok(UsearchModel(Arc::new(Version { searcher, outputs, batched })))
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
        let inputs = Inputs::read(request, rows, self.searcher.facets())?;
        let found = (0..rows)
            .map(|row| {
                self.searcher.search(&inputs.row(row)).map_err(|error| {
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

    fn respond(&self, request: &Request, found: &[Found]) -> Result<(), Error> {
        let longest = found.iter().map(|found| found.hits.len()).max().unwrap_or(0);
        let places =
            || found.iter().flat_map(|found| (0..longest).map(move |place| (found, place)));
        // Shorter rows are filled up: a tensor is a rectangle.
        let hits: Vec<Option<&Hit>> =
            places().map(|(found, place)| found.hits.get(place)).collect();
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
                Source::Part(facet) => {
                    let part = |(found, place): (&Found, usize)| {
                        found.parts[facet].get(place).copied().unwrap_or(0.0)
                    };
                    as_bytes(&places().map(part).collect::<Vec<f32>>()).to_vec()
                }
                Source::Column(index) => take(self.searcher.index().items().table(), index, &items),
            };
            response.output(&output.name, output.datatype, shape, &data)?;
        }
        response.send()
    }
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
