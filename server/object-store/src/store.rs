//! A store: lists, downloads what is missing, hands out directories. Called on threads that may block;
//! its requests run on a runtime of its own.

use crate::{
    RequestCount, StoreError, StoreOptions,
    bucket::Bucket,
    cache::Cache,
    counters::Counters,
    digest::Digest,
    directories::{Contents, Directory},
    download, eviction,
    http::Transport,
    hub::Hub,
    listing::{self, File, Model, Models},
    manifest::{self, Manifest},
    place::Place,
};
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use hippocamp_types::{Clock as _, Error, ModelStore, MonotonicClock, Timestamp};
use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    fmt, fs,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    runtime::{self, Runtime},
    sync::Semaphore,
};

/// Files that one store downloads at the same time.
const DOWNLOADS: usize = 8;

/// Directories of one model that stay because they were handed out: the one that serves, those it can
/// go back to, and those that are being drained.
const KEPT: usize = 8;

/// How often a model is put together anew because another process made room meanwhile.
const ATTEMPTS: usize = 3;

/// How long an object that is not what it should be is told as such before it is downloaded again: the
/// next copy would be the same, unless the way here was at fault.
const UNFIT_LIFETIME: Duration = Duration::from_secs(600);

/// The content of an object, as it comes.
pub(crate) type Pieces = BoxStream<'static, Result<Bytes, StoreError>>;

/// Where files come from.
#[derive(Debug)]
pub(crate) enum Origin {
    Bucket(Bucket),
    Hub(Box<Hub>),
}

impl Origin {
    pub(crate) fn url(&self) -> &str {
        match self {
            Self::Bucket(bucket) => bucket.url(),
            Self::Hub(hub) => hub.url(),
        }
    }

    pub(crate) async fn read(&self, file: &File, offset: u64) -> Result<Pieces, StoreError> {
        match self {
            Self::Bucket(bucket) => bucket.read(file, offset).await,
            Self::Hub(hub) => hub.read(file, offset).await,
        }
    }

    /// What to do about a digest that does not fit.
    pub(crate) fn source_of_truth(&self) -> &'static str {
        match self {
            Self::Bucket(_) => "its manifest",
            Self::Hub(_) => "ask for it anew",
        }
    }
}

/// Models of one bucket or one repository of a hub.
pub struct ObjectStore {
    origin: Origin,
    cache: Arc<Cache>,
    cache_bytes: u64,
    retries: usize,
    counters: Arc<Counters>,
    downloads: Semaphore,
    seen: Mutex<Seen>,
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
}

/// What this process knows.
#[derive(Default)]
struct Seen {
    /// As the last listing told them.
    models: Option<Arc<Models>>,
    /// Content of the manifest that the last listing came from.
    manifest: Option<Digest>,
    /// By model, the latest last.
    handed_out: HashMap<String, VecDeque<(Model, Directory)>>,
    /// Objects whose content was not what the manifest says, with the digest that it has, and when they
    /// came.
    unfit: HashMap<String, (File, String, Timestamp)>,
}

/// Opens the store that `url` names; asks it nothing yet.
///
/// # Errors
/// If the URL names none, the credentials are not such, or the cache cannot be used.
pub fn open(url: &str, options: &StoreOptions) -> Result<Arc<ObjectStore>, StoreError> {
    let counters = Arc::new(Counters::default());
    let (retries, timeout) = (options.retries, options.request_timeout);
    let transport = Transport::new(timeout, Arc::clone(&counters));
    let place = Place::parse(url)?;
    let url = url.trim_end_matches('/');
    let origin = match &place {
        Place::Hub { owner, model, revision } => Origin::Hub(Box::new(Hub::open(
            url,
            &options.hub_url,
            (owner, model, revision),
            &options.variables,
            transport,
            retries,
            timeout,
        )?)),
        _ => Origin::Bucket(Bucket::open(
            url,
            &place,
            &options.variables,
            transport,
            retries,
            timeout,
        )?),
    };
    ObjectStore::new(origin, options, counters).map(Arc::new)
}

impl ObjectStore {
    pub(crate) fn new(
        origin: Origin,
        options: &StoreOptions,
        counters: Arc<Counters>,
    ) -> Result<Self, StoreError> {
        let cache = Cache::open(&options.cache_directory)?;
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("hippocamp-store")
            .enable_all()
            .build()
            .map_err(|source| StoreError::Runtime { source })?;
        Ok(Self {
            origin,
            cache: Arc::new(cache),
            cache_bytes: options.cache_bytes,
            retries: options.retries,
            counters,
            downloads: Semaphore::new(DOWNLOADS),
            seen: Mutex::default(),
            runtime: Some(runtime),
        })
    }

    /// As it was given, but for slashes at its end.
    pub fn url(&self) -> &str {
        self.origin.url()
    }

    /// Requests that went out so far, retries and redirects included; zeros are told, too.
    pub fn requests(&self) -> Vec<RequestCount> {
        self.counters.requests()
    }

    /// Bytes of objects that came so far.
    pub fn bytes_downloaded(&self) -> u64 {
        self.counters.bytes()
    }

    fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("it is there until the store is dropped")
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self) -> Result<Arc<Models>, StoreError> {
        let (models, manifest) = self.runtime().block_on(self.models())?;
        let models = Arc::new(models);
        {
            let mut seen = self.seen();
            seen.unfit.retain(|_, (file, _, _)| names(&models, file));
            seen.models = Some(Arc::clone(&models));
            seen.manifest = manifest;
        }
        self.make_room();
        Ok(models)
    }

    async fn models(&self) -> Result<(Models, Option<Digest>), StoreError> {
        let bucket = match &self.origin {
            Origin::Hub(hub) => return Ok((hub.list().await?, None)),
            Origin::Bucket(bucket) => bucket,
        };
        let objects = bucket.list().await?;
        let Some(found) = objects.iter().find(|object| object.name == manifest::FILE) else {
            return Ok((listing::models(bucket.url(), objects), None));
        };
        if found.size > manifest::MAX_BYTES {
            let why = format!("expected at most {} bytes, got {}", manifest::MAX_BYTES, found.size);
            return Err(StoreError::Manifest {
                url: bucket.url().to_owned(),
                file: manifest::FILE,
                why,
            });
        }
        let file = File {
            object: found.name.clone(),
            size: found.size,
            tag: found.tag.clone(),
            sha256: None,
        };
        let content = self.content(&file).await?;
        let path = self.cache.blob(content);
        let text = fs::read(&path).map_err(StoreError::cache(&path))?;
        Ok((Manifest::parse(bucket.url(), &text)?.models(bucket.url(), objects), Some(content)))
    }

    /// Has the content of a file in the cache.
    async fn content(&self, file: &File) -> Result<Digest, StoreError> {
        if let Some(content) = self.cache.known(self.origin.url(), file) {
            return Ok(content);
        }
        if let Some((same, got, since)) = self.seen().unfit.get(&file.object)
            && same == file
            && MonotonicClock.now().since(*since) < UNFIT_LIFETIME
        {
            return Err(download::unfit(&self.origin, file, got.clone()));
        }
        let permit = self.downloads.acquire().await;
        let content =
            download::download(&self.origin, &self.cache, file, self.retries, &self.counters).await;
        drop(permit);
        if let Err(StoreError::Content { got, .. }) = &content {
            let told = (file.clone(), got.clone(), MonotonicClock.now());
            self.seen().unfit.insert(file.object.clone(), told);
        }
        content
    }

    /// The directory of a model that was listed.
    fn directory(&self, name: &str, model: &Model) -> Result<PathBuf, StoreError> {
        {
            let seen = self.seen();
            let latest = seen.handed_out.get(name).and_then(|handed| handed.back());
            if let Some((_, directory)) = latest.filter(|(same, _)| same == model)
                && directory.path.is_dir()
            {
                return Ok(directory.path.clone());
            }
        }
        let mut attempt = 0;
        let directory = loop {
            attempt += 1;
            let contents = self.contents(name, model)?;
            if let Some(directory) = contents.directory(&self.cache)? {
                break directory;
            }
            if attempt == ATTEMPTS {
                let source = std::io::Error::other("other processes remove files that are needed");
                return Err(StoreError::Cache { path: self.cache.blobs(), source });
            }
        };
        let path = directory.path.clone();
        {
            let mut seen = self.seen();
            let handed = seen.handed_out.entry(name.to_owned()).or_default();
            // The same content under other tags is the same directory.
            handed.retain(|(_, earlier)| earlier.path != path);
            handed.push_back((model.clone(), directory));
            if handed.len() > KEPT {
                handed.pop_front();
            }
        }
        self.make_room();
        Ok(path)
    }

    /// Downloads what is missing of a model.
    fn contents(&self, name: &str, model: &Model) -> Result<Contents, StoreError> {
        let url = self.origin.url();
        let missing: Vec<&File> =
            model.files.values().filter(|file| self.cache.known(url, file).is_none()).collect();
        if !missing.is_empty() {
            let bytes = missing.iter().map(|file| file.size).sum();
            let begun = missing.iter().map(|file| self.cache.begun(url, file)).sum();
            let free = self.cache.free();
            if free.is_some_and(|free| free < u64::saturating_sub(bytes, begun)) {
                return Err(download::no_space(self.cache.root(), name, bytes - begun, free));
            }
            tracing::info!(model = name, store = url, files = missing.len(), bytes, "downloading");
        }
        let pins = Mutex::new(Vec::new());
        let one = async |path: &str, file: &File| {
            let content = self.content(file).await?;
            let pin = self.cache.pin(content);
            pins.lock().unwrap_or_else(PoisonError::into_inner).extend(pin);
            Ok::<_, StoreError>((path.to_owned(), (content, file.size)))
        };
        let all = futures_util::stream::iter(&model.files)
            .map(|(path, file)| one(path, file))
            .buffer_unordered(DOWNLOADS)
            .try_collect();
        let files = self.runtime().block_on(all)?;
        let pins = pins.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(Contents {
            model: name.to_owned(),
            files,
            directories: model.directories.clone(),
            _pins: pins,
        })
    }

    fn make_room(&self) {
        if self.cache_bytes == 0 {
            return;
        }
        let (models, manifest) = {
            let seen = self.seen();
            (seen.models.clone(), seen.manifest)
        };
        let mut needed: HashSet<Digest> = manifest.into_iter().collect();
        for model in models.iter().flat_map(|models| models.values()).flatten() {
            let known = model.files.values().filter_map(|file| self.cache.known(self.url(), file));
            needed.extend(known);
        }
        eviction::make_room(&self.cache, self.cache_bytes, &needed);
    }
}

/// Whether a model is made of this file.
fn names(models: &Models, file: &File) -> bool {
    models.values().flatten().any(|model| model.files.values().any(|other| other == file))
}

impl ModelStore for ObjectStore {
    fn list(&self) -> Result<BTreeSet<String>, Error> {
        Ok(self.look()?.keys().cloned().collect())
    }

    fn fetch(&self, name: &str) -> Result<PathBuf, Error> {
        let listed = self.seen().models.clone();
        let models = match listed {
            Some(models) => models,
            None => self.look()?,
        };
        match models.get(name) {
            Some(Ok(model)) => Ok(self.directory(name, model)?),
            Some(Err(error)) => Err(error.into()),
            None => Err(StoreError::NoModel {
                url: self.url().to_owned(),
                model: name.to_owned(),
                models: models.keys().cloned().collect(),
            }
            .into()),
        }
    }
}

impl Drop for ObjectStore {
    fn drop(&mut self) {
        // Whoever drops it last may be a task of another runtime, where waiting is not allowed.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for ObjectStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectStore")
            .field("url", &self.url())
            .field("cache", &self.cache.root())
            .finish_non_exhaustive()
    }
}
