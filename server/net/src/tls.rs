//! TLS of one listener: certificate, key, and whose certificates clients may show. The files may be
//! replaced while the server runs; connections that are there stay.

use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject as _},
    server::{VerifierBuilderError, WebPkiClientVerifier},
};
use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};
use tokio_rustls::TlsAcceptor;

/// Largest file of certificates or keys, in bytes.
const LARGEST_FILE: u64 = 4 << 20;

/// Files of PEM that a listener's TLS is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate, followed by those between it and its root.
    pub certificate: PathBuf,
    /// The private key of that certificate.
    pub key: PathBuf,
    /// Mutual TLS: the roots whose certificates clients must show. `None`: they need not show one.
    pub client_roots: Option<PathBuf>,
}

/// The TLS files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read '{}': {error}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// A file is larger than a certificate can be.
    #[error("'{}' has {size} bytes: expected PEM of at most {LARGEST_FILE} bytes", file.display())]
    TooLarge {
        /// The file.
        file: PathBuf,
        /// Its size in bytes.
        size: u64,
    },
    /// A file holds something else.
    #[error("'{}': expected {expected} in PEM: {error}", file.display())]
    Pem {
        /// The file.
        file: PathBuf,
        /// What it is to hold.
        expected: &'static str,
        /// What was found.
        error: pem::Error,
    },
    /// Certificate and key do not belong together, or are of a kind that is not known.
    #[error("'{}' and '{}' make no TLS server: {error}", certificate.display(), key.display())]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why not.
        error: rustls::Error,
    },
    /// A root is no certificate that can sign others.
    #[error("'{}' holds no roots for the certificates of clients: {error}", file.display())]
    Root {
        /// The roots' file.
        file: PathBuf,
        /// Why not.
        error: rustls::Error,
    },
    /// The roots make no verifier.
    #[error("'{}' cannot verify clients: {error}", file.display())]
    Verifier {
        /// The roots' file.
        file: PathBuf,
        /// Why not.
        error: VerifierBuilderError,
    },
}

/// TLS of one listener.
pub struct Tls {
    files: TlsFiles,
    /// Protocols offered (ALPN), the best one first.
    protocols: &'static [&'static [u8]],
    current: Mutex<Current>,
}

struct Current {
    /// What the files held.
    contents: Contents,
    config: Arc<ServerConfig>,
}

#[derive(PartialEq, Eq)]
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_roots: Option<Vec<u8>>,
}

impl Tls {
    /// Reads the files. `protocols` are offered to clients, the best one first.
    ///
    /// # Errors
    /// Which file is missing or wrong.
    pub fn new(files: TlsFiles, protocols: &'static [&'static [u8]]) -> Result<Self, TlsError> {
        let contents = Contents::read(&files)?;
        let config = configure(&files, &contents, protocols)?;
        Ok(Self { files, protocols, current: Mutex::new(Current { contents, config }) })
    }

    /// Takes what the files hold by now; whether that is something new. Connections that are there
    /// go on with what they had.
    ///
    /// # Errors
    /// Which file is missing or wrong; the server goes on with what it had.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let contents = Contents::read(&self.files)?;
        if self.lock().contents == contents {
            return Ok(false);
        }
        let config = configure(&self.files, &contents, self.protocols)?;
        *self.lock() = Current { contents, config };
        Ok(true)
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        Arc::clone(&self.lock().config).into()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Contents {
    fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        Ok(Self {
            certificate: read(&files.certificate)?,
            key: read(&files.key)?,
            client_roots: files.client_roots.as_deref().map(read).transpose()?,
        })
    }
}

fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    let failed = |error| TlsError::Read { file: file.to_owned(), error };
    let size = fs::metadata(file).map_err(failed)?.len();
    if size > LARGEST_FILE {
        return Err(TlsError::TooLarge { file: file.to_owned(), size });
    }
    fs::read(file).map_err(failed)
}

fn certificates(file: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |error| TlsError::Pem { file: file.to_owned(), expected: "certificates", error };
    let found: Vec<_> =
        CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(failed)?;
    if found.is_empty() {
        return Err(failed(pem::Error::NoItemsFound));
    }
    Ok(found)
}

fn configure(
    files: &TlsFiles,
    contents: &Contents,
    protocols: &[&[u8]],
) -> Result<Arc<ServerConfig>, TlsError> {
    let provider: Arc<CryptoProvider> = Arc::new(ring::default_provider());
    let chain = certificates(&files.certificate, &contents.certificate)?;
    let key = PrivateKeyDer::from_pem_slice(&contents.key).map_err(|error| TlsError::Pem {
        file: files.key.clone(),
        expected: "a private key",
        error,
    })?;
    let pair = |error| TlsError::Pair {
        certificate: files.certificate.clone(),
        key: files.key.clone(),
        error,
    };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(pair)?;
    let builder = match (&files.client_roots, &contents.client_roots) {
        (Some(file), Some(pem)) => {
            let mut roots = RootCertStore::empty();
            for root in certificates(file, pem)? {
                let failed = |error| TlsError::Root { file: file.clone(), error };
                roots.add(root).map_err(failed)?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider)
                .build()
                .map_err(|error| TlsError::Verifier { file: file.clone(), error })?;
            builder.with_client_cert_verifier(verifier)
        }
        _ => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(chain, key).map_err(pair)?;
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(Arc::new(config))
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_files_are_named() {
        let directory = std::env::temp_dir().join(format!("hippocamp-tls-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let file = |name: &str, text: &str| {
            let path = directory.join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let empty = file("empty.pem", "");
        let broken =
            file("broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        let refusal = |certificate: &Path, key: &Path| {
            let files = TlsFiles {
                certificate: certificate.to_owned(),
                key: key.to_owned(),
                client_roots: None,
            };
            Tls::new(files, &[]).unwrap_err().to_string()
        };
        let missing = directory.join("missing.pem");
        assert!(refusal(&missing, &empty).contains("missing.pem"), "{}", refusal(&missing, &empty));
        assert!(refusal(&empty, &empty).contains("empty.pem': expected certificates in PEM"));
        assert!(refusal(&broken, &empty).contains("empty.pem': expected a private key in PEM"));
        fs::remove_dir_all(&directory).unwrap();
    }
}
