//! DATABASE_URL: which database, and where.

use std::{fmt, path::PathBuf};

/// A database that feedback can go to.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum DatabaseUrl {
    /// A file.
    Sqlite(PathBuf),
    /// A server; the URL as given.
    Postgres(String),
}

/// This is no URL of a database that can be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "expected sqlite:<file> or postgres://<user>:<password>@<host>/<database>, got a URL that begins with '{scheme}'"
)]
pub(crate) struct UrlError {
    /// What comes before the first colon; passwords come after it.
    scheme: String,
}

impl DatabaseUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// If it is for another database.
    pub(crate) fn parse(url: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = url.split_once(':').unwrap_or((url, ""));
        match scheme {
            "sqlite" => {
                // sqlite:file, sqlite://file and sqlite:///file are all in use; parameters are ours.
                let path = rest.split('?').next().unwrap_or_default();
                let path = path.strip_prefix("//").unwrap_or(path);
                if path.is_empty() || path == ":memory:" {
                    return Err(UrlError { scheme: format!("sqlite:{path}") });
                }
                Ok(Self::Sqlite(path.into()))
            }
            "postgres" | "postgresql" if rest.starts_with("//") => {
                Ok(Self::Postgres(url.to_owned()))
            }
            _ => Err(UrlError { scheme: scheme.chars().take(20).collect() }),
        }
    }

    /// The file at `path`.
    pub(crate) fn sqlite(path: PathBuf) -> Self {
        Self::Sqlite(path)
    }
}

/// Without password, for logs.
impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(_) => f.write_str("postgres"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let sqlite = |path: &str| DatabaseUrl::Sqlite(path.into());
        let check =
            |url: &str, expect| assert_eq!(DatabaseUrl::parse(url).unwrap(), expect, "{url}");
        check("sqlite:a.db", sqlite("a.db"));
        check("sqlite://a.db?mode=rwc", sqlite("a.db"));
        check("sqlite:///var/a.db", sqlite("/var/a.db"));
        check("postgresql://h/d", DatabaseUrl::Postgres("postgresql://h/d".to_owned()));
        for url in ["", "mysql://u:secret@h/d", "sqlite:", "sqlite::memory:", "a.db", "postgres:x"]
        {
            let error = DatabaseUrl::parse(url).unwrap_err().to_string();
            assert!(
                error.contains("expected sqlite:<file>") && !error.contains("secret"),
                "{error}"
            );
        }
        let shown = format!("{:?}", DatabaseUrl::parse("postgres://u:secret@h/d").unwrap());
        assert!(!shown.contains("secret"));
    }
}
