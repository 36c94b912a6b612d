//! Shapes of tensors.

use smallvec::SmallVec;
use std::fmt;

/// Sizes of a tensor's dimensions, outermost first. In a request every size is fixed; -1 stands
/// for "any" only in configurations and metadata.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Shape(SmallVec<[i64; 4]>);

/// Why a shape has no element count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// A dimension is below zero.
    #[error("dimension {0} is negative")]
    Negative(i64),
    /// The product of the dimensions, or its bytes, exceeds what can be addressed.
    #[error("the element count overflows")]
    Overflow,
}

impl Shape {
    /// A shape of these dimensions.
    pub fn new(dims: &[i64]) -> Self {
        Self(SmallVec::from_slice(dims))
    }

    /// The dimensions.
    pub fn dims(&self) -> &[i64] {
        &self.0
    }

    /// Number of dimensions.
    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// Adds an innermost dimension.
    pub fn push(&mut self, dim: i64) {
        self.0.push(dim);
    }

    /// The product of the dimensions; 1 for a scalar.
    ///
    /// # Errors
    /// If a dimension is negative or the product overflows.
    pub fn element_count(&self) -> Result<usize, ShapeError> {
        let mut count: usize = 1;
        let mut empty = false;
        for &dim in &self.0 {
            let dim = usize::try_from(dim).map_err(|_negative| ShapeError::Negative(dim))?;
            empty |= dim == 0;
            // A zero later on must not hide behind an overflow, nor an overflow behind a zero.
            if dim != 0 {
                count = count.checked_mul(dim).ok_or(ShapeError::Overflow)?;
            }
        }
        Ok(if empty { 0 } else { count })
    }
}

impl FromIterator<i64> for Shape {
    fn from_iter<I: IntoIterator<Item = i64>>(dims: I) -> Self {
        Self(dims.into_iter().collect())
    }
}

impl From<&[i64]> for Shape {
    fn from(dims: &[i64]) -> Self {
        Self::new(dims)
    }
}

/// As Triton prints it: `[1,16]`.
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (i, dim) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            write!(f, "{dim}")?;
        }
        f.write_str("]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn element_count_meets_its_bounds() {
        let check =
            |dims: &[i64], expect| assert_eq!(Shape::new(dims).element_count(), expect, "{dims:?}");
        check(&[], Ok(1));
        check(&[2, 3], Ok(6));
        check(&[2, 0, 3], Ok(0));
        check(&[1, -16], Err(ShapeError::Negative(-16)));
        check(&[i64::MAX, i64::MAX], Err(ShapeError::Overflow));
        check(&[i64::MAX, i64::MAX, 0], Err(ShapeError::Overflow));
    }

    #[test]
    fn prints_as_triton_does() {
        assert_eq!(Shape::new(&[-1, 16]).to_string(), "[-1,16]");
        assert_eq!(Shape::default().to_string(), "[]");
    }
}
