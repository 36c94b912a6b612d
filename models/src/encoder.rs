//! A text encoder of the model repository, run in this process: its tokenizer and its ONNX model, with the
//! longest text that it is served with. Indexes are built and judged with it.

use anyhow::{Context as _, Result, bail, ensure};
use hippocamp_tokenizer::{Encoded, Options, TextTokenizer};
use hippocamp_tract::{Plan, Runner, TensorInfo, bytes_of, from_parts};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// Texts that are run at once: of about one length, so that little is padding.
const BATCH: usize = 16;

/// A text encoder.
#[derive(Debug)]
pub struct TextEncoder {
    tokenizer: TextTokenizer,
    plan: Arc<Plan>,
    embedding_space: String,
    dimensions: usize,
    files: [PathBuf; 2],
}

impl TextEncoder {
    /// Opens the latest versions of models `tokenizer` and `encoder` in a model repository.
    ///
    /// # Errors
    /// If a file is missing or wrong, or the ONNX file does not say which encoder it is.
    pub fn open(repository: &Path, tokenizer: &str, encoder: &str) -> Result<Self> {
        let tokenizer_file = latest(&repository.join(tokenizer))?.join("tokenizer.json");
        let encoder_file = latest(&repository.join(encoder))?.join("model.onnx");
        let config_file = repository.join(tokenizer).join("config.pbtxt");
        let config = hippocamp_config::read_pbtxt(&config_file)?;
        let max_length = config
            .parameters
            .get("max_length")
            .map(|parameter| parameter.string_value.parse())
            .transpose()
            .with_context(|| format!("parameter max_length in {}", config_file.display()))?;
        // A passage of unknown words is no reason to stop: its vector is zero, and left out.
        let options = Options { max_length, allow_empty: true };
        let tokenizer = TextTokenizer::load(&tokenizer_file, options)?;
        let plan = Plan::load(&encoder_file)?;
        let Some(embedding_space) = plan.embedding_space().map(str::to_owned) else {
            bail!(
                "{} does not say which encoder it is: expected 'hippocamp.embedding_space' in its metadata_props",
                encoder_file.display()
            );
        };
        let size = |output: &TensorInfo| usize::try_from(*output.dims.as_ref()?.last()?).ok();
        let dimensions = plan.outputs().first().and_then(size);
        let Some(dimensions) = dimensions else {
            bail!("{} has no output of [batch, size]", encoder_file.display());
        };
        Ok(Self {
            tokenizer,
            plan: Arc::new(plan),
            embedding_space,
            dimensions,
            files: [tokenizer_file, encoder_file],
        })
    }

    /// Which encoder this is.
    pub fn embedding_space(&self) -> &str {
        &self.embedding_space
    }

    /// Elements of a vector.
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// The files it was read from.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// The vectors of `texts`, in their order; on all cores. `progress` is told how many more are done.
    ///
    /// # Errors
    /// If a text is refused by the tokenizer, or the model fails.
    pub fn encode(&self, texts: &[&str], progress: impl Fn(usize) + Sync) -> Result<Vec<Vec<f32>>> {
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.sort_by_key(|&text| texts[text].len());
        let batches: Vec<&[usize]> = order.chunks(BATCH).collect();
        let next = AtomicUsize::new(0);
        let work = || -> Result<Vec<(usize, Vec<f32>)>> {
            let mut runner = self.plan.runner();
            let mut done = Vec::new();
            while let Some(batch) = batches.get(next.fetch_add(1, Ordering::Relaxed)) {
                let vectors =
                    self.run(&mut runner, batch.iter().map(|&text| texts[text].as_bytes()))?;
                done.extend(batch.iter().copied().zip(vectors));
                progress(batch.len());
            }
            Ok(done)
        };
        let workers = thread::available_parallelism().map_or(1, usize::from);
        let done: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
            threads
                .into_iter()
                .map(|thread| {
                    thread.join().unwrap_or_else(|_panic| bail!("the encoder failed on a thread"))
                })
                .collect::<Result<_>>()
        })?;
        let mut vectors = vec![Vec::new(); texts.len()];
        for (text, vector) in done.into_iter().flatten() {
            vectors[text] = vector;
        }
        Ok(vectors)
    }

    /// Encodes the texts one after the other on this thread, as one instance of a server would; gives
    /// the time of tokenizing and of the model alone, for each.
    ///
    /// # Errors
    /// If a text is refused by the tokenizer, or the model fails.
    #[expect(clippy::disallowed_methods, reason = "a measurement reads the real clock")]
    pub fn pace(&self, texts: &[&str]) -> Result<Vec<(Duration, Duration)>> {
        let mut runner = self.plan.runner();
        texts
            .iter()
            .map(|text| {
                let start = Instant::now();
                let encoded = self.tokenizer.encode([text.as_bytes()])?;
                let tokenized = Instant::now();
                self.run_encoded(&mut runner, &encoded)?;
                Ok((tokenized - start, tokenized.elapsed()))
            })
            .collect()
    }

    /// The vectors of a few texts, run as one batch.
    fn run<'t>(
        &self,
        runner: &mut Runner,
        texts: impl Iterator<Item = &'t [u8]>,
    ) -> Result<Vec<Vec<f32>>> {
        self.run_encoded(runner, &self.tokenizer.encode(texts)?)
    }

    fn run_encoded(&self, runner: &mut Runner, encoded: &Encoded) -> Result<Vec<Vec<f32>>> {
        let shape = [encoded.rows, encoded.length];
        let inputs = self
            .plan
            .inputs()
            .iter()
            .map(|info| {
                let bytes: Vec<u8> = input(encoded, &info.name)?
                    .iter()
                    .flat_map(|value| value.to_le_bytes())
                    .collect();
                Ok(from_parts(info, &shape, [bytes.as_slice()].into_iter())?.into())
            })
            .collect::<Result<_>>()?;
        let outputs = runner.run(inputs)?;
        let bytes = bytes_of(&outputs[0])?;
        ensure!(
            bytes.len() == encoded.rows * self.dimensions * size_of::<f32>(),
            "the encoder gave {} bytes for {} texts",
            bytes.len(),
            encoded.rows
        );
        let values: Vec<f32> = bytes
            .chunks_exact(size_of::<f32>())
            .map(|value| f32::from_le_bytes(value.try_into().expect("chunks have four bytes")))
            .collect();
        Ok(values.chunks_exact(self.dimensions).map(<[f32]>::to_vec).collect())
    }
}

/// The tensor that goes into the model's input of that name.
fn input<'e>(encoded: &'e Encoded, name: &str) -> Result<&'e [i64]> {
    Ok(match name {
        "input_ids" => &encoded.ids,
        "attention_mask" => &encoded.mask,
        "token_type_ids" => &encoded.types,
        other => bail!("the encoder has an input '{other}', which no tokenizer makes"),
    })
}

/// The directory of a model's highest version.
fn latest(model: &Path) -> Result<PathBuf> {
    let entries = fs::read_dir(model).with_context(|| format!("no model '{}'", model.display()))?;
    let versions = entries.filter_map(|entry| {
        let entry = entry.ok()?;
        Some((entry.file_name().to_str()?.parse::<u64>().ok()?, entry.path()))
    });
    let Some((_, path)) = versions.max() else {
        bail!("model '{}' has no version: its files are made by `make models`", model.display());
    };
    Ok(path)
}
