"""A repository of an encoder, an index and their ensemble, in generations that can be told apart by their answers.

Generation N is a version N of `plot_encoder` and of `film_index`. They are the project's own files but for two things: each
has an output GENERATION that is N, and each says that its vectors are of the N-th embedding space. So an ensemble of an
encoder and an index of different generations must not be served, and if it is, its answer shows it.
"""

import dataclasses
import pathlib
import re
import shutil

import onnx_file
import parquet_file
import report

MODELS = report.ROOT / "model_repository"
ENCODER, INDEX, TOKENIZER, ENSEMBLE = "plot_encoder", "film_index", "text_tokenizer", "recommend_by_plot"
# An encoder's name ends with 16 digits of a hash.
SPACE = re.compile(rb"([\w.-]+:)[0-9a-f]{16}")


class Missing(Exception):
    """A file of the project that is built or fetched is not there."""


@dataclasses.dataclass
class File:
    """One file of a version directory."""

    name: str
    content: bytes


class Generations:
    """Writes generations into `directory`/repository. `suffix` picks the project's models: `_bow`, or "" for MiniLM."""

    def __init__(self, directory: pathlib.Path, suffix: str = "_bow", separate_spaces: bool = True):
        self.repository, self._staging = directory / "repository", directory / "staging"
        self._trash = directory / "trash"
        for place in (self.repository, self._staging, self._trash):
            place.mkdir()
        self._separate_spaces = separate_spaces
        self._encoder = _read(MODELS / f"{ENCODER}{suffix}" / "1" / "model.onnx")
        index = MODELS / f"{INDEX}{suffix}" / "1"
        self._table, self._vectors = _read(index / "items.parquet"), _read(index / "index.usearch")
        spaces = self._space(self._encoder), self._space(self._table)
        assert spaces[0] == spaces[1], f"encoder and index are of different embedding spaces: {spaces}"
        shutil.copytree(MODELS / f"{TOKENIZER}{suffix}", self.repository / TOKENIZER)
        for name, output in (
            (TOKENIZER, ""),
            (ENCODER, 'output { name: "GENERATION" data_type: TYPE_INT64 dims: [ 1 ] }\n'),
            (INDEX, 'output { name: "GENERATION" data_type: TYPE_INT32 dims: [ -1 ] }\n'),
        ):
            text = (MODELS / f"{name}{suffix}" / "config.pbtxt").read_text()
            (self.repository / name).mkdir(exist_ok=True)
            (self.repository / name / "config.pbtxt").write_text(
                text.replace(f'name: "{name}{suffix}"', f'name: "{name}"') + output
            )
        (self.repository / ENSEMBLE / "1").mkdir(parents=True)
        config = (self.repository / ENCODER / "config.pbtxt").read_text()
        tokens = re.findall(r'name: "(input_ids|attention_mask|token_type_ids)"', config)
        (self.repository / ENSEMBLE / "config.pbtxt").write_text(_ensemble(tokens))

    def files(self, model: str, generation: int) -> list[File]:
        """The files of a model's version."""
        if model == ENCODER:
            encoder = onnx_file.with_generation(self._encoder, generation, "attention_mask")
            return [File("model.onnx", self._named(encoder, generation))]
        table = self._named(parquet_file.with_column(self._table, "GENERATION", generation), generation)
        # As the project's writer does: the table, which knows the hash of the index, comes last.
        return [File("index.usearch", self._vectors), File("items.parquet", table)]

    def stage(self, generation: int) -> None:
        """Writes both versions where the server does not look."""
        for model in (ENCODER, INDEX):
            place = self._staging / model
            place.mkdir()
            for file in self.files(model, generation):
                (place / file.name).write_bytes(file.content)

    def publish(self, generation: int) -> None:
        """Renames what was staged into its place, and takes away all versions but this one and the one before it."""
        for model in (ENCODER, INDEX):
            self.publish_one(model, generation)
        for model in (ENCODER, INDEX):
            for version in self.versions(model):
                if version < generation - 1:
                    self.remove(model, version)

    def publish_one(self, model: str, generation: int) -> None:
        """Renames one of the two into its place."""
        (self._staging / model).rename(self.repository / model / str(generation))

    def unstage(self) -> None:
        """Forgets what was staged and not published."""
        for model in (ENCODER, INDEX):
            shutil.rmtree(self._staging / model, ignore_errors=True)

    def add(self, generation: int) -> None:
        """Both at once: a generation, properly."""
        self.stage(generation)
        self.publish(generation)

    def remove(self, model: str, version: int) -> None:
        """Takes a version away in one step."""
        place = self._trash / f"{model}-{version}"
        (self.repository / model / str(version)).rename(place)
        shutil.rmtree(place)

    def versions(self, model: str) -> list[int]:
        """The numbers of the model's version directories, whole or not."""
        return sorted(int(place.name) for place in (self.repository / model).iterdir() if place.is_dir())

    def is_whole(self, model: str, version: int) -> bool:
        """Whether the version's files are there to the last byte."""
        place = self.repository / model / str(version)
        return all(
            (place / file.name).exists() and (place / file.name).read_bytes() == file.content
            for file in self.files(model, version)
        )

    def newest_whole(self) -> int:
        """The newest generation of which encoder and index are whole."""
        whole = set(self.versions(ENCODER)) & set(self.versions(INDEX))
        return next(v for v in sorted(whole, reverse=True) if self.is_whole(ENCODER, v) and self.is_whole(INDEX, v))

    def _named(self, content: bytes, generation: int) -> bytes:
        """The content with the name of the generation's embedding space, which is as long as the one it has."""
        space = self._space(content)
        return content.replace(space, self._name(space, generation)) if self._separate_spaces else content

    def _name(self, space: bytes, generation: int) -> bytes:
        return SPACE.match(space)[1] + b"%016x" % generation

    def _space(self, content: bytes) -> bytes:
        """The name of the embedding space in a file: after its key in ONNX, in the manifest in Parquet."""
        at = max(content.rfind(b"hippocamp.embedding_space"), content.rfind(b'"embedding_space"'))
        found = SPACE.search(content, at) if at >= 0 else None
        assert found, "the file names no embedding space"
        return found[0]


def _read(path: pathlib.Path) -> bytes:
    if not path.exists():
        raise Missing(f"{path.relative_to(report.ROOT)} is missing: run `make models` first")
    return path.read_bytes()


def _ensemble(tokens: list[str]) -> str:
    """recommend_by_plot, with the generations of its parts and without the genres."""
    pairs = ", ".join(f'{{ key: "{name}" value: "{name}" }}' for name in dict.fromkeys(tokens))
    columns = ("id", "title", "score")
    return f"""name: "{ENSEMBLE}"
platform: "ensemble"
max_batch_size: 32
input [
  {{ name: "PLOT" data_type: TYPE_STRING dims: [ 1 ] }},
  {{ name: "K" data_type: TYPE_INT32 dims: [ 1 ] optional: true }}
]
output [
  {{ name: "id" data_type: TYPE_STRING dims: [ -1 ] }},
  {{ name: "title" data_type: TYPE_STRING dims: [ -1 ] }},
  {{ name: "score" data_type: TYPE_FP32 dims: [ -1 ] }},
  {{ name: "ENCODER_GENERATION" data_type: TYPE_INT64 dims: [ 1 ] }},
  {{ name: "INDEX_GENERATION" data_type: TYPE_INT32 dims: [ -1 ] }}
]
ensemble_scheduling {{
  step [
    {{ model_name: "{TOKENIZER}" model_version: -1
      input_map {{ key: "TEXT" value: "PLOT" }} output_map [ {pairs} ] }},
    {{ model_name: "{ENCODER}" model_version: -1
      input_map [ {pairs} ]
      output_map [ {{ key: "sentence_embedding" value: "plot_vector" }},
                   {{ key: "GENERATION" value: "ENCODER_GENERATION" }} ] }},
    {{ model_name: "{INDEX}" model_version: -1
      input_map [ {{ key: "QUERY" value: "plot_vector" }}, {{ key: "K" value: "K" }} ]
      output_map [ {", ".join(f'{{ key: "{name}" value: "{name}" }}' for name in columns)},
                   {{ key: "GENERATION" value: "INDEX_GENERATION" }} ] }}
  ]
}}
"""
