//! A version's plan, built once and shared by its instances, and the runner that each instance has.

use crate::build::{self, Equal, Form, relate};
use crate::error::{LoadError, RunError, detail, guarded};
use crate::onnx::{OnnxFile, TensorInfo};
use std::{path::Path, sync::Arc};
use tract_core::internal::*;
use tract_onnx::data_resolver::FopenDataResolver;

/// One model version, ready to run. Dimensions that the file leaves open stay symbolic.
#[derive(Debug)]
pub struct Plan {
    form: Form,
    inputs: Vec<TensorInfo>,
    outputs: Vec<TensorInfo>,
    embedding_space: Option<String>,
    /// Dimensions that the graph fixes: input, axis, size.
    fixed: Vec<(usize, usize, usize)>,
    ties: Vec<Tie>,
    /// Symbols, and the input and axis that show their value.
    symbols: Vec<(Symbol, usize, usize)>,
    /// tract resolves plain symbols by itself, but not sums of them.
    has_expressions: bool,
}

/// Two dimensions that have one name in the model.
#[derive(Debug)]
pub(crate) struct Tie {
    pub(crate) symbol: String,
    pub(crate) first: (usize, usize),
    pub(crate) second: (usize, usize),
}

impl Plan {
    /// Builds the plan of the ONNX model at `path`: a file, or a directory that holds `model.onnx`.
    ///
    /// # Errors
    /// If there is no readable ONNX model, or one that tract cannot run; never panics, whatever the
    /// file holds.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let cannot_run =
            |error: TractError| LoadError::Build { path: path.to_owned(), detail: detail(error) };
        let opened = guarded(|| {
            let mut framework = tract_onnx::onnx();
            framework.provider = Arc::new(FopenDataResolver);
            Ok(OnnxFile::open(path, &framework).map(|file| (file, framework)))
        });
        let (file, framework) = opened.map_err(cannot_run)??;
        let OnnxFile { inputs, mut outputs, embedding_space, .. } = file.without_graph();
        let model = guarded(|| build::parse(file, &framework)).map_err(cannot_run)?;
        let related = relate(&model).map_err(cannot_run)?;
        let form = Form::build(model, &related.symbols, &mut outputs).map_err(cannot_run)?;
        let build::Related { fixed, ties, symbols, has_expressions } = related;
        Ok(Self { form, inputs, outputs, embedding_space, fixed, ties, symbols, has_expressions })
    }

    /// Which encoder the model is, if its file says so (`hippocamp.embedding_space` in its
    /// metadata): vectors of one space may be compared with each other.
    pub fn embedding_space(&self) -> Option<&str> {
        self.embedding_space.as_deref()
    }

    /// Inputs in the model's order, which is the order of [`Runner::run`].
    pub fn inputs(&self) -> &[TensorInfo] {
        &self.inputs
    }

    /// Outputs in the model's order; each has dims.
    pub fn outputs(&self) -> &[TensorInfo] {
        &self.outputs
    }

    /// A runner for one thread.
    pub fn runner(self: &Arc<Self>) -> Runner {
        Runner { plan: Arc::clone(self), state: None }
    }

    /// Refuses shapes that contradict the model or each other.
    fn check_shapes(&self, values: &[TValue]) -> Result<(), RunError> {
        let ranks_match = values.len() == self.inputs.len()
            && values.iter().zip(&self.inputs).all(|(value, info)| {
                info.dims.as_ref().is_none_or(|dims| dims.len() == value.rank())
            });
        if !ranks_match {
            let detail = "the inputs do not have the model's numbers of dimensions".to_owned();
            return Err(RunError::Engine { detail });
        }
        for &(input, axis, expected) in &self.fixed {
            let actual = values[input].shape()[axis];
            if actual != expected {
                let input = self.inputs[input].name.clone();
                return Err(RunError::Dimension { input, axis, expected, actual });
            }
        }
        for Tie { symbol, first, second } in &self.ties {
            let expected = values[first.0].shape()[first.1];
            let actual = values[second.0].shape()[second.1];
            if expected != actual {
                return Err(RunError::Clash {
                    input: self.inputs[second.0].name.clone(),
                    axis: second.1,
                    actual,
                    other: self.inputs[first.0].name.clone(),
                    other_axis: first.1,
                    expected,
                    symbol: symbol.clone(),
                });
            }
        }
        Ok(())
    }

    /// The value of each of `symbols` for these inputs.
    fn sizes(&self, values: &[TValue]) -> TractResult<Vec<i64>> {
        let size = |(_, input, axis): &(Symbol, usize, usize)| {
            Ok(i64::try_from(values[*input].shape()[*axis])?)
        };
        self.symbols.iter().map(size).collect()
    }
}

/// Runs a plan, again and again, on one thread.
#[derive(Debug)]
pub struct Runner {
    plan: Arc<Plan>,
    /// Kept from run to run where nothing in it outlives a run.
    state: Option<TypedSimpleState>,
}

impl Runner {
    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Computes all outputs, in the model's order. `inputs` are in the model's order, their
    /// datatypes as the model declares.
    ///
    /// # Errors
    /// If the inputs contradict each other or the model. The next run starts afresh.
    pub fn run(&mut self, inputs: TVec<TValue>) -> Result<TVec<TValue>, RunError> {
        self.plan.check_shapes(&inputs)?;
        let plan = &self.plan;
        match &plan.form {
            Form::Symbolic { plan: symbolic, equal } => {
                if !equal.is_empty() {
                    check_equal(plan, equal, &inputs)?;
                }
                // Taken out, so that a state that fails halfway is dropped.
                let state = self.state.take();
                let ran = guarded(|| {
                    let mut state = state.map_or_else(|| symbolic.spawn(), Ok)?;
                    if plan.has_expressions {
                        for ((symbol, _, _), size) in plan.symbols.iter().zip(plan.sizes(&inputs)?)
                        {
                            state.turn_state.resolved_symbols.set(symbol, size);
                        }
                    }
                    let outputs = state.run(inputs)?;
                    Ok((state, outputs))
                });
                let (state, outputs) =
                    ran.map_err(|error| RunError::Engine { detail: detail(error) })?;
                // Recurrent operators keep what they saw in their op state, which is right for
                // streams; one client's data must not reach the next one's request.
                if state.op_states.iter().all(Option::is_none) {
                    self.state = Some(state);
                }
                Ok(outputs)
            }
            Form::PerShape(shapes) => {
                guarded(|| shapes.plan_for(plan.sizes(&inputs)?)?.spawn()?.run(inputs))
                    .map_err(|error| RunError::Engine { detail: detail(error) })
            }
        }
    }
}

/// Refuses inputs for which dimensions that operators contract with each other differ: tract
/// takes the graph's word for them, and its kernels do not look again.
fn check_equal(plan: &Plan, equal: &[Equal], inputs: &[TValue]) -> Result<(), RunError> {
    let sizes = plan.sizes(inputs).map_err(|error| RunError::Engine { detail: detail(error) })?;
    let mut values = SymbolValues::default();
    for ((symbol, _, _), size) in plan.symbols.iter().zip(sizes) {
        values.set(symbol, size);
    }
    for Equal { node, left, right } in equal {
        // A dimension that arises on the way has no value here; its operator checks it.
        if let (Ok(left_size), Ok(right_size)) =
            (left.eval_to_i64(&values), right.eval_to_i64(&values))
            && left_size != right_size
        {
            return Err(RunError::Contraction {
                node: node.clone(),
                left: left.to_string(),
                left_size,
                right: right.to_string(),
                right_size,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
