"""The protocol's messages for gRPC, by the names and numbers of their fields in the specification.

They are described when they are first used, in a pool of their own: so no generated file asks for one version of
Protocol Buffers, and a client in the same process may bring its own.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

SERVICE = "inference.GRPCInferenceService"
METHODS = (
    "ServerLive",
    "ServerReady",
    "ModelReady",
    "ServerMetadata",
    "ModelMetadata",
    "ModelInfer",
    "RepositoryIndex",
)
"""Each takes a message of its name and ``Request`` and gives one of its name and ``Response``."""
_MESSAGES = {
    "ServerLiveRequest": "",
    "ServerLiveResponse": "bool live = 1",
    "ServerReadyRequest": "",
    "ServerReadyResponse": "bool ready = 1",
    "ModelReadyRequest": "string name = 1; string version = 2",
    "ModelReadyResponse": "bool ready = 1",
    "ServerMetadataRequest": "",
    "ServerMetadataResponse": "string name = 1; string version = 2; repeated string extensions = 3",
    "ModelMetadataRequest": "string name = 1; string version = 2",
    "ModelMetadataResponse": (
        "string name = 1; repeated string versions = 2; string platform = 3; "
        "repeated ModelMetadataResponse.TensorMetadata inputs = 4; "
        "repeated ModelMetadataResponse.TensorMetadata outputs = 5"
    ),
    "ModelMetadataResponse.TensorMetadata": "string name = 1; string datatype = 2; repeated int64 shape = 3",
    "ModelInferRequest": (
        "string model_name = 1; string model_version = 2; string id = 3; map InferParameter parameters = 4; "
        "repeated ModelInferRequest.InferInputTensor inputs = 5; "
        "repeated ModelInferRequest.InferRequestedOutputTensor outputs = 6; repeated bytes raw_input_contents = 7"
    ),
    "ModelInferRequest.InferInputTensor": (
        "string name = 1; string datatype = 2; repeated int64 shape = 3; map InferParameter parameters = 4; "
        "InferTensorContents contents = 5"
    ),
    "ModelInferRequest.InferRequestedOutputTensor": "string name = 1; map InferParameter parameters = 2",
    "ModelInferResponse": (
        "string model_name = 1; string model_version = 2; string id = 3; map InferParameter parameters = 4; "
        "repeated ModelInferResponse.InferOutputTensor outputs = 5; repeated bytes raw_output_contents = 6"
    ),
    "ModelInferResponse.InferOutputTensor": (
        "string name = 1; string datatype = 2; repeated int64 shape = 3; map InferParameter parameters = 4; "
        "InferTensorContents contents = 5"
    ),
    "InferParameter": (
        "oneof bool bool_param = 1; oneof int64 int64_param = 2; oneof string string_param = 3; "
        "oneof double double_param = 4; oneof uint64 uint64_param = 5"
    ),
    "InferTensorContents": (
        "repeated bool bool_contents = 1; repeated int32 int_contents = 2; repeated int64 int64_contents = 3; "
        "repeated uint32 uint_contents = 4; repeated uint64 uint64_contents = 5; repeated float fp32_contents = 6; "
        "repeated double fp64_contents = 7; repeated bytes bytes_contents = 8"
    ),
    "RepositoryIndexRequest": "string repository_name = 1; bool ready = 2",
    "RepositoryIndexResponse": "repeated RepositoryIndexResponse.ModelIndex models = 1",
    "RepositoryIndexResponse.ModelIndex": "string name = 1; string version = 2; string state = 3; string reason = 4",
}
"""Fields as the protocol's own language writes them; ``map`` goes from text, ``oneof`` is the one of its message."""

_Field = descriptor_pb2.FieldDescriptorProto


def made() -> dict[str, Any]:
    """Return the classes of the messages, by name."""
    file = descriptor_pb2.FileDescriptorProto(name="headrace/inference.proto", package="inference", syntax="proto3")
    for name, fields in _MESSAGES.items():
        outer, _, inner = name.rpartition(".")
        within = next(one for one in file.message_type if one.name == outer).nested_type if outer else file.message_type
        message = within.add(name=inner)
        for field in filter(None, fields.split("; ")):
            _add(message, name, field)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    known = {name: pool.FindMessageTypeByName(f"inference.{name}") for name in _MESSAGES}
    return {name: message_factory.GetMessageClass(one) for name, one in known.items()}


def _add(message: descriptor_pb2.DescriptorProto, path: str, field: str) -> None:
    """Add a field as it is written, e.g. ``repeated int64 shape = 3``."""
    *label, kind, name, _, number = field.split()
    one = message.field.add(name=name, number=int(number), label=_Field.LABEL_OPTIONAL)
    if label == ["map"]:
        entry = message.nested_type.add(name=f"{name.title()}Entry")
        entry.options.map_entry = True
        _add(entry, path, "string key = 1")
        _add(entry, path, f"{kind} value = 2")
        label, kind = ["repeated"], f"{path}.{entry.name}"
    if label == ["repeated"]:
        one.label = _Field.LABEL_REPEATED
    if label == ["oneof"]:
        if not message.oneof_decl:
            message.oneof_decl.add(name="parameter_choice")
        one.oneof_index = 0
    if kind[0].isupper():
        one.type, one.type_name = _Field.TYPE_MESSAGE, f".inference.{kind}"
    else:
        one.type = getattr(_Field, f"TYPE_{kind.upper()}")
