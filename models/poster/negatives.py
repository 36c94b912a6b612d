"""Pictures that are no film posters, as the server would see them: drawn here, or cut from photographs and pictures in a folder.

Used by train.py and evaluate.py. The folders hold what freely licensed packages bring along, one folder a package; nothing of
it is shipped.
"""

import math
import textwrap
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from data import as_served
from network import HEIGHT, WIDTH

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
WORDS = (
    "the of and to in a is that for it as was with be by on not he his but at are this have from or had an they which one you "
    "were her all she there would their we him been has when who will more no if out so said what up its about into than them "
    "can only other new some could time these two may then do first any my now such like our over man me even most made after "
    "total price invoice date amount report table figure section chapter page number name address result method data"
).split()


def colour(random: np.random.Generator, bright: float = 0.0) -> tuple[int, ...]:
    """Any colour, from `bright` up."""
    return tuple(int(v) for v in random.uniform(255 * bright, 256, 3).clip(0, 255))


def font(random: np.random.Generator, size: float) -> ImageFont.FreeTypeFont:
    """The font that Pillow brings along."""
    return ImageFont.load_default(max(6, size))


def size_of(random: np.random.Generator) -> tuple[int, int]:
    """Width and height of something a person might upload."""
    height = int(random.uniform(240, 700))
    return int(height * random.choice([0.56, 0.667, 0.707, 0.75, 1.0, 1.33, 1.78])), height


def page(random: np.random.Generator) -> Image.Image:
    """Text: a letter, an article in columns, a receipt, dark or light."""
    width, height = size_of(random)
    paper, ink = (colour(random, 0.8), colour(random)) if random.random() < 0.8 else ((20, 20, 24), (230, 230, 230))
    if random.random() < 0.5:
        paper, ink = (255, 255, 255), (0, 0, 0)
    image = Image.new("RGB", (width, height), paper)
    draw = ImageDraw.Draw(image)
    size = random.uniform(0.012, 0.045) * height
    columns = int(random.integers(1, 3))
    margin = random.uniform(0.03, 0.12) * width
    room = (width - 2 * margin) / columns
    y = margin
    if random.random() < 0.6:
        draw.text((margin, y), " ".join(random.choice(WORDS, 4)).title(), ink, font(random, 2 * size))
        y += 3.5 * size
    for column in range(columns):
        text = " ".join(random.choice(WORDS, 500))
        lines = textwrap.wrap(text, max(4, int(0.9 * room / (0.5 * size))))[: int((height - y - margin) / (1.35 * size))]
        gaps = random.random(len(lines)) < 0.12
        lines = [line[: int(len(line) * random.uniform(0.2, 1))] + "\n" if gap else line for line, gap in zip(lines, gaps)]
        draw.multiline_text((margin + column * room, y), "\n".join(lines), ink, font(random, size), spacing=0.3 * size)
    return image


def chart(random: np.random.Generator) -> Image.Image:
    """Bars, lines, points, a pie, or a table."""
    width, height = size_of(random)
    image = Image.new("RGB", (width, height), (255, 255, 255) if random.random() < 0.7 else colour(random, 0.85))
    draw = ImageDraw.Draw(image)
    left, top, right, bottom = 0.12 * width, 0.12 * height, 0.93 * width, 0.88 * height
    kind = random.integers(5)
    small = font(random, 0.03 * min(width, height))
    if kind == 4:
        rows, columns = random.integers(4, 20), random.integers(2, 7)
        for row in range(rows + 1):
            y = top + (bottom - top) * row / rows
            draw.line([left, y, right, y], (120, 120, 120))
            for column in range(columns):
                draw.text((left + (right - left) * column / columns + 3, y + 2), f"{random.uniform(0, 1000):.1f}", (0, 0, 0), small)
        return image
    if kind == 3:
        angles = np.cumsum(random.dirichlet(np.full(random.integers(2, 9), 2.0))) * 360
        side = min(right - left, bottom - top)
        for start, end in zip([0, *angles[:-1]], angles):
            draw.pieslice([left, top, left + side, top + side], start, end, colour(random), (255, 255, 255))
        return image
    draw.line([left, top, left, bottom, right, bottom], (0, 0, 0), 2)
    for tick in range(6):
        y = bottom - (bottom - top) * tick / 5
        draw.line([left, y, right, y], (215, 215, 215))
        draw.text((0.02 * width, y - 6), str(tick * 20), (60, 60, 60), small)
    n = int(random.integers(4, 24))
    for _ in range(random.integers(1, 4)):
        tone, values = colour(random), np.cumsum(random.normal(0, 0.15, n))
        values = (values - values.min()) / (np.ptp(values) + 1e-6) * random.uniform(0.4, 0.95)
        x = left + (right - left) * (np.arange(n) + 0.5) / n
        y = bottom - (bottom - top) * values
        if kind == 0:
            half = 0.4 * (right - left) / n
            for px, py in zip(x, y):
                draw.rectangle([px - half, py, px + half, bottom], tone)
        elif kind == 1:
            draw.line(list(zip(x, y)), tone, 3)
        else:
            for px, py in zip(x, bottom - (bottom - top) * random.random(n)):
                draw.ellipse([px - 3, py - 3, px + 3, py + 3], tone)
    return image


def flat(random: np.random.Generator) -> Image.Image:
    """One colour, a gradient, stripes, a chequer, noise of any grain."""
    width, height = WIDTH, HEIGHT
    y, x = np.mgrid[0:height, 0:width] / height
    kind = random.integers(6)
    first, second = (np.array(colour(random), float) for _ in range(2))
    if kind == 0:
        share = np.zeros((height, width))
    elif kind == 1:
        angle = random.uniform(0, 2 * math.pi)
        share = np.clip(0.5 + (x - 0.33) * math.cos(angle) + (y - 0.5) * math.sin(angle), 0, 1)
    elif kind == 2:
        share = np.clip(np.hypot(x - random.uniform(0, 0.66), y - random.uniform(0, 1)) * random.uniform(0.8, 3), 0, 1)
    elif kind == 3:
        angle, often = random.uniform(0, math.pi), random.uniform(4, 60)
        share = (np.sin(often * (x * math.cos(angle) + y * math.sin(angle))) > random.uniform(-0.5, 0.5)).astype(float)
    elif kind == 4:
        often = random.uniform(3, 30)
        share = ((np.floor(x * often) + np.floor(y * often)) % 2).astype(float)
    else:
        grain = int(2 ** random.uniform(0, 6))
        coarse = random.random((height // grain + 2, width // grain + 2, 3))
        pixels = np.kron(coarse, np.ones((grain, grain, 1)))[:height, :width]
        image = Image.fromarray((pixels * 255).astype(np.uint8))
        return image.filter(ImageFilter.GaussianBlur(grain * random.uniform(0, 1)))
    pixels = first + (second - first) * share[:, :, None] + random.normal(0, random.choice([0, 0, 3, 8]), (height, width, 1))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def shapes(random: np.random.Generator) -> Image.Image:
    """Icons and clip art: a few plain shapes on a plain ground."""
    width, height = size_of(random)
    image = Image.new("RGB", (width, height), colour(random) if random.random() < 0.5 else (255, 255, 255))
    draw = ImageDraw.Draw(image)
    for _ in range(random.integers(1, 7)):
        x, y, r = random.uniform(0, width), random.uniform(0, height), random.uniform(0.05, 0.5) * min(width, height)
        tone, kind = colour(random), random.integers(5)
        if kind == 0:
            draw.ellipse([x - r, y - r, x + r, y + r], tone)
        elif kind == 1:
            draw.rounded_rectangle([x - r, y - r * random.uniform(0.3, 1), x + r, y + r], r / 4, tone)
        elif kind == 2:
            draw.regular_polygon((x, y, r), int(random.integers(3, 8)), random.uniform(0, 360), tone)
        elif kind == 3:
            draw.arc([x - r, y - r, x + r, y + r], 0, random.uniform(90, 360), tone, max(2, int(r / 8)))
        else:
            draw.text((x - r, y - r), random.choice(list("ABCDEFGHKMRSX@&%#?!+=<>")), tone, font(random, r * 1.6))
    return image


KINDS = {"page of text": page, "chart": chart, "flat, gradient, noise": flat, "shapes": shapes}


def drawn(kind: str, count: int, seed: int) -> np.ndarray:
    """`[count, 3, 192, 128]`, 0 to 255."""
    random = np.random.default_rng([seed, list(KINDS).index(kind)])
    return np.stack([as_served(KINDS[kind](random)) for _ in range(count)])


def cut(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """A piece of a picture, as a person might upload it: most of it, any framing, either way round."""
    width, height = image.size
    share, aspect = random.uniform(0.35, 1.0), random.choice([0.56, 0.667, 0.667, 0.75, 1.0, 1.5, width / height])
    w, h = min(width, share * height * aspect), min(height, share * width / aspect)
    w, h = min(w, h * aspect), min(h, w / aspect)
    left, top = random.uniform(0, width - w), random.uniform(0, height - h)
    size = max(1, int(w * min(1, 480 / h))), max(1, int(min(h, 480)))
    piece = image.resize(size, Image.Resampling.BILINEAR, box=(left, top, left + w, top + h), reducing_gap=2.0)
    return piece.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if random.random() < 0.5 else piece


def pieces(folder: Path, count: int, seed: int) -> np.ndarray:
    """`[count, 3, 192, 128]`, 0 to 255, from the pictures anywhere under a folder, each about as often as the others."""
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.stat().st_size > 4096)
    assert files, f"{folder} has no pictures: expected .jpg, .png or .webp files of more than 4 KiB"
    random = np.random.default_rng([seed, len(files)])
    random.shuffle(files)
    each = -(-count // len(files))
    found = []
    for path in files[:count]:
        with Image.open(path) as image:
            image.draft("RGB", (1200, 1200))
            if image.has_transparency_data:
                image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
            image = image.convert("RGB")
            found += [as_served(cut(image, random)) for _ in range(each)]
    random.shuffle(found)
    return np.stack(found[:count])
