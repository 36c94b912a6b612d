//! First requests to try: what the configurations of the models that serve give as an example (parameter
//! `example`, the JSON body of a `generate` request), as commands to paste.

use hippocamp_core::InferenceServer;
use hippocamp_net::{Address, TlsFiles};
use std::{collections::BTreeSet, sync::Arc};

/// Examples in the log at most: it is a first request, not a list.
const MOST: usize = 6;

/// How curl gets to the HTTP endpoint.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Door {
    /// Options, each with a blank before it.
    options: String,
    /// `http://localhost:8000`, without what curl adds by itself.
    origin: String,
}

impl Door {
    /// The way to `address`.
    pub(crate) fn new(address: &Address, tls: Option<&TlsFiles>) -> Self {
        let mut options = String::new();
        let host = match address {
            Address::Unix(path) => {
                options += &format!(" --unix-socket {}", quoted(&path.to_string_lossy()));
                "localhost".to_owned()
            }
            Address::Tcp(address) if address.ip().is_loopback() => {
                format!("localhost:{}", address.port())
            }
            Address::Tcp(address) => address.to_string(),
        };
        let Some(tls) = tls else { return Self { options, origin: host } };
        // A certificate that signed itself is its own root; another one curl knows by itself.
        options += &format!(" --cacert {}", quoted(&tls.certificate.to_string_lossy()));
        if tls.client_roots.is_some() {
            options += " --cert <your certificate> --key <its key>";
        }
        Self { options, origin: format!("https://{host}") }
    }
}

/// A command for each model that serves and has an example, in the order of their names.
pub(crate) async fn commands(
    server: &Arc<InferenceServer>,
    http: &Door,
    needs_key: bool,
) -> Vec<String> {
    let Ok(index) = server.index(true).await else {
        return Vec::new();
    };
    let names: BTreeSet<String> = index.into_iter().map(|entry| entry.name).collect();
    let example = |name: String| {
        let model = server.model(&name, None).ok()?;
        let example = &model.config.raw.parameters.get("example")?.string_value;
        Some(command(http, needs_key, &name, example))
    };
    names.into_iter().filter_map(example).take(MOST).collect()
}

/// The request as a shell takes it.
fn command(http: &Door, needs_key: bool, model: &str, body: &str) -> String {
    let Door { options, origin } = http;
    let key = if needs_key { " -H 'x-api-key: <your key>'" } else { "" };
    format!("curl -s{options}{key} {origin}/v2/models/{model}/generate -d {}", quoted(body))
}

/// `text` as one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_can_be_pasted() {
        let check = |address: &str, body: &str, expect: &str| {
            let door = Door::new(&Address::Tcp(address.parse().unwrap()), None);
            assert_eq!(command(&door, false, "m", body), expect);
        };
        let at = |host: &str| format!(r#"curl -s {host}/v2/models/m/generate -d '{{"K": 1}}'"#);
        check("127.0.0.1:80", r#"{"K": 1}"#, &at("localhost:80"));
        check("10.1.2.3:80", r#"{"K": 1}"#, &at("10.1.2.3:80"));
        check("[2001:db8::1]:80", r#"{"K": 1}"#, &at("[2001:db8::1]:80"));
        check(
            "[::1]:80",
            r#"{"PLOT": "it's"}"#,
            r#"curl -s localhost:80/v2/models/m/generate -d '{"PLOT": "it'\''s"}'"#,
        );
    }

    #[test]
    fn sockets_certificates_and_keys_have_their_options() {
        let tls = TlsFiles { certificate: "c.pem".into(), key: "k.pem".into(), client_roots: None };
        let door = Door::new(&Address::Unix("/run/h.sock".into()), None);
        assert_eq!(
            command(&door, true, "m", "{}"),
            "curl -s --unix-socket '/run/h.sock' -H 'x-api-key: <your key>' localhost/v2/models/m/generate -d '{}'"
        );
        let door = Door::new(&Address::Tcp("127.0.0.1:80".parse().unwrap()), Some(&tls));
        assert_eq!(
            command(&door, false, "m", "{}"),
            "curl -s --cacert 'c.pem' https://localhost:80/v2/models/m/generate -d '{}'"
        );
    }
}
