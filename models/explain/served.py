"""Time and batches of RISE explanations through a running server, as a client's stream of requests.

    python served.py [--grpc 127.0.0.1:8001] [--masks 480] [--explanations 10]

Two ways to send the masks over one gRPC stream: as requests of 32, and one by one, so that the server's dynamic batcher forms the
batches. The batch sizes are the server's own count (statistics before and after).
"""

import argparse
import queue
import time

import maps
import numpy as np
import tritonclient.grpc as triton

HEIGHT, WIDTH = 192, 128


def explain(client: triton.InferenceServerClient, answers: queue.Queue, picture: np.ndarray, masks: np.ndarray, size: int) -> np.ndarray:
    """Sends all, then collects; the map of the most probable genre."""
    fill = maps.fill_of(picture)
    parts = [masks[at : at + size] for at in range(0, len(masks), size)]
    for number, part in enumerate(parts):
        tensor = triton.InferInput("pixels", [len(part), *picture.shape], "FP32")
        tensor.set_data_from_numpy(fill + (picture - fill) * part[:, None])
        wanted = [triton.InferRequestedOutput("genres")]
        client.async_stream_infer("poster_encoder", [tensor], request_id=str(number), outputs=wanted)
    scores: list[np.ndarray | None] = [None] * len(parts)
    for _ in parts:
        answer, error = answers.get(timeout=60)
        if error:
            raise error
        scores[int(answer.get_response().id)] = answer.as_numpy("genres")
    all_scores = np.concatenate(scores)
    one = all_scores[:, all_scores.mean(0).argmax()]
    return np.tensordot(one - one.mean(), masks, 1) / len(masks)


def batches(client: triton.InferenceServerClient) -> dict[int, int]:
    """Executions so far by batch size."""
    stats = client.get_inference_statistics("poster_encoder").model_stats[0].batch_stats
    return {int(entry.batch_size): int(entry.compute_infer.count) for entry in stats}


def main() -> None:
    """Prints times and batch sizes of both ways."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--grpc", default="127.0.0.1:8001")
    parser.add_argument("--masks", type=int, default=480)
    parser.add_argument("--explanations", type=int, default=10)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    picture = maps.enlarge(rng.random((8, 6)), HEIGHT, WIDTH)[None] * np.float32([1, 0.8, 0.6]).reshape(3, 1, 1)
    masks = maps.rise_masks(options.masks, HEIGHT, WIDTH, rng)
    client = triton.InferenceServerClient(options.grpc)
    answers: queue.Queue = queue.Queue()
    client.start_stream(callback=lambda result, error: answers.put((result, error)))
    for size in (32, 1):
        explain(client, answers, picture, masks, size)
        before, times = batches(client), []
        for _ in range(options.explanations):
            began = time.monotonic()
            explain(client, answers, picture, masks, size)
            times.append(1000 * (time.monotonic() - began))
        ran = {s: n - before.get(s, 0) for s, n in batches(client).items() if n > before.get(s, 0)}
        print(f"{options.masks} masks in requests of {size}: median {np.median(times):.0f} ms, worst {max(times):.0f} ms; ", end="")
        print("batches " + ", ".join(f"{s}: {n / options.explanations:g}" for s, n in sorted(ran.items())))
    client.stop_stream()


if __name__ == "__main__":
    main()
