//! A store over a bucket in memory: what is listed, what is fetched, what is kept.

use crate::{
    ObjectStore, StoreOptions, Variables, bucket::Bucket, cache::Cache, counters::Counters,
    digest::Digest, download, eviction, listing::File, manifest, store::Origin,
};
use hippocamp_types::{ErrorCode, ModelStore as _};
use object_store::{ObjectStoreExt as _, memory::InMemory, path::Path};
use std::{
    collections::HashSet,
    fs,
    io::Write as _,
    path::{Path as FilePath, PathBuf},
    sync::Arc,
    time::Duration,
};
use tempfile::TempDir;

struct World {
    bucket: Arc<InMemory>,
    cache: TempDir,
}

impl World {
    fn new(objects: &[(&str, &str)]) -> Self {
        let world = Self { bucket: Arc::new(InMemory::new()), cache: TempDir::new().unwrap() };
        objects.iter().for_each(|(name, content)| world.put(name, content));
        world
    }

    fn put(&self, name: &str, content: &str) {
        let (path, content) = (Path::from(name), content.to_owned());
        wait(async { self.bucket.put(&path, content.into()).await.unwrap() });
    }

    fn delete(&self, name: &str) {
        wait(async { self.bucket.delete(&Path::from(name)).await.unwrap() });
    }

    /// As a process of its own would have it.
    fn open(&self, cache_bytes: u64) -> ObjectStore {
        let options = StoreOptions {
            cache_directory: self.cache.path().to_owned(),
            cache_bytes,
            retries: 0,
            ..StoreOptions::new(Variables::default())
        };
        let bucket = Bucket::of_library(Arc::clone(&self.bucket) as _, "models");
        ObjectStore::new(Origin::Bucket(bucket), &options, Arc::new(Counters::default())).unwrap()
    }

    /// The files below a directory of the cache.
    fn files(&self, directory: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        walk(&self.cache.path().join(directory), &mut found);
        found
    }
}

fn walk(directory: &FilePath, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { walk(&path, found) } else { found.push(path) }
    }
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn fetch(store: &ObjectStore, model: &str) -> PathBuf {
    store.list().unwrap();
    store.fetch(model).unwrap()
}

const PLAIN: [(&str, &str); 4] = [
    ("models/m/config.pbtxt", "config"),
    ("models/m/1/model.onnx", "weights"),
    ("models/n/1/model.onnx", "weights"),
    ("elsewhere/o/1/model.onnx", "weights"),
];

#[test]
fn a_model_is_a_directory_and_the_same_content_the_same_one() {
    let world = World::new(&PLAIN);
    let store = world.open(0);
    assert_eq!(store.list().unwrap().into_iter().collect::<Vec<_>>(), ["m", "n"]);
    let first = store.fetch("m").unwrap();
    assert_eq!(first.file_name().unwrap(), "m");
    assert_eq!(fs::read_to_string(first.join("1/model.onnx")).unwrap(), "weights");
    assert_eq!(fs::read_to_string(first.join("config.pbtxt")).unwrap(), "config");
    let bytes = store.bytes_downloaded();
    assert_eq!(bytes, 13);
    assert_eq!(fetch(&store, "m"), first);
    // Uploaded again: other tags, the same content.
    PLAIN.iter().for_each(|(name, content)| world.put(name, content));
    assert_eq!(fetch(&store, "m"), first);

    world.put("models/m/config.pbtxt", "other");
    let before = store.bytes_downloaded();
    assert_eq!(store.fetch("m").unwrap(), first, "it is what the last look has seen");
    let second = fetch(&store, "m");
    assert_ne!(second, first);
    assert_eq!(store.bytes_downloaded() - before, 5, "one object has changed");
    assert_eq!(fs::read_to_string(first.join("config.pbtxt")).unwrap(), "config");
    // The next process finds all of it.
    drop(store);
    let next = world.open(0);
    assert_eq!(fetch(&next, "m"), second);
    assert_eq!(next.bytes_downloaded(), 0);
}

#[test]
fn two_processes_share_a_cache() {
    let world = World::new(&PLAIN);
    let (first, second) = (world.open(0), world.open(0));
    let fetched = std::thread::scope(|scope| {
        let threads =
            [&first, &second, &first, &second].map(|store| scope.spawn(move || fetch(store, "m")));
        threads.map(|thread| thread.join().unwrap())
    });
    assert!(fetched.iter().all(|path| *path == fetched[0]), "{fetched:?}");
    assert_eq!(first.bytes_downloaded() + second.bytes_downloaded(), 13);
    assert!(world.files("parts").is_empty());
    assert!(world.files("tmp").is_empty());
}

#[test]
fn what_a_killed_process_left_goes() {
    let world = World::new(&PLAIN);
    drop(world.open(0));
    let left = world.cache.path().join("tmp/dead/0/m");
    fs::create_dir_all(&left).unwrap();
    fs::write(left.join("x"), "half").unwrap();
    let living = world.open(0);
    assert!(!left.exists());
    fetch(&living, "m");
    drop(world.open(0));
    // What is in use stays.
    fetch(&living, "n");
}

#[test]
fn a_file_that_is_not_what_it_was_is_fetched_again() {
    let world = World::new(&PLAIN);
    let first = fetch(&world.open(0), "m");
    for blob in world.files("blobs") {
        fs::remove_file(&blob).unwrap();
        fs::write(&blob, "cut").unwrap();
    }
    fs::remove_file(first.join("1/model.onnx")).unwrap();
    let store = world.open(0);
    assert_eq!(fetch(&store, "m"), first);
    assert_eq!(fs::read_to_string(first.join("1/model.onnx")).unwrap(), "weights");
    assert_eq!(store.bytes_downloaded(), 13);
}

#[test]
fn a_listing_that_fits_nothing_any_more_is_told() {
    let world = World::new(&PLAIN);
    let store = world.open(0);
    store.list().unwrap();
    world.put("models/n/1/model.onnx", "longer than before");
    let refusal = store.fetch("n").unwrap_err().to_string();
    assert!(refusal.contains("'n/1/model.onnx'") && refusal.contains("changed"), "{refusal}");
    assert!(world.files("parts").is_empty(), "nobody wants it any more");
    world.delete("models/m/config.pbtxt");
    let refusal = store.fetch("m").unwrap_err().to_string();
    assert!(refusal.contains("not there any more"), "{refusal}");
    let refusal = store.fetch("x").unwrap_err().to_string();
    assert!(refusal.contains("no model 'x'") && refusal.contains("m, n"), "{refusal}");
    // The next look is right.
    fetch(&store, "n");
    fetch(&store, "m");
}

#[test]
fn a_manifest_switches_all_at_once() {
    let world = World::new(&PLAIN);
    let store = world.open(0);
    let local = TempDir::new().unwrap();
    fs::create_dir_all(local.path().join("m/2")).unwrap();
    fs::create_dir_all(local.path().join("e/1")).unwrap();
    fs::write(local.path().join("m/2/model.onnx"), "better").unwrap();
    fs::write(local.path().join("e/config.pbtxt"), "ensemble").unwrap();
    let mut of_local = manifest::of_directory(local.path()).unwrap();
    of_local.prefix = "v2".to_owned();
    world.put("models/v2/m/2/model.onnx", "better");
    world.put("models/v2/e/config.pbtxt", "ensemble");
    let plain = fetch(&store, "m");
    assert_eq!(store.list().unwrap().len(), 3, "without a manifest, a directory is a model");
    world.put(&format!("models/{}", manifest::FILE), &serde_json::to_string(&of_local).unwrap());
    assert_eq!(store.list().unwrap().into_iter().collect::<Vec<_>>(), ["e", "m"]);
    let switched = store.fetch("m").unwrap();
    assert_ne!(switched, plain);
    assert_eq!(fs::read_to_string(switched.join("2/model.onnx")).unwrap(), "better");
    assert!(store.fetch("e").unwrap().join("1").is_dir());
    let bytes = store.bytes_downloaded();
    store.list().unwrap();
    assert_eq!(store.bytes_downloaded(), bytes, "the manifest is cached, too");

    // What is uploaded is not what the manifest names.
    world.put("models/v2/m/2/model.onnx", "forged");
    let other = world.open(0);
    assert_eq!(fetch(&other, "m"), switched, "its content is here already");
    fs::remove_dir_all(world.cache.path().join("models")).unwrap();
    for blob in world.files("blobs") {
        fs::remove_file(blob).unwrap();
    }
    let fresh = world.open(0);
    fresh.list().unwrap();
    let refusal = fresh.fetch("m").unwrap_err().to_string();
    assert!(refusal.contains("v2/m/2/model.onnx") && refusal.contains("SHA-256"), "{refusal}");
    // It is told as often as it is asked for, and downloaded once ...
    let bytes = fresh.bytes_downloaded();
    fresh.list().unwrap();
    assert_eq!(fresh.fetch("m").unwrap_err().to_string(), refusal);
    assert_eq!(fresh.bytes_downloaded(), bytes);
    // ... until it is uploaded again.
    world.put("models/v2/m/2/model.onnx", "better");
    let again = fetch(&fresh, "m");
    assert_eq!(fs::read_to_string(again.join("2/model.onnx")).unwrap(), "better");

    // What a crash left of it is of no use.
    drop(fresh);
    for left in ["BE", "BETTER"] {
        let [blob] = &world
            .files("blobs")
            .into_iter()
            .filter(|blob| fs::read(blob).unwrap() == b"better")
            .collect::<Vec<_>>()[..]
        else {
            panic!("one blob")
        };
        let sha256 = Digest::parse(blob.file_name().unwrap().to_str().unwrap());
        let file = File { object: "v2/m/2/model.onnx".into(), size: 6, tag: String::new(), sha256 };
        fs::remove_dir_all(world.cache.path().join("models")).unwrap();
        fs::remove_file(blob).unwrap();
        let cache = Cache::open(world.cache.path()).unwrap();
        cache.part("s3://memory", &file).unwrap().file.write_all(left.as_bytes()).unwrap();
        let again = fetch(&world.open(0), "m");
        assert_eq!(fs::read_to_string(again.join("2/model.onnx")).unwrap(), "better");
    }
}

#[test]
fn room_is_made_of_what_nobody_uses() {
    let large = |letter: &str| letter.repeat(1000);
    let world = World::new(&[("models/a/1/x", &large("a")), ("models/b/1/x", &large("b"))]);
    let store = world.open(2500);
    let (a, b) = (fetch(&store, "a"), fetch(&store, "b"));
    world.delete("models/a/1/x");
    world.put("models/c/1/x", &large("c"));
    let c = fetch(&store, "c");
    assert!(a.exists() && b.exists() && c.exists(), "all three are handed out");
    drop(store);
    let next = world.open(2500);
    next.list().unwrap();
    assert!(!a.exists(), "nobody uses it, and it is not in the bucket any more");
    assert!(b.exists() && c.exists());
    assert_eq!(world.files("blobs").len(), 2);
    fetch(&next, "b");
    fetch(&next, "c");
    assert_eq!(next.bytes_downloaded(), 0);
}

#[test]
fn what_another_server_puts_together_stays() {
    let world = World::new(&[("models/a/1/x", "needed"), ("models/b/1/x", "not")]);
    let building = Cache::open(world.cache.path()).unwrap();
    let store = world.open(0);
    fetch(&store, "a");
    drop(store);
    fs::remove_dir_all(world.cache.path().join("models")).unwrap();
    let [blob] = &world.files("blobs")[..] else { panic!("one file") };
    let content = Digest::parse(blob.file_name().unwrap().to_str().unwrap()).unwrap();

    let pin = building.pin(content).unwrap();
    eviction::make_room(&building, 1, &HashSet::new());
    assert!(blob.exists());
    drop(pin);
    eviction::make_room(&building, 1, &HashSet::new());
    assert!(!blob.exists());
    assert!(building.pin(content).is_none());
}

#[test]
fn a_server_that_is_silent_is_given_up() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let cache = TempDir::new().unwrap();
    for url in [format!("s3://{address}/bucket/models"), "hf://owner/model".to_owned()] {
        let options = StoreOptions {
            cache_directory: cache.path().to_owned(),
            request_timeout: Duration::from_millis(50),
            retries: 1,
            hub_url: format!("http://{address}"),
            ..StoreOptions::new(Variables::default())
        };
        let store = crate::open(&url, &options).unwrap();
        let refusal = store.list().unwrap_err();
        assert_eq!(refusal.code(), ErrorCode::Unavailable);
        let told = refusal.message();
        assert!(told.contains("2 attempts") && told.contains("silent for 0.1 s"), "{told}");
        let failed: u64 = store
            .requests()
            .iter()
            .filter(|told| (told.kind, told.outcome) == ("list", "failed"))
            .map(|told| told.count)
            .sum();
        assert_eq!(failed, 2, "{url}");
    }
}

#[test]
fn a_full_disk_is_told_with_what_to_do() {
    let directory = TempDir::new().unwrap();
    let cache = Cache::open(directory.path()).unwrap();
    let mut full = fs::File::options().write(true).open("/dev/full").unwrap();
    let error = full.write_all(b"x").unwrap_err();
    let file = File { object: "m/1/x".into(), size: 1000, tag: String::new(), sha256: None };
    let told = download::storage(error, &cache, &file).to_string();
    let shown = directory.path().to_str().unwrap();
    for expected in [shown, "'m/1/x'", "1000 bytes", "are free", "--model-cache-directory"] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
}
