//! Batch dimensions between models that have one and models that have none, and reshapes of an
//! ensemble's outputs. Data stays as it is; only shapes change.

use hippocamp_types::Shape;

/// How a tensor's shape changes on its way to a reader. Triton's rule (core:
/// src/ensemble_scheduler/ensemble_scheduler.cc `ReshapeTensorDims`): only between a side with and a
/// side without a batch dimension, and only where the shapes do not agree as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Adapt {
    AsIs,
    /// To a reader with a batch dimension: one row, if the shape is that of a row (`dims`).
    AddBatch {
        dims: Shape,
    },
    /// To a reader without one: its only row, unless the whole shape is what it wants (`dims`).
    StripBatch {
        dims: Shape,
    },
}

impl Adapt {
    /// Between a writer and a reader that have a batch dimension or not; `dims` are the reader's.
    pub(super) fn between(writer_batches: bool, reader_batches: bool, dims: &Shape) -> Self {
        match (writer_batches, reader_batches) {
            (false, true) => Self::AddBatch { dims: dims.clone() },
            (true, false) => Self::StripBatch { dims: dims.clone() },
            (true, true) | (false, false) => Self::AsIs,
        }
    }

    pub(super) fn apply(&self, shape: Shape) -> Shape {
        match self {
            Self::AddBatch { dims } if compatible(dims.dims(), shape.dims()) => {
                std::iter::once(1).chain(shape.dims().iter().copied()).collect()
            }
            Self::StripBatch { dims } if !compatible(dims.dims(), shape.dims()) => {
                match shape.dims() {
                    [1, row @ ..] => Shape::new(row),
                    _many => shape,
                }
            }
            Self::AsIs | Self::AddBatch { .. } | Self::StripBatch { .. } => shape,
        }
    }
}

/// Whether two lists of dimensions may be the same; -1 is any size.
pub(super) fn compatible(one: &[i64], other: &[i64]) -> bool {
    let same = |(&one, &other): (&i64, &i64)| one == other || one == -1 || other == -1;
    one.len() == other.len() && one.iter().zip(other).all(same)
}

/// An output that was written in the shape `from` as its client sees it: in the shape `to`, whose
/// -1 take the sizes that stand at those of `from`, in order.
pub(super) fn reshape(shape: &Shape, from: &Shape, to: &Shape, has_batch: bool) -> Shape {
    let (batch, row) = shape.dims().split_at(usize::from(has_batch).min(shape.rank()));
    let any = from.dims().iter().zip(row).filter(|(from, _)| **from == -1);
    let mut sizes = any.map(|(_, &size)| size);
    let to = to.dims().iter().map(|&to| if to == -1 { sizes.next().unwrap_or(to) } else { to });
    batch.iter().copied().chain(to).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_batch_dimension_comes_and_goes() {
        let check = |writer, reader, dims: &[i64], shape: &[i64], expect: &[i64]| {
            let adapt = Adapt::between(writer, reader, &Shape::new(dims));
            let result = adapt.apply(Shape::new(shape));
            assert_eq!(result.dims(), expect, "{adapt:?} of {shape:?}");
        };
        check(true, true, &[16], &[4, 16], &[4, 16]);
        check(false, false, &[16], &[16], &[16]);
        check(false, true, &[16], &[16], &[1, 16]);
        check(false, true, &[-1], &[7], &[1, 7]);
        check(false, true, &[16], &[4, 16], &[4, 16]);
        check(true, false, &[16], &[1, 16], &[16]);
        check(true, false, &[-1, 16], &[4, 16], &[4, 16]);
        check(true, false, &[-1, 16], &[1, 16], &[1, 16]);
        check(true, false, &[16], &[4, 16], &[4, 16]);
    }

    #[test]
    fn variable_sizes_keep_their_order_in_a_reshape() {
        let check = |shape: &[i64], from: &[i64], to: &[i64], has_batch, expect: &[i64]| {
            let result = reshape(&Shape::new(shape), &Shape::new(from), &Shape::new(to), has_batch);
            assert_eq!(result.dims(), expect);
        };
        check(&[3, 16], &[16], &[4, 4], true, &[3, 4, 4]);
        check(&[3], &[], &[1], true, &[3, 1]);
        check(&[5, 7], &[-1, -1], &[-1, 1, -1], false, &[5, 1, 7]);
        check(&[], &[-1], &[-1], true, &[-1]);
    }
}
