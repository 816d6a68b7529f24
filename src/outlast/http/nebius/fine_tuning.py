"""The routes of fine-tuning in the Nebius dialect: OpenAI's jobs, and the end of a model."""

from collections.abc import Mapping
from typing import Final

from outlast.dialects.nebius.fine_tuning import (
    JOBS_MAX,
    KIND,
    FineTuningJob,
    JobList,
    JobRequest,
    ModelDeleted,
    job_on_wire,
    job_path,
    job_spec,
)
from outlast.dialects.nebius.ids import read_id
from outlast.dialects.nebius.tuning_history import (
    CHECKPOINTS_MAX,
    EVENTS_MAX,
    JobCheckpointList,
    JobEventList,
    checkpoint_on_wire,
    checkpoint_page,
    event_number,
    event_on_wire,
)
from outlast.engine import Wish
from outlast.engine.access import Principal, Verb
from outlast.http.cancelling import cancel_operation
from outlast.http.parsing import parse_integer, parse_traceparent, read_json
from outlast.http.parts import Parts
from outlast.http.rendering import encode
from outlast.http.routing import Answer, Call, Header, Parameter, Route
from outlast.http.submitting import IDEMPOTENCY_KEY, SUBMIT_ERRORS
from outlast.operations.documents import canonical
from outlast.operations.errors import Invalid, NotFound
from outlast.operations.model import Operation
from outlast.operations.states import State
from outlast.resources.models import Models
from outlast.store.port import Query, View

_JOBS: Final = 20
_EVENTS: Final = 20
_CHECKPOINTS: Final = 10


def _limit(default: int, most: int) -> Parameter:
    schema = {"type": "integer", "minimum": 1, "maximum": most, "default": default}
    return Parameter(name="limit", schema=schema, says="How many at most.")


def _after(what: str) -> Parameter:
    return Parameter(name="after", schema={"type": "string"}, says=f"The last {what} so far.")


CHECKPOINT_PAGE: Final = (_limit(_CHECKPOINTS, CHECKPOINTS_MAX), _after("checkpoint"))
"""What `find_checkpoints` reads of a query."""

_PROJECT: Final = Parameter(
    name="ai_project_id", schema={"type": "string"}, says="The project that jobs belong to."
)


class FineTuningRoutes:
    """The routes of /v1/fine_tuning/jobs, and the one that deletes a tuned model."""

    def __init__(self, parts: Parts, models: Models) -> None:
        self._engine = parts.engine
        self._models = models
        self._body_seconds = parts.body_seconds

    def routes(self) -> list[Route]:
        """The routes, documented."""
        return [*self._jobs(), *self._below_one()]

    def _jobs(self) -> list[Route]:
        path, one = "/v1/fine_tuning/jobs", "/v1/fine_tuning/jobs/{job_id}"
        return [
            Route(
                method="POST",
                path=path,
                handle=self._create,
                says="Create a fine-tuning job",
                verb=Verb.SUBMIT,
                query=(_PROJECT,),
                headers=(IDEMPOTENCY_KEY,),
                body=JobRequest,
                answers={200: FineTuningJob},
                errors=SUBMIT_ERRORS,
            ),
            Route(
                method="GET",
                path=path,
                handle=self._list,
                says="Fine-tuning jobs, newest first",
                verb=Verb.READ,
                query=(_limit(_JOBS, JOBS_MAX), _after("job"), _PROJECT),
                answers={200: JobList},
            ),
            Route(
                method="GET",
                path=one,
                handle=self._get,
                says="A fine-tuning job",
                verb=Verb.READ,
                answers={200: FineTuningJob},
                errors=("not_found",),
            ),
        ]

    def _below_one(self) -> list[Route]:
        one = "/v1/fine_tuning/jobs/{job_id}"
        return [
            Route(
                method="POST",
                path=one + "/cancel",
                handle=self._cancel,
                says="Ask for a fine-tuning job to be stopped",
                verb=Verb.SUBMIT,
                answers={200: FineTuningJob},
                errors=("illegal_transition", "not_found", "request_timeout", "too_large"),
            ),
            Route(
                method="GET",
                path=one + "/events",
                handle=self._events,
                says="What happened in a fine-tuning job, newest first",
                verb=Verb.READ,
                query=(_limit(_EVENTS, EVENTS_MAX), _after("event")),
                answers={200: JobEventList},
                errors=("not_found",),
            ),
            Route(
                method="GET",
                path=one + "/checkpoints",
                handle=self._checkpoints,
                says="The checkpoints that a fine-tuning job has left, newest first",
                verb=Verb.READ,
                query=CHECKPOINT_PAGE,
                answers={200: JobCheckpointList},
                errors=("not_found",),
            ),
            Route(
                method="DELETE",
                path="/v1/models/{model:path}",
                handle=self._delete_model,
                says="Delete a fine-tuned model",
                verb=Verb.SUBMIT,
                answers={200: ModelDeleted},
                errors=("not_found",),
            ),
        ]

    async def _create(self, call: Call) -> Answer:
        limits = self._engine.limits
        request = await read_json(call, JobRequest, limits.body_bytes, self._body_seconds)
        wish = Wish(
            kind=KIND,
            spec=canonical(job_spec(request)),
            labels=request.metadata or {},
            project=request.ai_project_id or call.one("ai_project_id"),
            idempotency_key=call.header(b"idempotency-key"),
            request_id=call.request_id,
            traceparent=parse_traceparent(call),
        )
        try:
            created = await self._engine.submit(call.principal, wish)
        except (Invalid, NotFound) as error:
            error.field_errors = _renamed(error.field_errors)
            raise
        replayed: list[Header] = [] if created.is_new else [(b"idempotent-replayed", b"true")]
        return Answer(body=encode(job_on_wire(created.operation)), headers=replayed)

    async def _list(self, call: Call) -> Answer:
        limit = parse_integer(call, "limit", _JOBS, 1, JOBS_MAX)
        after = call.one("after")
        query = Query(
            tenant="",
            kinds=frozenset({KIND}),
            project=call.one("ai_project_id"),
            before_id=None if after is None else (await self._find(call, after)).id,
            limit=limit,
            view=View.FULL,
        )
        page = await self._engine.find(call.principal, query)
        data = [await self._job(call.principal, one) for one in page.operations]
        return Answer(body=encode(JobList(data=data, has_more=page.next_before_id is not None)))

    async def _get(self, call: Call) -> Answer:
        operation = await self._find(call, call.params["job_id"])
        return Answer(body=encode(await self._job(call.principal, operation)))

    async def _cancel(self, call: Call) -> Answer:
        found = await self._find(call, call.params["job_id"])
        operation = await cancel_operation(self._engine, call, found, self._body_seconds)
        return Answer(body=encode(await self._job(call.principal, operation)))

    async def _events(self, call: Call) -> Answer:
        operation = await self._find(call, call.params["job_id"])
        limit = parse_integer(call, "limit", _EVENTS, 1, EVENTS_MAX)
        after = call.one("after")
        # Numbered without gaps, and shown from the end.
        end = operation.event_count if after is None else event_number(after) - 1
        start = max(0, end - limit)
        found = []
        if start < end:
            found = await self._engine.events(call.principal, operation.id, start, end - start)
        data = [event_on_wire(operation.id, event) for event in reversed(found)]
        return Answer(body=encode(JobEventList(data=data, has_more=start > 0)))

    async def _checkpoints(self, call: Call) -> Answer:
        operation = await self._find(call, call.params["job_id"])
        return Answer(body=encode(await find_checkpoints(self._models, call, operation)))

    async def _delete_model(self, call: Call) -> Answer:
        name = call.params["model"]
        model = await self._models.delete(call.principal, name, request_id=call.request_id)
        return Answer(body=encode(ModelDeleted(id=model.name)))

    async def _job(self, principal: Principal, operation: Operation) -> FineTuningJob:
        files: tuple[str, ...] = ()
        if operation.state is State.SUCCEEDED:
            last = await self._models.find(principal, operation_id=operation.id, limit=1)
            files = last[0].result_files if last else ()
        return job_on_wire(operation, files)

    async def _find(self, call: Call, ref: str) -> Operation:
        operation = await self._engine.get(call.principal, read_id(ref))
        if operation.kind != KIND:
            raise NotFound("there is no such fine-tuning job")
        return operation


async def find_checkpoints(models: Models, call: Call, operation: Operation) -> JobCheckpointList:
    """The page of an operation's checkpoints that a call asks for with `limit` and `after`."""
    found = await models.find(call.principal, operation_id=operation.id, limit=CHECKPOINTS_MAX)
    checkpoints = [
        checkpoint_on_wire(
            operation.id,
            model=one.name,
            step=one.step,
            created_at=one.created_at,
            metrics=one.metrics,
            result_files=one.result_files,
        )
        for one in found
    ]
    limit = parse_integer(call, "limit", _CHECKPOINTS, 1, CHECKPOINTS_MAX)
    return checkpoint_page(checkpoints, call.one("after"), limit)


def _renamed(field_errors: Mapping[str, str]) -> dict[str, str]:
    """The same complaints about the fields of the request, in place of those of the spec."""
    return {job_path(path): reason for path, reason in field_errors.items()}
