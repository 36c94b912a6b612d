use super::*;
use crate::write::{IndexWriter, Vector, WriteOptions};
use arrow_array::{Int32Array, RecordBatch, StringArray};
use std::{collections::HashSet, sync::Arc};

const DIMENSIONS: usize = 24;

/// Numbers that look random, the same each time.
fn numbers(seed: u64) -> impl FnMut() -> f32 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    }
}

fn table(items: usize) -> RecordBatch {
    let titles: Vec<_> = (0..items).map(|item| format!("film {item}")).collect();
    let years: Vec<_> = (0..items).map(|item| i32::try_from(item % 100).unwrap()).collect();
    RecordBatch::try_from_iter([
        ("title", Arc::new(StringArray::from(titles)) as _),
        ("year", Arc::new(Int32Array::from(years)) as _),
    ])
    .unwrap()
}

/// `items` items with one to three vectors each, around a few centres.
fn vectors(items: usize) -> Vec<Vector> {
    let mut next = numbers(7);
    let centres: Vec<Vec<f32>> =
        (0..20).map(|_| (0..DIMENSIONS).map(|_| next()).collect()).collect();
    (0..items)
        .flat_map(|item| vec![item; 1 + item % 3])
        .map(|item| {
            let centre = &centres[item % centres.len()];
            Vector { item, values: centre.iter().map(|value| value + 0.5 * next()).collect() }
        })
        .collect()
}

fn write(directory: &Path, items: usize, vectors: &[Vector]) -> Result<crate::Summary, IndexError> {
    let options = WriteOptions {
        embedding_space: "test:1".to_owned(),
        dimensions: DIMENSIONS,
        scalar: Scalar::F32,
        source: String::new(),
    };
    IndexWriter::new(directory, options).write(&table(items), vectors, |_| {})
}

fn made(items: usize) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), items, &vectors(items)).unwrap();
    directory
}

fn approximately() -> SearchOptions {
    SearchOptions { exact_vectors: 0, expansion_search: 128, whole_weight: 0.0 }
}

#[test]
fn what_is_written_is_found() {
    let directory = made(300);
    let vectors = vectors(300);
    for options in [SearchOptions::default(), approximately()] {
        let index = Index::open(directory.path(), options).unwrap();
        assert_eq!(index.items().len(), 300);
        assert_eq!(index.manifest().embedding_space, "test:1");
        assert_eq!(index.is_exact(), options.exact_vectors > 0);
        assert_eq!(index.items().schema().fields().len(), 2);
        for vector in vectors.iter().step_by(37) {
            let hits = index.search(&vector.values, 5, None).unwrap();
            assert_eq!(hits.len(), 5);
            assert_eq!(hits[0].item, vector.item);
            assert!((hits[0].score - 1.0).abs() < 1e-5, "{hits:?}");
            assert!(hits.is_sorted_by(|a, b| a.score >= b.score));
            let distinct: HashSet<_> = hits.iter().map(|hit| hit.item).collect();
            assert_eq!(distinct.len(), 5, "an item comes once");
        }
        assert_eq!(index.search(&vectors[0].values, 1000, None).unwrap().len(), 300);
    }
}

#[test]
fn approximate_and_exact_search_agree() {
    let directory = made(3000);
    let exact = Index::open(directory.path(), SearchOptions::default()).unwrap();
    let approximate = Index::open(directory.path(), approximately()).unwrap();
    let mut next = numbers(99);
    let recall = |filter: Option<&BooleanBuffer>, next: &mut dyn FnMut() -> f32| {
        let (mut same, mut all) = (0, 0);
        for _ in 0..20 {
            let query: Vec<f32> = (0..DIMENSIONS).map(|_| next()).collect();
            let expect = exact.search(&query, 10, filter).unwrap();
            let found = approximate.search(&query, 10, filter).unwrap();
            let expect_items: HashSet<_> = expect.iter().map(|hit| hit.item).collect();
            same += found.iter().filter(|hit| expect_items.contains(&hit.item)).count();
            all += expect.len();
            assert!(filter.is_none_or(|filter| found.iter().all(|hit| filter.value(hit.item))));
        }
        (same, all)
    };
    let (same, all) = recall(None, &mut next);
    assert!(all == 200 && same >= 190, "{same} of {all}");
    // Half of the items: the graph is walked. A few: each is looked at, so that nothing is missed.
    let half = BooleanBuffer::collect_bool(3000, |item| item % 2 == 0);
    let (same, all) = recall(Some(&half), &mut next);
    assert!(all == 200 && same >= 190, "{same} of {all}");
    for few in [0, 1, 7, 150] {
        let filter = BooleanBuffer::collect_bool(3000, |item| item % 20 == 3 && item / 20 < few);
        let (same, all) = recall(Some(&filter), &mut next);
        assert_eq!((same, all), (20 * few.min(10), 20 * few.min(10)));
    }
}

#[test]
fn the_whole_counts_beside_the_nearest_passage() {
    let directory = made(3000);
    let open = |exact_vectors, whole_weight| {
        let options = SearchOptions { exact_vectors, expansion_search: 128, whole_weight };
        Index::open(directory.path(), options).unwrap()
    };
    let (nearest, both, approximate) = (open(20_000, 0.0), open(20_000, 0.5), open(0, 0.5));
    let all = BooleanBuffer::new_set(3000);
    let few = BooleanBuffer::collect_bool(3000, |item| item < 100);
    let (mut same, mut differ) = (0, 0);
    let mut next = numbers(5);
    for _ in 0..20 {
        let query: Vec<f32> = (0..DIMENSIONS).map(|_| next()).collect();
        let expect = both.search(&query, 10, None).unwrap();
        differ += usize::from(expect != nearest.search(&query, 10, None).unwrap());
        let found = approximate.search(&query, 10, Some(&all)).unwrap();
        let expect_items: HashSet<_> = expect.iter().map(|hit| hit.item).collect();
        same += found.iter().filter(|hit| expect_items.contains(&hit.item)).count();
        let items = |hits: Vec<Hit>| hits.into_iter().map(|hit| hit.item).collect::<Vec<_>>();
        assert_eq!(
            items(approximate.search(&query, 10, Some(&few)).unwrap()),
            items(both.search(&query, 10, Some(&few)).unwrap())
        );
    }
    assert!(differ > 0, "the first vector changes rankings");
    assert!(same >= 180, "{same} of 200");
}

#[test]
fn many_threads_search_at_once() {
    let directory = made(500);
    let index = Index::open(directory.path(), approximately()).unwrap();
    let vectors = vectors(500);
    std::thread::scope(|scope| {
        for thread in 0..32 {
            let (index, vectors) = (&index, &vectors);
            scope.spawn(move || {
                for vector in vectors.iter().skip(thread).step_by(32) {
                    assert_eq!(index.search(&vector.values, 3, None).unwrap()[0].item, vector.item);
                }
            });
        }
    });
}

#[test]
fn queries_that_make_no_sense_are_refused() {
    let directory = made(10);
    let index = Index::open(directory.path(), SearchOptions::default()).unwrap();
    let check = |query: &[f32], expect: &str| {
        assert_eq!(index.search(query, 1, None).unwrap_err().to_string(), expect);
    };
    check(&[1.0; 23], "vector has 23 elements: the index has vectors of 24");
    check(
        &[0.0; DIMENSIONS],
        "vector is zero in every element: its encoder found nothing that it knows",
    );
    let mut query = [1.0; DIMENSIONS];
    query[5] = f32::NAN;
    check(&query, "vector has no direction: element 5 is NaN");
    query[5] = f32::INFINITY;
    check(&query, "vector has no direction: element 5 is inf");
    // What is large or small is still a direction.
    assert_eq!(
        index.search(&[1e38; DIMENSIONS], 1, None).unwrap(),
        index.search(&[1e-38; DIMENSIONS], 1, None).unwrap()
    );
}

#[test]
fn damaged_files_are_refused() {
    let check = |damage: &dyn Fn(&Path), expect: &str| {
        let directory = made(50);
        damage(directory.path());
        let error =
            Index::open(directory.path(), SearchOptions::default()).unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    };
    let cut = |name: &'static str, keep: u64| {
        move |directory: &Path| {
            fs::File::options()
                .write(true)
                .open(directory.join(name))
                .unwrap()
                .set_len(keep)
                .unwrap();
        }
    };
    check(
        &cut("index.usearch", 1000),
        "is truncated or of another build: items.parquet was written with an index of",
    );
    check(&cut("index.usearch", 0), "is truncated or of another build");
    check(&cut("items.parquet", 300), "cannot be read as a Parquet table");
    check(&cut("items.parquet", 0), "cannot be read as a Parquet table");
    check(&|directory| fs::remove_file(directory.join("items.parquet")).unwrap(), "there is no '");
    check(&|directory| fs::remove_file(directory.join("index.usearch")).unwrap(), "there is no '");
    check(
        &|directory| {
            let path = directory.join("index.usearch");
            let mut bytes = fs::read(&path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(&path, bytes).unwrap();
        },
        "written with an index of SHA-256",
    );
    check(
        // The index of another build with the same sizes.
        &|directory| {
            let mut other = vectors(50);
            other.iter_mut().for_each(|vector| vector.values.reverse());
            let place = tempfile::tempdir().unwrap();
            write(place.path(), 50, &other).unwrap();
            fs::copy(place.path().join("index.usearch"), directory.join("index.usearch")).unwrap();
        },
        "is truncated or of another build",
    );
    // A Parquet file that knows of no index.
    check(
        &|directory| {
            let file = fs::File::create(directory.join("items.parquet")).unwrap();
            let table = table(50);
            let mut writer =
                parquet::arrow::ArrowWriter::try_new(file, table.schema(), None).unwrap();
            writer.write(&table).unwrap();
            writer.close().unwrap();
        },
        "does not describe an index (metadata 'hippocamp.index'): it is not there; build the index again",
    );
}

#[test]
fn what_makes_no_index_is_not_written() {
    let directory = tempfile::tempdir().unwrap();
    let vector = |item, values: &[f32]| Vector { item, values: values.to_vec() };
    let good = [1.0; DIMENSIONS];
    let check = |vectors: &[Vector], expect: &str| {
        let error = write(directory.path(), 2, vectors).unwrap_err().to_string();
        assert_eq!(error, expect);
    };
    check(&[vector(2, &good)], "a vector is of item 2, but there are 2");
    check(&[vector(1, &good), vector(0, &good)], "vectors must come in the order of their items");
    check(
        &[vector(0, &good), vector(1, &[1.0])],
        "a vector of item 1: vector has 1 elements: the index has vectors of 24",
    );
    assert!(!directory.path().join("items.parquet").exists());
    // An item without vectors is never found; an index without items finds nothing.
    write(directory.path(), 2, &[vector(1, &good)]).unwrap();
    let index = Index::open(directory.path(), SearchOptions::default()).unwrap();
    assert_eq!(index.search(&good, 5, None).unwrap().len(), 1);
    write(directory.path(), 0, &[]).unwrap();
    let index = Index::open(directory.path(), SearchOptions::default()).unwrap();
    assert_eq!(index.search(&good, 5, None).unwrap(), []);
}
