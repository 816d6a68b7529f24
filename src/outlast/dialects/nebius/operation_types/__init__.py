"""The types of operations: a request, an answer, and a spec of our kind between them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from outlast.dialects.nebius.operation_types.batch_inference import (
    BatchInferenceConversion,
    BatchInferenceOperation,
    BatchInferenceRequest,
)
from outlast.dialects.nebius.operation_types.files import (
    DatasetToFileConversion,
    DatasetToFileOperation,
    DatasetToFileRequest,
    FileToDatasetConversion,
    FileToDatasetOperation,
    FileToDatasetRequest,
)
from outlast.dialects.nebius.operation_types.finetuning import (
    FinetuningConversion,
    FinetuningOperation,
    FinetuningRequest,
)
from outlast.dialects.nebius.operation_types.materialize_history import (
    MaterializeHistoryConversion,
    MaterializeHistoryOperation,
    MaterializeHistoryRequest,
)
from outlast.dialects.nebius.operation_types.wire import OperationConversion, OperationWish
from outlast.dialects.nebius.operation_types.yql import YQLConversion, YQLOperation, YQLRequest
from outlast.dialects.nebius.words import OperationType

RunOperationRequest: TypeAlias = (
    YQLRequest
    | MaterializeHistoryRequest
    | BatchInferenceRequest
    | FinetuningRequest
    | FileToDatasetRequest
    | DatasetToFileRequest
)
"""The body of a request for an operation: one of these, told apart by `type`."""

OperationResponse: TypeAlias = (
    YQLOperation
    | MaterializeHistoryOperation
    | BatchInferenceOperation
    | FinetuningOperation
    | FileToDatasetOperation
    | DatasetToFileOperation
)
"""An operation on the wire: one of these."""

CONVERSIONS: Final[Mapping[OperationType, OperationConversion]] = MappingProxyType(
    {
        OperationType.YQL: YQLConversion(),
        OperationType.MATERIALIZE_HISTORY: MaterializeHistoryConversion(),
        OperationType.BATCH_INFERENCE: BatchInferenceConversion(),
        OperationType.FINETUNING: FinetuningConversion(),
        OperationType.FILE_TO_DATASET: FileToDatasetConversion(),
        OperationType.DATASET_TO_FILE: DatasetToFileConversion(),
    }
)

__all__ = [
    "CONVERSIONS",
    "OperationConversion",
    "OperationResponse",
    "OperationWish",
    "RunOperationRequest",
]
