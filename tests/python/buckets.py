"""A real S3 server (moto, a process of its own that verifies signatures), a proxy before it that counts requests and
breaks them, and a small hub. Used by test_object_store.py."""

import dataclasses
import hashlib
import http.client
import http.server
import json
import os
import pathlib
import re
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request

import boto3
import botocore.config

BUCKET = "models-of-tests"
START_S = 60


class S3:
    """The S3 server, with one bucket and a user who may read and write it."""

    def __init__(self):
        self._log = tempfile.NamedTemporaryFile("w+", prefix="moto-", suffix=".log")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        try:
            self._wait()
            self._set_up()
        except BaseException:
            self.stop()
            raise

    def _wait(self) -> None:
        """Until it has written its address, on which it listens by then."""
        deadline = time.monotonic() + START_S
        while not (told := re.search(r"Running on http://(127\.0\.0\.1):(\d+)\s", self.log())):
            assert self._process.poll() is None and time.monotonic() < deadline, f"no S3 server:\n{self.log()}"
            time.sleep(0.02)
        self.address = (told[1], int(told[2]))

    def _set_up(self) -> None:
        iam = self._client("iam", "anyone", "anything")
        iam.create_user(UserName="reader")
        everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        iam.put_user_policy(UserName="reader", PolicyName="all", PolicyDocument=json.dumps(everything))
        key = iam.create_access_key(UserName="reader")["AccessKey"]
        self.key_id, self.secret_key = key["AccessKeyId"], key["SecretAccessKey"]
        # From here on, every request is authenticated.
        reset = f"http://{self.address[0]}:{self.address[1]}/moto-api/reset-auth"
        plain = {"Content-Type": "text/plain"}
        urllib.request.urlopen(urllib.request.Request(reset, b"0", plain, method="POST"), timeout=10).close()
        self.client = self._client("s3", self.key_id, self.secret_key)
        self.client.create_bucket(Bucket=BUCKET)

    def _client(self, service: str, key_id: str, secret_key: str):
        return boto3.client(
            service,
            endpoint_url=f"http://{self.address[0]}:{self.address[1]}",
            region_name="us-east-1",
            aws_access_key_id=key_id,
            aws_secret_access_key=secret_key,
            config=botocore.config.Config(proxies={}, retries={"max_attempts": 1}, s3={"addressing_style": "path"}),
        )

    def put(self, name: str, content: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=name, Body=content)

    def upload(self, directory: os.PathLike, prefix: str, *models: str) -> None:
        """Uploads models; an empty directory is shown as consoles do it."""
        for model in models:
            for path in sorted(pathlib.Path(directory, model).rglob("*")):
                name = f"{prefix}/{path.relative_to(directory)}"
                if path.is_file():
                    self.put(name, path.read_bytes())
                elif not any(path.iterdir()):
                    self.put(name + "/", b"")

    def log(self) -> str:
        return pathlib.Path(self._log.name).read_text(errors="replace")

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    @property
    def environment(self) -> dict[str, str]:
        """Of a server that has the right key."""
        return environment(AWS_ACCESS_KEY_ID=self.key_id, AWS_SECRET_ACCESS_KEY=self.secret_key)


def environment(**more: str) -> dict[str, str]:
    """An environment without credentials but for those named."""
    plain = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "GOOGLE_", "AZURE_", "TRITON_", "HF_"))
    }
    return plain | {"AWS_EC2_METADATA_DISABLED": "true"} | more


@dataclasses.dataclass
class Request:
    """One that came through."""

    kind: str
    path: str
    range: str | None
    if_match: str | None
    status: int


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers without a word on the terminal, on connections that stay."""

    protocol_version = "HTTP/1.1"

    def answer(self, status: int, body: bytes, headers: dict | None = None) -> None:
        """One whole answer."""
        self.send_response_only(status)
        for header, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(header, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class _Listening(http.server.ThreadingHTTPServer):
    """Listens on a free port, and serves on threads of its own."""

    daemon_threads = True

    def __init__(self, handler: type[_Handler], tls: ssl.SSLContext | None = None):
        super().__init__(("127.0.0.1", 0), handler)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.port = self.server_address[1]
        self._thread = threading.Thread(target=self.serve_forever, daemon=True)
        self._thread.start()

    def handle_error(self, request, client_address):
        """Connections break here on purpose."""

    def stop(self) -> None:
        """Ends it, and frees the port."""
        self.shutdown()
        self.server_close()
        self._thread.join()


class Proxy:
    """Passes requests on to the S3 server and remembers them; `cut` breaks the bodies of objects, `away` everything."""

    def __init__(self, s3: S3):
        self.requests: list[Request] = []
        self.away = False
        # Bytes after which the body of a larger object breaks off.
        self.cut: int | None = None
        proxy = self

        class Handler(_Handler):
            def do_GET(self):
                if proxy.away:
                    self.close_connection = True
                elif "Authorization" not in self.headers:
                    # As S3 answers for a bucket that is not public; moto itself fails.
                    self.answer(403, b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>")
                else:
                    self.pass_on()

            def pass_on(self):
                upstream = http.client.HTTPConnection(*s3.address, timeout=30)
                upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    upstream.putheader(name, value)
                upstream.endheaders()
                answer = upstream.getresponse()
                body = answer.read()
                upstream.close()
                kind = "list" if "list-type=2" in self.path else "head" if self.command == "HEAD" else "get"
                told = (self.headers.get("Range"), self.headers.get("If-Match"), answer.status)
                proxy.requests.append(Request(kind, self.path.split("?")[0], *told))
                self.send_response_only(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                        self.send_header(name, value)
                size = answer.getheader("Content-Length") if self.command == "HEAD" else len(body)
                self.send_header("Content-Length", str(size))
                self.end_headers()
                if kind == "get" and proxy.cut is not None and len(body) > proxy.cut:
                    self.wfile.write(body[: proxy.cut])
                    self.wfile.flush()
                    self.close_connection = True
                elif self.command != "HEAD":
                    self.wfile.write(body)

            do_HEAD = do_GET

        self._server = _Listening(Handler)
        self.port, self.stop = self._server.port, self._server.stop

    def url(self, path: str) -> str:
        """As it is given to the server."""
        return f"s3://http://127.0.0.1:{self.port}/{BUCKET}/{path}"

    def kinds(self) -> dict[str, int]:
        """How many requests there were of each kind since this was asked last."""
        seen, self.requests = self.requests, []
        return {kind: sum(request.kind == kind for request in seen) for kind in ("list", "get", "head")}


class Stub:
    """A bucket of Google's or a container of Azure's, as their listings and answers are written down; it wants no key."""

    def __init__(self, kind: str, objects: dict[str, bytes], tls: ssl.SSLContext | None = None):
        self.requests: list[str] = []
        stub = self

        def listing(prefix: str) -> str:
            rows = []
            for name, content in objects.items():
                if not name.startswith(prefix):
                    continue
                tag = hashlib.md5(content).hexdigest()
                if kind == "gs":
                    written = "<LastModified>2026-01-02T03:04:05.678Z</LastModified>"
                    rows.append(f'<Contents><Key>{name}</Key><Size>{len(content)}</Size><ETag>"{tag}"</ETag>{written}</Contents>')
                else:
                    written = "<Last-Modified>Fri, 02 Jan 2026 03:04:05 GMT</Last-Modified>"
                    facts = f"{written}<Content-Length>{len(content)}</Content-Length><Content-Type>x</Content-Type><Etag>{tag}</Etag>"
                    rows.append(f"<Blob><Name>{name}</Name><Properties>{facts}</Properties></Blob>")
            if kind == "gs":
                return f"<ListBucketResult>{''.join(rows)}</ListBucketResult>"
            return f"<EnumerationResults><Blobs>{''.join(rows)}</Blobs><NextMarker/></EnumerationResults>"

        class Handler(_Handler):
            def do_GET(self):
                path, _, query = self.path.partition("?")
                path, query = urllib.parse.unquote(path), urllib.parse.parse_qs(query)
                stub.requests.append(path)
                name = path.removeprefix("/some-bucket").lstrip("/")
                if not name:
                    return self.answer(200, listing(query.get("prefix", [""])[0]).encode(), {})
                tag = f'"{hashlib.md5(objects[name]).hexdigest()}"'
                held = self.headers.get("If-Match") == tag
                headers = {"ETag": tag, "Last-Modified": "Fri, 02 Jan 2026 03:04:05 GMT"}
                return self.answer(200 if held else 412, objects[name] if held else b"", headers)

        self._server = _Listening(Handler, tls)
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self._server.port}"
        self.stop = self._server.stop


class Hub:
    """A model hub with one repository, whose large files are redirected as hubs do."""

    def __init__(self, repository: str, files: dict[str, bytes], token: str):
        self.commit = "0123456789abcdef0123456789abcdef01234567"
        self.requests: list[tuple[str, str | None]] = []
        hub = self

        def told(name: str, content: bytes) -> dict:
            sibling = {"rfilename": name, "size": len(content), "blobId": hashlib.sha1(content).hexdigest()}
            if name.endswith(".onnx"):
                sibling["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 1}
            return sibling

        class Handler(_Handler):
            def do_GET(self):
                hub.requests.append((self.path, self.headers.get("Authorization")))
                if self.path.startswith("/large/"):
                    # Whoever stores large files must not learn the token.
                    refused = self.headers.get("Authorization") is not None
                    return self.answer(400 if refused else 200, files[self.path.removeprefix("/large/")])
                if self.headers.get("Authorization") != f"Bearer {token}":
                    return self.answer(401, b"", {"X-Error-Message": "Invalid credentials"})
                if self.path == f"/api/models/{repository}/revision/main?blobs=true":
                    siblings = [told(name, content) for name, content in files.items()]
                    return self.answer(200, json.dumps({"id": repository, "sha": hub.commit, "siblings": siblings}).encode())
                name = re.fullmatch(rf"/{repository}/resolve/{hub.commit}/(.+)", self.path)
                if name is None or name[1] not in files:
                    return self.answer(404, b"", {"X-Error-Message": "Entry not found"})
                if name[1].endswith(".onnx"):
                    # By another name of this machine, so that it is another host.
                    port = self.server.server_address[1]
                    return self.answer(302, b"", {"Location": f"http://localhost:{port}/large/{name[1]}"})
                return self.answer(200, files[name[1]])

        self._server = _Listening(Handler)
        self.url, self.stop = f"http://127.0.0.1:{self._server.port}", self._server.stop


def manifest_of(directory: os.PathLike, prefix: str, *models: str) -> bytes:
    """The manifest of a repository on disk, made by the book."""

    def model(root: pathlib.Path) -> dict:
        files = {
            str(path.relative_to(root)): {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "size": path.stat().st_size}
            for path in root.rglob("*")
            if path.is_file()
        }
        empty = [str(path.relative_to(root)) for path in root.rglob("*") if path.is_dir() and not any(path.iterdir())]
        return {"files": files, "directories": empty}

    named = {name: model(pathlib.Path(directory, name)) for name in models}
    return json.dumps({"version": 1, "prefix": prefix, "models": named}).encode()
