//! The columns that a filter may name: what they are called and what they can be compared with.

use super::ELEMENT;
use super::error::{FilterFault, quoted};
use arrow_schema::{DataType, Field, Schema};

/// Longer names are not searched for a likely typo.
const MAX_NAME: usize = 64;

/// What the values of a column are compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Integer,
    /// 64 bits.
    Double,
    /// 32 bits.
    Single,
    Boolean,
    List,
}

/// A column of the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column<'a> {
    /// As the filter's text calls it.
    pub name: &'a str,
    /// Place in the schema.
    pub index: usize,
    pub kind: Kind,
}

impl Kind {
    fn of(data_type: &DataType) -> Option<Self> {
        use DataType as D;
        Some(match data_type {
            D::Utf8 | D::LargeUtf8 => Self::Text,
            D::Int8 | D::Int16 | D::Int32 | D::Int64 => Self::Integer,
            D::UInt8 | D::UInt16 | D::UInt32 | D::UInt64 => Self::Integer,
            D::Float64 => Self::Double,
            D::Float32 => Self::Single,
            D::Boolean => Self::Boolean,
            D::List(element) if matches!(element.data_type(), D::Utf8 | D::LargeUtf8) => Self::List,
            _ => return None,
        })
    }

    /// In an error, behind the column's name.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Double | Self::Single => "number",
            Self::Boolean => "true or false",
            Self::List => "list of text",
        }
    }

    /// Values that fit, with an example.
    pub(super) fn values(self) -> &'static str {
        match self {
            Self::Text | Self::List => "text in quotes such as 'Horror'",
            Self::Integer => "a number such as 1990",
            Self::Double | Self::Single => "a number such as 7.5",
            Self::Boolean => "true or false",
        }
    }
}

/// The column that `name` means: of that name, or else the first list whose element is called so.
pub(super) fn find<'a>(schema: &Schema, name: &'a str) -> Result<Column<'a>, FilterFault> {
    let fields = schema.fields();
    let index = fields
        .iter()
        .position(|field| field.name() == name)
        .or_else(|| fields.iter().position(|field| element(field) == Some(name)));
    let Some(index) = index else {
        return Err(unknown(schema, name));
    };
    let kind = Kind::of(fields[index].data_type()).ok_or_else(|| FilterFault::Incomparable {
        name: name.to_owned(),
        data_type: fields[index].data_type().to_string(),
    })?;
    Ok(Column { name, index, kind })
}

/// What one element of a list column is called.
fn element(field: &Field) -> Option<&str> {
    match Kind::of(field.data_type())? {
        Kind::List => field.metadata().get(ELEMENT).map(String::as_str),
        _ => None,
    }
}

fn unknown(schema: &Schema, name: &str) -> FilterFault {
    let comparable = || {
        let fields = schema.fields().iter();
        fields.filter_map(|field| Kind::of(field.data_type()).map(|kind| (field, kind)))
    };
    let names = comparable()
        .flat_map(|(field, _)| std::iter::once(field.name().as_str()).chain(element(field)));
    FilterFault::UnknownColumn {
        name: quoted(name),
        nearest: nearest(name, names).map(str::to_owned),
        columns: comparable()
            .map(|(field, kind)| match element(field) {
                Some(element) => format!("{} or {element} ({})", field.name(), kind.words()),
                None => format!("{} ({})", field.name(), kind.words()),
            })
            .collect(),
    }
}

/// The candidate nearest to `name`, if it is near enough to be a slip of the hand.
fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > MAX_NAME {
        return None;
    }
    let name = name.to_ascii_lowercase();
    let allowed = (name.len() / 3).max(1);
    candidates
        .map(|candidate| (strsim::osa_distance(&name, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
