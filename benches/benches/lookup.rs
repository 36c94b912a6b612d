//! The lookup alone: recall against exact search, microseconds and memory, for the films of the catalogue
//! with their passages, and for 100,000 and 1,000,000 clustered vectors of 384 dimensions.
//!
//! `make bench BENCH=lookup` (about 15 minutes, 8 GiB, on two cores); `NAME="films 100000"` measures those alone.
//! Indexes are kept under target/lookup. Each is measured in a process of its own, so that memory is what the
//! index takes and nothing else. Queries are vectors that are not in the index, one at a time, on one thread.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]
#![expect(clippy::disallowed_methods, reason = "a measurement reads the real clock")]

use arrow_array::{Int32Array, RecordBatch};
use arrow_buffer::BooleanBuffer;
use hippocamp_usearch::{Index, IndexWriter, Scalar, SearchOptions, Vector, WriteOptions};
use std::{
    collections::HashSet,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Instant,
};

const DIMENSIONS: usize = 384;
const QUERIES: usize = 200;
const K: usize = 10;
/// Counts up when vectors or index are made in another way, so that no old ones are measured.
const RECIPE: u32 = 1;

fn main() {
    let arguments: Vec<String> =
        env::args().skip(1).filter(|name| !name.starts_with("--")).collect();
    if let [mode, directory, exact] = arguments.as_slice()
        && mode == "measure"
    {
        return measure(Path::new(directory), exact == "exact");
    }
    let all = ["films", "100000", "1000000"];
    let wanted: Vec<&str> = all
        .into_iter()
        .filter(|name| arguments.is_empty() || arguments.iter().any(|asked| asked == name))
        .collect();
    println!(
        "| vectors | search | recall@{K} | µs a query, median / p99 | memory, private + file, MiB |"
    );
    println!("|---|---|---|---|---|");
    for name in wanted {
        let directory = match name {
            "films" => films(),
            number => clustered(number.parse().expect("sizes are numbers")),
        };
        let exact =
            if name == "1000000" { &["approximate"][..] } else { &["exact", "approximate"] };
        for mode in exact {
            let status = Command::new(env::current_exe().expect("the bench has a path"))
                .args(["measure", directory.to_str().expect("the path is UTF-8"), mode])
                .status()
                .expect("the bench can start itself");
            assert!(status.success(), "{name} {mode}");
        }
    }
}

/// The index of the catalogue as `make models` builds it; its queries are the probes.
fn films() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let repository = root.join("model_repository");
    let encoder =
        hippocamp_models::TextEncoder::open(&repository, "text_tokenizer", "plot_encoder")
            .expect("run `make models` first");
    let probes =
        hippocamp_models::judge::read_probes(&root.join("catalogue/probes.jsonl")).unwrap();
    let texts: Vec<&str> = probes.iter().map(|probe| probe.text.as_str()).collect();
    let queries = encoder.encode(&texts, |_| {}).unwrap();
    let directory = place("films");
    for name in ["index.usearch", "items.parquet"] {
        fs::copy(repository.join("film_index/1").join(name), directory.join(name))
            .expect("run `make models` first");
    }
    write_vectors(&directory.join("queries"), &queries);
    // The true neighbours come from an exact search of the same index.
    let index = Index::open(&directory, options(usize::MAX, 64, 0.5)).unwrap();
    let truth: Vec<Vec<usize>> = queries.iter().map(|query| items(&index, query, None)).collect();
    write_truth(&directory.join("truth"), &truth);
    directory
}

/// Vectors around 2,000 centres of 50 topics, a few large and many small, in a space of 48 dimensions that is
/// turned into 384: random vectors without structure are no benchmark, every index fails on them.
fn clustered(count: usize) -> PathBuf {
    // Another recipe is another folder.
    let directory = place(&format!("{count}-{RECIPE}"));
    if directory.join("truth").exists() {
        return directory;
    }
    let mut random = Random(11);
    let latent = 48;
    let basis: Vec<f32> = (0..latent * DIMENSIONS).map(|_| random.normal()).collect();
    let topics: Vec<Vec<f32>> =
        (0..50).map(|_| (0..latent).map(|_| random.normal()).collect()).collect();
    let centres: Vec<Vec<f32>> = (0..2000)
        .map(|centre| topics[centre % 50].iter().map(|x| x + 0.5 * random.normal()).collect())
        .collect();
    let mut draw = || {
        // Zipf's law, by the inverse of its integral.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 2000")]
        let centre = (2000_f32.powf(random.uniform()) as usize).min(1999);
        let point: Vec<f32> = centres[centre].iter().map(|x| x + 0.35 * random.normal()).collect();
        let mut vector = vec![0.0; DIMENSIONS];
        for (x, row) in point.iter().zip(basis.chunks_exact(DIMENSIONS)) {
            vector.iter_mut().zip(row).for_each(|(sum, y)| *sum += x * y);
        }
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        vector.iter_mut().for_each(|x| *x = *x / length + 0.01 * random.normal());
        vector
    };
    let queries: Vec<Vec<f32>> = (0..QUERIES).map(|_| draw()).collect();
    let vectors: Vec<Vector> = (0..count).map(|item| Vector { item, values: draw() }).collect();
    write_vectors(&directory.join("queries"), &queries);
    let truth: Vec<Vec<usize>> = queries.iter().map(|query| nearest(query, &vectors)).collect();

    let years = Int32Array::from_iter_values((0..count).map(|n| i32::try_from(n % 1000).unwrap()));
    let table = RecordBatch::try_from_iter([("n", Arc::new(years) as _)]).unwrap();
    let options = WriteOptions {
        embedding_space: "clustered".to_owned(),
        dimensions: DIMENSIONS,
        scalar: Scalar::Bf16,
        source: String::new(),
    };
    let start = Instant::now();
    IndexWriter::new(&directory, options).write(&table, &vectors, |_| {}).unwrap();
    eprintln!("{count} vectors: built in {:.0} s", start.elapsed().as_secs_f64());
    write_truth(&directory.join("truth"), &truth);
    directory
}

/// Opens the index of a directory and prints its lines of the table.
fn measure(directory: &Path, exact: bool) {
    let queries = read_vectors(&directory.join("queries"));
    let truth = read_truth(&directory.join("truth"));
    // As film_index is served; the clustered vectors have no whole.
    let weight = if directory.ends_with("films") { 0.5 } else { 0.0 };
    let before = memory();
    let expansions = if exact { &[0][..] } else { &[16, 64, 256] };
    for &expansion_search in expansions {
        let exact_vectors = if exact { usize::MAX } else { 0 };
        let start = Instant::now();
        let index =
            Index::open(directory, options(exact_vectors, expansion_search, weight)).unwrap();
        let opened = start.elapsed();
        let name = if exact { "exact".to_owned() } else { format!("expansion {expansion_search}") };
        line(&index, &name, &queries, &truth, None, before);
        if expansion_search == 64 {
            eprintln!("opened in {:.0} ms, hash of the file included", opened.as_secs_f64() * 1e3);
            for share in [500, 50, 10, 1] {
                let filter =
                    BooleanBuffer::collect_bool(index.items().len(), |item| item % 1000 < share);
                let name = format!("expansion 64, a filter admits {} %", share as f64 / 10.0);
                let truth = if index.manifest().vectors <= 200_000 {
                    let all = options(usize::MAX, expansion_search, weight);
                    let exact = Index::open(directory, all).unwrap();
                    queries.iter().map(|query| items(&exact, query, Some(&filter))).collect()
                } else {
                    Vec::new()
                };
                line(&index, &name, &queries, &truth, Some(&filter), before);
            }
        }
    }
}

fn options(exact_vectors: usize, expansion_search: usize, whole_weight: f32) -> SearchOptions {
    SearchOptions { exact_vectors, expansion_search, whole_weight }
}

fn line(
    index: &Index,
    name: &str,
    queries: &[Vec<f32>],
    truth: &[Vec<usize>],
    filter: Option<&BooleanBuffer>,
    before: (f64, f64),
) {
    // Once without a clock: pages that the map has not read yet are not the search.
    for query in queries {
        index.search(query, K, filter).unwrap();
    }
    let (mut found, mut all, mut times) = (0, 0, Vec::new());
    for (number, query) in queries.iter().enumerate() {
        let start = Instant::now();
        let hits = index.search(query, K, filter).unwrap();
        times.push(start.elapsed().as_secs_f64() * 1e6);
        if let Some(truth) = truth.get(number) {
            let truth: HashSet<usize> = truth.iter().copied().collect();
            found += hits.iter().filter(|hit| truth.contains(&hit.item)).count();
            all += truth.len();
        }
    }
    times.sort_by(f64::total_cmp);
    let now = memory();
    let recall = if all > 0 { format!("{:.4}", found as f64 / all as f64) } else { "-".to_owned() };
    println!(
        "| {} | {name} | {recall} | {:.0} / {:.0} | {:.0} + {:.0} |",
        index.manifest().vectors,
        times[times.len() / 2],
        times[times.len() * 99 / 100],
        now.0 - before.0,
        now.1 - before.1
    );
}

fn items(index: &Index, query: &[f32], filter: Option<&BooleanBuffer>) -> Vec<usize> {
    index.search(query, K, filter).unwrap().iter().map(|hit| hit.item).collect()
}

/// The true neighbours, by cosine.
fn nearest(query: &[f32], vectors: &[Vector]) -> Vec<usize> {
    let mut scores: Vec<(f32, usize)> = vectors
        .iter()
        .map(|vector| {
            let dot: f32 = query.iter().zip(&vector.values).map(|(a, b)| a * b).sum();
            let length: f32 = vector.values.iter().map(|x| x * x).sum();
            (dot / length.sqrt(), vector.item)
        })
        .collect();
    scores.select_nth_unstable_by(K, |a, b| b.0.total_cmp(&a.0));
    scores[..K].iter().map(|(_, item)| *item).collect()
}

/// Private and file-backed resident memory of this process, in MiB.
fn memory() -> (f64, f64) {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
        kib.unwrap_or(0.0) / 1024.0
    };
    (field("RssAnon:"), field("RssFile:"))
}

fn place(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/lookup").join(name);
    fs::create_dir_all(&directory).expect("target can be written");
    directory
}

fn write_vectors(path: &Path, vectors: &[Vec<f32>]) {
    let bytes: Vec<u8> = vectors.iter().flatten().flat_map(|value| value.to_le_bytes()).collect();
    fs::write(path, bytes).unwrap();
}

fn read_vectors(path: &Path) -> Vec<Vec<f32>> {
    let bytes = fs::read(path).unwrap();
    let values: Vec<f32> =
        bytes.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect();
    values.chunks_exact(DIMENSIONS).map(<[f32]>::to_vec).collect()
}

fn write_truth(path: &Path, truth: &[Vec<usize>]) {
    let lines: Vec<String> = truth
        .iter()
        .map(|items| items.iter().map(usize::to_string).collect::<Vec<_>>().join(" "))
        .collect();
    fs::write(path, lines.join("\n")).unwrap();
}

fn read_truth(path: &Path) -> Vec<Vec<usize>> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| line.split(' ').map(|item| item.parse().unwrap()).collect()).collect()
}

/// The same numbers each time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        // SplitMix64 (Steele, Lea, Flood 2014).
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In (0, 1).
    fn uniform(&mut self) -> f32 {
        ((self.next() >> 40) as f32 + 0.5) / (1 << 24) as f32
    }

    fn normal(&mut self) -> f32 {
        let (radius, angle) = ((-2.0 * self.uniform().ln()).sqrt(), self.uniform());
        radius * (std::f32::consts::TAU * angle).cos()
    }
}
