"""The databases that feedback goes to, as the tests see them: what is in them, and how they go away and come back."""

import contextlib
import json
import os
import pathlib
import shutil
import sqlite3
import subprocess
import tempfile

import pytest

COLUMNS = ("event_key", "recommendation", "film", "event", "position", "kind", "technique", "models", "at_ms")
PATIENCE_S = 60

without_postgres = pytest.mark.skipif(
    "HIPPOCAMP_WITHOUT_POSTGRES" in os.environ, reason="there is no PostgreSQL (tests/packages.txt)"
)


def postgres_programs() -> pathlib.Path:
    """The directory of PostgreSQL's programs, the newest one."""
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    assert found, "PostgreSQL is missing: install the packages of tests/packages.txt"
    return found[-1]


class Cluster:
    """A PostgreSQL of its own in a temporary directory, reached by a Unix socket there."""

    def __init__(self):
        self._programs = postgres_programs()
        self._directory = pathlib.Path(tempfile.mkdtemp(prefix="hc-pg-", dir="/tmp"))
        # It refuses to run as root.
        self._user = "postgres" if os.geteuid() == 0 else None
        if self._user:
            shutil.chown(self._directory, self._user)
        self._data = self._directory / "data"
        self._run("initdb", "--pgdata", self._data, "--username=hippocamp", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
        self.start()

    def start(self) -> None:
        options = f"-k {self._directory} -c listen_addresses= -c fsync=off -c max_connections=50"
        self._run("pg_ctl", "start", "-w", "-D", self._data, "-l", self._directory / "log", "-o", options)

    def stop(self) -> None:
        """As a crash: connections break, nothing is asked to finish."""
        self._run("pg_ctl", "stop", "-w", "-D", self._data, "-m", "immediate")

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self._directory)

    def query(self, database: str, statement: str) -> str:
        arguments = ["--host", self._directory, "--username=hippocamp", "--dbname", database, "--no-psqlrc", "-Atqc", statement]
        return self._run("psql", *arguments)

    def url(self, database: str) -> str:
        return f"postgres://hippocamp@localhost/{database}?host={self._directory}"

    def session(self, database: str) -> subprocess.Popen:
        """A session that reads statements from its standard input."""
        arguments = ["--host", self._directory, "--username=hippocamp", "--dbname", database, "--no-psqlrc", "-Atq"]
        # What cannot be done ends it: whoever waits for the next line would wait for ever.
        arguments.append("--set=ON_ERROR_STOP=1")
        return subprocess.Popen(
            [self._programs / "psql", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, user=self._user, cwd="/", text=True
        )

    def _run(self, program: str, *arguments) -> str:
        # The server that pg_ctl starts keeps its standard output: not a pipe that somebody waits for the end of.
        with tempfile.TemporaryFile("w+") as told:
            done = subprocess.run(
                [self._programs / program, *arguments],
                user=self._user, cwd="/", stdin=subprocess.DEVNULL, stdout=told, stderr=subprocess.STDOUT, timeout=PATIENCE_S,
            )
            told.seek(0)
            text = told.read()
        assert done.returncode == 0, f"{program}: {text}"
        return text


class Postgres:
    """A database of a cluster."""

    kind = "postgres"

    def __init__(self, cluster: Cluster, name: str):
        self._cluster, self._name = cluster, name
        cluster.query("postgres", f"CREATE DATABASE {name}")
        self.url = cluster.url(name)

    def rows(self) -> list[dict]:
        told = self._cluster.query(self._name, "SELECT coalesce(json_agg(feedback), '[]') FROM feedback")
        return json.loads(told)

    def go_away(self) -> None:
        self._cluster.stop()

    def come_back(self) -> None:
        self._cluster.start()

    @contextlib.contextmanager
    def locked(self):
        """Nobody else can read or write."""
        session = self._cluster.session(self._name)
        try:
            session.stdin.write("BEGIN; LOCK TABLE feedback IN ACCESS EXCLUSIVE MODE; SELECT 'locked';\n")
            session.stdin.flush()
            assert session.stdout.readline() == "locked\n"
            yield
        finally:
            session.communicate("ROLLBACK;\n", timeout=PATIENCE_S)


class Sqlite:
    """A file."""

    kind = "sqlite"

    def __init__(self, directory: pathlib.Path):
        self._path, self._aside = directory / "a database.db", directory / "aside.db"
        self.url = f"sqlite://{self._path}"

    def rows(self) -> list[dict]:
        with contextlib.closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)) as connection:
            found = connection.execute(f"SELECT {', '.join(COLUMNS)} FROM feedback").fetchall()
        return [dict(zip(COLUMNS, row)) for row in found]

    def go_away(self) -> None:
        self._path.rename(self._aside)

    def come_back(self) -> None:
        assert not self._path.exists(), "nothing was made in its place"
        self._aside.rename(self._path)

    @contextlib.contextmanager
    def locked(self):
        """Nobody else can read or write."""
        with contextlib.closing(sqlite3.connect(self._path, isolation_level=None)) as connection:
            connection.execute("BEGIN EXCLUSIVE")
            yield
            connection.execute("ROLLBACK")
