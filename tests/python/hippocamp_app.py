"""The application under test: a real process on a free port, over a server that runs already."""

import os
import pathlib

from hippocamp_server import ROOT, Process


def binary() -> pathlib.Path:
    """The application's executable: $HIPPOCAMP_APP_BIN, or what `make build` made."""
    path = pathlib.Path(os.environ.get("HIPPOCAMP_APP_BIN", ROOT / "target" / "release" / "hippocamp-app"))
    assert path.exists(), f"{path} is missing: run `make build` first"
    return path


class App(Process):
    """A running application; `origin` is where its page is, `database` its SQLite file."""

    def __init__(self, server: str, data: pathlib.Path, *arguments: str, environment: dict[str, str] | None = None):
        command = [binary(), "--listen=127.0.0.1:0", f"--server={server}", f"--data-dir={data}", *arguments]
        addresses = self.start(command, "hippocamp-app", environment)
        self.origin = f"http://{addresses['app']}"
        self.database = data / "feedback.db"
