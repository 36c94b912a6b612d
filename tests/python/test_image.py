"""The image backend beside Pillow: what a model that was trained with Pillow or torchvision sees, it sees here too.

Asked through tritonclient, of the backend that is linked in and of libtriton_image.so.
"""

import base64
import io
import json
import math
import urllib.request

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
from hippocamp_server import ROOT, Server
from PIL import Image, ImageOps
from tritonclient.utils import InferenceServerException

LIBRARY = ROOT / "target" / "release" / "libtriton_image.so"
HEIGHT, WIDTH = 96, 64
FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Pillow resizes its mode F, a float a pixel, by the same filters and without rounding; what is left is float32.
EXACT = 2e-5


def parameters(values):
    """Parameters of a config.pbtxt."""
    line = 'parameters {{ key: "{}" value {{ string_value: "{}" }} }}\n'
    return "".join(line.format(*item) for item in values.items())


def config(values, dims=(3, HEIGHT, WIDTH), backend="image"):
    """A model of the backend."""
    return f"""
        backend: "{backend}" max_batch_size: 8
        input [ {{ name: "IMAGE" data_type: TYPE_STRING dims: [ 1 ] }} ]
        output [ {{ name: "PIXELS" data_type: TYPE_FP32 dims: [ {", ".join(map(str, dims))} ] }} ]
        instance_group [ {{ count: 1 kind: KIND_CPU }} ]
    """ + parameters(values)


def message(*fields):
    """A protobuf message of numbers, texts and messages: just enough for an ONNX file."""

    encoded = b""
    for number, value in fields:
        if isinstance(value, int):
            encoded += varint(number << 3) + varint(value)
        else:
            value = value.encode() if isinstance(value, str) else value
            encoded += varint(number << 3 | 2) + varint(len(value)) + value
    return encoded


def varint(number):
    """A number as protobuf has it."""
    encoded = bytearray()
    while number >= 128:
        encoded.append(number % 128 + 128)
        number //= 128
    return bytes(encoded + bytes([number]))


def mean_of_pixels():
    """An ONNX model: the mean of each channel."""

    def tensor(name, *dims):
        shape = message(*((1, message((2, dim) if isinstance(dim, str) else (1, dim))) for dim in dims))
        return message((1, name), (2, message((1, message((1, 1), (2, shape))))))

    node = message((1, "PIXELS"), (2, "MEAN"), (4, "GlobalAveragePool"))
    graph = message(
        (1, node),
        (2, "means"),
        (11, tensor("PIXELS", "batch", 3, HEIGHT, WIDTH)),
        (12, tensor("MEAN", "batch", 3, 1, 1)),
    )
    return message((1, 8), (7, graph), (8, message((1, ""), (2, 13))))


ENSEMBLE = f"""
    platform: "ensemble" max_batch_size: 8
    input [ {{ name: "PICTURE" data_type: TYPE_STRING dims: [ 1 ] }} ]
    output [ {{ name: "COLOUR" data_type: TYPE_FP32 dims: [ 3, 1, 1 ] }} ]
    ensemble_scheduling {{ step [
        {{ model_name: "normalised" model_version: -1
           input_map {{ key: "IMAGE" value: "PICTURE" }} output_map {{ key: "PIXELS" value: "pixels" }} }},
        {{ model_name: "means" model_version: -1
           input_map {{ key: "PIXELS" value: "pixels" }} output_map {{ key: "MEAN" value: "COLOUR" }} }}
    ] }}
"""


@pytest.fixture(scope="module", params=["linked_in", "library"])
def server(request, tmp_path_factory):
    """A server of models that differ in their parameters alone."""
    models, backends = tmp_path_factory.mktemp("models"), tmp_path_factory.mktemp("backends")
    configs = {f"stretch_{name}": config({"resize": "stretch", "filter": name}) for name in FILTERS}
    configs |= {f"crop_{name}": config({"filter": name}) for name in FILTERS}
    configs |= {f"pad_{name}": config({"resize": "pad", "filter": name, "background": "10,20,30"}) for name in FILTERS}
    normalised = {"mean": ",".join(map(str, MEAN)), "std": ",".join(map(str, STD)), "resize": "stretch"}
    configs["normalised"] = config(normalised)
    configs["bgr_last"] = config(normalised | {"color_order": "BGR"}, dims=(HEIGHT, WIDTH, 3))
    configs["unbatched"] = config({}).replace("max_batch_size: 8", "max_batch_size: 0")
    configs["small"] = config({"max_pixels": 1000, "max_file_bytes": 10000})
    configs["means"] = f"""
        backend: "tract" max_batch_size: 8
        input [ {{ name: "PIXELS" data_type: TYPE_FP32 dims: [ 3, {HEIGHT}, {WIDTH} ] }} ]
        output [ {{ name: "MEAN" data_type: TYPE_FP32 dims: [ 3, 1, 1 ] }} ]
    """
    configs["colour"] = ENSEMBLE
    for name, text in configs.items():
        (models / name / "1").mkdir(parents=True)
        (models / name / "config.pbtxt").write_text(text)
    (models / "means" / "1" / "model.onnx").write_bytes(mean_of_pixels())
    if request.param == "library":
        (backends / "image").mkdir()
        assert LIBRARY.exists(), f"{LIBRARY} is missing: run `make build` first"
        (backends / "image" / LIBRARY.name).symlink_to(LIBRARY.resolve())
    running = Server(models, f"--backend-directory={backends}")
    with open(f"/proc/{running.pid}/maps", encoding="utf-8") as maps:
        assert (LIBRARY.name in maps.read()) == (request.param == "library")
    yield running
    assert running.stop() == 0, running.log()


@pytest.fixture(params=["http", "grpc"])
def client(request, server):
    """A client of each protocol."""
    module = getattr(tritonclient, request.param)
    with module.InferenceServerClient(getattr(server, request.param)) as connected:
        connected.module = module
        yield connected


def picture(width=150, height=225, seed=1):
    """Something like a poster: gradients, blocks with hard edges, some grain."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    pixels = np.stack([x * 255 / width, y * 255 / height, 127 + 127 * np.sin(x / 9 + y / 14)], axis=2)
    for _ in range(12):
        top, left = random.integers(0, height), random.integers(0, width)
        pixels[top : top + height // 5, left : left + width // 4] = random.integers(0, 256, 3)
    return Image.fromarray(np.clip(pixels + random.normal(0, 6, pixels.shape), 0, 255).astype(np.uint8))


def encoded(image, kind="PNG", **options):
    """The bytes of a file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def ask(client, model, *files, output="PIXELS", name="IMAGE"):
    """The tensor of a request with one row for each file."""
    tensor = client.module.InferInput(name, [len(files), 1], "BYTES")
    tensor.set_data_from_numpy(np.array(files, dtype=np.object_).reshape(-1, 1))
    return client.infer(model, [tensor]).as_numpy(output)


def resized(image, resize, name):
    """What Pillow makes of it without rounding: `[3, height, width]`, 0 to 1."""
    width, height = image.size
    size, box, background = (WIDTH, HEIGHT), (0, 0, width, height), (10, 20, 30)
    if resize == "pad":
        scale = min(WIDTH / width, HEIGHT / height)
        size = max(1, math.floor(width * scale + 0.5)), max(1, math.floor(height * scale + 0.5))
    elif resize == "crop":
        scale = max(WIDTH / width, HEIGHT / height)
        left, top = (width - WIDTH / scale) / 2, (height - HEIGHT / scale) / 2
        box = (left, top, width - left, height - top)
    whole = np.tile(np.array(background, np.float32).reshape(3, 1, 1), (1, HEIGHT, WIDTH))
    left, top = (WIDTH - size[0]) // 2, (HEIGHT - size[1]) // 2
    for channel, plane in enumerate(np.asarray(image, np.float32).transpose(2, 0, 1)):
        pixels = np.asarray(Image.fromarray(plane).resize(size, FILTERS[name], box=box))
        whole[channel, top : top + size[1], left : left + size[0]] = pixels.clip(0, 255)
    return whole / 255


@pytest.mark.parametrize("size", [(150, 225), (301, 97), (40, 50), (64, 96), (1, 1), (3, 700)])
@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
def test_pixels_are_those_of_pillow(client, resize, name, size):
    image = picture(*size)
    [tensor] = ask(client, f"{resize}_{name}", encoded(image))
    assert tensor.dtype == np.float32 and tensor.shape == (3, HEIGHT, WIDTH)
    expected = resized(image, resize, name)
    np.testing.assert_allclose(tensor, expected, rtol=0, atol=EXACT)


def test_bytes_of_pillow_are_no_further_than_its_rounding(client):
    """Of RGB, Pillow rounds and cuts off after each of two passes: more than a step where a filter swings out."""
    image = picture(500, 750)
    for name in ("bilinear", "bicubic", "lanczos"):
        [tensor] = ask(client, f"stretch_{name}", encoded(image))
        rounded = np.asarray(image.resize((WIDTH, HEIGHT), FILTERS[name]), np.float32).transpose(2, 0, 1) / 255
        difference = np.abs(tensor - rounded) * 255
        assert difference.mean() < 0.5 and np.quantile(difference, 0.99) < 2, (name, difference.max())


def test_values_are_normalised_and_laid_out(client):
    image = picture()
    [first] = ask(client, "normalised", encoded(image))
    mean, std = (np.array(values, np.float32).reshape(3, 1, 1) for values in (MEAN, STD))
    expected = (resized(image, "stretch", "bicubic") - mean) / std
    np.testing.assert_allclose(first, expected, rtol=0, atol=EXACT / min(STD))
    [last] = ask(client, "bgr_last", encoded(image))
    assert last.shape == (HEIGHT, WIDTH, 3)
    # Mean and deviation belong to the tensor's channels: blue has those of the first.
    swapped = (first * std + mean)[::-1]
    np.testing.assert_allclose(last.transpose(2, 0, 1), (swapped - mean) / std, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind, options", [
    ("JPEG", {"quality": 92, "subsampling": 0}),
    ("JPEG", {"quality": 92, "subsampling": 2}),
    ("JPEG", {"quality": 92, "subsampling": 2, "progressive": True}),
    ("JPEG", {"quality": 92, "restart_marker_blocks": 4}),
    ("WEBP", {"lossless": True}),
    ("WEBP", {"quality": 90}),
    ("PNG", {"interlace": 1}),
])
def test_files_are_decoded_as_pillow_does(client, kind, options):
    """Decoders may differ by their arithmetic, and in how colour of half the resolution is spread."""
    bytes_ = encoded(picture(500, 750), kind, **options)
    [tensor] = ask(client, "stretch_bicubic", bytes_)
    expected = resized(Image.open(io.BytesIO(bytes_)).convert("RGB"), "stretch", "bicubic")
    difference = np.abs(tensor - expected)
    assert difference.mean() < 1 / 255 and difference.max() < 8 / 255, (difference.mean() * 255, difference.max() * 255)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
def test_every_mode_of_png_becomes_rgb(client, mode):
    image = picture()
    if mode == "I;16":
        stored = Image.fromarray(np.asarray(image.convert("L"), np.uint16) * 257)
        expected = image.convert("L").convert("RGB")
    else:
        if mode in ("LA", "RGBA"):
            image.putalpha(Image.fromarray(np.tile(np.arange(150, dtype=np.uint8), (225, 1))))
        stored = image.convert(mode)
        white = Image.new("RGBA", image.size, "white")
        expected = Image.alpha_composite(white, stored.convert("RGBA")).convert("RGB")
    [tensor] = ask(client, "stretch_bilinear", encoded(stored))
    # Compositing rounds once more.
    np.testing.assert_allclose(tensor, resized(expected, "stretch", "bilinear"), rtol=0, atol=1.01 / 255)


def test_cmyk_is_decoded(client):
    """The four colours of print, without their profile: as Pillow makes them red, green and blue."""
    bytes_ = encoded(picture(500, 750).convert("CMYK"), "JPEG", quality=95)
    [tensor] = ask(client, "stretch_bicubic", bytes_)
    expected = resized(Image.open(io.BytesIO(bytes_)).convert("RGB"), "stretch", "bicubic")
    difference = np.abs(tensor - expected) * 255
    assert difference.mean() < 2 and difference.max() < 10, (difference.mean(), difference.max())


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_picture_is_turned_as_it_is_shown(client, orientation):
    image = picture()
    exif = Image.Exif()
    exif[0x0112] = orientation
    for kind in ("PNG", "WEBP"):
        bytes_ = encoded(image, kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))
        shown = ImageOps.exif_transpose(Image.open(io.BytesIO(bytes_)).convert("RGB"))
        assert shown.size == (image.size if orientation < 5 else image.size[::-1])
        [tensor] = ask(client, "crop_bicubic", bytes_)
        np.testing.assert_allclose(tensor, resized(shown, "crop", "bicubic"), rtol=0, atol=EXACT)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_of_an_animation_the_first_frame(client, kind):
    first, second = picture(seed=1), picture(seed=2)
    bytes_ = encoded(first, kind, save_all=True, append_images=[second], duration=100, lossless=True)
    [tensor] = ask(client, "stretch_bicubic", bytes_)
    np.testing.assert_allclose(tensor, resized(first, "stretch", "bicubic"), rtol=0, atol=EXACT)


def bad_files():
    """Name, bytes, and what the answer says."""
    jpeg = encoded(picture(), "JPEG")
    expected = ": expected the bytes of a JPEG, PNG or WebP file"
    # 12 KB that would be 100 million pixels.
    bomb = encoded(Image.new("1", (10_000, 10_000)))
    assert len(bomb) < 50_000
    return {
        "empty": (b"", "is empty" + expected),
        "pdf": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj", "is a PDF document, 22 bytes" + expected),
        "gif": (encoded(picture(), "GIF"), "is a GIF, "),
        "noise": (bytes(range(7, 40)), "is of no known format (it begins 07 08 09 0a 0b 0c 0d 0e), 33 bytes"),
        "truncated": (jpeg[: len(jpeg) // 2], "is a damaged JPEG: it is cut off before its end marker"),
        "bomb": (bomb, "is a PNG of 10000x10000 pixels, 100000000 in all: expected at most 50000000"),
        "large": (b"\xff\xd8\xff" + bytes(33 << 20), "has 34603011 bytes: expected at most 33554432"),
    }


@pytest.mark.parametrize("name", ["empty", "pdf", "gif", "noise", "truncated", "bomb", "large"])
def test_what_is_no_picture_is_refused(client, name):
    """With the row that it is in; the next request is answered."""
    bytes_, says = bad_files()[name]
    good = encoded(picture())
    with pytest.raises(InferenceServerException) as refused:
        ask(client, "stretch_bicubic", good, bytes_)
    assert f"input 'IMAGE': picture 1 {says}" in refused.value.message(), refused.value.message()[:500]
    assert refused.value.status() in ("400", "StatusCode.INVALID_ARGUMENT")
    assert ask(client, "stretch_bicubic", good).shape == (1, 3, HEIGHT, WIDTH)


def test_a_model_has_limits_of_its_own(client):
    with pytest.raises(InferenceServerException, match="is a PNG of 40x50 pixels, 2000 in all: expected at most 1000"):
        ask(client, "small", encoded(picture(40, 50)))
    with pytest.raises(InferenceServerException, match="expected at most 10000 .parameter max_file_bytes"):
        ask(client, "small", encoded(picture(300, 300)))
    assert ask(client, "small", encoded(picture(20, 50))).shape == (1, 3, HEIGHT, WIDTH)


def test_rows_are_what_each_is_alone(client):
    kinds = ["PNG", "JPEG", "WEBP", "JPEG"]
    files = [encoded(picture(90 + 40 * seed, 200, seed), kind) for seed, kind in enumerate(kinds)]
    together = ask(client, "crop_lanczos", *files)
    for row, file in zip(together, files, strict=True):
        np.testing.assert_array_equal(row, ask(client, "crop_lanczos", file)[0])


def test_without_a_batch_dimension(client):
    image = picture()
    tensor = client.module.InferInput("IMAGE", [1], "BYTES")
    tensor.set_data_from_numpy(np.array([encoded(image)], dtype=np.object_))
    pixels = client.infer("unbatched", [tensor]).as_numpy("PIXELS")
    np.testing.assert_allclose(pixels, resized(image, "crop", "bicubic"), rtol=0, atol=EXACT)


def test_json_carries_base64(server):
    """Text is all that JSON has."""
    image = picture()
    text = base64.b64encode(encoded(image, "JPEG", quality=95)).decode()
    for data in (text, f"data:image/jpeg;base64,{text}"):
        body = {"inputs": [{"name": "PICTURE", "shape": [1, 1], "datatype": "BYTES", "data": [data]}]}
        request = urllib.request.Request(f"http://{server.http}/v2/models/colour/infer", json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=30) as answer:
            [output] = json.load(answer)["outputs"]
        assert output["name"] == "COLOUR" and output["shape"] == [1, 3, 1, 1]
        check_colour(output["data"], image, 2 / 255)


def check_colour(values, image, tolerance):
    """The mean of each channel, normalised."""
    colours = np.asarray(image, np.float64).mean(axis=(0, 1)) / 255
    for value, colour, mean, std in zip(values, colours, MEAN, STD, strict=True):
        assert math.isclose(value, (colour - mean) / std, rel_tol=0, abs_tol=tolerance / std), (values, colour)


def test_a_picture_goes_through_an_ensemble(client):
    """Bytes in, a model's answer out; a bad row says so through the ensemble."""
    images = [picture(seed=seed) for seed in range(3)]
    colours = ask(client, "colour", *map(encoded, images), output="COLOUR", name="PICTURE")
    assert colours.shape == (3, 3, 1, 1)
    for colour, image in zip(colours, images, strict=True):
        check_colour(colour.ravel().tolist(), image, 2 / 255)
    with pytest.raises(InferenceServerException, match="picture 1 is empty"):
        ask(client, "colour", encoded(images[0]), b"", output="COLOUR", name="PICTURE")
