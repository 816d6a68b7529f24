"""The messages of the Chainloop wire, as a small .proto of ours would have them, made in code.

Written from the published page: names, types and the enum. Field numbers are ours, since JSON has
none.
"""

from google.protobuf import (  # noqa: F401  known to the pool by being loaded
    any_pb2,
    descriptor_pb2,
    descriptor_pool,
    json_format,
    message_factory,
    timestamp_pb2,
)

_PACKAGE = "chainloop"
_TYPES = descriptor_pb2.FieldDescriptorProto
_SCALARS = {"string": _TYPES.TYPE_STRING, "int32": _TYPES.TYPE_INT32, "bytes": _TYPES.TYPE_BYTES}
ENUMS = {
    "AsyncOperationStatus": [
        f"ASYNC_OPERATION_STATUS_{word}"
        for word in ("UNSPECIFIED", "PENDING", "RUNNING", "COMPLETED", "FAILED")
    ]
}
MESSAGES = {
    "AsyncOperationResult": {
        "id": "string",
        "kind": "string",
        "status": "AsyncOperationStatus",
        "output": "string",
        "error_message": "string",
        "resource_type": "string",
        "resource_id": "string",
        "project_id": "string",
        "project_version_id": "string",
        "created_at": "google.protobuf.Timestamp",
        "started_at": "google.protobuf.Timestamp",
        "finished_at": "google.protobuf.Timestamp",
    },
    "OffsetPaginationResponse": {
        "total_count": "int32",
        "page": "int32",
        "page_size": "int32",
        "total_pages": "int32",
    },
    "GetOperationResponse": {"operation": "AsyncOperationResult"},
    "ListOperationsResponse": {
        "operations": "repeated AsyncOperationResult",
        "pagination": "OffsetPaginationResponse",
    },
    "EvaluateEvidenceRequest": {
        "digest": "string",
        "content": "bytes",
        "policies": "repeated string",
        "project_id": "string",
        "project_version_id": "string",
    },
    "EvaluateEvidenceResponse": {"operation_id": "string"},
    "Status": {
        "code": "int32",
        "message": "string",
        "details": "repeated google.protobuf.Any",
    },
}


def parse(name, body):
    """A body as a message of this name, by protobuf's own parser. Raises ParseError."""
    return json_format.Parse(body, _CLASSES[f"{_PACKAGE}.{name}"]())


def shown(message):
    """A message as JSON the way the dialect shows it: every field, in the names of the proto."""
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def _file():
    file = descriptor_pb2.FileDescriptorProto(
        name="chainloop.proto",
        package=_PACKAGE,
        syntax="proto3",
        dependency=["google/protobuf/any.proto", "google/protobuf/timestamp.proto"],
    )
    for name, words in ENUMS.items():
        enum = file.enum_type.add(name=name)
        for number, word in enumerate(words):
            enum.value.add(name=word, number=number)
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, (field, type_) in enumerate(fields.items(), 1):
            _add_field(message, number, field, type_)
    return file


def _add_field(message, number, name, type_):
    label, _, type_ = type_.rpartition(" ")
    field = message.field.add(name=name, number=number)
    field.label = _TYPES.LABEL_REPEATED if label else _TYPES.LABEL_OPTIONAL
    if type_ in _SCALARS:
        field.type = _SCALARS[type_]
    else:
        field.type = _TYPES.TYPE_ENUM if type_ in ENUMS else _TYPES.TYPE_MESSAGE
        field.type_name = f".{type_}" if "." in type_ else f".{_PACKAGE}.{type_}"


def _classes():
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(_file().SerializeToString())
    return message_factory.GetMessageClassesForFiles(["chainloop.proto"], pool)


_CLASSES = _classes()
