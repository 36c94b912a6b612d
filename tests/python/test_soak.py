"""The soaks of tests/soak in short: what they hold over hours must hold over seconds. Figures are not judged here, but leaks are."""

import sys

import pytest
from hippocamp_server import ROOT

sys.path.append(str(ROOT / "tests" / "soak"))
import kill9  # noqa: E402 - found by the line above
import kill9_bucket  # noqa: E402
import memory  # noqa: E402
import reloads  # noqa: E402
import startup  # noqa: E402
from generations import Generations  # noqa: E402

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def generations(tmp_path):
    """A repository of the models that are in the tree, no generation in it yet."""
    return Generations(tmp_path)


def test_reloads_fail_no_request_and_mix_no_generations(generations):
    check_reloads(generations, "poll")


def test_one_load_call_replaces_an_ensemble_with_its_members(generations):
    check_reloads(generations, "explicit")


def test_a_member_that_its_ensemble_would_not_load_with_is_refused(generations):
    calls = check_reloads(generations, "explicit-members")["load_calls"]
    refused = sum(count for call, count in calls.items() if call.startswith(("plot_encoder: 400", "film_index: 400")))
    assert refused == 12 and calls["recommend_by_plot: 200"] == 6, calls


def check_reloads(generations, mode):
    """Six generations come while clients ask, and all is well; the result."""
    result = reloads.run(generations, reloads=6, mode=mode, interval=0.2, block=3, quiet=True, rests_s=(0.2,))
    assert result["faults"] == [] and result["reloads"] == 6, result
    assert result["failed"] == 0 and not any(result["wrong"].values()), result
    assert all(result["phases"][phase]["answers"] > 0 for phase in ("reloads", "quiet")), result
    return result


@pytest.mark.parametrize("writing", ["renamed", "in-place"])
def test_after_a_kill_the_last_whole_generation_serves(generations, writing):
    result = kill9.run(generations, times=4, writing=writing, seed=1, quiet=True)
    assert result["faults"] == [], result


def test_after_a_kill_the_generation_of_a_bucket_serves(tmp_path):
    result = kill9_bucket.run(tmp_path, times=3, seed=1, quiet=True)
    assert result["faults"] == [] and result["files_of_caches_held_against_their_names"] > 0, result


def test_an_unloaded_model_leaves_no_thread_no_file_and_no_memory(tmp_path):
    model = memory.prepare(tmp_path, "product", megabytes=8)
    curve, result = memory.run(tmp_path, model, cycles=12, requests=1, settle_s=0.5, idle_s=0.1, quiet=True)
    for row in curve:
        # But for those that serve sockets, which come and go by themselves.
        row["lasting"] = sum(count for name, count in row["threads_by_name"].items() if name != "hippocamp-io")
    # The first rounds open what stays open, and grow what keeps its size. A connection that is there just now is gone by one
    # of the next rounds, and so is memory that is given back a moment late; what leaks is not.
    settled, last = curve[5], curve[-3:]
    for what in ("lasting", "files"):
        assert min(row[what] for row in last) <= max(row[what] for row in curve[:6]), (what, result)
    left = min(row["anonymous_kib"] for row in last)
    assert left < settled["anonymous_kib"] + 8 * 1024, f"a model of 8 MB stays: {result}"


def test_a_start_is_measured(tmp_path):
    result = startup.run(tmp_path, runs=1, counts=[0, 4], triton_counts=[], quiet=True, rest_s=0.1)
    none, some = result["servers"].values()
    assert 0 < none["rss_kib"] and 0 < some["ready_ms"] and none["processes"] == 1, result
