"""The requests of the client tests: numpy arrays and what the golden models answer to them."""

import numpy as np
import tritonclient.http

SUM_AND_DIFFERENCE = {
    "INPUT0": np.arange(16, dtype=np.int32).reshape(1, 16),
    "INPUT1": np.ones((1, 16), dtype=np.int32),
}

# Model, its inputs, the outputs expected.
CASES = [
    (
        "simple",
        SUM_AND_DIFFERENCE,
        {
            "OUTPUT0": SUM_AND_DIFFERENCE["INPUT0"] + 1,
            "OUTPUT1": SUM_AND_DIFFERENCE["INPUT0"] - 1,
        },
    ),
    (
        "simple_dyn",
        {"INPUT0": np.full((3, 16), 40, np.int32), "INPUT1": np.full((3, 16), 2, np.int32)},
        {"OUTPUT0": np.full((3, 16), 42, np.int32), "OUTPUT1": np.full((3, 16), 38, np.int32)},
    ),
    (
        # The second step adds and subtracts the sum and the difference of the first.
        "ensemble_simple",
        SUM_AND_DIFFERENCE,
        {
            "OUTPUT0": SUM_AND_DIFFERENCE["INPUT0"] * 2,
            "OUTPUT1": SUM_AND_DIFFERENCE["INPUT1"] * 2,
        },
    ),
] + [
    (model, {"INPUT0": array}, {"OUTPUT0": array})
    for model, array in [
        ("identity_fp32", np.array([[0.5, -1.25, 3e38, np.finfo(np.float32).tiny]], np.float32)),
        ("identity_fp16", np.array([[0.5, -1.25], [65504.0, 6e-8]], np.float16)),
        ("identity_int64", np.array([[2**63 - 1, -(2**63), 2**53 + 1]], np.int64)),
        ("identity_bool", np.array([[True, False, True]])),
        ("identity_bytes", np.array([["hello".encode(), "Grüße 🌒".encode(), b""]], object)),
    ]
]
IDS = [model for model, _, _ in CASES]

DATATYPES = {
    np.dtype(np.int32): "INT32",
    np.dtype(np.int64): "INT64",
    np.dtype(np.float16): "FP16",
    np.dtype(np.float32): "FP32",
    np.dtype(np.bool_): "BOOL",
    np.dtype(object): "BYTES",
}


def client(module, server):
    """A client of that protocol."""
    return module.InferenceServerClient(server.http if module is tritonclient.http else server.grpc)


def inputs_for(client, arrays, **options):
    """`InferInput`s of tritonclient's module `client`; `options` go to set_data_from_numpy."""
    inputs = []
    for name, array in arrays.items():
        tensor = client.InferInput(name, list(array.shape), DATATYPES[array.dtype])
        tensor.set_data_from_numpy(array, **options)
        inputs.append(tensor)
    return inputs


def check(result, expected):
    """The result has exactly these outputs."""
    for name, array in expected.items():
        actual = result.as_numpy(name)
        assert actual is not None, f"no output {name}"
        assert actual.shape == array.shape
        if array.dtype == object:
            # JSON carries text, binary tensors carry bytes.
            actual = np.vectorize(lambda item: item.encode() if isinstance(item, str) else item, otypes=[object])(actual)
        else:
            assert actual.dtype == array.dtype
        np.testing.assert_array_equal(actual, array)
