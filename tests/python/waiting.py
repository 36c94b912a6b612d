"""Waits for what becomes true a moment later: a backend reports its statistics after its responses."""

import time


def eventually(read, expected, limit_s=30.0):
    """What `read()` gives once it is `expected`, or at last."""
    end = time.monotonic() + limit_s
    while (value := read()) != expected and time.monotonic() < end:
        time.sleep(0.002)
    return value


def steady(read, expected, limit_s=30.0):
    """Waits until `read()` is `expected` and stays so, for what may be that for a moment on the way to something else."""

    def stays():
        for _ in range(5):
            if read() != expected:
                return False
            time.sleep(0.02)
        return True

    until(stays, limit_s)


def until(holds, limit_s=30.0):
    """Waits until `holds()` is true."""
    assert eventually(lambda: bool(holds()), True, limit_s), f"not so within {limit_s} s"
