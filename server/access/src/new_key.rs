//! A new API key: 256 random bits, which are shown once, and the entry that the key file gets.

use crate::category::Category;
use sha2::{Digest as _, Sha256};
use std::{
    fmt::{self, Write as _},
    fs::File,
    io::{self, Read as _},
};

/// How a key begins, so that people and scanners of secrets know one when they see it.
const PREFIX: &str = "hippocamp_";

/// A key, and what its holder may do.
#[derive(Clone, PartialEq, Eq)]
pub struct NewKey {
    /// What the holder sends.
    pub key: String,
    /// What log and errors call it.
    pub name: String,
    /// Groups of calls; empty for all.
    pub categories: Vec<Category>,
    /// Names of models, with `*` for any text; empty for all.
    pub models: Vec<String>,
}

impl NewKey {
    /// Draws a key.
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub fn draw(name: String, categories: Vec<Category>, models: Vec<String>) -> io::Result<Self> {
        let mut bits = [0; 32];
        File::open("/dev/urandom")?.read_exact(&mut bits)?;
        Ok(Self { key: format!("{PREFIX}{}", hex(&bits)), name, categories, models })
    }

    /// The entry of the key file: it holds the key's digest, so that the file gives no key away. A
    /// fast digest is enough for a key that nobody chose.
    pub fn entry(&self) -> String {
        let quoted = |text: &str| toml::Value::from(text).to_string();
        let digest = hex(&Sha256::digest(&self.key));
        let mut entry = format!("[[key]]\nname = {}\nsha256 = \"{digest}\"\n", quoted(&self.name));
        let mut list = |name: &str, items: Vec<String>| {
            if !items.is_empty() {
                writeln!(entry, "{name} = [{}]", items.join(", ")).expect("strings take text");
            }
        };
        list("categories", self.categories.iter().map(|item| quoted(item.name())).collect());
        list("models", self.models.iter().map(|item| quoted(item)).collect());
        entry
    }
}

impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewKey").field("name", &self.name).finish_non_exhaustive()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("strings take text");
        text
    })
}
