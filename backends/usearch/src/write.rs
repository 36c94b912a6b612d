//! Writes an index: vectors into `index.usearch`, then items and manifest into `items.parquet`. The table
//! comes last and records the hash of the index, so that an interrupted writing leaves nothing that opens.

use crate::{
    error::IndexError,
    hash::sha256_of,
    index::{key, normalised, options_of},
    manifest::{KEY, Manifest, PASSAGES, Scalar},
};
use arrow_array::{RecordBatch, UInt16Array};
use arrow_schema::{DataType, Field, Schema};
use parquet::{
    arrow::ArrowWriter,
    basic::Compression,
    file::{metadata::KeyValue, properties::WriterProperties},
};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

/// What is to be known of an index beside its vectors.
#[derive(Clone, Debug)]
pub struct WriteOptions {
    /// Which encoder made the vectors.
    pub embedding_space: String,
    /// Elements of a vector.
    pub dimensions: usize,
    /// How an element is stored.
    pub scalar: Scalar,
    /// A hash of what the index is made from; may be empty.
    pub source: String,
}

/// One vector of an item.
#[derive(Clone, Debug)]
pub struct Vector {
    /// The item's row in the table. Vectors come in the order of their items.
    pub item: usize,
    /// Any length but zero; normalised here.
    pub values: Vec<f32>,
}

/// What was written.
#[derive(Clone, Debug)]
pub struct Summary {
    /// What the index says of itself.
    pub manifest: Manifest,
    /// Items.
    pub items: usize,
}

/// Writes into one directory.
#[derive(Debug)]
pub struct IndexWriter<'a> {
    directory: &'a Path,
    options: WriteOptions,
}

impl<'a> IndexWriter<'a> {
    /// Prepares to write into `directory`, which is made if it is not there.
    pub fn new(directory: &'a Path, options: WriteOptions) -> Self {
        Self { directory, options }
    }

    /// Writes the index of `vectors` over `items`. `progress` is told how many vectors are in.
    ///
    /// # Errors
    /// If a vector has another size, no direction or no item, an item has more than 65,535, or a file
    /// cannot be written.
    pub fn write(
        &self,
        items: &RecordBatch,
        vectors: &[Vector],
        progress: impl Fn(usize) + Sync,
    ) -> Result<Summary, IndexError> {
        for name in ["key", "score", PASSAGES] {
            if items.schema().column_with_name(name).is_some() {
                return Err(IndexError::Input(format!(
                    "the table has a column '{name}', which is the index's own: give it another name"
                )));
            }
        }
        let passages = count_passages(items.num_rows(), vectors)?;
        fs::create_dir_all(self.directory)
            .map_err(|source| IndexError::Io { path: self.directory.to_owned(), source })?;
        let mut manifest = Manifest {
            format: 1,
            embedding_space: self.options.embedding_space.clone(),
            dimensions: self.options.dimensions,
            vectors: vectors.len(),
            scalar: self.options.scalar,
            source: self.options.source.clone(),
            index_bytes: 0,
            index_sha256: String::new(),
        };
        let path = self.directory.join("index.usearch");
        let part = part_of(&path);
        self.write_vectors(&part, &manifest, vectors, progress)?;
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| IndexError::Io { path, source }
        };
        manifest.index_bytes = fs::metadata(&part).map_err(io(&part))?.len();
        manifest.index_sha256 = sha256_of(&part).map_err(io(&part))?;

        let table_path = self.directory.join("items.parquet");
        let table_part = part_of(&table_path);
        write_table(&table_part, items, &passages, &manifest)?;
        fs::rename(&part, &path).map_err(io(&path))?;
        fs::rename(&table_part, &table_path).map_err(io(&table_path))?;
        Ok(Summary { manifest, items: items.num_rows() })
    }

    fn write_vectors(
        &self,
        path: &Path,
        manifest: &Manifest,
        vectors: &[Vector],
        progress: impl Fn(usize) + Sync,
    ) -> Result<(), IndexError> {
        let refused = |error: &dyn std::fmt::Display| IndexError::Usearch {
            path: path.to_owned(),
            reason: error.to_string(),
        };
        let index =
            usearch::Index::new(&options_of(manifest, 64)).map_err(|error| refused(&error))?;
        let threads = thread::available_parallelism().map_or(1, usize::from);
        index
            .reserve_capacity_and_threads(vectors.len(), threads)
            .map_err(|error| refused(&error))?;
        let keys = keys(vectors);
        let done = std::sync::atomic::AtomicUsize::new(0);
        let add = |(vector, key): (&Vector, &u64)| {
            let values = normalised(&vector.values, manifest.dimensions).map_err(|error| {
                IndexError::Input(format!("a vector of item {}: {error}", vector.item))
            })?;
            index.add(*key, &values).map_err(|error| refused(&error))?;
            progress(done.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1);
            Ok(())
        };
        // An index that is searched exactly is the same each time it is built; a large one is built by all cores.
        let threads = if vectors.len() > 20_000 { threads } else { 1 };
        let piece = vectors.len().div_ceil(threads).max(1);
        thread::scope(|scope| {
            let workers: Vec<_> = vectors
                .chunks(piece)
                .zip(keys.chunks(piece))
                .map(|(vectors, keys)| {
                    let add = &add;
                    scope.spawn(move || vectors.iter().zip(keys).try_for_each(add))
                })
                .collect();
            workers.into_iter().try_for_each(|worker| {
                worker.join().unwrap_or_else(|_panic| {
                    Err(IndexError::Input("adding vectors failed".to_owned()))
                })
            })
        })?;
        let name = path.to_str().ok_or_else(|| refused(&"its path is not UTF-8"))?;
        index.save(name).map_err(|error| refused(&error))
    }
}

/// How many vectors each item has.
fn count_passages(items: usize, vectors: &[Vector]) -> Result<Vec<u16>, IndexError> {
    let mut passages = vec![0_u16; items];
    let mut last = 0;
    for vector in vectors {
        if vector.item < last {
            return Err(IndexError::Input(
                "vectors must come in the order of their items".to_owned(),
            ));
        }
        last = vector.item;
        let count = passages.get_mut(vector.item).ok_or_else(|| {
            IndexError::Input(format!("a vector is of item {}, but there are {items}", vector.item))
        })?;
        *count = count.checked_add(1).ok_or_else(|| {
            IndexError::Input(format!("item {} has more than {} vectors", vector.item, u16::MAX))
        })?;
    }
    Ok(passages)
}

/// The keys of vectors in the order of their items.
fn keys(vectors: &[Vector]) -> Vec<u64> {
    let mut passage = 0;
    let mut last = None;
    vectors
        .iter()
        .map(|vector| {
            passage = if last == Some(vector.item) { passage + 1 } else { 0 };
            last = Some(vector.item);
            key(vector.item, passage)
        })
        .collect()
}

fn write_table(
    path: &Path,
    items: &RecordBatch,
    passages: &[u16],
    manifest: &Manifest,
) -> Result<(), IndexError> {
    let failed = |reason: String| IndexError::Items { path: path.to_owned(), reason };
    let mut fields = items.schema().fields().to_vec();
    fields.push(Arc::new(Field::new(PASSAGES, DataType::UInt16, false)));
    let mut columns = items.columns().to_vec();
    columns.push(Arc::new(UInt16Array::from(passages.to_vec())));
    let table = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
        .map_err(|error| failed(error.to_string()))?;
    let text = serde_json::to_string(manifest).map_err(|error| failed(error.to_string()))?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_key_value_metadata(Some(vec![KeyValue::new(KEY.to_owned(), text)]))
        .build();
    let file =
        File::create(path).map_err(|source| IndexError::Io { path: path.to_owned(), source })?;
    let mut writer = ArrowWriter::try_new(file, table.schema(), Some(properties))
        .map_err(|error| failed(error.to_string()))?;
    writer.write(&table).map_err(|error| failed(error.to_string()))?;
    writer.close().map_err(|error| failed(error.to_string()))?;
    Ok(())
}

/// Where a file is written before it is whole; another process writes elsewhere.
fn part_of(path: &Path) -> PathBuf {
    path.with_extension(format!("{}.part", std::process::id()))
}
