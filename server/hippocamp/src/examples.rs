//! First requests to try: what the configurations of the models that serve give as an example (parameter
//! `example`, the JSON body of a `generate` request), as commands to paste.

use hippocamp_core::InferenceServer;
use std::{collections::BTreeSet, net::SocketAddr, sync::Arc};

/// Examples in the log at most: it is a first request, not a list.
const MOST: usize = 4;

/// A command for each model that serves and has an example, in the order of their names.
pub(crate) async fn commands(server: &Arc<InferenceServer>, http: SocketAddr) -> Vec<String> {
    let Ok(index) = server.index(true).await else {
        return Vec::new();
    };
    let names: BTreeSet<String> = index.into_iter().map(|entry| entry.name).collect();
    let example = |name: String| {
        let model = server.model(&name, None).ok()?;
        let example = &model.config.raw.parameters.get("example")?.string_value;
        Some(command(http, &name, example))
    };
    names.into_iter().filter_map(example).take(MOST).collect()
}

/// The request as a shell takes it.
fn command(http: SocketAddr, model: &str, body: &str) -> String {
    let host = if http.ip().is_loopback() {
        "localhost".to_owned()
    } else if http.is_ipv6() {
        format!("[{}]", http.ip())
    } else {
        http.ip().to_string()
    };
    let body = body.replace('\'', r"'\''");
    format!("curl -s {host}:{}/v2/models/{model}/generate -d '{body}'", http.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_can_be_pasted() {
        let check = |address: &str, body: &str, expect: &str| {
            assert_eq!(command(address.parse().unwrap(), "m", body), expect);
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
}
