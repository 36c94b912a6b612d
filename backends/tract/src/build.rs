//! From a checked ONNX graph to tract's plans: opened dimensions get symbols, the graph is optimised
//! once with symbols or, where tract cannot do that, for each shape that comes.

use crate::error::guarded;
use crate::onnx::{OnnxFile, TensorInfo};
use crate::plan::Tie;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use tract_core::internal::*;
use tract_core::ops::{cast::wire_cast, einsum::EinSum};
use tract_onnx::tract_hir::infer::{
    DimFact, Factoid, InferenceModel, InferenceModelExt, ShapeFactoid,
};

/// Plans of recent shapes kept by a model whose plan cannot be symbolic.
const KEPT_SHAPES: usize = 8;

/// Sizes for all open dimensions at once that a model is tried with at load; convolutions and pools
/// want larger ones than recurrent networks.
const PROBED_SIZES: [i64; 3] = [2, 64, 256];

/// How a model runs.
#[derive(Debug)]
pub(crate) enum Form {
    /// One plan for all shapes, and what must hold of them.
    Symbolic { plan: Arc<TypedSimplePlan>, equal: Vec<Equal> },
    /// A plan for each shape: tract unrolls recurrent operators over sizes it must know.
    PerShape(Box<Shapes>),
}

/// Two dimensions that an operator contracts with each other.
#[derive(Debug)]
pub(crate) struct Equal {
    pub(crate) node: String,
    pub(crate) left: TDim,
    pub(crate) right: TDim,
}

/// Builds plans for shapes and keeps the recent ones.
#[derive(Debug)]
pub(crate) struct Shapes {
    model: InferenceModel,
    outputs: Vec<TensorInfo>,
    symbols: Vec<Symbol>,
    /// Sizes of `symbols` and their plan; the most recent last.
    kept: Mutex<Vec<(Vec<i64>, Arc<TypedSimplePlan>)>>,
}

/// How the dimensions of the inputs relate.
#[derive(Debug, Default)]
pub(crate) struct Related {
    /// Dimensions that the graph fixes: input, axis, size.
    pub(crate) fixed: Vec<(usize, usize, usize)>,
    /// Dimensions of one name.
    pub(crate) ties: Vec<Tie>,
    /// Symbols, and the input and axis that show their value.
    pub(crate) symbols: Vec<(Symbol, usize, usize)>,
    /// A dimension is a sum or product of symbols.
    pub(crate) has_expressions: bool,
}

impl Form {
    /// Builds the plan of `model`, or learns to build plans for shapes. Completes the dims of
    /// `outputs` that the file leaves out.
    pub(crate) fn build(
        model: InferenceModel,
        symbols: &[(Symbol, usize, usize)],
        outputs: &mut [TensorInfo],
    ) -> TractResult<Self> {
        let symbolic = guarded(|| optimise(model.clone(), outputs));
        let (dims, form) = match symbolic {
            Ok(Optimised { dims, plan, equal }) => (dims, Self::Symbolic { plan, equal }),
            Err(error) if symbols.is_empty() => return Err(error),
            Err(error) => {
                let shapes = Shapes {
                    model,
                    outputs: outputs.to_vec(),
                    symbols: symbols.iter().map(|(symbol, _, _)| symbol.clone()).collect(),
                    kept: Mutex::default(),
                };
                let probed = PROBED_SIZES
                    .into_iter()
                    .find_map(|size| guarded(|| shapes.build(&vec![size; symbols.len()])).ok());
                let Some(probed) = probed else { return Err(error) };
                // Which of the probe's sizes follow the input's is not known.
                let dims = probed.dims.iter().map(|dims| vec![-1; dims.len()]).collect();
                (dims, Self::PerShape(Box::new(shapes)))
            }
        };
        for (info, dims) in outputs.iter_mut().zip(dims) {
            info.dims.get_or_insert(dims);
        }
        Ok(form)
    }
}

impl Shapes {
    /// The plan for these sizes of the symbols, kept or new.
    pub(crate) fn plan_for(&self, sizes: Vec<i64>) -> TractResult<Arc<TypedSimplePlan>> {
        // Nothing panics while the lock is held.
        let lock = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        {
            let mut kept = lock();
            if let Some(index) = kept.iter().position(|(key, _)| *key == sizes) {
                let entry = kept.remove(index);
                let plan = Arc::clone(&entry.1);
                kept.push(entry);
                return Ok(plan);
            }
        }
        let plan = self.build(&sizes)?.plan;
        let mut kept = lock();
        if kept.len() >= KEPT_SHAPES {
            kept.remove(0);
        }
        kept.push((sizes, Arc::clone(&plan)));
        Ok(plan)
    }

    fn build(&self, sizes: &[i64]) -> TractResult<Optimised> {
        let values: HashMap<Symbol, TDim> =
            self.symbols.iter().cloned().zip(sizes.iter().map(|size| size.to_dim())).collect();
        let mut model = self.model.clone();
        model.set_symbols(&values)?;
        let optimised = optimise(model, &self.outputs)?;
        ensure!(
            optimised.equal.is_empty(),
            "operator '{}' contracts dimensions that differ",
            optimised.equal[0].node
        );
        Ok(optimised)
    }
}

struct Optimised {
    plan: Arc<TypedSimplePlan>,
    /// Of the outputs, -1 where they are not fixed.
    dims: Vec<Vec<i64>>,
    equal: Vec<Equal>,
}

/// tract's graph of the file, each open input dimension with a symbol.
pub(crate) fn parse(file: OnnxFile, framework: &tract_onnx::Onnx) -> TractResult<InferenceModel> {
    let directory = file.path.parent().and_then(std::path::Path::to_str);
    let parsed = framework.parse(&file.proto, directory)?;
    ensure!(
        parsed.unresolved_inputs.is_empty(),
        "nothing in the graph gives '{}'",
        parsed.unresolved_inputs.join("', '")
    );
    let mut model = parsed.model;
    ensure!(
        model.inputs.len() == file.inputs.len() && model.outputs.len() == file.outputs.len(),
        "inputs or outputs of the graph are given twice"
    );
    // The weights live on in the graph; the file's copy of them need not.
    drop(file);
    drop_obscure_names(&mut model)?;
    // What the graph says of the dimensions that the file leaves open, such as a channel count.
    model.analyse(false)?;
    for ix in 0..model.inputs.len() {
        let mut fact = model.input_fact(ix)?.clone();
        let open = |_: &DimFact| DimFact::from(model.symbols.new_with_prefix("d").to_dim());
        let named = |dim: &DimFact| if dim.is_concrete() { dim.clone() } else { open(dim) };
        fact.shape = ShapeFactoid::closed(fact.shape.dims().map(named).collect());
        model.set_input_fact(ix, fact)?;
    }
    Ok(model)
}

/// A dimension whose name is an expression keeps it if other dimensions show the value of all its
/// symbols ("past + seq"). If not it is left open: "batch-size" is a name to its author and a
/// difference to tract.
fn drop_obscure_names(model: &mut InferenceModel) -> TractResult<()> {
    let shown: HashSet<Symbol> = input_dims(model)?
        .into_iter()
        .flatten()
        .filter_map(|dim| match dim {
            Some(TDim::Sym(symbol)) => Some(symbol),
            _ => None,
        })
        .collect();
    for ix in 0..model.inputs.len() {
        let mut fact = model.input_fact(ix)?.clone();
        let keep = |dim: &DimFact| match dim.concretize() {
            Some(dim) if dim.symbols().iter().all(|symbol| shown.contains(symbol)) => dim.into(),
            _ => DimFact::default(),
        };
        fact.shape = ShapeFactoid::closed(fact.shape.dims().map(keep).collect());
        model.set_input_fact(ix, fact)?;
    }
    Ok(())
}

fn optimise(model: InferenceModel, outputs: &[TensorInfo]) -> TractResult<Optimised> {
    let mut typed = model.into_typed()?;
    // Shapes are `TDim` inside tract and INT64 outside.
    let outlets = typed.output_outlets()?.to_vec();
    let mut cast = Vec::with_capacity(outlets.len());
    for (outlet, info) in outlets.into_iter().zip(outputs) {
        let wires = wire_cast(&info.name, &mut typed, &[outlet], info.datum_type)?;
        cast.push(wires[0]);
    }
    typed.select_output_outlets(&cast)?;
    let dims = (0..outputs.len())
        .map(|ix| {
            let shape = &typed.output_fact(ix)?.shape;
            Ok(shape.iter().map(|dim| dim.to_i64().unwrap_or(-1)).collect())
        })
        .collect::<TractResult<_>>()?;
    let typed = typed.into_decluttered()?;
    let equal = contracted(&typed)?;
    let plan = TypedSimplePlan::new_with_options(
        typed.into_optimized()?,
        // Threads inside an operator do not pay with tract; instances do.
        &RunOptions { executor: None, ..RunOptions::default() },
    )?;
    Ok(Optimised { plan, dims, equal })
}

/// Dimensions that products of tensors contract although the graph does not say they are equal.
fn contracted(model: &TypedModel) -> TractResult<Vec<Equal>> {
    let mut equal: Vec<Equal> = Vec::new();
    for node in model.nodes() {
        let Some(product) = node.op_as::<EinSum>() else { continue };
        let facts = model.node_input_facts(node.id)?;
        for axis in product.axes.iter_all_axes() {
            let mut dims = axis
                .inputs
                .iter()
                .zip(&facts)
                .flat_map(|(positions, fact)| positions.iter().filter_map(|&at| fact.shape.get(at)))
                .filter(|dim| !dim.is_one());
            let Some(first) = dims.next() else { continue };
            for dim in dims.filter(|dim| *dim != first) {
                let known = equal.iter().any(|seen| seen.left == *first && seen.right == *dim);
                if !known {
                    let node = node.name.clone();
                    equal.push(Equal { node, left: first.clone(), right: dim.clone() });
                }
            }
        }
    }
    Ok(equal)
}

/// Dimensions of each input, `None` where nothing is known.
fn input_dims(model: &InferenceModel) -> TractResult<Vec<Vec<Option<TDim>>>> {
    (0..model.inputs.len())
        .map(|ix| Ok(model.input_fact(ix)?.shape.dims().map(Factoid::concretize).collect()))
        .collect()
}

/// How the dimensions of the inputs of a parsed model relate.
pub(crate) fn relate(model: &InferenceModel) -> TractResult<Related> {
    let mut related = Related::default();
    for (input, dims) in input_dims(model)?.into_iter().enumerate() {
        for (axis, dim) in dims.into_iter().enumerate() {
            match dim {
                Some(TDim::Sym(symbol)) => {
                    let first = related.symbols.iter().find(|known| known.0 == symbol);
                    if let Some(&(_, first_input, first_axis)) = first {
                        related.ties.push(Tie {
                            symbol: symbol.to_string(),
                            first: (first_input, first_axis),
                            second: (input, axis),
                        });
                    } else {
                        related.symbols.push((symbol, input, axis));
                    }
                }
                Some(TDim::Val(size)) => {
                    related.fixed.push((input, axis, usize::try_from(size)?));
                }
                Some(_) => related.has_expressions = true,
                None => {}
            }
        }
    }
    Ok(related)
}
