//! Where the three endpoints listen, and with which TLS: flags become checked settings.

use crate::arguments::Arguments;
use anyhow::{Context as _, bail};
use hippocamp_net::{Address, TlsFiles};
use std::path::PathBuf;

/// Where the endpoints listen; `None`: not served.
#[derive(Debug)]
pub(crate) struct Listening {
    pub(crate) http: Option<Listen>,
    pub(crate) grpc: Option<Listen>,
    pub(crate) metrics: Option<Listen>,
}

/// Where one endpoint listens.
#[derive(Clone, Debug)]
pub(crate) struct Listen {
    /// `http`, `grpc` or `metrics`: how its flags begin.
    pub(crate) protocol: &'static str,
    pub(crate) address: Address,
    pub(crate) share_port: bool,
    pub(crate) tls: Option<TlsFiles>,
}

/// The flags about TLS of one endpoint.
struct TlsFlags {
    protocol: &'static str,
    wanted: Option<bool>,
    mutual: Option<bool>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    roots: Option<PathBuf>,
}

impl Listening {
    /// Reads the flags of the three endpoints.
    ///
    /// # Errors
    /// Which flag is wrong or missing.
    pub(crate) fn new(given: &Arguments) -> anyhow::Result<Self> {
        const ANYWHERE: &str = "0.0.0.0";
        let http_address = given.http_address.as_deref().unwrap_or(ANYWHERE);
        let grpc_address = given.grpc_address.as_deref().unwrap_or(ANYWHERE);
        let of_http = if http_address.starts_with("unix:") { ANYWHERE } else { http_address };
        let metrics_address = given.metrics_address.as_deref().unwrap_or(of_http);

        let http_tls = TlsFlags {
            protocol: "http",
            wanted: given.http_use_ssl,
            mutual: given.http_use_ssl_mutual,
            certificate: given.http_server_cert.clone(),
            key: given.http_server_key.clone(),
            roots: given.http_root_cert.clone(),
        };
        let grpc_tls = TlsFlags {
            protocol: "grpc",
            wanted: given.grpc_use_ssl,
            mutual: given.grpc_use_ssl_mutual,
            certificate: given.grpc_server_cert.clone(),
            key: given.grpc_server_key.clone(),
            roots: given.grpc_root_cert.clone(),
        };
        let metrics_tls = metrics_tls(given, &http_tls);

        let listen =
            |allowed: Option<bool>, address: &str, port, share: Option<bool>, tls: TlsFlags| {
                let protocol = tls.protocol;
                let tls = tls.files()?;
                if !allowed.unwrap_or(true) {
                    return Ok(None);
                }
                let address =
                    Address::new(address, port).with_context(|| format!("--{protocol}-address"))?;
                let share_port = share.unwrap_or(false);
                anyhow::Ok(Some(Listen { protocol, address, share_port, tls }))
            };
        let port = given.http_port.unwrap_or(8000);
        let http = listen(given.allow_http, http_address, port, given.reuse_http_port, http_tls)?;
        let port = given.grpc_port.unwrap_or(8001);
        let grpc = listen(given.allow_grpc, grpc_address, port, given.reuse_grpc_port, grpc_tls)?;
        let port = given.metrics_port.unwrap_or(8002);
        let metrics = listen(given.allow_metrics, metrics_address, port, None, metrics_tls)?;
        Ok(Self { http, grpc, metrics })
    }
}

/// The metrics endpoint's own files, or those of HTTP.
fn metrics_tls(given: &Arguments, http: &TlsFlags) -> TlsFlags {
    let wanted = given.metrics_use_ssl;
    let mutual = given.metrics_use_ssl_mutual;
    // Only where TLS is asked for: files of HTTP alone do not ask for TLS here.
    let encrypted = wanted.or(mutual).unwrap_or(false);
    let or_http = |own: &Option<PathBuf>, http: &Option<PathBuf>| {
        own.clone().or_else(|| http.clone().filter(|_| encrypted))
    };
    TlsFlags {
        protocol: "metrics",
        wanted,
        mutual,
        certificate: or_http(&given.metrics_server_cert, &http.certificate),
        key: or_http(&given.metrics_server_key, &http.key),
        roots: or_http(&given.metrics_root_cert, &http.roots),
    }
}

impl TlsFlags {
    fn files(self) -> anyhow::Result<Option<TlsFiles>> {
        let Self { protocol, wanted, mutual, certificate, key, roots } = self;
        let mutual = mutual.unwrap_or(false);
        match wanted {
            Some(false) if mutual => {
                bail!("--{protocol}-use-ssl-mutual needs --{protocol}-use-ssl, which is false")
            }
            Some(false) => return Ok(None),
            None if !mutual => {
                if certificate.is_some() || key.is_some() || roots.is_some() {
                    bail!(
                        "files for TLS are given, but TLS is not asked for: add --{protocol}-use-ssl, or --{protocol}-use-ssl=false"
                    );
                }
                return Ok(None);
            }
            _ => {}
        }
        let certificate = certificate
            .with_context(|| format!("--{protocol}-use-ssl needs --{protocol}-server-cert FILE"))?;
        let key = key
            .with_context(|| format!("--{protocol}-use-ssl needs --{protocol}-server-key FILE"))?;
        let client_roots = if mutual {
            Some(roots.with_context(|| {
                format!("--{protocol}-use-ssl-mutual needs --{protocol}-root-cert FILE")
            })?)
        } else {
            None
        };
        Ok(Some(TlsFiles { certificate, key, client_roots }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    fn listening(flags: &[&str]) -> anyhow::Result<Listening> {
        Listening::new(&Arguments::parse_from(["hippocamp"].iter().chain(flags)))
    }

    #[test]
    fn tls_needs_its_files() {
        let refusal = |flags: &[&str]| format!("{:#}", listening(flags).unwrap_err());
        assert!(refusal(&["--http-use-ssl"]).contains("--http-server-cert FILE"));
        assert!(
            refusal(&["--grpc-use-ssl", "--grpc-server-cert", "c"])
                .contains("--grpc-server-key FILE")
        );
        let pair = ["--grpc-server-cert", "c", "--grpc-server-key", "k"];
        assert!(refusal(&pair).contains("add --grpc-use-ssl"));
        let mutual = [&pair[..], &["--grpc-use-ssl-mutual"]].concat();
        assert!(refusal(&mutual).contains("--grpc-root-cert FILE"));
        let contradiction = [&mutual[..], &["--grpc-use-ssl=false"]].concat();
        assert!(refusal(&contradiction).contains("which is false"));

        let whole = [&mutual[..], &["--grpc-root-cert", "r"]].concat();
        let tls = listening(&whole).unwrap().grpc.unwrap().tls.unwrap();
        assert_eq!(tls.client_roots, Some("r".into()));
    }

    #[test]
    fn metrics_take_the_files_of_http_where_asked() {
        let http = ["--http-use-ssl", "--http-server-cert", "c", "--http-server-key", "k"];
        assert_eq!(listening(&http).unwrap().metrics.unwrap().tls, None);
        let both = [&http[..], &["--metrics-use-ssl", "--metrics-server-key", "own"]].concat();
        let tls = listening(&both).unwrap().metrics.unwrap().tls.unwrap();
        assert_eq!((tls.certificate, tls.key), ("c".into(), "own".into()));
    }

    #[test]
    fn metrics_do_not_share_the_unix_socket_of_http() {
        let listening = listening(&["--http-address", "unix:/tmp/h.sock"]).unwrap();
        assert_eq!(listening.http.unwrap().address.to_string(), "unix:/tmp/h.sock");
        assert_eq!(listening.metrics.unwrap().address.to_string(), "0.0.0.0:8002");
    }
}
