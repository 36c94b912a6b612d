"""Models from buckets and hubs: what a start costs, cold and warm; what a change costs; what happens when a download breaks
off, the bucket goes away, or a key is wrong; the switch by manifest. Against a real S3 server that verifies signatures."""

import contextlib
import hashlib
import json
import re
import shutil
import ssl
import subprocess
import time
import urllib.request

import pytest
import tritonclient.http as httpclient
import trustme
from buckets import BUCKET, S3, Hub, Proxy, Stub, environment, manifest_of
from hippocamp_server import GOLDEN, Reserved, Server, binary
from tensors import CASES, check, inputs_for
from waiting import until

MODELS = GOLDEN / "model_repository"
POLL = ("--model-control-mode=poll", "--repository-poll-secs=1", "--repository-settle-secs=0.2")
CASE = next(case for case in CASES if case[0] == "simple")


@pytest.fixture(scope="module")
def s3():
    running = S3()
    yield running
    running.stop()


@pytest.fixture
def proxy(s3):
    running = Proxy(s3)
    yield running
    running.stop()


@pytest.fixture
def prefix(request):
    """A path in the bucket that no other test uses."""
    return re.sub(r"\W", "-", request.node.name)


@pytest.fixture
def serving(tmp_path):
    """Starts servers over URLs, with one cache; stops them at the end."""
    servers = []

    def start(url, *arguments, environment):
        server = Server(url, f"--model-cache-directory={tmp_path / 'cache'}", *arguments, environment=environment)
        servers.append(server)
        return server

    yield start
    for server in servers:
        if server.is_running():
            assert server.stop() == 0, server.log()


def infers(server) -> None:
    """The model `simple` answers, and rightly."""
    name, inputs, outputs, *_ = CASE
    client = httpclient.InferenceServerClient(server.http)
    try:
        result = client.infer(name, inputs_for(httpclient, inputs))
        check(result, outputs)
    finally:
        client.close()


def index(server) -> dict[str, str]:
    request = urllib.request.Request(f"http://{server.http}/v2/repository/index", data=b"{}", method="POST")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return {f"{entry['name']}/{entry.get('version', '')}": entry.get("state", "") for entry in json.load(answer)}


def counted(server, kind: str, outcome: str = "answered") -> int:
    with urllib.request.urlopen(f"http://{server.metrics}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found = re.search(rf'hippocamp_object_store_requests_total{{.*kind="{kind}",outcome="{outcome}"}} (\d+)', text)
    return int(found[1])


def refusal(url, tmp_path, *arguments, environment) -> str:
    """What a server says that does not start."""
    command = [binary(), f"--model-repository={url}", f"--model-cache-directory={tmp_path / 'cache'}", *arguments]
    command += [f"--{endpoint}-port=0" for endpoint in ("http", "grpc", "metrics")]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert ended.returncode != 0
    return ended.stderr


def test_cold_and_warm(s3, proxy, prefix, serving):
    """A cold start gets each object once; a warm one lists, and gets nothing."""
    s3.upload(MODELS, prefix, "simple", "identity_fp32", "ensemble_simple")
    cold = serving(proxy.url(prefix), environment=s3.environment)
    infers(cold)
    assert set(index(cold)) >= {"simple/1", "identity_fp32/1", "ensemble_simple/1"}
    requests = proxy.kinds()
    assert requests == {"list": requests["list"], "get": 5, "head": 0}
    assert (counted(cold, "get"), counted(cold, "list")) == (5, requests["list"])
    assert cold.stop() == 0
    proxy.kinds()
    warm = serving(proxy.url(prefix), environment=s3.environment)
    infers(warm)
    assert proxy.kinds() == {"list": 1, "get": 0, "head": 0}
    assert (counted(warm, "get"), counted(warm, "list")) == (0, 1)


def test_a_change_costs_what_has_changed(s3, proxy, prefix, serving):
    """In poll mode, one object that changes is one that is downloaded; what is uploaded again unchanged reloads nothing."""
    s3.upload(MODELS, prefix, "simple", "identity_fp32")
    server = serving(proxy.url(prefix), *POLL, environment=s3.environment)
    before = counted(server, "get")
    s3.upload(MODELS, prefix, "identity_fp32")
    model = (MODELS / "simple/1/model.onnx").read_bytes()
    s3.put(f"{prefix}/simple/2/model.onnx", model)
    until(lambda: index(server).get("simple/2") == "READY", 30)
    infers(server)
    gets = counted(server, "get") - before
    # The new version, and the two objects that are written again: their tags are the same, their content is known.
    assert gets == 1
    s3.put(f"{prefix}/simple/config.pbtxt", (MODELS / "simple/config.pbtxt").read_bytes() + b"# changed\n")
    until(lambda: counted(server, "get") - before == 2, 30)


def test_what_breaks_off_is_continued(s3, proxy, prefix, serving, tmp_path):
    """A download that breaks goes on where it ended, in the same process and in the next one."""
    s3.upload(MODELS, prefix, "simple")
    ballast = hashlib.shake_256(prefix.encode()).digest(2_000_000)
    s3.put(f"{prefix}/simple/1/ballast", ballast)
    # Every attempt breaks: the start fails, within bounds, and says so.
    proxy.cut = 20_000
    told = refusal(proxy.url(prefix), tmp_path, environment=s3.environment)
    assert "simple" in told and proxy.url(prefix) in told and "attempts" in told, told
    gets = [request for request in proxy.requests if request.path.endswith("ballast")]
    assert all(request.status == 206 and request.if_match for request in gets[1:]), gets
    begun = sum(path.stat().st_size for path in (tmp_path / "cache/parts").iterdir())
    assert 20_000 <= begun < len(ballast)
    proxy.requests.clear()
    proxy.cut = None
    server = serving(proxy.url(prefix), environment=s3.environment)
    infers(server)
    (rest,) = [request for request in proxy.requests if request.path.endswith("ballast")]
    assert (rest.range, rest.status) == (f"bytes={begun}-", 206)
    (fetched,) = (tmp_path / "cache/models").glob("*/simple/1/ballast")
    assert fetched.read_bytes() == ballast
    assert list((tmp_path / "cache/parts").iterdir()) == []


def largest(directory):
    """The size of the largest file of a directory in which files come and go."""
    sizes = [0]
    for path in directory.glob("*"):
        with contextlib.suppress(FileNotFoundError):
            sizes.append(path.stat().st_size)
    return max(sizes)


def test_a_process_that_is_killed_while_it_downloads(s3, proxy, prefix, serving, tmp_path):
    """After kill -9 nothing half-written is seen, and the next process goes on."""
    s3.upload(MODELS, prefix, "simple")
    s3.put(f"{prefix}/simple/1/ballast", hashlib.shake_256(prefix.encode()).digest(2_000_000))
    proxy.cut = 300_000
    cache = tmp_path / "cache"
    command = [binary(), f"--model-repository={proxy.url(prefix)}", f"--model-cache-directory={cache}", "--http-port=0", "--grpc-port=0", "--metrics-port=0"]
    process = subprocess.Popen(command, env=s3.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(lambda: largest(cache / "parts") >= 300_000, 30)
    process.kill()
    process.wait()
    assert not list((cache / "models").iterdir())
    proxy.cut = None
    server = serving(proxy.url(prefix), environment=s3.environment)
    infers(server)
    assert len(list((cache / "tmp").iterdir())) == 1, "what the killed one built is gone"


def test_wrong_credentials(s3, proxy, prefix, tmp_path):
    """The error says which key was refused, with what, and what to do; never the secret."""
    s3.upload(MODELS, prefix, "simple")
    for key_id, secret, code in [
        ("AKIANOBODYKNOWSME", "some-secret-text", "InvalidAccessKeyId"),
        (s3.key_id, "some-secret-text", "SignatureDoesNotMatch"),
    ]:
        wrong = environment(AWS_ACCESS_KEY_ID=key_id, AWS_SECRET_ACCESS_KEY=secret)
        told = refusal(proxy.url(prefix), tmp_path, environment=wrong)
        for expected in (key_id, "AWS_ACCESS_KEY_ID", "403", code, "TRITON_CLOUD_CREDENTIAL_PATH", proxy.url(prefix)):
            assert expected in told, f"{expected}: {told}"
        assert "some-secret-text" not in told
    told = refusal(proxy.url(prefix), tmp_path, environment=environment(HOME=str(tmp_path)))
    assert "no credentials, as for a public bucket" in told and "403" in told, told
    told = refusal(proxy.url(prefix).replace(BUCKET, "no-such-bucket"), tmp_path, environment=s3.environment)
    assert "NoSuchBucket" in told and "404" in told, told


def test_the_bucket_goes_away(s3, proxy, prefix, serving):
    """A server that polls goes on with what it has, and sees what is new once the bucket is back."""
    s3.upload(MODELS, prefix, "simple")
    server = serving(proxy.url(prefix), *POLL, environment=s3.environment)
    proxy.away = True
    until(lambda: counted(server, "list", "failed") > 0, 60)
    infers(server)
    assert index(server)["simple/1"] == "READY"
    s3.upload(MODELS, prefix, "identity_fp32")
    proxy.away = False
    until(lambda: index(server).get("identity_fp32/1") == "READY", 60)
    infers(server)


def test_a_bucket_that_is_not_there_ends_in_time(tmp_path, s3):
    """Nobody listens: a clear error, soon."""
    with Reserved() as port:
        start = time.monotonic()
        told = refusal(f"s3://127.0.0.1:{port}/bucket/models", tmp_path, environment=s3.environment)
        assert "no usable answer from" in told and "4 attempts" in told, told
        assert time.monotonic() - start < 30


def test_the_switch_by_manifest(s3, proxy, prefix, serving, tmp_path):
    """Uploads are not seen until the manifest names them; what does not fit it is not loaded."""
    s3.upload(MODELS, f"{prefix}/first", "simple")
    s3.put(f"{prefix}/hippocamp-manifest.json", manifest_of(MODELS, "first", "simple"))
    server = serving(proxy.url(prefix), *POLL, environment=s3.environment)
    assert set(index(server)) == {"simple/1"}
    # The next release is uploaded beside it, for a while.
    release = tmp_path / "release"
    shutil.copytree(MODELS / "simple", release / "simple")
    shutil.copytree(release / "simple/1", release / "simple/2")
    shutil.copytree(MODELS / "ensemble_simple", release / "ensemble_simple")
    # A clone has no empty directories.
    (release / "ensemble_simple/1").mkdir(exist_ok=True)
    s3.upload(release, f"{prefix}/second", "simple", "ensemble_simple")
    lists = counted(server, "list")
    until(lambda: counted(server, "list") >= lists + 3, 30)
    assert set(index(server)) == {"simple/1"}
    s3.put(f"{prefix}/hippocamp-manifest.json", manifest_of(release, "second", "simple", "ensemble_simple"))
    until(lambda: index(server).get("simple/2") == "READY" and index(server).get("ensemble_simple/1") == "READY", 60)
    infers(server)
    # A third one, whose model is not what the manifest says.
    (release / "simple/1/model.onnx").write_bytes(b"other")
    manifest = manifest_of(release, "third", "simple", "ensemble_simple")
    (release / "simple/1/model.onnx").write_bytes(b"OTHER")
    s3.upload(release, f"{prefix}/third", "simple", "ensemble_simple")
    s3.put(f"{prefix}/hippocamp-manifest.json", manifest)
    until(lambda: "SHA-256" in server.log(), 60)
    infers(server)
    assert index(server)["simple/2"] == "READY"


def test_tritons_file_of_credentials(s3, proxy, prefix, serving, tmp_path):
    """The longest name that the URL starts with counts; environment variables do not."""
    s3.upload(MODELS, prefix, "simple")
    file = tmp_path / "credentials.json"
    right = {"key_id": s3.key_id, "secret_key": s3.secret_key, "region": "us-east-1", "session_token": "", "profile": ""}
    wrong = right | {"secret_key": "some-secret-text"}
    file.write_text(json.dumps({"s3": {"": wrong, proxy.url(prefix)[:30]: right}}))
    with_file = environment(TRITON_CLOUD_CREDENTIAL_PATH=str(file), AWS_ACCESS_KEY_ID="AKIAOTHER", AWS_SECRET_ACCESS_KEY="x")
    infers(serving(proxy.url(prefix), environment=with_file))
    file.write_text(json.dumps({"s3": {"": wrong}}))
    told = refusal(proxy.url(prefix), tmp_path, environment=with_file)
    assert str(file) in told and s3.key_id in told and "some-secret-text" not in told, told
    file.write_text(json.dumps({"s3": {"": right | {"key_id": 7}}}))
    told = refusal(proxy.url(prefix), tmp_path, environment=with_file)
    assert str(file) in told and '"key_id": expected a text, got a number' in told, told


@pytest.mark.parametrize("kind", ["gs", "as"])
def test_the_other_clouds(kind, serving, tmp_path):
    """The forms of Google and Azure, against stubs of them: listed, fetched if unchanged, cached."""
    objects = {
        f"deep/models/simple/{name}": (MODELS / "simple" / name).read_bytes() for name in ("config.pbtxt", "1/model.onnx")
    }
    stub = Stub(kind, objects)
    url = {"gs": "gs://some-bucket/deep/models", "as": "as://account/some-bucket/deep/models"}[kind]
    # No key, and no machine of theirs that would give one.
    plain = environment(HOME=str(tmp_path), GOOGLE_BASE_URL=stub.url, AZURE_STORAGE_ENDPOINT=stub.url)
    try:
        server = serving(url, environment=plain)
        infers(server)
        assert server.stop() == 0
        assert len(stub.requests) == 3, stub.requests
        stub.requests.clear()
        infers(serving(url, environment=plain))
        assert stub.requests == ["/some-bucket"]
    finally:
        stub.stop()


def test_tls(serving, tmp_path):
    """Certificates are verified against those of the system, which SSL_CERT_FILE names."""
    authority, tls = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    objects = {f"simple/{name}": (MODELS / "simple" / name).read_bytes() for name in ("config.pbtxt", "1/model.onnx")}
    stub = Stub("gs", objects, tls)
    try:
        plain = environment(HOME=str(tmp_path), GOOGLE_BASE_URL=stub.url)
        told = refusal("gs://some-bucket", tmp_path, environment=plain)
        assert "certificate" in told and stub.requests == [], told
        infers(serving("gs://some-bucket", environment=plain | {"SSL_CERT_FILE": str(tmp_path / "ca.pem")}))
    finally:
        stub.stop()


def test_a_model_of_a_hub(serving, tmp_path):
    """Its ONNX file and its tokenizer become a model; the token goes to the hub alone."""
    onnx = (MODELS / "simple/1/model.onnx").read_bytes()
    files = {"onnx/model.onnx": onnx, "tokenizer.json": b"{}", "README.md": b"# it", "pytorch_model.bin": b"large"}
    hub = Hub("some-owner/simple", files, "hf_secret")
    try:
        arguments = ("hf://some-owner/simple", f"--hub-url={hub.url}")
        server = serving(*arguments, environment=environment(HF_TOKEN="hf_secret"))
        infers(server)
        (version,) = (tmp_path / "cache/models").glob("*/simple/1")
        assert sorted(path.name for path in version.iterdir()) == ["model.onnx", "tokenizer.json"]
        assert server.stop() == 0
        hub.requests.clear()
        infers(serving(*arguments, environment=environment(HF_TOKEN="hf_secret")))
        assert [path for path, _ in hub.requests] == ["/api/models/some-owner/simple/revision/main?blobs=true"]
        told = refusal(arguments[0], tmp_path, arguments[1], environment=environment())
        assert "401" in told and "HF_TOKEN" in told and "no token" in told, told
    finally:
        hub.stop()
