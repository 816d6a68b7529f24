"""The types of operations: a request, an answer, and a spec of our kind between them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from outlast.dialects.nebius.operation_types.batch_inference import (
    BatchInferenceConversion,
    BatchInferenceOperation,
    BatchInferenceRequest,
)
from outlast.dialects.nebius.operation_types.materialize_history import (
    MaterializeHistoryConversion,
    MaterializeHistoryOperation,
    MaterializeHistoryRequest,
)
from outlast.dialects.nebius.operation_types.wire import OperationConversion, OperationWish
from outlast.dialects.nebius.operation_types.yql import YQLConversion, YQLOperation, YQLRequest
from outlast.dialects.nebius.words import OperationType

RunOperationRequest: TypeAlias = YQLRequest | MaterializeHistoryRequest | BatchInferenceRequest
"""The body of a request for an operation: one of these, told apart by `type`."""

OperationResponse: TypeAlias = YQLOperation | MaterializeHistoryOperation | BatchInferenceOperation
"""An operation on the wire: one of these."""

CONVERSIONS: Final[Mapping[OperationType, OperationConversion]] = MappingProxyType(
    {
        OperationType.YQL: YQLConversion(),
        OperationType.MATERIALIZE_HISTORY: MaterializeHistoryConversion(),
        OperationType.BATCH_INFERENCE: BatchInferenceConversion(),
    }
)

__all__ = [
    "CONVERSIONS",
    "OperationConversion",
    "OperationResponse",
    "OperationWish",
    "RunOperationRequest",
]
