//! Regions of shared memory, and clients that pull them away while requests use them. What
//! tritonclient does with them is in tests/python.

use crate::clients::{assert_serves, body, get_json, send};
use hippocamp_client::RawResponse;
use hippocamp_tests::{Repository, Sandbox, Settings};
use http::Method;
use rustix::{fs::Mode, shm};
use serde_json::{Value, json};
use std::{
    fs::File,
    os::unix::fs::FileExt as _,
    process,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// An object of shared memory that is gone after the test.
struct Shared {
    key: String,
    file: File,
}

impl Shared {
    fn new(test: &str, byte_size: u64) -> Self {
        let key = format!("/hippocamp_e2e_{}_{test}", process::id());
        let flags = shm::OFlags::CREATE | shm::OFlags::EXCL | shm::OFlags::RDWR;
        let file = File::from(shm::open(&key, flags, Mode::RUSR | Mode::WUSR).unwrap());
        file.set_len(byte_size).unwrap();
        Self { key, file }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        shm::unlink(&self.key).unwrap();
    }
}

fn start(repository: &Repository) -> Sandbox {
    Settings::new(repository.path())
        .option("--allow-client-shm", "true")
        .start()
        .unwrap_or_else(|refusal| panic!("{refusal}"))
}

async fn post(server: &Sandbox, path: &str, body: &Value) -> RawResponse {
    send(server.http(), Method::POST, path, &[], body.to_string()).await
}

async fn register(server: &Sandbox, name: &str, key: &str, offset: u64, byte_size: u64) {
    let path = format!("/v2/systemsharedmemory/region/{name}/register");
    let region = json!({ "key": key, "offset": offset, "byte_size": byte_size });
    let answer = post(server, &path, &region).await;
    assert_eq!(answer.status, 200, "{}", body(&answer));
}

/// Both tensors of the identity model in `region`: the input first, the output behind it.
fn identity(region: &str, byte_size: u64) -> Value {
    let parameters = |offset| {
        json!({
            "shared_memory_region": region,
            "shared_memory_offset": offset,
            "shared_memory_byte_size": byte_size,
        })
    };
    json!({
        "inputs": [{
            "name": "INPUT0", "datatype": "UINT8", "shape": [1, byte_size], "parameters": parameters(0),
        }],
        "outputs": [{ "name": "OUTPUT0", "parameters": parameters(byte_size) }],
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tensors_lie_where_the_client_put_them() {
    let repository = Repository::new().identity("identity", "TYPE_UINT8", "");
    let server = start(&repository);
    let shared = Shared::new("tensors", 10_000);
    register(&server, "r", &shared.key, 1000, 9000).await;
    assert_eq!(
        get_json(&server, "/v2/systemsharedmemory/status").await,
        json!([{ "name": "r", "key": shared.key, "offset": 1000, "byte_size": 9000 }])
    );
    let data: Vec<u8> = (0..4500_u32).map(|number| (number % 251) as u8).collect();
    shared.file.write_all_at(&data, 1000).unwrap();
    let answer = post(&server, "/v2/models/identity/infer", &identity("r", 4500)).await;
    assert_eq!(
        answer.json::<Value>().expect("JSON"),
        json!({
            "model_name": "identity", "model_version": "1",
            "outputs": [{ "name": "OUTPUT0", "datatype": "UINT8", "shape": [1, 4500] }],
        })
    );
    let mut output = vec![0; 4500];
    shared.file.read_exact_at(&mut output, 5500).unwrap();
    assert_eq!(output, data);
}

/// A mapping would end the server with SIGBUS here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_truncates_its_object_harms_itself_alone() {
    const SIZE: u64 = 1 << 20;
    let repository = Repository::new().identity("identity", "TYPE_UINT8", "").simple("simple", "");
    let server = start(&repository);
    let shared = Shared::new("truncated", 2 * SIZE);
    register(&server, "r", &shared.key, 0, 2 * SIZE).await;

    let done = Arc::new(AtomicBool::new(false));
    let shaker = {
        let (done, file) = (Arc::clone(&done), shared.file.try_clone().unwrap());
        thread::spawn(move || {
            while !done.load(Ordering::Relaxed) {
                for byte_size in [0, SIZE / 2, SIZE + 1, 2 * SIZE] {
                    file.set_len(byte_size).unwrap();
                }
            }
        })
    };
    let mut statuses = [0; 2];
    for _ in 0..300 {
        let answer = post(&server, "/v2/models/identity/infer", &identity("r", SIZE)).await;
        match answer.status {
            200 => statuses[0] += 1,
            400 => {
                assert!(body(&answer).contains("its object was truncated"), "{}", body(&answer));
                statuses[1] += 1;
            }
            other => panic!("{other}: {}", body(&answer)),
        }
    }
    done.store(true, Ordering::Relaxed);
    shaker.join().unwrap();
    assert!(statuses[1] > 0, "the object was never found truncated: {statuses:?}");

    shared.file.set_len(SIZE).unwrap();
    let answer = post(&server, "/v2/models/identity/infer", &identity("r", SIZE)).await;
    assert_eq!(answer.status, 400, "the output has no room: {}", body(&answer));
    shared.file.set_len(2 * SIZE).unwrap();
    let answer = post(&server, "/v2/models/identity/infer", &identity("r", SIZE)).await;
    assert_eq!(answer.status, 200, "{}", body(&answer));
    assert_serves(&server, "simple").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_registrations_are_refused() {
    let repository = Repository::new().simple("simple", "");
    let server = start(&repository);
    let shared = Shared::new("bad", 4096);
    let key = &shared.key;
    let cases = [
        ("no key", json!({ "byte_size": 1 }), 400, "has no 'key' field"),
        ("no size", json!({ "key": key }), 400, "has no 'byte_size' field"),
        ("a key of a number", json!({ "key": 1, "byte_size": 1 }), 400, "Unable to parse 'key'"),
        ("a negative size", json!({ "key": key, "byte_size": -1 }), 400, "'byte_size': expected"),
        (
            "a negative offset",
            json!({ "key": key, "offset": -1, "byte_size": 1 }),
            400,
            "'offset': expected",
        ),
        (
            "sizes that overflow",
            json!({ "key": key, "offset": u64::MAX, "byte_size": 4096 }),
            400,
            "invalid args",
        ),
        ("more than there is", json!({ "key": key, "byte_size": 4097 }), 400, "invalid args"),
        ("no object", json!({ "key": "/hippocamp_none", "byte_size": 1 }), 400, "Unable to open"),
        ("a path", json!({ "key": "../../etc/passwd", "byte_size": 1 }), 400, "invalid shm key"),
        (
            "the Python backend's memory",
            json!({ "key": "triton_python_backend_shm_region_1", "byte_size": 1 }),
            400,
            "reserved prefix",
        ),
        ("no object of JSON", json!([]), 400, "JSON object"),
    ];
    for (name, region, status, expect) in cases {
        let answer = post(&server, "/v2/systemsharedmemory/region/r/register", &region).await;
        assert_eq!(answer.status, status, "{name}: {}", body(&answer));
        assert!(body(&answer).contains(expect), "{name}: {}", body(&answer));
    }
    let answer = post(&server, "/v2/systemsharedmemory/register", &json!({})).await;
    assert_eq!(answer.status, 400, "{}", body(&answer));
    assert_eq!(get_json(&server, "/v2/systemsharedmemory/status").await, json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_flag_registration_names_it() {
    let repository = Repository::new().simple("simple", "");
    let server = Sandbox::start(repository.path());
    for path in ["region/r/register", "region/r/unregister", "unregister"] {
        for kind in ["system", "cuda"] {
            let answer = post(&server, &format!("/v2/{kind}sharedmemory/{path}"), &json!({})).await;
            assert_eq!(answer.status, 501, "{}", body(&answer));
            assert!(body(&answer).contains("--allow-client-shm=true"), "{}", body(&answer));
        }
    }
    assert_eq!(get_json(&server, "/v2/systemsharedmemory/status").await, json!([]));
}
