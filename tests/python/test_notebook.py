"""models/explain.ipynb runs from top to bottom in a virtual environment that has nothing but what runs notebooks."""

import functools
import http.server
import json
import os
import re
import subprocess
import sys
import tarfile
import threading

import pytest
from hippocamp_server import ROOT, Server, binary

NOTEBOOK = ROOT / "models" / "explain.ipynb"
REQUIREMENTS = ROOT / "models" / "explain" / "requirements.txt"
# Downloading takes most of it, once.
INSTALL_S = 600
RUN_S = 900

# Executes the notebook of the first argument where it stands, so many cells of code of it, and prints what they showed.
EXECUTE = """
import json, sys
import nbclient, nbformat
notebook = nbformat.read(sys.argv[1], 4)
code = [place for place, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
notebook.cells = notebook.cells[: code[: int(sys.argv[3])][-1] + 1]
nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": sys.argv[2]}}).execute()
shown = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
print(json.dumps(shown))
"""


def cells() -> list[dict]:
    """The notebook's cells of code."""
    return [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]


def pins() -> dict[str, str]:
    """Package to pin, of the notebook's requirements."""
    lines = [line.strip() for line in REQUIREMENTS.read_text().splitlines() if line.strip() and not line.startswith("#")]
    return {line.split("==")[0]: line for line in lines}


@pytest.fixture(scope="module")
def fresh_python(tmp_path_factory):
    """The Python of a new virtual environment with what runs notebooks, and not what this one needs."""
    folder = tmp_path_factory.mktemp("notebook") / "venv"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=120)
    python = folder / "bin" / "python"
    pip = [python, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    wanted = [pins()["ipykernel"], pins()["nbclient"]]
    made = subprocess.run([*pip, "install", "--quiet", *wanted], capture_output=True, text=True, timeout=INSTALL_S)
    if made.returncode:
        index = subprocess.run([*pip, "download", "--quiet", "--no-deps", "--dest", folder, "packaging"], timeout=120, capture_output=True)
        if index.returncode and not os.environ.get("CI"):
            pytest.skip("no package index can be reached, and the notebook installs what it needs")
        raise AssertionError(f"could not install {wanted}:\n{made.stderr}")
    return python


def execute(python, folder, count: int, **settings: str) -> list[dict]:
    """Runs the first cells of code, in a folder, with these settings; gives their outputs."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HIPPOCAMP_", "MPL", "PYTHON"))}
    done = subprocess.run(
        [python, "-c", EXECUTE, NOTEBOOK, folder, str(count)],
        env={**environment, **settings},
        capture_output=True,
        text=True,
        timeout=RUN_S,
    )
    assert done.returncode == 0, done.stderr[-6000:]
    return json.loads(done.stdout.splitlines()[-1])


def printed(outputs: list[dict]) -> str:
    """What was printed."""
    return "".join(output.get("text", "") for output in outputs)


@pytest.mark.timeout(INSTALL_S + RUN_S + 300)
def test_it_runs_from_top_to_bottom_against_a_server(fresh_python, tmp_path):
    """Words that add up, three maps, and masks that the server computed many at a time."""
    running = Server(ROOT / "model_repository", "--exit-on-error=false", "--strict-readiness=false")
    try:
        outputs = execute(fresh_python, tmp_path, len(cells()), HIPPOCAMP_SERVER=running.grpc, HIPPOCAMP_MASKS="96")
    finally:
        running.stop()
    text = printed(outputs)
    whole, total = re.search(r"cosine ([-\d.]+), sum of shares ([-\d.]+)", text).groups()
    assert abs(float(whole) - float(total)) < 1e-4
    sizes = {int(size): int(count) for size, count in re.findall(r"(\d+): (\d+)", text.split("batches")[1].split("}")[0])}
    assert sum(size * count for size, count in sizes.items()) == 96
    assert max(sizes) > 1, f"the masks were computed one by one: {sizes}"
    for name in ("RISE", "occlusion grid", "activation map", "at random"):
        assert re.search(rf"{name} +deletion 0\.\d+  insertion 0\.\d+", text), text
    kinds = {kind for output in outputs for kind in output.get("data", {})}
    assert {"text/html", "image/png"} <= kinds


@pytest.mark.timeout(INSTALL_S + RUN_S + 300)
def test_it_starts_a_server_from_an_archive_by_its_address(fresh_python, tmp_path):
    """As in a hosted notebook, where there is no checkout."""
    archive = tmp_path / "served" / "hippocamp.tar"
    archive.parent.mkdir()
    with tarfile.open(archive, "w") as files:
        files.add(binary().resolve(), "release/hippocamp")
        files.add(ROOT / "model_repository" / "simple", "release/model_repository/simple")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=archive.parent)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        outputs = execute(fresh_python, tmp_path, 2, HIPPOCAMP_BIN=f"http://127.0.0.1:{web.server_port}/{archive.name}")
        web.shutdown()
    assert re.search(r" at 127\.0\.0\.1:\d+", printed(outputs))


def test_it_says_what_to_set_where_there_is_nothing_to_start(fresh_python, tmp_path):
    """No checkout, no setting: the error names what would help."""
    with pytest.raises(AssertionError, match="set HIPPOCAMP_SERVER"):
        execute(fresh_python, tmp_path, 2)


def test_its_packages_are_those_of_the_requirements():
    """One set of pins."""
    named = re.findall(r'"([^"]+==[^"]+)"', "".join(cells()[0]["source"]))
    assert len(named) == 4 and set(named) <= set(pins().values())


def test_it_is_kept_without_outputs():
    """What it shows depends on the machine and the models, and pictures swell the history."""
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in cells())
