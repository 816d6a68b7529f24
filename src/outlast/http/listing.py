"""Lists of operations: their filters, and the parameters that other lists share."""

from typing import Any, Final

from outlast.http.parsing import parse_instant
from outlast.http.routing import Call, Parameter
from outlast.operations import ids
from outlast.operations.errors import Invalid
from outlast.operations.states import State
from outlast.store.port import Query, View

PAGE_SIZE: Final = 50
_LABEL: Final = "label."

PAGE: Final = (
    Parameter(
        name="page_size",
        schema={"type": "integer", "minimum": 1, "maximum": 500, "default": PAGE_SIZE},
        says="How many at most.",
    ),
    Parameter(
        name="page_token",
        schema={"type": "string"},
        says="next_page_token of the page before, asked with the same filters.",
    ),
)
_TEXT: Final = {"type": "string"}
_INSTANT: Final = {"type": "string", "format": "date-time"}
FILTERS: Final = (
    Parameter(
        name="state",
        schema={"type": "string", "enum": list(State)},
        says="Only in one of these states.",
        is_repeatable=True,
    ),
    Parameter(name="kind", schema=_TEXT, says="Only of one of these kinds.", is_repeatable=True),
    Parameter(name="label.*", schema=_TEXT, says="Only with this label: label.KEY=VALUE."),
    Parameter(name="resource_type", schema=_TEXT, says="Goes with resource_id."),
    Parameter(name="resource_id", schema=_TEXT, says="Goes with resource_type."),
    Parameter(name="project", schema=_TEXT, says="Only of this project."),
    Parameter(name="parent_id", schema=_TEXT, says="Only retries of this operation."),
    Parameter(name="created_after", schema=_INSTANT, says="Created at this instant or later."),
    Parameter(name="created_before", schema=_INSTANT, says="Created before this instant."),
)
VIEW: Final = Parameter(
    name="view",
    schema={"type": "string", "enum": list(View), "default": View.SUMMARY},
    says="full: with spec and result.",
)


def window(limit_max: int, default: int) -> tuple[Parameter, Parameter]:
    """The parameters of lists that are read forward by number."""
    return (
        Parameter(
            name="after",
            schema={"type": "integer", "minimum": 0, "default": 0},
            says="Only what has a greater number.",
        ),
        Parameter(
            name="limit",
            schema={"type": "integer", "minimum": 1, "maximum": limit_max, "default": default},
            says="How many at most.",
        ),
    )


def list_filters(call: Call) -> dict[str, Any]:
    """What a page token of the list is bound to."""
    skipped = {"page_size", "page_token", "view"}
    named = {name: sorted(values) for name, values in call.query.items() if name not in skipped}
    return {"tenant": call.principal.tenant, "filters": named}


def list_query(call: Call) -> Query:
    """The query that the parameters spell out; the engine sets its tenant."""
    parent = call.one("parent_id")
    return Query(
        tenant="",
        states=frozenset(_state(text) for text in call.query.get("state", ())),
        kinds=frozenset(call.query.get("kind", ())),
        labels={
            name.removeprefix(_LABEL): values[0]
            for name, values in call.query.items()
            if name.startswith(_LABEL)
        },
        resource_type=call.one("resource_type"),
        resource_id=call.one("resource_id"),
        project=call.one("project"),
        parent_id=None if parent is None else ids.decode_any(parent) or parent,
        created_after=_moment(call, "created_after"),
        created_before=_moment(call, "created_before"),
        view=_view(call.one("view")),
    )


def _state(text: str) -> State:
    try:
        return State(text)
    except ValueError:
        states = ", ".join(State)
        raise Invalid(f"state is one of {states}", field_errors={"state": "unknown"}) from None


def _view(text: str | None) -> View:
    try:
        return View(text or View.SUMMARY)
    except ValueError:
        raise Invalid("view is summary or full", field_errors={"view": "unknown"}) from None


def _moment(call: Call, name: str) -> int | None:
    text = call.one(name)
    return None if text is None else parse_instant(text, name)
