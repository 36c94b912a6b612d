"""Clients that ask `recommend_by_plot` all the time, and judge each answer. Used by the soaks of reloads and of crashes.

An answer is right if encoder and index are of one generation, if that is no older than one that somebody had an answer of
before this request was sent, and if the films are those that they were at the beginning.
"""

import collections
import http.client
import json
import threading
import time

import numpy as np
import report
import tritonclient.grpc
from generations import ENSEMBLE

PROBES = [json.loads(line)["text"] for line in (report.ROOT / "catalogue" / "probes.jsonl").open()][:8]
K = 3
OUTPUTS = ("id", "ENCODER_GENERATION", "INDEX_GENERATION")
REQUEST_S = 30
KEPT_TEXTS = 10

# What a client makes of an answer: ids of films, the encoder's generation, the generations that the index's rows tell.
Answer = tuple[tuple[str, ...], int, set[int]]


class Http:
    """A connection over HTTP, with JSON."""

    def __init__(self, server):
        self._connection = http.client.HTTPConnection(server.http, timeout=REQUEST_S)
        self._bodies = [
            json.dumps(
                {
                    "inputs": [
                        {"name": "PLOT", "shape": [1, 1], "datatype": "BYTES", "data": [text]},
                        {"name": "K", "shape": [1, 1], "datatype": "INT32", "data": [K]},
                    ],
                    "outputs": [{"name": name} for name in OUTPUTS],
                }
            )
            for text in PROBES
        ]

    def ask(self, probe: int) -> Answer:
        """The answer to a probe; raises what is no answer."""
        headers = {"Content-Type": "application/json"}
        self._connection.request("POST", f"/v2/models/{ENSEMBLE}/infer", self._bodies[probe], headers)
        response = self._connection.getresponse()
        content = response.read()
        if response.status != 200:
            raise RuntimeError(f"status {response.status}: {content[:300].decode(errors='replace')}")
        outputs = {output["name"]: output["data"] for output in json.loads(content)["outputs"]}
        return tuple(outputs["id"]), outputs["ENCODER_GENERATION"][0], set(outputs["INDEX_GENERATION"])

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()


class Grpc:
    """A connection over gRPC."""

    def __init__(self, server):
        self._client = tritonclient.grpc.InferenceServerClient(server.grpc)
        self._outputs = [tritonclient.grpc.InferRequestedOutput(name) for name in OUTPUTS]
        self._inputs = []
        for text in PROBES:
            plot = tritonclient.grpc.InferInput("PLOT", [1, 1], "BYTES")
            plot.set_data_from_numpy(np.array([[text.encode()]], dtype=np.object_))
            k = tritonclient.grpc.InferInput("K", [1, 1], "INT32")
            k.set_data_from_numpy(np.array([[K]], dtype=np.int32))
            self._inputs.append([plot, k])

    def ask(self, probe: int) -> Answer:
        """The answer to a probe; raises what is no answer."""
        answer = self._client.infer(ENSEMBLE, self._inputs[probe], outputs=self._outputs, client_timeout=REQUEST_S)
        ids = tuple(item.decode() for item in answer.as_numpy("id").ravel())
        encoder, index = (answer.as_numpy(name).ravel().tolist() for name in OUTPUTS[1:])
        return ids, encoder[0], set(index)

    def close(self) -> None:
        """Ends the connection."""
        self._client.close()


class Clients:
    """`count` clients, every other one over gRPC, a thread each; each sends once in `interval_s`, or at once after an answer.

    `phase` is what the time now belongs to: times of answers are kept by it. All numbers may be read at any time.
    """

    def __init__(self, server, count: int = 32, interval_s: float = 0.05):
        self.phase = ""
        self.newest = 0
        self.times_ms: dict[str, list[float]] = collections.defaultdict(list)
        self.sent = 0
        self.failed: list[str] = []
        self.failures = self.mixed = self.older = self.other_films = 0
        self.wrong: list[str] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._interval_s = interval_s
        first = Http(server)
        self._films = [first.ask(probe)[0] for probe in range(len(PROBES))]
        self.newest = first.ask(0)[1]
        first.close()
        kinds = [(Http, Grpc)[number % 2] for number in range(count)]
        self._threads = [
            threading.Thread(target=self._work, args=(number, kind, server), daemon=True) for number, kind in enumerate(kinds)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Waits until each client has its last answer."""
        self._stop.set()
        for thread in self._threads:
            thread.join(REQUEST_S + 5)

    def faults(self) -> list[str]:
        """What must not have happened."""
        return [*(f"request failed: {text}" for text in self.failed), *(f"wrong answer: {text}" for text in self.wrong)]

    def wait_for(self, generation: int, limit_s: float) -> bool:
        """Whether somebody got an answer of the generation within the limit."""
        deadline = time.monotonic() + limit_s
        while self.newest < generation:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.002)
        return True

    def _work(self, number: int, kind, server) -> None:
        client, probe = kind(server), number
        next_at = time.monotonic() + self._interval_s * (number / max(1, len(self._threads)))
        while not self._stop.is_set():
            if self._interval_s:
                # Where the server is slower than that, the client waits for nothing, and catches nothing up.
                next_at = max(next_at + self._interval_s, time.monotonic() - self._interval_s)
                if self._stop.wait(max(0.0, next_at - time.monotonic())):
                    break
            probe = (probe + 1) % len(PROBES)
            phase, known, start = self.phase, self.newest, time.perf_counter()
            try:
                answer = client.ask(probe)
            except Exception as error:  # whatever is no answer is a failure
                self._count_failure(f"{kind.__name__}: {type(error).__name__}: {error}")
                client.close()
                client = kind(server)
                continue
            self._judge(phase, known, (time.perf_counter() - start) * 1e3, probe, answer)
        client.close()

    def _count_failure(self, text: str) -> None:
        with self._lock:
            self.sent += 1
            self.failures += 1
            if len(self.failed) < KEPT_TEXTS:
                self.failed.append(text)

    def _judge(self, phase: str, known: int, took_ms: float, probe: int, answer: Answer) -> None:
        ids, encoder, index = answer
        wrong = ""
        with self._lock:
            self.sent += 1
            self.times_ms[phase].append(took_ms)
            if index != {encoder}:
                self.mixed += 1
                wrong = f"the encoder is of generation {encoder}, the index of {sorted(index)}"
            elif encoder < known:
                self.older += 1
                wrong = f"generation {encoder}, though {known} had answered before it was asked"
            elif ids != self._films[probe]:
                self.other_films += 1
                wrong = f"generation {encoder} finds {ids}, it was {self._films[probe]}"
            self.newest = max(self.newest, min(encoder, *index))
            if wrong and len(self.wrong) < KEPT_TEXTS:
                self.wrong.append(wrong)
