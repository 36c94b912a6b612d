"""Drives a server with KServe's inference clients: python kserve_client.py HTTP GRPC; prints what they got as JSON.

A process of its own, because KServe and tritonclient both bring the messages of the protocol and protobuf takes them once.
"""

import asyncio
import importlib.util
import json
import sys
import types

import grpc
import httpx


def _inference_client():
    """KServe's inference client without the package around it, which would import KServe's server and Kubernetes' client."""
    package = types.ModuleType("kserve")
    package.__path__ = list(importlib.util.find_spec("kserve").submodule_search_locations)
    sys.modules["kserve"] = package
    return importlib.import_module("kserve.inference_client"), importlib.import_module("kserve.protocol.infer_type")


client, infer_type = _inference_client()

NUMBERS = list(range(16))


def request(model, *, binary=False):
    inputs = []
    for name, data in (("INPUT0", NUMBERS), ("INPUT1", [1] * 16)):
        tensor = infer_type.InferInput(name, [1, 16], "INT32", data=None if binary else data)
        if binary:
            import numpy as np

            tensor.set_data_from_numpy(np.array([data], np.int32), binary_data=True)
        inputs.append(tensor)
    return infer_type.InferRequest(model_name=model, infer_inputs=inputs, request_id="17")


def answer(response):
    outputs = {output.name: [output.datatype, list(output.shape), output.as_numpy().ravel().tolist()] for output in response.outputs}
    return {"id": response.id, "model_name": response.model_name, "outputs": outputs}


async def rest(address):
    base = f"http://{address}"
    async with client.InferenceRESTClient(client.RESTConfig(protocol="v2", retries=0)) as rest:
        got = {
            "live": await rest.is_server_live(base),
            "ready": await rest.is_server_ready(base),
            "model": await rest.is_model_ready(base, "simple"),
            "json": answer(await rest.infer(base, request("simple"), model_name="simple")),
            "binary": answer(await rest.infer(base, request("simple", binary=True), model_name="simple")),
        }
        try:
            await rest.infer(base, request("nope"), model_name="nope")
        except httpx.HTTPStatusError as error:
            got["refusal"] = [error.response.status_code, error.response.json()["error"]]
        return got


async def over_grpc(address):
    async with client.InferenceGRPCClient(address, retries=0) as stub:
        got = {
            "live": await stub.is_server_live(),
            "ready": await stub.is_server_ready(),
            "model": await stub.is_model_ready("simple"),
            "contents": answer(await stub.infer(request("simple"))),
            "raw": answer(await stub.infer(request("simple", binary=True))),
        }
        try:
            await stub.infer(request("nope"))
        except grpc.RpcError as error:
            got["refusal"] = [error.code().name, error.details()]
        return got


async def main(http, grpc_address):
    print(json.dumps({"rest": await rest(http), "grpc": await over_grpc(grpc_address)}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
