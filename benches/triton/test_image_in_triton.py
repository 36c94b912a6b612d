"""libtriton_image.so under the real tritonserver and under Hippocamp: the same tensors, the same refusals.

`make build` makes the library.
"""

import io
import re

import numpy as np
import peer
import pytest
import tritonclient.grpc
import tritonclient.http
from PIL import Image
from tritonclient.utils import InferenceServerException

# The first test also fetches tritonserver.
pytestmark = pytest.mark.timeout(900)

BUILT = peer.ROOT / "target" / "release"
CONFIG = """
backend: "image" max_batch_size: 8
output [ { name: "PIXELS" data_type: TYPE_FP32 dims: [ 3, 48, 32 ] },
         { name: "SMALL" data_type: TYPE_FP32 dims: [ 8, 8, 3 ] } ]
parameters { key: "mean" value { string_value: "0.485, 0.456, 0.406" } }
parameters { key: "std" value { string_value: "0.229, 0.224, 0.225" } }
instance_group { count: 2 kind: KIND_CPU }
"""


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    """tritonserver and Hippocamp, with the library alone; it completes the input."""
    models, backends = tmp_path_factory.mktemp("models"), tmp_path_factory.mktemp("backends")
    (models / "pixels" / "1").mkdir(parents=True)
    (models / "pixels" / "config.pbtxt").write_text(CONFIG)
    peer.library_backend(backends, "image", BUILT / "libtriton_image.so")
    installation = peer.Installation()
    flag, environment = f"--backend-directory={backends}", installation.environment()
    with (
        peer.Server(installation.binary, models, flag, environment=environment) as triton,
        peer.Server(BUILT / "hippocamp", models, flag) as hippocamp,
    ):
        yield triton, hippocamp
        status, log = triton.stop()
    assert status == 0, log
    assert "successfully unloaded 'pixels' version 1" in log, log
    # Without a GPU, tritonserver complains of that at every start.
    errors = [line for line in log.splitlines() if re.match(r"E\d{4} ", line) and "CudaDriver" not in line]
    assert not errors, log


def pictures():
    """A file of each format."""
    random = np.random.default_rng(5)
    files = []
    for kind, size in [("JPEG", (60, 90)), ("PNG", (40, 40)), ("WEBP", (90, 50))]:
        small = Image.fromarray(random.integers(0, 256, (6, 4, 3), dtype=np.uint8))
        file = io.BytesIO()
        small.resize(size, Image.Resampling.BICUBIC).save(file, kind)
        files.append(file.getvalue())
    return files


def ask(server, protocol, files):
    """Both outputs, for one row for each file."""
    client = {"http": tritonclient.http, "grpc": tritonclient.grpc}[protocol]
    tensor = client.InferInput("IMAGE", [len(files), 1], "BYTES")
    tensor.set_data_from_numpy(np.array(files, np.object_).reshape(-1, 1))
    with client.InferenceServerClient(getattr(server, protocol)) as connection:
        result = connection.infer("pixels", [tensor])
    return [result.as_numpy(name) for name in ("PIXELS", "SMALL")]


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_the_same_tensors(servers, protocol):
    actual, expected = (ask(server, protocol, pictures()) for server in servers)
    assert [tensor.shape for tensor in expected] == [(3, 3, 48, 32), (3, 8, 8, 3)]
    for one, other in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.std() > 0.1


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_the_same_refusals(servers, protocol):
    """What is no picture is refused in the same words, and the next one is answered."""
    jpeg, *others = pictures()
    for bad, says in [
        (b"%PDF-1.7", "picture 1 is a PDF document, 8 bytes"),
        (jpeg[:-200], "picture 1 is a damaged JPEG: it is cut off"),
    ]:
        messages = []
        for server in servers:
            with pytest.raises(InferenceServerException, match=says) as refused:
                ask(server, protocol, [others[0], bad])
            messages.append(refused.value.message())
        assert messages[0] == messages[1]
        for server in servers:
            assert ask(server, protocol, [jpeg])[0].shape == (1, 3, 48, 32)
