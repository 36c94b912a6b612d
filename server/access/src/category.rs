//! The groups that calls are permitted by: Triton's nine, and two for what Triton does not guard.

use std::{fmt, str::FromStr};

/// A group of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "the names are the protocol's")]
pub enum Category {
    Health,
    Metadata,
    Inference,
    SharedMemory,
    ModelConfig,
    ModelRepository,
    Statistics,
    Trace,
    Logging,
    /// The OpenAPI document and its page.
    Documentation,
    /// The metrics endpoint.
    Metrics,
}

/// This names no group of calls.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{found}' is no group of calls: expected one of {}", Category::names(expected))]
pub struct UnknownCategory {
    found: String,
    expected: &'static [Category],
}

impl Category {
    /// Every group, Triton's first.
    pub const ALL: [Self; 11] = [
        Self::Health,
        Self::Metadata,
        Self::Inference,
        Self::SharedMemory,
        Self::ModelConfig,
        Self::ModelRepository,
        Self::Statistics,
        Self::Trace,
        Self::Logging,
        Self::Documentation,
        Self::Metrics,
    ];

    /// The groups that Triton's flags name.
    pub const OF_TRITON: &'static [Self] = Self::ALL.split_at(9).0;

    /// The group's name in flags and files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Health => "health",
            Self::Metadata => "metadata",
            Self::Inference => "inference",
            Self::SharedMemory => "shared-memory",
            Self::ModelConfig => "model-config",
            Self::ModelRepository => "model-repository",
            Self::Statistics => "statistics",
            Self::Trace => "trace",
            Self::Logging => "logging",
            Self::Documentation => "documentation",
            Self::Metrics => "metrics",
        }
    }

    /// The group called `name`, one of `expected`.
    ///
    /// # Errors
    /// If there is none.
    pub fn among(expected: &'static [Self], name: &str) -> Result<Self, UnknownCategory> {
        let found = expected.iter().find(|category| category.name() == name);
        found.copied().ok_or_else(|| UnknownCategory { found: name.to_owned(), expected })
    }

    fn names(categories: &[Self]) -> String {
        categories.iter().map(|category| category.name()).collect::<Vec<_>>().join(", ")
    }
}

impl FromStr for Category {
    type Err = UnknownCategory;

    fn from_str(name: &str) -> Result<Self, UnknownCategory> {
        Self::among(&Self::ALL, name)
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_found_by_its_name() {
        for (place, category) in Category::ALL.into_iter().enumerate() {
            assert_eq!(category.name().parse(), Ok(category));
            assert_eq!(category as usize, place);
        }
        let error = Category::among(Category::OF_TRITON, "metrics").unwrap_err();
        assert!(error.to_string().ends_with("statistics, trace, logging"), "{error}");
    }
}
