"""The wire types, field by field: what the server's reflection tells, beside what is inside tritonclient."""

import difflib

import grpc
import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from tritonclient.grpc import model_config_pb2, service_pb2

# A symbol that our file must hold, and tritonclient's module of the same file.
FILES = [("inference.GRPCInferenceService", service_pb2), ("inference.ModelConfig", model_config_pb2)]
LABELS = {value: name.removeprefix("LABEL_").lower() for name, value in FieldDescriptorProto.Label.items()}
TYPES = {value: name.removeprefix("TYPE_").lower() for name, value in FieldDescriptorProto.Type.items()}


def describe_field(message: DescriptorProto, field: FieldDescriptorProto) -> str:
    kind = field.type_name or TYPES[field.type]
    within = f" in {message.oneof_decl[field.oneof_index].name}" if field.HasField("oneof_index") else ""
    packed = " unpacked" if field.options.HasField("packed") and not field.options.packed else ""
    return f"{LABELS[field.label]} {kind} {field.name} = {field.number}{within}{packed}"


def describe_enum(path: str, enum: EnumDescriptorProto) -> list[str]:
    return [f"enum {path}.{enum.name}: {value.name} = {value.number}" for value in enum.value]


def describe_message(path: str, message: DescriptorProto) -> list[str]:
    path = f"{path}.{message.name}"
    lines = [f"message {path}{' (map entry)' if message.options.map_entry else ''}"]
    lines += [f"message {path}: {describe_field(message, field)}" for field in message.field]
    lines += [line for nested in message.nested_type for line in describe_message(path, nested)]
    lines += [line for enum in message.enum_type for line in describe_enum(path, enum)]
    return lines


def describe(file: FileDescriptorProto) -> list[str]:
    """A line for everything of the file that a client can notice."""
    lines = [f"package {file.package}", f"syntax {file.syntax}"]
    lines += [line for message in file.message_type for line in describe_message(file.package, message)]
    lines += [line for enum in file.enum_type for line in describe_enum(file.package, enum)]
    for service in file.service:
        for method in service.method:
            request = f"{'stream ' if method.client_streaming else ''}{method.input_type}"
            response = f"{'stream ' if method.server_streaming else ''}{method.output_type}"
            lines.append(f"service {file.package}.{service.name}: {method.name}({request}) returns ({response})")
    return sorted(lines)


def reflected(address: str, symbol: str) -> FileDescriptorProto:
    """The file that holds the symbol, as the server's reflection tells it."""
    request = reflection_pb2.ServerReflectionRequest(file_containing_symbol=symbol)
    with grpc.insecure_channel(address) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        (response,) = stub.ServerReflectionInfo(iter([request]), timeout=10)
    assert response.HasField("file_descriptor_response"), f"no file holds {symbol}: {response}"
    files = [FileDescriptorProto.FromString(file) for file in response.file_descriptor_response.file_descriptor_proto]
    message = symbol.removeprefix("inference.")
    for file in files:
        if message in [item.name for item in (*file.message_type, *file.service)]:
            return file
    raise AssertionError(f"none of {[file.name for file in files]} holds {symbol}")


@pytest.mark.parametrize("symbol, module", FILES, ids=[symbol for symbol, _ in FILES])
def test_descriptors_are_those_of_tritonclient(server, symbol, module):
    theirs = FileDescriptorProto()
    module.DESCRIPTOR.CopyToProto(theirs)
    expected, actual = describe(theirs), describe(reflected(server.grpc, symbol))
    assert len(expected) > 100, "tritonclient's descriptor is that of another file"
    diff = list(difflib.unified_diff(expected, actual, "tritonclient", "hippocamp", lineterm="", n=0))
    assert not diff, "\n".join(["the wire types differ:", *diff])
