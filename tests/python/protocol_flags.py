"""Probes of the table in docs/protocol.md: every flag of tritonserver, as the binary takes it."""

import re
import subprocess

from hippocamp_server import binary
from protocol_table import PROBES, Probe

# What is given to a flag that has no effect, or is refused: of the kind that Triton takes.
VALUES = {
    "cuda-memory-pool-byte-size": "0:1024",
    "cuda-virtual-address-size": "0:1024",
    "host-policy": "policy,numa-node=0",
    "cache-config": "local,size=1048576",
    "cache-directory": "/nowhere",
    "repoagent-directory": "/nowhere",
    "rate-limit": "execution_count",
    "rate-limit-resource": "R1:1",
    "model-load-gpu-limit": "0:0.5",
    "sagemaker-safe-port-range": "9000-9010",
    "vertex-ai-default-model": "simple",
    "allow-gpu-metrics": "true",
    "allow-sagemaker": "true",
    "allow-vertex-ai": "true",
    "enable-peer-access": "true",
    "grpc-keepalive-permit-without-calls": "1",
}
# Flags that the help does not show, since another one stands for them.
ALIASES = {"model-store": "model-repository", "strict-model-config": "disable-auto-complete-config"}


def shown() -> set[str]:
    """The flags in the help."""
    text = subprocess.run([binary(), "--help"], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"^\s+(?:-\w, )?--([a-z0-9-]+)", text, re.MULTILINE))


def shown_flag(bench, name):
    """The flag is in the help, or stands for one that is and is taken."""
    flag = name.strip("`").removeprefix("--")
    assert ALIASES.get(flag, flag) in shown()
    if flag == "model-store":
        told = subprocess.run([binary(), "--model-store=/nowhere", "--repository-poll-secs=1"], capture_output=True, text=True)
        assert "needs --model-control-mode poll" in told.stderr, "the flag is read before another is refused"
    if flag == "strict-model-config":
        told = subprocess.run([binary(), "--strict-model-config=true"], capture_output=True, text=True)
        assert "no model repository" in told.stderr


def idle_flag(bench, name):
    """The server starts with the flag, and its log says why it has no effect."""
    flag = name.strip("`").removeprefix("--")
    everything = [f"--{other}={VALUES.get(other, '1')}" for other in idle_flags()]
    # Half of them as two arguments, as Triton takes them, too.
    everything = [part for index, text in enumerate(everything) for part in (text.split("=", 1) if index % 2 else [text])]
    log = bench.other(*everything).log()
    assert len(re.findall(rf"^W.*--{flag} has no effect: \S", log, re.MULTILINE)) == 1, log


def idle_flags() -> list[str]:
    """The flags whose rows say that they have no effect."""
    return sorted(name.strip("`").removeprefix("--") for name, probe in PROBES.items() if probe.check is idle_flag)


def refused_flag(bench, name):
    """The server does not start with the flag, and says which, why, and what to do instead."""
    flag = name.strip("`").removeprefix("--")
    value = VALUES.get(flag, "1")
    for form in ([f"--{flag}={value}"], [f"--{flag}", value]):
        told = subprocess.run([binary(), "--model-repository=/nowhere", *form], capture_output=True, text=True, timeout=30)
        assert told.returncode == 1 and f"error: --{flag} is not offered: " in told.stderr, told
        assert f"got '{value}'" in told.stderr


def register(rows):
    """A probe for each row that names a flag; its state says which."""
    checks = {"works": shown_flag, "differs": shown_flag, "no effect": idle_flag, "not offered": refused_flag}
    for row in rows:
        if row.name.startswith("`--") and row.name not in PROBES:
            PROBES[row.name] = Probe(row.state, checks[row.state])
