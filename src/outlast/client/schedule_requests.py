"""The calls about schedules: each builds a request and says how its answer is read. Pure."""

from collections.abc import Mapping
from typing import Any

import msgspec

from outlast.client.answers import Operation, Schedule, SchedulePage
from outlast.client.wire import Call, Request, decoding, json_request, nothing, path, query


class NewSchedule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A wish for a schedule: every so many seconds, or as cron says by the clocks of a zone."""

    name: str
    kind: str
    spec: Any
    every_seconds: int | None = None
    cron: str | None = None
    time_zone: str | None = None
    labels: Mapping[str, str] = {}
    priority: int | None = None
    deadline_seconds: int | None = None
    resource_type: str | None = None
    resource_id: str | None = None
    project: str | None = None


def create(wish: NewSchedule) -> Call[Schedule]:
    """A new schedule. The same wish twice is granted once, so that it may be sent again."""
    return Call(json_request("POST", path("schedules"), wish), decoding(Schedule))


def list_page(
    *,
    kind: str | None = None,
    created_by: str | None = None,
    belongs_to: str | None = None,
    page_token: str | None = None,
) -> Call[SchedulePage]:
    """One page of the schedules, newest first."""
    parameters = query(
        kind=kind, created_by=created_by, belongs_to=belongs_to, page_token=page_token
    )
    request = Request(method="GET", path=path("schedules"), query=parameters)
    return Call(request, decoding(SchedulePage))


def get(ref: str) -> Call[Schedule]:
    """One schedule, by id or name."""
    return Call(Request(method="GET", path=path("schedules", ref)), decoding(Schedule))


def update(ref: str, changes: Mapping[str, Any]) -> Call[Schedule]:
    """The schedule with other values of the fields that are named; None takes a value away."""
    request = Request(
        method="PATCH",
        path=path("schedules", ref),
        body=msgspec.json.encode(changes),
        headers={"content-type": "application/json"},
    )
    return Call(request, decoding(Schedule))


def pause(ref: str) -> Call[Schedule]:
    """Let no instant come."""
    return Call(Request(method="POST", path=path("schedules", ref, "pause")), decoding(Schedule))


def resume(ref: str) -> Call[Schedule]:
    """Let instants come again."""
    return Call(Request(method="POST", path=path("schedules", ref, "resume")), decoding(Schedule))


def trigger(ref: str, idempotency_key: str) -> Call[Operation]:
    """The schedule's operation, made now."""
    request = Request(
        method="POST",
        path=path("schedules", ref, "trigger"),
        headers={"idempotency-key": idempotency_key},
    )
    return Call(request, decoding(Operation))


def delete(ref: str) -> Call[None]:
    """Delete a schedule; what it has made stays."""
    return Call(Request(method="DELETE", path=path("schedules", ref)), nothing)
