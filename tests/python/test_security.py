"""Who gets in: TLS and mutual TLS, API keys, restricted groups of calls, each allowed and each refused case, over HTTP,
gRPC and metrics; keys and certificates replaced while connections stay; Unix sockets, and HTTP/2 on the REST port."""

import http.client
import json
import queue
import socket
import ssl
import subprocess

import grpc
import h2.connection
import h2.events
import httpx
import pytest
import tritonclient.grpc as grpcclient
import tritonclient.http as httpclient
import trustme
from hippocamp_server import GOLDEN, Server, binary
from tensors import CASES, SUM_AND_DIFFERENCE, check, inputs_for
from tritonclient.utils import InferenceServerException
from waiting import until

MODELS = GOLDEN / "model_repository"
LIMIT_S = 30
SIMPLE_OUTPUTS = CASES[0][2]
INFER = json.dumps(
    {
        "inputs": [
            {"name": name, "shape": [1, 16], "datatype": "INT32", "data": array.ravel().tolist()}
            for name, array in SUM_AND_DIFFERENCE.items()
        ]
    }
)


def running(*arguments):
    """A server over the golden models, stopped at the end."""
    server = Server(MODELS, *arguments)
    try:
        yield server
        assert server.stop() == 0, f"unclean end; its log:\n{server.log()}"
    finally:
        server.stop()


# TLS


class Certificates:
    """An authority, the files of a server that it vouches for, and those of a client."""

    def __init__(self, directory):
        self.authority = trustme.CA()
        self.root = directory / "root.pem"
        self.authority.cert_pem.write_to_path(self.root)
        self.server_cert, self.server_key = directory / "server.pem", directory / "server.key"
        self.client_cert, self.client_key = directory / "client.pem", directory / "client.key"
        self.issue(self.server_cert, self.server_key)
        self.issue(self.client_cert, self.client_key)

    def issue(self, cert, key):
        """A new certificate for the loopback."""
        issued = self.authority.issue_cert("127.0.0.1", "localhost")
        issued.private_key_pem.write_to_path(key)
        cert.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))

    def flags(self, protocol, mutual):
        """The server's flags."""
        flags = [f"--{protocol}-use-ssl", f"--{protocol}-server-cert={self.server_cert}"]
        flags += [f"--{protocol}-server-key={self.server_key}"]
        return flags + ([f"--{protocol}-use-ssl-mutual", f"--{protocol}-root-cert={self.root}"] if mutual else [])

    def context(self, client=None):
        """What an HTTP client needs to trust the server, and to be trusted with the files of `client`."""
        context = ssl.create_default_context(cafile=self.root)
        if client:
            context.load_cert_chain(client.client_cert, client.client_key)
        return context

    def credentials(self, client=None):
        """The same for gRPC."""
        pair = (client.client_key.read_bytes(), client.client_cert.read_bytes()) if client else (None, None)
        return grpc.ssl_channel_credentials(self.root.read_bytes(), *pair)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def strangers(tmp_path_factory):
    """Certificates of an authority that nobody knows."""
    return Certificates(tmp_path_factory.mktemp("strangers"))


@pytest.fixture(scope="module")
def encrypted(certificates):
    yield from running(*(flag for protocol in ("http", "grpc", "metrics") for flag in certificates.flags(protocol, False)))


@pytest.fixture(scope="module")
def mutual(certificates):
    yield from running(*(flag for protocol in ("http", "grpc", "metrics") for flag in certificates.flags(protocol, True)))


def get(address, path, context=None):
    """Status of a GET, over TLS with a context."""
    host, port = address.split(":")
    if context:
        connection = http.client.HTTPSConnection(host, int(port), timeout=10, context=context)
    else:
        connection = http.client.HTTPConnection(host, int(port), timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def grpc_live(address, credentials=None):
    """Whether a gRPC call arrives; its status code otherwise."""
    channel = grpc.secure_channel(address, credentials) if credentials else grpc.insecure_channel(address)
    stub = grpcclient.service_pb2_grpc.GRPCInferenceServiceStub(channel)
    try:
        return stub.ServerLive(grpcclient.service_pb2.ServerLiveRequest(), timeout=LIMIT_S).live
    except grpc.RpcError as error:
        return error.code()
    finally:
        channel.close()


def test_tls_serves_who_trusts_the_server(encrypted, certificates):
    context = certificates.context()
    assert get(encrypted.http, "/v2/health/ready", context) == 200
    assert get(encrypted.metrics, "/metrics", context) == 200
    assert grpc_live(encrypted.grpc, certificates.credentials()) is True


def test_tls_refuses_plain_connections(encrypted):
    for address, path in ((encrypted.http, "/v2/health/ready"), (encrypted.metrics, "/metrics")):
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            get(address, path)
    assert grpc_live(encrypted.grpc) == grpc.StatusCode.UNAVAILABLE


def test_clients_notice_a_server_they_do_not_trust(encrypted, strangers):
    for address, path in ((encrypted.http, "/v2/health/ready"), (encrypted.metrics, "/metrics")):
        with pytest.raises(ssl.SSLCertVerificationError):
            get(address, path, strangers.context())
    assert grpc_live(encrypted.grpc, strangers.credentials()) == grpc.StatusCode.UNAVAILABLE


def test_tritonclient_over_tls(encrypted, certificates):
    with httpclient.InferenceServerClient(
        encrypted.http, ssl=True, ssl_options={"ca_certs": str(certificates.root)}
    ) as client:
        check(client.infer("simple", inputs_for(httpclient, SUM_AND_DIFFERENCE)), SIMPLE_OUTPUTS)
    with grpcclient.InferenceServerClient(
        encrypted.grpc, ssl=True, root_certificates=str(certificates.root)
    ) as client:
        check(client.infer("simple", inputs_for(grpcclient, SUM_AND_DIFFERENCE)), SIMPLE_OUTPUTS)


def test_mutual_tls_serves_who_shows_a_certificate(mutual, certificates):
    context = certificates.context(client=certificates)
    assert get(mutual.http, "/v2/health/ready", context) == 200
    assert get(mutual.metrics, "/metrics", context) == 200
    assert grpc_live(mutual.grpc, certificates.credentials(client=certificates)) is True


@pytest.mark.parametrize("who", ["nobody", "stranger"])
def test_mutual_tls_refuses_others(mutual, certificates, strangers, who):
    client = strangers if who == "stranger" else None
    for address, path in ((mutual.http, "/v2/health/ready"), (mutual.metrics, "/metrics")):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            get(address, path, certificates.context(client))
    assert grpc_live(mutual.grpc, certificates.credentials(client)) == grpc.StatusCode.UNAVAILABLE


def test_a_client_that_stops_in_its_handshake_holds_up_nobody(encrypted, certificates):
    host, port = encrypted.http.split(":")
    with socket.create_connection((host, int(port))) as silent:
        silent.sendall(b"\x16\x03\x01")
        assert get(encrypted.http, "/v2/health/ready", certificates.context()) == 200


def test_a_new_certificate_is_taken_while_connections_stay(tmp_path):
    certificates = Certificates(tmp_path)
    for server in running(*certificates.flags("http", False)):
        host, port = server.http.split(":")

        def shown():
            with socket.create_connection((host, int(port))) as plain:
                with certificates.context().wrap_socket(plain, server_hostname=host) as encrypted:
                    return encrypted.getpeercert(binary_form=True)

        kept = http.client.HTTPSConnection(host, int(port), timeout=10, context=certificates.context())
        kept.request("GET", "/v2/health/live")
        assert kept.getresponse().read() == b'{"live":true}'
        first = shown()

        # A pair that does not fit, as when only one of two files was written yet.
        certificates.issue(certificates.server_cert, tmp_path / "other.key")
        until(lambda: "the certificate of http stays as it was" in server.log())
        assert shown() == first

        certificates.issue(certificates.server_cert, certificates.server_key)
        until(lambda: shown() != first)
        kept.request("GET", "/v2/health/live")
        assert kept.getresponse().status == 200
        kept.close()


def test_http2_on_the_rest_port(encrypted, server, certificates):
    with httpx.Client(http2=True, verify=certificates.context(), timeout=LIMIT_S) as client:
        answer = client.post(f"https://{encrypted.http}/v2/models/simple/infer", content=INFER)
        assert (answer.http_version, answer.status_code) == ("HTTP/2", 200), answer.text
    # Without TLS a client has to know beforehand.
    with httpx.Client(http1=False, http2=True, timeout=LIMIT_S) as client:
        for _ in range(3):
            answer = client.post(f"http://{server.http}/v2/models/simple/infer", content=INFER)
            assert (answer.http_version, answer.status_code) == ("HTTP/2", 200), answer.text
        answer = client.get(f"http://{server.http}/v2/models/missing")
        assert (answer.http_version, answer.status_code) == ("HTTP/2", 404), answer.text
    assert httpx.get(f"http://{server.http}/v2", timeout=LIMIT_S).http_version == "HTTP/1.1"


def test_an_answer_before_its_body_is_read_resets_no_stream(server):
    """Over HTTP/2 clients take a reset for a failure, even after the whole answer."""
    host, port = server.http.split(":")
    with socket.create_connection((host, int(port)), timeout=10) as plain:
        connection = h2.connection.H2Connection()
        connection.initiate_connection()
        head = {":method": "POST", ":path": "/v2/models/missing/infer", ":scheme": "http", ":authority": "x"}
        connection.send_headers(1, list(head.items()))
        plain.sendall(connection.data_to_send())
        events = []
        while not any(isinstance(event, h2.events.StreamEnded) for event in events):
            events += connection.receive_data(plain.recv(65536))
            plain.sendall(connection.data_to_send())
        connection.send_data(1, b"{}", end_stream=True)
        connection.ping(b"settled!")
        plain.sendall(connection.data_to_send())
        while not any(isinstance(event, h2.events.PingAckReceived) for event in events):
            events += connection.receive_data(plain.recv(65536))
        response = next(event for event in events if isinstance(event, h2.events.ResponseReceived))
        assert dict(response.headers)[b":status"] == b"404"
        assert not any(isinstance(event, h2.events.StreamReset) for event in events), events


# API keys


def draw(name, *flags):
    """A new key, and its entry for the file."""
    told = subprocess.run([binary(), "key", "new", name, *flags], capture_output=True, text=True, check=True).stdout
    key = next(line for line in told.splitlines() if line.startswith("hippocamp_"))
    return key, told[told.index("[[key]]") :]


class Keys:
    """A key file, and a server that asks for its keys."""

    def __init__(self, directory):
        self.file = directory / "keys.toml"
        self.all, everything = draw("all")
        self.simple, for_simple = draw(
            "simple", "--category=inference", "--category=metadata", "--model=simple*", "--model=repeat_int32"
        )
        self.scraper, for_metrics = draw("scraper", "--category=metrics")
        self.old, expired = draw("old")
        self.entries = [everything, for_simple, for_metrics, expired + "expires = 2020-01-01T00:00:00Z\n"]
        self.write()

    def write(self):
        """Writes the file as a whole, as one should."""
        fresh = self.file.with_suffix(".new")
        fresh.write_text("\n".join(self.entries))
        fresh.rename(self.file)


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return Keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def guarded(keys):
    yield from running(f"--api-keys={keys.file}")


def call(server, method, path, key=None, header="authorization", body=None):
    """Status and JSON of a call over HTTP."""
    headers = {} if key is None else {header: f"Bearer {key}" if header == "authorization" else key}
    answer = httpx.request(method, f"http://{server}{path}", headers=headers, content=body, timeout=LIMIT_S)
    is_json = "json" in answer.headers["content-type"] and answer.content
    return answer.status_code, answer.json() if is_json else answer.text, answer.headers


def test_http_needs_a_key(guarded, keys):
    infer = ("POST", "/v2/models/simple/infer")
    status, body, headers = call(guarded.http, *infer, body=INFER)
    assert (status, headers["www-authenticate"]) == (401, "Bearer")
    assert "send 'authorization: Bearer <key>'" in body["error"]
    for wrong in ("hippocamp_0", keys.simple[:-1], keys.simple + "0", keys.simple.upper()):
        status, body, _ = call(guarded.http, *infer, key=wrong, body=INFER)
        assert status == 401 and "not known here" in body["error"]
    status, body, _ = call(guarded.http, *infer, key=keys.old, body=INFER)
    assert status == 401 and "'old' has expired" in body["error"]
    for header in ("authorization", "x-api-key"):
        for key in (keys.simple, keys.all):
            status, body, _ = call(guarded.http, *infer, key=key, header=header, body=INFER)
            assert status == 200, body


def test_http_keys_have_scopes(guarded, keys):
    identity = '{"inputs": [{"name": "INPUT0", "shape": [1, 1], "datatype": "FP32", "data": [1]}]}'
    for method, path, body, key, expect in [
        ("POST", "/v2/models/identity_fp32/infer", identity, keys.simple, "does not permit model 'identity_fp32'"),
        ("POST", "/v2/models/identity_fp32/infer", identity, keys.all, 200),
        ("GET", "/v2/models/simple", None, keys.simple, 200),
        ("GET", "/v2/models/identity_fp32", None, keys.simple, "does not permit model"),
        ("GET", "/v2/models/simple/stats", None, keys.simple, "does not permit calls of group 'statistics'"),
        ("GET", "/v2/models/simple/config", None, keys.simple, "does not permit calls of group 'model-config'"),
        ("POST", "/v2/repository/index", None, keys.simple, "does not permit calls of group 'model-repository'"),
        ("POST", "/v2/repository/index", None, keys.all, 200),
        ("GET", "/v2/models/stats", None, keys.all, 200),
        ("GET", "/v2/logging", None, keys.scraper, "does not permit calls of group 'logging'"),
        ("GET", "/v2", None, keys.simple, 200),
        ("GET", "/v2", None, None, 401),
        # What needs no key by default.
        ("GET", "/v2/health/ready", None, None, 200),
        ("GET", "/v2/models/simple/ready", None, None, 200),
        ("GET", "/openapi.json", None, None, 200),
        ("GET", "/v2/health/ready", None, "hippocamp_0", 200),
    ]:
        status, answer, _ = call(guarded.http, method, path, key=key, body=body)
        if isinstance(expect, int):
            assert status == expect, (path, answer)
        else:
            assert status == 403 and expect in answer["error"], (path, status, answer)


def test_metrics_need_a_key(guarded, keys):
    for key, expect in ((None, 401), ("hippocamp_0", 401), (keys.simple, 403), (keys.scraper, 200), (keys.all, 200)):
        status, body, _ = call(guarded.metrics, "GET", "/metrics", key=key)
        assert status == expect, body


def metadata(key):
    """gRPC metadata with a key."""
    return None if key is None else {"authorization": f"Bearer {key}"}


def grpc_code(function, *arguments, **options):
    """The status code of a call of tritonclient."""
    try:
        function(*arguments, **options)
    except InferenceServerException as error:
        return error.status().removeprefix("StatusCode.")
    return "OK"


def test_grpc_needs_a_key(guarded, keys):
    with grpcclient.InferenceServerClient(guarded.grpc) as client:
        inputs = inputs_for(grpcclient, SUM_AND_DIFFERENCE)
        for key, expect in [
            (None, "UNAUTHENTICATED"),
            ("hippocamp_0", "UNAUTHENTICATED"),
            (keys.old, "UNAUTHENTICATED"),
            (keys.scraper, "PERMISSION_DENIED"),
            (keys.simple, "OK"),
            (keys.all, "OK"),
        ]:
            assert grpc_code(client.infer, "simple", inputs, headers=metadata(key)) == expect, key
        simple = metadata(keys.simple)
        assert grpc_code(client.get_model_metadata, "identity_fp32", headers=simple) == "PERMISSION_DENIED"
        assert grpc_code(client.get_model_metadata, "simple", headers=simple) == "OK"
        assert grpc_code(client.get_model_config, "simple", headers=simple) == "PERMISSION_DENIED"
        assert grpc_code(client.get_model_repository_index, headers=simple) == "PERMISSION_DENIED"
        assert grpc_code(client.get_model_repository_index, headers=metadata(keys.all)) == "OK"
        assert client.is_server_ready() and client.is_model_ready("simple")


@pytest.mark.parametrize("model, expect", [("simple", "OK"), ("identity_fp32", "PERMISSION_DENIED")])
def test_a_stream_is_held_to_its_key(guarded, keys, model, expect):
    results = queue.Queue()
    with grpcclient.InferenceServerClient(guarded.grpc) as client:
        client.start_stream(lambda result, error: results.put((result, error)), headers=metadata(keys.simple))
        client.async_stream_infer(model, inputs_for(grpcclient, SUM_AND_DIFFERENCE))
        result, error = results.get(timeout=LIMIT_S)
        client.stop_stream(cancel_requests=True)
    if expect == "OK":
        check(result, SIMPLE_OUTPUTS)
    else:
        assert expect == "PERMISSION_DENIED" and "does not permit model 'identity_fp32'" in str(error), error


def test_keys_change_without_dropping_a_connection(tmp_path):
    keys = Keys(tmp_path)
    for server in running(f"--api-keys={keys.file}"):
        host, port = server.http.split(":")
        kept = http.client.HTTPConnection(host, int(port), timeout=10)
        kept.connect()
        socket_before = kept.sock
        with grpcclient.InferenceServerClient(server.grpc) as client:

            def http_status(key):
                kept.request("GET", "/v2", headers={"x-api-key": key})
                answer = kept.getresponse()
                answer.read()
                return answer.status

            def grpc_status(key):
                return grpc_code(client.get_server_metadata, headers=metadata(key))

            fresh, entry = draw("fresh")
            assert [http_status(keys.all), http_status(fresh)] == [200, 401]
            assert [grpc_status(keys.all), grpc_status(fresh)] == ["OK", "UNAUTHENTICATED"]

            keys.entries.append("sha256 = 5")
            keys.write()
            until(lambda: "API keys stay as they were" in server.log())
            assert [http_status(keys.all), grpc_status(keys.all)] == [200, "OK"]

            keys.entries = [entry]
            keys.write()
            until(lambda: http_status(fresh) == 200)
            assert [http_status(keys.all), http_status(fresh)] == [401, 200]
            assert [grpc_status(keys.all), grpc_status(fresh)] == ["UNAUTHENTICATED", "OK"]
        assert kept.sock is socket_before, "the connection was dropped"
        kept.close()


# Restricted groups


@pytest.fixture(scope="module")
def restricted():
    yield from running(
        "--http-restricted-api=model-repository,logging:admin-key=open",
        "--http-restricted-api=health:probe=p",
        "--grpc-restricted-protocol=model-repository,inference:admin-key=open",
    )


def test_restricted_apis(restricted):
    url = f"http://{restricted.http}"
    answer = httpx.post(f"{url}/v2/repository/index", timeout=LIMIT_S)
    assert (answer.status_code, answer.json()) == (
        403,
        {"error": "This API is restricted, expecting header 'admin-key'"},
    )
    assert httpx.post(f"{url}/v2/repository/index", headers={"admin-key": "shut"}, timeout=LIMIT_S).status_code == 403
    assert httpx.post(f"{url}/v2/repository/index", headers={"Admin-Key": "open"}, timeout=LIMIT_S).status_code == 200
    assert httpx.get(f"{url}/v2/logging", timeout=LIMIT_S).status_code == 403
    assert httpx.get(f"{url}/v2/health/ready", timeout=LIMIT_S).status_code == 403
    assert httpx.get(f"{url}/v2/health/ready", headers={"probe": "p"}, timeout=LIMIT_S).status_code == 200
    assert httpx.get(f"{url}/v2", timeout=LIMIT_S).status_code == 200


def test_restricted_protocols(restricted):
    with grpcclient.InferenceServerClient(restricted.grpc) as client:
        inputs = inputs_for(grpcclient, SUM_AND_DIFFERENCE)
        with pytest.raises(InferenceServerException) as error:
            client.infer("simple", inputs)
        assert error.value.status() == "StatusCode.UNAVAILABLE"
        expected = "This protocol is restricted, expecting header 'triton-grpc-protocol-admin-key'"
        assert error.value.message() == expected
        opened = {"triton-grpc-protocol-admin-key": "open"}
        check(client.infer("simple", inputs, headers=opened), SIMPLE_OUTPUTS)
        assert grpc_code(client.get_model_repository_index, headers={"admin-key": "open"}) == "UNAVAILABLE"
        assert grpc_code(client.get_model_repository_index, headers=opened) == "OK"
        assert client.is_server_live()


# Unix sockets


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=10)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def test_unix_sockets(tmp_path):
    http_path, grpc_path, metrics_path = (f"{tmp_path}/{name}.sock" for name in ("http", "grpc", "metrics"))
    for server in running(
        f"--http-address=unix:{http_path}", f"--grpc-address=unix:{grpc_path}", f"--metrics-address=unix:{metrics_path}"
    ):
        assert (server.http, server.grpc) == (f"unix:{http_path}", f"unix:{grpc_path}")
        connection = UnixConnection(http_path)
        connection.request("POST", "/v2/models/simple/infer", INFER)
        answer = connection.getresponse()
        assert answer.status == 200 and b"OUTPUT0" in answer.read()
        connection.close()
        scrape = UnixConnection(metrics_path)
        scrape.request("GET", "/metrics")
        assert b"nv_inference_request_success" in scrape.getresponse().read()
        scrape.close()
        # gRPC's own libraries name the socket's path as the authority, escaped, which HTTP/2 does not know as a host.
        authority = [("grpc.default_authority", "localhost")]
        with grpcclient.InferenceServerClient(f"unix:{grpc_path}", channel_args=authority) as client:
            check(client.infer("simple", inputs_for(grpcclient, SUM_AND_DIFFERENCE)), SIMPLE_OUTPUTS)
    assert list(tmp_path.iterdir()) == [], "the sockets are removed at the end"


# Request ids


def test_every_error_has_a_request_id(server):
    url = f"http://{server.http}/v2/models"
    ids = [httpx.get(f"{url}/missing", timeout=LIMIT_S).headers["x-request-id"] for _ in range(2)]
    assert all(ids) and ids[0] != ids[1]
    given = httpx.get(f"{url}/missing", headers={"x-request-id": "mine"}, timeout=LIMIT_S)
    assert given.headers["x-request-id"] == "mine"
    wrong = json.dumps({"id": "body", **json.loads(INFER), "outputs": [{"name": "NONE"}]})
    assert httpx.post(f"{url}/simple/infer", content=wrong, timeout=LIMIT_S).headers["x-request-id"] == "body"

    channel = grpc.insecure_channel(server.grpc)
    stub = grpcclient.service_pb2_grpc.GRPCInferenceServiceStub(channel)
    for message, sent, expect in [
        (grpcclient.service_pb2.ModelInferRequest(model_name="missing", id="body"), (), "body"),
        (grpcclient.service_pb2.ModelInferRequest(model_name="missing"), (("x-request-id", "mine"),), "mine"),
        (grpcclient.service_pb2.ModelInferRequest(model_name="missing"), (), None),
    ]:
        with pytest.raises(grpc.RpcError) as error:
            stub.ModelInfer(message, metadata=sent)
        found = dict((*error.value.initial_metadata(), *error.value.trailing_metadata())).get("x-request-id")
        assert found == expect if expect else found
    channel.close()


def test_what_clients_of_openai_call_fails_in_their_shape(guarded):
    answer = httpx.post(f"http://{guarded.http}/v1/embeddings", json={"model": "x", "input": "y"}, timeout=LIMIT_S)
    assert answer.status_code == 401 and answer.headers["x-request-id"]
    assert answer.json()["error"]["message"].startswith("an API key is needed")


def test_a_key_for_certain_models_brings_no_configuration(tmp_path):
    key, entry = draw("some", "--model=simple*", "--category=model-repository", "--category=inference")
    (tmp_path / "keys.toml").write_text(entry)
    for server in running(
        f"--api-keys={tmp_path / 'keys.toml'}", "--model-control-mode=explicit", "--load-model=simple"
    ):
        load = "/v2/repository/models/simple/load"
        status, _, _ = call(server.http, "POST", load, key=key)
        assert status == 200
        body = json.dumps({"parameters": {"config": "{}"}})
        status, answer, _ = call(server.http, "POST", load, key=key, body=body)
        assert status == 403 and "does not permit a load with 'config'" in answer["error"]
        status, _, _ = call(server.http, "POST", "/v2/repository/models/identity_fp32/load", key=key)
        assert status == 403
        with grpcclient.InferenceServerClient(server.grpc) as client:
            options = {"headers": metadata(key)}
            assert grpc_code(client.load_model, "simple", config="{}", **options) == "PERMISSION_DENIED"
            assert grpc_code(client.load_model, "simple", **options) == "OK"
            assert grpc_code(client.get_log_settings, **options) == "PERMISSION_DENIED"


def test_silent_grpc_clients_do_not_hold_up_the_end(certificates):
    for server in running(*certificates.flags("grpc", False)):
        host, port = server.grpc.split(":")
        silent = socket.create_connection((host, int(port)))
        assert grpc_live(server.grpc, certificates.credentials()) is True
    silent.close()
