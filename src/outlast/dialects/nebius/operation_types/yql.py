"""`yql`: a query over datasets."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from outlast.dialects.nebius.operation_types.wire import (
    OperationFields,
    OperationRequest,
    OperationWish,
    request_path,
    source_on_wire,
    source_spec,
    spec_of,
    target_on_wire,
    target_spec,
)
from outlast.operations.model import Operation


class YQLParams(msgspec.Struct, frozen=True, kw_only=True):
    """A query; `{src_0}`, `{src_1}` ... stand for the sources."""

    query: Annotated[str, msgspec.Meta(examples=["SELECT * FROM {src_0} WHERE condition"])]
    dialect: Literal["yql", "duckdb"] | msgspec.UnsetType = msgspec.UNSET
    """Ours: DuckDB's SQL in place of YQL."""


class YQLRequest(OperationRequest, frozen=True, kw_only=True, tag="yql"):
    """A query to run."""

    params: YQLParams


class YQLOperation(OperationFields, frozen=True, kw_only=True, tag="yql"):
    """A query that was asked for."""

    params: YQLParams


class YQLConversion:
    """See OperationConversion."""

    def wish(self, request: YQLRequest) -> OperationWish:
        """See OperationConversion."""
        spec: dict[str, Any] = {
            "query": request.params.query,
            "src": [source_spec(source) for source in request.src],
            **target_spec(request.dst),
        }
        if request.params.dialect is not msgspec.UNSET:
            spec["dialect"] = request.params.dialect
        return OperationWish(spec=spec)

    def response(self, operation: Operation, fields: Mapping[str, Any]) -> YQLOperation:
        """See OperationConversion."""
        spec = spec_of(operation)
        dialect = spec.get("dialect", "yql")
        return YQLOperation(
            **fields,
            src=[source_on_wire(source) for source in spec["src"]],
            dst=target_on_wire(operation, spec),
            params=YQLParams(
                query=spec["query"], dialect=msgspec.UNSET if dialect == "yql" else dialect
            ),
        )

    def wire_path(self, path: str) -> str:
        """See OperationConversion."""
        return request_path(path)
