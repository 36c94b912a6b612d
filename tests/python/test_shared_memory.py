"""tritonclient with system shared memory, over HTTP and gRPC; and what a server without GPUs says of theirs."""

import contextlib
import os
import queue
import uuid

import numpy as np
import pytest
import tritonclient.grpc as grpcclient
import tritonclient.http as httpclient
import tritonclient.utils.shared_memory as shm
from hippocamp_server import GOLDEN, Server
from tensors import CASES, DATATYPES, IDS, SUM_AND_DIFFERENCE, check, inputs_for
from tritonclient.utils import InferenceServerException, serialize_byte_tensor

SIMPLE_OUTPUTS = CASES[0][2]


@pytest.fixture(scope="module")
def server():
    running = Server(GOLDEN / "model_repository", "--allow-client-shm=true")
    yield running
    assert running.stop() == 0, running.log()


@pytest.fixture(params=[httpclient, grpcclient], ids=["http", "grpc"])
def module(request):
    return request.param


@pytest.fixture
def client(server, module):
    address = server.http if module is httpclient else server.grpc
    with module.InferenceServerClient(address) as client:
        yield client
        client.unregister_system_shared_memory()


@pytest.fixture
def objects():
    """Makes objects of shared memory that are gone after the test; returns handle and key."""
    with contextlib.ExitStack() as stack:

        def make(byte_size):
            key = f"/hippocamp_{uuid.uuid4().hex}"
            handle = shm.create_shared_memory_region("region", key, byte_size, create_only=True)
            stack.callback(shm.destroy_shared_memory_region, handle)
            return handle, key

        yield make


def raw(array):
    """The bytes of a tensor, and what tritonclient puts into a region."""
    if array.dtype != object:
        return array.nbytes, array
    serialized = serialize_byte_tensor(array)
    return len(serialized.item()), serialized


def regions(client):
    """Name -> (key, offset, byte_size), of either protocol's answer."""
    status = client.get_system_shared_memory_status()
    listed = status.regions.values() if hasattr(status, "regions") else status
    read = (lambda region, key: getattr(region, key)) if hasattr(status, "regions") else dict.__getitem__
    return {read(region, "name"): tuple(read(region, key) for key in ("key", "offset", "byte_size")) for region in listed}


def refused(call, *arguments, **keywords):
    with pytest.raises(InferenceServerException) as refusal:
        call(*arguments, **keywords)
    return refusal.value


def shared_input(module, name, array, region, byte_size, offset=0):
    tensor = module.InferInput(name, list(array.shape), DATATYPES[array.dtype])
    tensor.set_shared_memory(region, byte_size, offset)
    return tensor


def shared_output(module, name, region, byte_size, offset=0):
    output = module.InferRequestedOutput(name, **({"binary_data": False} if module is httpclient else {}))
    output.set_shared_memory(region, byte_size, offset)
    return output


@pytest.mark.parametrize("model, arrays, expected", CASES, ids=IDS)
def test_inputs_and_outputs(client, module, objects, model, arrays, expected):
    sizes = {name: raw(array)[0] for name, array in {**arrays, **expected}.items()}
    # Two regions of one object, and tensors at odd offsets.
    start, offsets = 7, {}
    for name, size in sizes.items():
        offsets[name] = start
        start += size + 3
    handle, key = objects(start)
    for name, array in arrays.items():
        shm.set_shared_memory_region(handle, [raw(array)[1]], offset=offsets[name])
    client.register_system_shared_memory("inputs", key, start)
    first = min(offsets[name] for name in expected)
    client.register_system_shared_memory("outputs", key, start - first, offset=first)
    assert regions(client) == {"inputs": (key, 0, start), "outputs": (key, first, start - first)}

    result = client.infer(
        model,
        [shared_input(module, name, array, "inputs", sizes[name], offsets[name]) for name, array in arrays.items()],
        outputs=[shared_output(module, name, "outputs", sizes[name], offsets[name] - first) for name in expected],
    )
    for name, array in expected.items():
        told = result.get_output(name)
        told = told if isinstance(told, dict) else {"shape": list(told.shape), "datatype": told.datatype}
        assert told["shape"] == list(array.shape) and told["datatype"] == DATATYPES[array.dtype]
        assert "data" not in told
        written = shm.get_contents_as_numpy(handle, array.dtype, array.shape, offset=offsets[name])
        np.testing.assert_array_equal(written, array)
        del written


def test_only_inputs_or_only_outputs(client, module, objects):
    handle, key = objects(128)
    client.register_system_shared_memory("r", key, 128)
    shm.set_shared_memory_region(handle, list(SUM_AND_DIFFERENCE.values()))
    result = client.infer(
        "simple",
        [
            shared_input(module, name, array, "r", 64, offset)
            for offset, (name, array) in zip((0, 64), SUM_AND_DIFFERENCE.items(), strict=True)
        ],
    )
    check(result, SIMPLE_OUTPUTS)
    outputs = [shared_output(module, "OUTPUT0", "r", 64), module.InferRequestedOutput("OUTPUT1")]
    result = client.infer("simple", inputs_for(module, SUM_AND_DIFFERENCE), outputs=outputs)
    check(result, {"OUTPUT1": SIMPLE_OUTPUTS["OUTPUT1"]})
    np.testing.assert_array_equal(shm.get_contents_as_numpy(handle, np.int32, [1, 16]), SIMPLE_OUTPUTS["OUTPUT0"])


def test_a_stream(server, objects):
    """Every response of a stream goes to where its own request says."""
    handle, key = objects(64 * 9)
    answers = queue.Queue()
    with grpcclient.InferenceServerClient(server.grpc) as client:
        client.register_system_shared_memory("r", key, 64 * 9)
        shm.set_shared_memory_region(handle, [SUM_AND_DIFFERENCE["INPUT0"]])
        client.start_stream(lambda result, error: answers.put((result, error)))
        for place in range(1, 9):
            inputs = inputs_for(grpcclient, {"INPUT1": np.full((1, 16), place, np.int32)})
            inputs.append(shared_input(grpcclient, "INPUT0", SUM_AND_DIFFERENCE["INPUT0"], "r", 64))
            client.async_stream_infer("simple", inputs, outputs=[shared_output(grpcclient, "OUTPUT0", "r", 64, 64 * place)])
        for _ in range(8):
            _, error = answers.get(timeout=30)
            assert error is None
        client.stop_stream()
        client.unregister_system_shared_memory()
    for place in range(1, 9):
        written = shm.get_contents_as_numpy(handle, np.int32, [1, 16], offset=64 * place)
        np.testing.assert_array_equal(written, SUM_AND_DIFFERENCE["INPUT0"] + place)
        del written


def test_many_megabytes(client, module, objects):
    array = np.random.default_rng(5).standard_normal((1, 5_000_000)).astype(np.float32)
    handle, key = objects(2 * array.nbytes)
    client.register_system_shared_memory("r", key, 2 * array.nbytes)
    shm.set_shared_memory_region(handle, [array])
    client.infer(
        "identity_fp32",
        [shared_input(module, "INPUT0", array, "r", array.nbytes)],
        outputs=[shared_output(module, "OUTPUT0", "r", array.nbytes, array.nbytes)],
    )
    written = shm.get_contents_as_numpy(handle, np.float32, array.shape, offset=array.nbytes)
    np.testing.assert_array_equal(written, array)
    del written


def test_registrations_are_checked(client, objects):
    _, key = objects(128)
    register = client.register_system_shared_memory
    assert "invalid args" in refused(register, "r", key, 129).message()
    assert "invalid args" in refused(register, "r", key, 128, offset=1).message()
    assert "invalid args" in refused(register, "r", key, 0).message()
    assert "invalid args" in refused(register, "r", key, 2**63, offset=2**63).message()
    assert "Unable to open" in refused(register, "r", "/hippocamp_no_such_object", 1).message()
    assert "reserved prefix" in refused(register, "r", "//triton_python_backend_shm_region_1", 1).message()
    assert regions(client) == {}
    register("r", key, 64, offset=64)
    refusal = refused(register, "r", key, 64)
    assert refusal.message() == "shared memory region 'r' already in manager"
    assert "system shared memory region: 'other'" in refused(client.get_system_shared_memory_status, "other").message()


def test_requests_are_checked(client, module, objects):
    _, key = objects(256)
    client.register_system_shared_memory("r", key, 256)
    other = SUM_AND_DIFFERENCE["INPUT0"]

    def infer(region, byte_size, offset=0):
        inputs = [shared_input(module, name, other, region, byte_size, offset) for name in SUM_AND_DIFFERENCE]
        return refused(client.infer, "simple", inputs)

    assert infer("nope", 64).message() == "Unable to find shared memory region: 'nope'"
    assert "Invalid offset for shared memory region: 'r'" in infer("r", 64, 256).message()
    assert "Invalid offset + byte size for shared memory region: 'r'" in infer("r", 64, 193).message()
    assert "Invalid offset + byte size" in infer("r", 2**63 - 1, 8).message()
    assert "shared_memory_offset" in infer("r", 64, -8).message()
    assert "shared_memory_byte_size" in infer("r", -64).message()
    assert "Expected 64, got 60" in infer("r", 60).message()

    outputs = [shared_output(module, "OUTPUT0", "r", 63)]
    refusal = refused(client.infer, "simple", inputs_for(module, SUM_AND_DIFFERENCE), outputs=outputs)
    assert refusal.message().startswith("shared memory size specified with the request for output 'OUTPUT0' (63 bytes)")
    outputs = [shared_output(module, "OUTPUT0", "nope", 64)]
    assert "'nope'" in refused(client.infer, "simple", inputs_for(module, SUM_AND_DIFFERENCE), outputs=outputs).message()


def test_lengths_of_strings_are_checked(client, module, objects):
    array = np.array([[b"hello", b"world"]], object)
    handle, key = objects(18)
    client.register_system_shared_memory("r", key, 18)
    broken = bytearray(raw(array)[1].item())
    broken[9] = 255
    shm.set_shared_memory_region(handle, [np.frombuffer(broken, np.uint8)])
    refusal = refused(client.infer, "identity_bytes", [shared_input(module, "INPUT0", array, "r", 18)])
    assert "expecting string of length 255 but only 5 bytes available" in refusal.message()


def test_regions_are_unregistered_while_requests_use_them(client, server, module, objects):
    """Every request ends with its own answer, or with one that says that its region is gone."""
    handle, key = objects(256)
    shm.set_shared_memory_region(handle, list(SUM_AND_DIFFERENCE.values()))
    address = server.http if module is httpclient else server.grpc
    with module.InferenceServerClient(address) as other:
        for _ in range(50):
            client.register_system_shared_memory("r", key, 256)
            inputs = [
                shared_input(module, name, array, "r", 64, offset)
                for offset, (name, array) in zip((0, 64), SUM_AND_DIFFERENCE.items(), strict=True)
            ]
            outputs = [shared_output(module, "OUTPUT0", "r", 64, 128)]
            done = []
            if module is httpclient:
                pending = other.async_infer("simple", inputs, outputs=outputs)
                client.unregister_system_shared_memory("r")
                try:
                    done.append((pending.get_result(timeout=30), None))
                except InferenceServerException as error:
                    done.append((None, error))
            else:
                other.async_infer("simple", inputs, lambda result, error: done.append((result, error)), outputs=outputs)
                client.unregister_system_shared_memory("r")
                while not done:
                    pass
            [(_, error)] = done
            assert error is None or "Unable to find shared memory region: 'r'" in error.message()
    assert regions(client) == {}


def test_a_truncated_object_is_the_clients_own_loss(client, module, objects):
    handle, key = objects(1 << 20)
    client.register_system_shared_memory("r", key, 1 << 20)
    os.truncate(f"/dev/shm{key}", 64)
    inputs = [shared_input(module, name, SUM_AND_DIFFERENCE[name], "r", 64, 4096) for name in SUM_AND_DIFFERENCE]
    assert "its object was truncated" in refused(client.infer, "simple", inputs).message()
    outputs = [shared_output(module, "OUTPUT0", "r", 64, 4096)]
    refusal = refused(client.infer, "simple", inputs_for(module, SUM_AND_DIFFERENCE), outputs=outputs)
    assert "its object was truncated" in refusal.message()
    check(client.infer("simple", inputs_for(module, SUM_AND_DIFFERENCE)), SIMPLE_OUTPUTS)


def test_classes_do_not_go_into_shared_memory(client, module, objects):
    _, key = objects(64)
    client.register_system_shared_memory("r", key, 64)
    output = module.InferRequestedOutput("OUTPUT0", class_count=2, **({"binary_data": False} if module is httpclient else {}))
    if module is httpclient:
        # tritonclient itself refuses the pair: put together what it would send.
        output._parameters = {"classification": 2, "shared_memory_region": "r", "shared_memory_byte_size": 64}
    else:
        with pytest.raises(InferenceServerException):
            output.set_shared_memory("r", 64)
        output._output.parameters["shared_memory_region"].string_param = "r"
        output._output.parameters["shared_memory_byte_size"].int64_param = 64
    refusal = refused(client.infer, "simple", inputs_for(module, SUM_AND_DIFFERENCE), outputs=[output])
    assert "set both 'shared_memory_region' and 'classification'" in refusal.message()


def test_there_is_no_gpu(client, module):
    status = client.get_cuda_shared_memory_status()
    assert (status if module is httpclient else list(status.regions)) == []
    handle = b"aGFuZGxl"
    refusal = refused(client.register_cuda_shared_memory, "r", handle, 0, 64)
    assert refusal.message() == "failed to register CUDA shared memory region: 'r', GPUs not supported"
    assert "cuda shared memory region: 'r'" in refused(client.get_cuda_shared_memory_status, "r").message()
    client.unregister_cuda_shared_memory()


def test_both_protocols_see_the_same_regions(server, objects):
    _, key = objects(64)
    with httpclient.InferenceServerClient(server.http) as http, grpcclient.InferenceServerClient(server.grpc) as grpc:
        http.register_system_shared_memory("r", key, 64)
        assert regions(grpc) == regions(http) == {"r": (key, 0, 64)}
        grpc.unregister_system_shared_memory("r")
        assert regions(http) == {}


def test_extensions_are_told(client):
    metadata = client.get_server_metadata()
    extensions = metadata["extensions"] if isinstance(metadata, dict) else metadata.extensions
    assert {"system_shared_memory", "cuda_shared_memory"} <= set(extensions)


def test_it_is_off_by_default(fresh_server, module):
    address = fresh_server.http if module is httpclient else fresh_server.grpc
    with module.InferenceServerClient(address) as client:
        refusal = refused(client.register_system_shared_memory, "r", "/k", 64)
        assert "--allow-client-shm=true" in refusal.message()
        assert "--allow-client-shm=true" in refused(client.unregister_system_shared_memory).message()
        assert regions(client) == {}
