"""Vector databases on the wire, and what a request for one asks of us."""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Literal

import msgspec

from outlast.dialects.datarobot.ids import read_id
from outlast.dialects.datarobot.instants import Instant
from outlast.operations.model import Operation
from outlast.operations.states import State

TOKEN_CHARS: Final = 4
"""So many characters are taken for a token: the wire counts tokens, and we cut characters."""

NO_USE_CASE: Final = "00000000-0000-0000-0000-000000000000"
"""What is shown for a vector database that belongs to none: clients take no null."""

VALIDATED: Final = "connection:"
"""How the name of a model begins that is behind a validation; its id follows."""

ExecutionStatus = Literal["NEW", "RUNNING", "COMPLETED", "ERROR"]


class ChunkingParameters(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How documents shall be cut and embedded. `chunkSize` is in tokens."""

    embedding_model: str | None = None
    embedding_validation_id: str | None = None
    chunking_method: str | None = None
    chunk_size: int | None = None
    chunk_overlap_percentage: int | None = None
    separators: Sequence[str] | None = None
    is_separator_regex: bool = False
    custom_chunking: bool = False


class CreateVectorDatabaseRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A vector database to build, of a dataset or as the next version of a parent."""

    dataset_id: str
    use_case_id: str
    name: str | None = None
    chunking_parameters: ChunkingParameters | None = None
    parent_vector_database_id: str | None = None
    update_llm_blueprints: bool | None = None
    update_deployments: bool | None = None
    external_vector_database_connection: Mapping[str, Any] | None = None
    metadata_dataset_id: str | None = None
    metadata_combination_strategy: str | None = None

    @property
    def unserved(self) -> Sequence[str]:
        """What is asked for that this server has not, by the names of the fields."""
        chunking = self.chunking_parameters or ChunkingParameters()
        asked = {
            "updateLlmBlueprints": self.update_llm_blueprints,
            "updateDeployments": self.update_deployments,
            "externalVectorDatabaseConnection": self.external_vector_database_connection,
            "metadataDatasetId": self.metadata_dataset_id,
            "chunkingParameters.customChunking": chunking.custom_chunking,
            "chunkingParameters.chunkingMethod": chunking.chunking_method == "semantic",
        }
        return [name for name, is_asked in asked.items() if is_asked]


class EditVectorDatabaseRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Another name for a vector database."""

    name: str | None = None
    credential_id: str | None = None


class VectorDatabaseResponse(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A vector database."""

    id: str
    name: str
    size: int
    use_case_id: str
    dataset_id: str | None
    dataset_name: str
    embedding_model: str | None
    embedding_validation_id: str | None
    chunking_method: str | None
    chunk_size: int | None
    chunk_overlap_percentage: int | None
    chunks_count: int
    separators: Sequence[str] | None
    is_separator_regex: bool
    creation_date: Instant
    creation_user_id: str
    user_name: str
    organization_id: str
    tenant_id: str
    last_update_date: Instant
    execution_status: ExecutionStatus
    error_message: str | None
    playgrounds_count: int
    parent_id: str | None
    family_id: str | None
    version: int
    metadata_columns: Sequence[str] | None = None
    added_dataset_ids: Sequence[str] = ()
    added_dataset_names: Sequence[str] = ()
    custom_chunking: bool = False
    source: str = "DataRobot"
    validation_id: str | None = None
    external_vector_database_connection: None = None
    metadata_dataset_id: str | None = None
    metadata_dataset_name: str | None = None
    metadata_combination_strategy: str | None = None
    deployment_status: str | None = None


class ExportJobResponse(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An export that was begun: the operation, and the dataset that there will be."""

    job_id: str
    vector_database_id: str
    export_dataset_id: str


def build_spec(
    request: CreateVectorDatabaseRequest, source: Mapping[str, str], use_case: str
) -> dict[str, Any]:
    """The spec of what a request asks for; `source` is the dataset or the file."""
    chunking = request.chunking_parameters or ChunkingParameters()
    cut: dict[str, Any] = {"is_separator_regex": chunking.is_separator_regex}
    if chunking.chunking_method is not None:
        cut["method"] = chunking.chunking_method
    if chunking.chunk_size is not None:
        cut["chunk_size"] = chunking.chunk_size * TOKEN_CHARS
    if chunking.chunk_overlap_percentage is not None:
        cut["overlap_percentage"] = chunking.chunk_overlap_percentage
    if chunking.separators is not None:
        cut["separators"] = list(chunking.separators)
    spec: dict[str, Any] = {**source, "chunking": cut, "use_case": use_case}
    if request.name is not None:
        spec["name"] = request.name
    model = chunking.embedding_model
    if chunking.embedding_validation_id is not None:
        id = read_id(chunking.embedding_validation_id, "chunkingParameters.embeddingValidationId")
        model = VALIDATED + id
    if model is not None:
        spec["embedding_model"] = model
    return spec


_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "chunking.method": "chunkingParameters.chunkingMethod",
        "chunking.chunk_size": "chunkingParameters.chunkSize",
        "chunking.overlap_percentage": "chunkingParameters.chunkOverlapPercentage",
        "chunking.separators": "chunkingParameters.separators",
        "chunking": "chunkingParameters",
        "embedding_model": "chunkingParameters.embeddingModel",
        "dataset": "datasetId",
        "file": "datasetId",
        "text_column": "datasetId",
        "parent": "parentVectorDatabaseId",
    }
)
_BEGINNING: Final = re.compile(r"chunking\.\w+|\w+")


def wire_path(path: str) -> str:
    """What a field of our specs is called here."""
    return _BEGINNING.sub(lambda step: _NAMES.get(step[0], step[0]), path, count=1)


def told(operation: Operation | None) -> tuple[ExecutionStatus, str | None]:
    """The status of what an operation has not finished, and why; None: it is no longer kept."""
    if operation is None:
        return "ERROR", "The operation that was to build it is no longer kept."
    match operation.state:
        case State.PENDING:
            return "NEW", None
        case State.RUNNING | State.SUCCEEDED:
            return "RUNNING", None
        case State.CANCELLED:
            return "ERROR", "The operation was cancelled."
        case State.FAILED:
            return "ERROR", "" if operation.failure is None else operation.failure.message
