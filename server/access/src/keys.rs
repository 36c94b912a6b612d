//! API keys, kept in a file that may change while the server runs.
//!
//! ```toml
//! anonymous = ["health", "documentation"]   # what needs no key; this is the default
//!
//! [[key]]
//! name = "web"                              # what log and errors call it
//! sha256 = "9f86d0…"                        # of the key, in hexadecimal digits
//! categories = ["inference", "metadata"]    # left out: every group of calls
//! models = ["recommend_*"]                  # left out: every model
//! expires = 2027-01-01T00:00:00Z            # left out: never
//! ```

use crate::{
    category::{Category, UnknownCategory},
    grant::{Grant, Key, Refusal},
};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};
use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};
use toml::value::{Datetime, Offset};

/// Largest key file, in bytes.
const LARGEST_FILE: u64 = 4 << 20;

/// What needs no key where the file does not say.
const ANONYMOUS: [Category; 2] = [Category::Health, Category::Documentation];

/// The key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It cannot be read.
    #[error("cannot read '{}': {error}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// It is larger than a list of keys can be.
    #[error("'{}' has {size} bytes: expected at most {LARGEST_FILE}", file.display())]
    TooLarge {
        /// The file.
        file: PathBuf,
        /// Its size in bytes.
        size: u64,
    },
    /// It is no list of keys.
    #[error("'{}': {error}", file.display())]
    Toml {
        /// The file.
        file: PathBuf,
        /// What is wrong, with the line.
        error: Box<toml::de::Error>,
    },
    /// One of the keys is wrong.
    #[error("'{}': key '{name}': {fault}", file.display())]
    Key {
        /// The file.
        file: PathBuf,
        /// The key's name.
        name: String,
        /// What is wrong.
        fault: KeyFault,
    },
    /// `anonymous` names something else than groups of calls.
    #[error("'{}': anonymous: {error}", file.display())]
    Anonymous {
        /// The file.
        file: PathBuf,
        /// What it names.
        error: UnknownCategory,
    },
}

/// What is wrong with a key.
#[derive(Debug, thiserror::Error)]
pub enum KeyFault {
    /// It has no name.
    #[error("the name is empty")]
    Unnamed,
    /// Its name is another one's.
    #[error("another key has this name")]
    Name,
    /// It is another one.
    #[error("another key has this sha256")]
    Same,
    /// The digest is none.
    #[error("sha256 is to be 64 hexadecimal digits: write the digest, never the key")]
    Digest,
    /// A group of calls is not known.
    #[error(transparent)]
    Category(#[from] UnknownCategory),
    /// The date is no moment.
    #[error(
        "expires is to be a date and time with its offset, such as 2027-01-01T00:00:00Z, got {0}"
    )]
    Expires(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    anonymous: Option<Vec<String>>,
    #[serde(default, rename = "key")]
    keys: Vec<RawKey>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawKey {
    name: String,
    sha256: String,
    categories: Option<Vec<String>>,
    models: Option<Vec<String>>,
    expires: Option<Datetime>,
}

/// The keys of a file, as it was last read.
#[derive(Debug)]
pub struct ApiKeys {
    file: PathBuf,
    current: Mutex<Arc<KeySet>>,
}

#[derive(Debug)]
struct KeySet {
    text: String,
    anonymous: Vec<Category>,
    keys: Vec<Arc<Key>>,
}

impl ApiKeys {
    /// Reads the keys.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn new(file: PathBuf) -> Result<Self, KeyFileError> {
        let keys = KeySet::parse(&file, read(&file)?)?;
        Ok(Self { file, current: Mutex::new(Arc::new(keys)) })
    }

    /// Takes what the file holds by now; the number of keys if that is something new. The next call
    /// of a connection that is there is held to it.
    ///
    /// # Errors
    /// What is wrong with the file; the keys stay as they were.
    pub fn reload(&self) -> Result<Option<usize>, KeyFileError> {
        let text = read(&self.file)?;
        if self.current().text == text {
            return Ok(None);
        }
        let keys = KeySet::parse(&self.file, text)?;
        let count = keys.keys.len();
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        Ok(Some(count))
    }

    fn current(&self) -> Arc<KeySet> {
        Arc::clone(&self.current.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether calls of `category` need no key.
    pub(crate) fn is_open(&self, category: Category) -> bool {
        self.current().anonymous.contains(&category)
    }

    /// What the holder of the key `presented` may do. It is compared with every key, each time as
    /// long: how long an answer takes tells nothing about a key.
    ///
    /// # Errors
    /// If there is no such key, it is too old, or is not for this `category`.
    pub(crate) fn admit(
        &self,
        presented: &[u8],
        category: Category,
        now: SystemTime,
    ) -> Result<Grant, Refusal> {
        let current = self.current();
        let digest: [u8; 32] = Sha256::digest(presented).into();
        let mut place = u32::MAX;
        for (index, key) in (0..).zip(&current.keys) {
            place.conditional_assign(&index, key.digest.ct_eq(&digest));
        }
        let key = usize::try_from(place).ok().and_then(|place| current.keys.get(place));
        let Some(key) = key else { return Err(Refusal::UnknownKey) };
        if key.expires.is_some_and(|expires| expires <= now) {
            return Err(Refusal::Expired { key: key.name.clone() });
        }
        if key.categories.as_ref().is_some_and(|listed| !listed.contains(&category)) {
            return Err(Refusal::Category { key: key.name.clone(), category });
        }
        Ok(Grant::of(Arc::clone(key)))
    }
}

fn read(file: &Path) -> Result<String, KeyFileError> {
    let failed = |error| KeyFileError::Read { file: file.to_owned(), error };
    let size = fs::metadata(file).map_err(failed)?.len();
    if size > LARGEST_FILE {
        return Err(KeyFileError::TooLarge { file: file.to_owned(), size });
    }
    fs::read_to_string(file).map_err(failed)
}

impl KeySet {
    fn parse(file: &Path, text: String) -> Result<Self, KeyFileError> {
        let raw: RawFile = toml::from_str(&text).map_err(|error| KeyFileError::Toml {
            file: file.to_owned(),
            error: Box::new(error),
        })?;
        let anonymous = match raw.anonymous {
            None => ANONYMOUS.to_vec(),
            Some(names) => categories(&names)
                .map_err(|error| KeyFileError::Anonymous { file: file.to_owned(), error })?,
        };
        let (mut names, mut digests) = (HashSet::new(), HashSet::new());
        let mut keys = Vec::with_capacity(raw.keys.len());
        for raw in raw.keys {
            let name = raw.name.clone();
            let failed = |fault| KeyFileError::Key { file: file.to_owned(), name, fault };
            let key = Key::parse(raw).and_then(|key| {
                if !names.insert(key.name.clone()) {
                    return Err(KeyFault::Name);
                }
                if !digests.insert(key.digest) {
                    return Err(KeyFault::Same);
                }
                Ok(key)
            });
            keys.push(Arc::new(key.map_err(failed)?));
        }
        Ok(Self { text, anonymous, keys })
    }
}

impl Key {
    fn parse(raw: RawKey) -> Result<Self, KeyFault> {
        if raw.name.is_empty() {
            return Err(KeyFault::Unnamed);
        }
        let expires = raw
            .expires
            .map(|expires| moment(&expires).ok_or_else(|| KeyFault::Expires(expires.to_string())));
        Ok(Self {
            digest: digest(&raw.sha256).ok_or(KeyFault::Digest)?,
            categories: raw.categories.as_deref().map(categories).transpose()?,
            models: raw.models,
            expires: expires.transpose()?,
            name: raw.name,
        })
    }
}

fn categories(names: &[String]) -> Result<Vec<Category>, UnknownCategory> {
    names.iter().map(|name| name.parse()).collect()
}

fn digest(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(text.as_bytes().chunks(2)) {
        let [high, low] = pair else { return None };
        let nibble = |digit: u8| char::from(digit).to_digit(16);
        *byte = u8::try_from(nibble(*high)? << 4 | nibble(*low)?).ok()?;
    }
    Some(digest)
}

/// The moment of an RFC 3339 date and time with its offset.
fn moment(datetime: &Datetime) -> Option<SystemTime> {
    let (date, time) = (datetime.date?, datetime.time?);
    let offset = match datetime.offset? {
        Offset::Z => 0,
        Offset::Custom { minutes } => i64::from(minutes),
    };
    let days = days_since_1970(i64::from(date.year), i64::from(date.month), i64::from(date.day));
    let minutes = (days * 24 + i64::from(time.hour)) * 60 + i64::from(time.minute) - offset;
    let seconds = minutes * 60 + i64::from(time.second.unwrap_or(0));
    // A key that expired before 1970 has expired.
    let since = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    Some(SystemTime::UNIX_EPOCH + since)
}

/// Days of the Gregorian calendar: years begin in March here, so that the leap day is their last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let of_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NewKey;

    fn parse(text: &str) -> Result<ApiKeys, KeyFileError> {
        let file = PathBuf::from("keys.toml");
        let keys = KeySet::parse(&file, text.to_owned())?;
        Ok(ApiKeys { file, current: Mutex::new(Arc::new(keys)) })
    }

    fn draw(name: &str, categories: &[Category], models: &[&str]) -> NewKey {
        let models = models.iter().map(|&model| model.to_owned()).collect();
        NewKey::draw(name.to_owned(), categories.to_vec(), models).unwrap()
    }

    #[test]
    fn a_key_permits_what_its_entry_says() {
        let all = draw("all", &[], &[]);
        let some = draw("so\"me", &[Category::Inference], &["recommend_*", "simple"]);
        assert_ne!(all.key, some.key);
        let keys = parse(&(all.entry() + &some.entry())).unwrap();
        let admit = |key: &NewKey, category| {
            keys.admit(key.key.as_bytes(), category, SystemTime::UNIX_EPOCH)
        };
        let grant = admit(&all, Category::ModelRepository).unwrap();
        assert_eq!(grant.overrides(), Ok(()));
        assert_eq!((grant.key(), grant.model("x"), grant.model("")), (Some("all"), Ok(()), Ok(())));

        let key = || "so\"me".to_owned();
        let grant = admit(&some, Category::Inference).unwrap();
        assert_eq!(grant.model("recommend_by_plot"), Ok(()));
        let refused = Refusal::Model { key: key(), model: "plot_encoder".to_owned() };
        assert_eq!(grant.model("plot_encoder"), Err(refused));
        assert_eq!(grant.model(""), Err(Refusal::All { key: key() }));
        assert_eq!(grant.overrides(), Err(Refusal::Overrides { key: key() }));
        let category = Category::Statistics;
        assert_eq!(admit(&some, category).unwrap_err(), Refusal::Category { key: key(), category });

        let unknown = keys.admit(b"hippocamp_x", Category::Inference, SystemTime::UNIX_EPOCH);
        assert_eq!(unknown.unwrap_err(), Refusal::UnknownKey);
    }

    #[test]
    fn a_key_expires() {
        let key = draw("old", &[], &[]);
        let keys = parse(&(key.entry() + "expires = 2026-01-01T01:00:00+01:00\n")).unwrap();
        let admit = |seconds| {
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            keys.admit(key.key.as_bytes(), Category::Inference, now)
        };
        // 2026-01-01T00:00:00Z
        assert!(admit(1_767_225_599).is_ok());
        assert_eq!(admit(1_767_225_600).unwrap_err(), Refusal::Expired { key: "old".to_owned() });
    }

    #[test]
    fn what_needs_no_key_can_be_chosen() {
        let keys = parse("").unwrap();
        assert!(keys.is_open(Category::Health) && !keys.is_open(Category::Metrics));
        let keys = parse("anonymous = [\"metrics\"]").unwrap();
        assert!(!keys.is_open(Category::Health) && keys.is_open(Category::Metrics));
    }

    #[test]
    fn wrong_files_say_where() {
        let entry = draw("a", &[], &[]).entry();
        for (text, part) in [
            ("[[key]]\nname = \"a\"\n".to_owned(), "missing field `sha256`"),
            (
                "[[key]]\nname = \"a\"\nsha256 = \"secret\"\n".to_owned(),
                "write the digest, never the key",
            ),
            ("kez = 1".to_owned(), "unknown field `kez`"),
            ("anonymous = [\"x\"]".to_owned(), "anonymous: 'x' is no group of calls"),
            (entry.repeat(2), "key 'a': another key has this name"),
            (
                entry.clone() + &entry.replace("\"a\"", "\"b\""),
                "key 'b': another key has this sha256",
            ),
            (entry.clone() + "categories = [\"all\"]", "key 'a': 'all' is no group of calls"),
            (entry.clone() + "expires = 2026-01-01", "key 'a': expires is to be a date and time"),
        ] {
            let error = parse(&text).unwrap_err().to_string();
            assert!(error.starts_with("'keys.toml': ") && error.contains(part), "{text}: {error}");
        }
    }
}
