"""The poster encoder: what torch computed when it was exported, ONNX Runtime and the server compute, too; and its ensemble.

`tests/data/poster_encoder.npz` is torch's, written by models/poster/export.py for two pictures that both make alike.
"""

import base64
import io
import json
import urllib.error
import urllib.request

import numpy as np
import onnxruntime
import pytest
import tritonclient.grpc
import tritonclient.http
from hippocamp_server import ROOT, Server
from PIL import Image
from tritonclient.utils import InferenceServerException

MODEL = ROOT / "model_repository" / "poster_encoder"
REFERENCE = ROOT / "tests" / "data" / "poster_encoder.npz"
HEIGHT, WIDTH = 192, 128
GENRES = (MODEL / "labels.txt").read_text(encoding="utf-8").splitlines()
OUTPUTS = {"look": (128,), "genres": (22,), "year": (1,), "plot": (384,), "is_poster": (1,), "activation": (22, 6, 4)}
# A year is about 2000, where single floats are 1.2e-4 apart: it is compared in units of the 25 years that the network reckons in.
UNITS = {"year": 25.0}


@pytest.fixture(scope="module")
def server():
    """A server of the poster's models alone."""
    names = ("poster_pixels", "poster_encoder", "genres_of_poster")
    running = Server(MODEL.parent, "--model-control-mode=explicit", *(f"--load-model={name}" for name in names))
    yield running
    assert running.stop() == 0, running.log()


@pytest.fixture(scope="module")
def runtime():
    """ONNX Runtime over the same file."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(MODEL / "1" / "model.onnx", options)


def served(server, pixels):
    """What the server answers."""
    with tritonclient.grpc.InferenceServerClient(server.grpc) as client:
        tensor = tritonclient.grpc.InferInput("pixels", pixels.shape, "FP32")
        tensor.set_data_from_numpy(pixels)
        result = client.infer("poster_encoder", [tensor])
        return {name: result.as_numpy(name) for name in OUTPUTS}


def computed(runtime, pixels):
    """What ONNX Runtime answers."""
    return dict(zip(OUTPUTS, runtime.run(list(OUTPUTS), {"pixels": pixels}), strict=True))


def agree(found, expected):
    """Every output, within 1e-4."""
    for name, shape in OUTPUTS.items():
        assert found[name].shape == expected[name].shape and found[name].shape[1:] == shape, name
        unit = UNITS.get(name, 1.0)
        np.testing.assert_allclose(found[name] / unit, expected[name] / unit, rtol=0, atol=1e-4, err_msg=name)


def made_pictures():
    """The two pictures of models/poster/export.py, `[2, 3, 192, 128]` of 0 to 1."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)
    waves = np.stack([0.5 + 0.5 * np.sin(x / 9 + y / 14), x / WIDTH, y / HEIGHT])
    block = (x // 16 + 2 * (y // 24)) % 4
    blocks = np.stack([block / 3, 1 - block / 3, (block == 2) * 0.8 + 0.1])
    return np.stack([waves, blocks]).astype(np.float32)


def pictures(kind, count):
    """Inputs that are alike in nothing: noise, smooth waves, black, white, one bright corner."""
    random = np.random.default_rng(count)
    if kind == "noise":
        return random.random((count, 3, HEIGHT, WIDTH), np.float32)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    often = random.uniform(0.01, 0.8, (count, 3, 2, 1, 1))
    waves = (0.5 + 0.5 * np.sin(often[:, :, 0] * x + often[:, :, 1] * y)).astype(np.float32)
    if kind == "edges":
        waves = (waves > 0.7).astype(np.float32)
        waves[0] = 0
        waves[-1, :, :20, :20] = 1
    return waves


def file(kind="JPEG", seed=0, size=(300, 450), **options):
    """The bytes of a picture: blocks and waves."""
    [pixels] = pictures("waves", 1) * 0.7 + 0.3 * pictures("edges", 2)[1:]
    image = Image.fromarray((np.roll(pixels, seed * 31, 2).transpose(1, 2, 0) * 255).astype(np.uint8)).resize(size)
    bytes_ = io.BytesIO()
    image.save(bytes_, kind, **options)
    return bytes_.getvalue()


def genres_of(server, *files, module=tritonclient.http):
    """The two outputs of the ensemble."""
    with module.InferenceServerClient(getattr(server, module.__name__.rsplit(".", 1)[1])) as client:
        tensor = module.InferInput("IMAGE", [len(files), 1], "BYTES")
        tensor.set_data_from_numpy(np.array(files, dtype=np.object_).reshape(-1, 1))
        result = client.infer("genres_of_poster", [tensor])
        return result.as_numpy("genres"), result.as_numpy("is_poster")


def test_torch_and_onnx_runtime_and_the_server_agree(server, runtime):
    reference = dict(np.load(REFERENCE))
    assert set(reference) == set(OUTPUTS)
    agree(computed(runtime, made_pictures()), reference)
    agree(served(server, made_pictures()), reference)


@pytest.mark.parametrize("count", [1, 5, 32])
@pytest.mark.parametrize("kind", ["noise", "waves", "edges"])
def test_the_server_agrees_with_onnx_runtime(server, runtime, kind, count):
    pixels = pictures(kind, count)
    agree(served(server, pixels), computed(runtime, pixels))


def test_what_the_outputs_are(server):
    """Lengths of one, probabilities, and genres that are the means of their maps, all shifted by the genre's own bias."""
    answers = served(server, np.concatenate([made_pictures(), pictures("noise", 3)]))
    for name in ("look", "plot"):
        np.testing.assert_allclose(np.linalg.norm(answers[name], axis=1), 1, atol=1e-5)
    for name in ("genres", "is_poster"):
        assert (answers[name] > 0).all() and (answers[name] < 1).all()
    genres = answers["genres"].astype(np.float64)
    bias = np.log(genres / (1 - genres)) - answers["activation"].mean((2, 3))
    np.testing.assert_allclose(bias, np.broadcast_to(bias[0], bias.shape), atol=1e-3)
    # Not a constant: what it says hangs on the picture.
    assert np.ptp(genres, axis=0).max() > 0.01 and np.ptp(answers["year"]) > 0.1
    assert (answers["year"] > 1880).all() and (answers["year"] < 2060).all()


@pytest.mark.parametrize("module", [tritonclient.http, tritonclient.grpc])
def test_genres_of_a_poster_of_every_format(server, runtime, module):
    files = [file("JPEG", quality=95), file("PNG"), file("WEBP", lossless=True)]
    genres, is_poster = genres_of(server, *files, module=module)
    assert genres.shape == (3, 22) and is_poster.shape == (3, 1)
    # PNG and lossless WebP are the same pixels; those of Pillow, rounded to bytes, are near.
    np.testing.assert_allclose(genres[1], genres[2], atol=1e-6)
    image = Image.open(io.BytesIO(files[1])).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    pixels = np.asarray(image, np.float32).transpose(2, 0, 1)[None] / 255
    np.testing.assert_allclose(genres[1], computed(runtime, pixels)["genres"][0], atol=0.02)


def test_genres_have_names(server):
    """The classification extension reads labels.txt: through the ensemble, too."""
    assert len(GENRES) == 22 and GENRES == sorted(GENRES)
    with tritonclient.http.InferenceServerClient(server.http) as client:
        tensor = tritonclient.http.InferInput("IMAGE", [1, 1], "BYTES")
        tensor.set_data_from_numpy(np.array([[file()]], dtype=np.object_))
        wanted = [tritonclient.http.InferRequestedOutput("genres", class_count=22)]
        named = client.infer("genres_of_poster", [tensor], outputs=wanted).as_numpy("genres")[0]
        plain = client.infer("genres_of_poster", [tensor]).as_numpy("genres")[0]
    for entry in named:
        probability, index, name = entry.decode().split(":")
        assert name == GENRES[int(index)]
        assert float(probability) == pytest.approx(plain[int(index)], abs=1e-5)


def test_json_carries_a_poster(server):
    text = base64.b64encode(file()).decode()
    body = {"inputs": [{"name": "IMAGE", "shape": [1, 1], "datatype": "BYTES", "data": [text]}]}
    request = urllib.request.Request(f"http://{server.http}/v2/models/genres_of_poster/infer", json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=30) as answer:
        outputs = {output["name"]: output for output in json.load(answer)["outputs"]}
    np.testing.assert_allclose(outputs["genres"]["data"], genres_of(server, file())[0][0], atol=1e-6)


@pytest.mark.parametrize("bytes_, says", [
    (b"", "picture 1 is empty: expected the bytes of a JPEG, PNG or WebP file"),
    (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj", "picture 1 is a PDF document, 22 bytes: expected the bytes of a JPEG, PNG or WebP file"),
    (b"the plot of a film, not its poster", "picture 1 is of no known format"),
    (file()[:1500], "picture 1 is a damaged JPEG: it is cut off before its end marker"),
])  # fmt: skip
def test_what_is_no_picture_is_refused(server, bytes_, says):
    with pytest.raises(InferenceServerException) as refused:
        genres_of(server, file(), bytes_)
    assert f"input 'IMAGE': {says}" in refused.value.message(), refused.value.message()
    assert refused.value.status() == "400"
    assert genres_of(server, file())[0].shape == (1, 22)


def test_pixels_of_another_size_are_refused(server):
    with pytest.raises(InferenceServerException, match=r"Expected \[-1,3,192,128\]"):
        served(server, np.zeros((1, 3, 128, 192), np.float32))
