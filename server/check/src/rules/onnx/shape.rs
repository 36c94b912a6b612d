//! One tensor's shape against the graph's, and the lines that would set it right. Pure.

use crate::view::brackets;

/// A dimension of any size.
const ANY: i64 = -1;

/// What differs, in a sentence.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Disagreement {
    /// The batch dimension is in the wrong place.
    Batch(String),
    /// Something else.
    Shape(String),
}

/// Compares the configured `shape` of tensor `name` (its reshape or dims) with the graph's.
pub(super) fn compare(
    name: &str,
    graph: &[i64],
    shape: &[i64],
    max_batch_size: i32,
) -> Option<Disagreement> {
    let shown = brackets(graph);
    let rest = graph.get(1..).unwrap_or_default();
    let open = graph.first() == Some(&ANY);
    let whole = dims_line(graph);
    if max_batch_size <= 0 {
        if fits(graph, shape) {
            return None;
        }
        if !fits(rest, shape) || graph.is_empty() {
            return Some(Disagreement::Shape(differs(name, graph, shape)));
        }
        let with_batches = if open {
            format!("  (or  max_batch_size: 8  and  {})", dims_line(rest))
        } else {
            String::new()
        };
        return Some(Disagreement::Batch(format!(
            "the graph's '{name}' has shape {shown}: with max_batch_size: 0 there is no batch dimension and dims hold the \
             whole shape; write  max_batch_size: 0  and  {whole}{with_batches}"
        )));
    }
    let without = format!("max_batch_size: 0  and  {whole}");
    if !open {
        return Some(Disagreement::Batch(format!(
            "the graph's '{name}' has shape {shown}: with max_batch_size: {max_batch_size} its first dimension is the batch and \
             must be open; write  {without}  (or export the model with an open first dimension)"
        )));
    }
    if fits(rest, shape) {
        return None;
    }
    if fits(graph, shape) || (shape.len() == graph.len() && fits(rest, &shape[1..])) {
        return Some(Disagreement::Batch(format!(
            "the graph's '{name}' has shape {shown}: with max_batch_size: {max_batch_size} its first dimension is the batch and \
             must not stand in dims; write  max_batch_size: {max_batch_size}  and  {}  (or  {without})",
            dims_line(rest)
        )));
    }
    let mut full = vec![ANY];
    full.extend(shape);
    Some(Disagreement::Shape(differs(name, graph, &full) + ", the batch dimension first"))
}

/// `dims: [ -1, 384 ]`; a scalar is one element and a reshape.
pub(super) fn dims_line(dims: &[i64]) -> String {
    if dims.is_empty() {
        return "dims: [ 1 ] reshape { shape: [ ] }".to_owned();
    }
    let dims: Vec<_> = dims.iter().map(i64::to_string).collect();
    format!("dims: [ {} ]", dims.join(", "))
}

/// As the backend compares: the graph's open sizes take any.
fn fits(graph: &[i64], shape: &[i64]) -> bool {
    let takes = |(&graph, &size): (&i64, &i64)| graph == ANY || graph == size;
    graph.len() == shape.len() && graph.iter().zip(shape).all(takes)
}

fn differs(name: &str, graph: &[i64], shape: &[i64]) -> String {
    let (graph_shown, shown) = (brackets(graph), brackets(shape));
    let fixed = graph.iter().zip(shape).position(|(&graph, &size)| graph != ANY && size == ANY);
    match fixed {
        Some(axis) if graph.len() == shape.len() => format!(
            "the graph's '{name}' has shape {graph_shown}, the configuration's is {shown}: the graph fixes dimension {axis} to {}",
            graph[axis]
        ),
        _ => {
            format!("the graph's '{name}' has shape {graph_shown}, the configuration's is {shown}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_batch_dimension_is_told_from_other_differences() {
        let check = |graph: &[i64], shape: &[i64], max, expect: &str| {
            let found = match compare("x", graph, shape, max) {
                None => String::new(),
                Some(Disagreement::Batch(text)) => format!("batch: {text}"),
                Some(Disagreement::Shape(text)) => format!("shape: {text}"),
            };
            let matches = if expect.is_empty() { found.is_empty() } else { found.contains(expect) };
            assert!(matches, "{graph:?} {shape:?} {max}: {found}");
        };
        check(&[-1, 384], &[384], 8, "");
        check(&[-1, 384], &[-1, 384], 0, "");
        check(&[-1, 384], &[4, 384], 0, "");
        check(&[-1], &[], 8, "");
        check(
            &[-1, 384],
            &[-1, 384],
            8,
            "batch: the graph's 'x' has shape [-1,384]: with max_batch_size: 8 its first dimension is the batch and must not \
             stand in dims; write  max_batch_size: 8  and  dims: [ 384 ]  (or  max_batch_size: 0  and  dims: [ -1, 384 ])",
        );
        check(&[-1, 384], &[1, 384], 8, "must not stand in dims");
        check(
            &[1, 384],
            &[384],
            8,
            "batch: the graph's 'x' has shape [1,384]: with max_batch_size: 8 its first dimension is",
        );
        check(
            &[-1, 384],
            &[384],
            0,
            "write  max_batch_size: 0  and  dims: [ -1, 384 ]  (or  max_batch_size: 8  and  dims: [ 384 ])",
        );
        check(&[1, 384], &[384], 0, "write  max_batch_size: 0  and  dims: [ 1, 384 ]");
        check(
            &[-1, 16],
            &[8, 2],
            8,
            "shape: the graph's 'x' has shape [-1,16], the configuration's is [-1,8,2]",
        );
        check(&[-1, 16], &[-1], 8, "the graph fixes dimension 1 to 16");
        check(&[-1, 16], &[17], 8, "shape:");
        check(&[-1], &[-1], 8, "write  max_batch_size: 8  and  dims: [ 1 ] reshape { shape: [ ] }");
        check(&[], &[1], 0, "shape: ");
    }
}
