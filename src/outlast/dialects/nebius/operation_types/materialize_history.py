"""`materialize_history`: chat completions of a time range become a dataset.

The service documents what can be chosen (time range, model, a name), and no names of fields: those
here are ours, in one place.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec

from outlast.dialects.nebius.operation_types.wire import (
    OperationFields,
    OperationRequest,
    OperationWish,
    request_path,
    spec_of,
    target_on_wire,
    target_spec,
)
from outlast.operations.errors import Invalid
from outlast.operations.model import Operation

SECONDS_MAX = 253_402_300_799
"""The last second of the year 9999."""

Moment = Annotated[
    int | str | None,
    msgspec.Meta(
        description="Unix seconds, or an ISO 8601 text with a time zone",
        examples=[1614807352, "2026-11-22T10:00:00Z"],
    ),
]
_PATHS: Mapping[str, str] = {"created_after": "params.from", "created_before": "params.to"}
_FILTERS = ("member", "metadata", "status")


class HistoryFilters(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Ours: who asked, the metadata that the request had, how it ended."""

    member: str | None = None
    metadata: dict[str, str] | None = None
    status: Sequence[str] | None = None


class MaterializeHistoryParams(
    msgspec.Struct, frozen=True, kw_only=True, rename={"from_": "from"}, omit_defaults=True
):
    """Which completions: from an instant, up to but not including another, of one model."""

    from_: Moment = None
    to: Moment = None
    model: str | None = None
    filters: HistoryFilters | None = None
    limit: Annotated[int, msgspec.Meta(ge=1)] | None = None


class MaterializeHistoryRequest(
    OperationRequest, frozen=True, kw_only=True, tag="materialize_history"
):
    """Completions to take."""

    params: MaterializeHistoryParams = MaterializeHistoryParams()


class MaterializeHistoryOperation(
    OperationFields, frozen=True, kw_only=True, tag="materialize_history"
):
    """Completions that were asked for."""

    params: MaterializeHistoryParams


class MaterializeHistoryConversion:
    """See OperationConversion."""

    def wish(self, request: MaterializeHistoryRequest) -> OperationWish:
        """See OperationConversion."""
        params, filters = request.params, request.params.filters or HistoryFilters()
        wanted = {
            "created_after": _read_moment(params.from_, "params.from"),
            "created_before": _read_moment(params.to, "params.to"),
            "model": params.model,
            "limit": params.limit,
            **{name: getattr(filters, name) for name in _FILTERS},
        }
        spec = {name: value for name, value in wanted.items() if value is not None}
        return OperationWish(spec=spec | target_spec(request.dst))

    def response(
        self, operation: Operation, fields: Mapping[str, Any]
    ) -> MaterializeHistoryOperation:
        """See OperationConversion."""
        spec = spec_of(operation)
        filters = {name: spec[name] for name in _FILTERS if spec.get(name) is not None}
        return MaterializeHistoryOperation(
            **fields,
            src=[],
            dst=target_on_wire(operation, spec),
            params=MaterializeHistoryParams(
                from_=_show_moment(spec.get("created_after")),
                to=_show_moment(spec.get("created_before")),
                model=spec.get("model"),
                filters=HistoryFilters(**filters) if filters else None,
                limit=spec.get("limit"),
            ),
        )

    def wire_path(self, path: str) -> str:
        """See OperationConversion."""
        if path.partition(".")[0] in _FILTERS:
            return f"params.filters.{path}"
        return _PATHS.get(path) or request_path(path)


def _read_moment(moment: int | str | None, path: str) -> str | None:
    """An instant as our kind takes it. Raises Invalid."""
    match moment:
        case int() if 0 <= moment <= SECONDS_MAX:
            return datetime.fromtimestamp(moment, UTC).isoformat().replace("+00:00", "Z")
        case str():
            return moment
        case None:
            return None
        case _:
            message = f"is a number of Unix seconds from 0 to {SECONDS_MAX}"
            raise Invalid(f"{path} {message}", field_errors={path: message})


def _show_moment(text: str | None) -> int | str | None:
    """An instant of a spec as Unix seconds, or as it is where it has fractions."""
    if text is None:
        return None
    moment = msgspec.convert(text, datetime)
    return text if moment.microsecond else int(moment.timestamp())
