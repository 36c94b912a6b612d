//! The item table: read from `items.parquet` once, kept in memory column by column.

use crate::{
    columns::texts,
    error::IndexError,
    manifest::{KEY, Manifest, PASSAGES},
};
use arrow_array::{Array, RecordBatch, UInt16Array};
use arrow_schema::{Schema, SchemaRef};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::{collections::HashMap, fs::File, io, path::Path, sync::Arc};

/// The rows that an index finds.
#[derive(Clone, Debug)]
pub struct Items {
    /// One row an item, without the column of passages.
    table: RecordBatch,
    /// By item: its vectors; `None` where each has one.
    passages: Option<UInt16Array>,
}

impl Items {
    /// Reads the table and what it records of its index.
    ///
    /// # Errors
    /// If the file is absent, unreadable, no Parquet table, or records no index.
    pub fn read(path: &Path) -> Result<(Self, Manifest), IndexError> {
        let file = File::open(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => IndexError::Absent { path: path.to_owned() },
            _ => IndexError::Io { path: path.to_owned(), source },
        })?;
        let unreadable = |reason: String| IndexError::Items { path: path.to_owned(), reason };
        let builder = ParquetRecordBatchReaderBuilder::try_new(file)
            .map_err(|error| unreadable(error.to_string()))?;
        let metadata = builder.metadata().file_metadata();
        let described = metadata
            .key_value_metadata()
            .and_then(|pairs| pairs.iter().find(|pair| pair.key == KEY)?.value.as_deref());
        let undescribed = |reason: String| IndexError::Manifest { path: path.to_owned(), reason };
        let manifest: Manifest = serde_json::from_str(
            described.ok_or_else(|| undescribed("it is not there".to_owned()))?,
        )
        .map_err(|error| undescribed(error.to_string()))?;
        if manifest.format != 1 {
            let format = manifest.format;
            return Err(undescribed(format!("its format is {format}, this program reads 1")));
        }

        let rows = usize::try_from(metadata.num_rows()).unwrap_or(0);
        let schema = Arc::clone(builder.schema());
        // One batch holds all: a hit is a row number.
        let reader = builder
            .with_batch_size(rows.max(1))
            .build()
            .map_err(|error| unreadable(error.to_string()))?;
        let batches =
            reader.collect::<Result<Vec<_>, _>>().map_err(|error| unreadable(error.to_string()))?;
        let table = match <[RecordBatch; 1]>::try_from(batches) {
            Ok([table]) if table.num_rows() == rows => table,
            Ok(_) => return Err(unreadable("it has fewer rows than it says".to_owned())),
            Err(batches) if batches.is_empty() => RecordBatch::new_empty(schema),
            Err(batches) => {
                return Err(unreadable(format!("its rows come in {} pieces", batches.len())));
            }
        };
        let items = Self::new(table).map_err(undescribed)?;
        if items.vectors() != manifest.vectors {
            return Err(undescribed(format!(
                "its items have {} vectors, its index {}",
                items.vectors(),
                manifest.vectors
            )));
        }
        Ok((items, manifest))
    }

    /// A table in memory; a column `_passages` (UInt16) says how many vectors each item has.
    pub(crate) fn new(table: RecordBatch) -> Result<Self, String> {
        let Ok(column) = table.schema().index_of(PASSAGES) else {
            return Ok(Self { table, passages: None });
        };
        let mut rest = table;
        let passages = rest.remove_column(column);
        let passages = passages
            .as_any()
            .downcast_ref::<UInt16Array>()
            .filter(|passages| passages.null_count() == 0)
            .ok_or_else(|| {
                format!(
                    "column '{PASSAGES}' is {}, expected UInt16 without nulls",
                    passages.data_type()
                )
            })?;
        Ok(Self { passages: Some(passages.clone()), table: rest })
    }

    /// Number of items.
    pub fn len(&self) -> usize {
        self.table.num_rows()
    }

    /// Whether there are no items.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The columns.
    pub fn schema(&self) -> SchemaRef {
        self.table.schema()
    }

    /// The rows.
    pub fn table(&self) -> &RecordBatch {
        &self.table
    }

    /// How many vectors an item has.
    pub(crate) fn passages(&self, item: usize) -> u16 {
        self.passages.as_ref().map_or(1, |passages| passages.value(item))
    }

    /// Vectors of all items.
    pub(crate) fn vectors(&self) -> usize {
        match &self.passages {
            Some(passages) => passages.values().iter().map(|&count| usize::from(count)).sum(),
            None => self.len(),
        }
    }
}

/// The row of each item, by a column of text that names them.
///
/// # Errors
/// If there is no such column, it is of another type, or a value is missing or comes twice.
pub(crate) fn ids(table: &RecordBatch, name: &str) -> Result<HashMap<String, usize>, String> {
    let mut rows = HashMap::with_capacity(table.num_rows());
    for (row, texts) in texts(table, name)?.into_iter().enumerate() {
        let [id] = texts[..] else {
            return Err(format!(
                "column '{name}' has {} texts in row {row}, expected one",
                texts.len()
            ));
        };
        if rows.insert(id.to_owned(), row).is_some() {
            return Err(format!("column '{name}' names two items '{id}'"));
        }
    }
    Ok(rows)
}

/// A table's columns with their types, for messages.
pub(crate) fn describe(schema: &Schema) -> String {
    let columns: Vec<_> = schema
        .fields()
        .iter()
        .map(|field| format!("{} ({})", field.name(), field.data_type()))
        .collect();
    columns.join(", ")
}
