"""What a route is, what its handler is given, and what it answers."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeAlias

import msgspec
from starlette.routing import compile_path
from starlette.types import Receive

from outlast.engine.access import Principal, Verb
from outlast.operations.errors import Unauthenticated

Header: TypeAlias = tuple[bytes, bytes]
JSON_MEDIA: Final = b"application/json"


class Stream(Protocol):
    """A body that comes in pieces. It is closed in every case, also before it was read."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The pieces."""

    async def aclose(self) -> None:
        """Let go of what the stream holds."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A response. With a `stream`, `body` is not used. `cache` is what Cache-Control says."""

    status: int = 200
    body: bytes = b""
    headers: Sequence[Header] = ()
    media: bytes = JSON_MEDIA
    cache: bytes = b"no-store"
    stream: Stream | None = None


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One request on its way to a handler.

    `client` is the address that it came from. `path` is the one that the door knows, `root` what
    stands before it on this listener, such as /nebius. `query` holds every value of each name that
    the route declares. Header names are lower-case. `origin` tells what stands before the paths
    of the door's root in the URLs that its clients use.
    """

    receive: Receive
    client: str
    root: str
    path: str
    request_id: str
    headers: Mapping[bytes, bytes]
    params: Mapping[str, str]
    query: Mapping[str, Sequence[str]]
    principal_or_none: Principal | None
    origin: Callable[[], str]

    @property
    def principal(self) -> Principal:
        """Who calls. Raises Unauthenticated on a route that is open to all."""
        if self.principal_or_none is None:
            raise Unauthenticated
        return self.principal_or_none

    def absolute(self, path: str) -> str:
        """The URL of a path of the door, wherever on this listener the call came in."""
        return self.origin() + path

    def header(self, name: bytes) -> str | None:
        """A header's value as text, or None."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")

    def one(self, name: str) -> str | None:
        """The value of a query parameter that may be given once, or None."""
        values = self.query.get(name)
        return None if values is None else values[0]


Handler: TypeAlias = Callable[[Call], Awaitable[Answer]]


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A query parameter or a header that a route reads, and its JSON Schema.

    A name that ends in `*` stands for every name that begins so.
    """

    name: str
    schema: Mapping[str, Any]
    says: str
    is_repeatable: bool = False


@dataclass(frozen=True, kw_only=True)
class Route:
    """A method on a path, and all that its documentation says.

    `verb` is what the caller's role must allow; None: the route is open to all. `crosses` marks the
    routes on which a root token need not name a tenant. `body` is a type, or a JSON Schema.
    `answers` maps each status to the type of its body (None: none), or to a tuple of those that it
    may have; `answer_media` holds the media types of bodies that are not JSON. `errors` are the
    codes beside those that every route has. `params` say what stands in the path, where it is more
    than an id.
    """

    method: str
    path: str
    handle: Handler
    says: str
    verb: Verb | None
    crosses: bool = False
    query: Sequence[Parameter] = ()
    headers: Sequence[Parameter] = ()
    body: Any = None
    body_media: Sequence[str] = ("application/json",)
    answers: Mapping[int, Any] = field(default_factory=dict)
    answer_media: Sequence[str] = ("application/json",)
    errors: Sequence[str] = ()
    params: Mapping[str, str] = field(default_factory=dict)

    def declares(self, name: str) -> Parameter | None:
        """The query parameter of this name, or None."""
        for parameter in self.query:
            if parameter.name == name or (
                parameter.name.endswith("*") and name.startswith(parameter.name[:-1])
            ):
                return parameter
        return None


class Table:
    """All routes, found by path. Methods of one path stand together."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)
        self._fixed: dict[str, dict[str, Route]] = {}
        self._patterns: list[tuple[re.Pattern[str], dict[str, Route]]] = []
        by_path: dict[str, dict[str, Route]] = {}
        for route in self.routes:
            by_path.setdefault(route.path, {})[route.method] = route
        for path, methods in by_path.items():
            if "GET" in methods:
                methods["HEAD"] = methods["GET"]
            if "{" in path:
                self._patterns.append((compile_path(path)[0], methods))
            else:
                self._fixed[path] = methods

    def match(self, path: str) -> tuple[Mapping[str, Route], Mapping[str, str]] | None:
        """The methods of a path and the values of its parameters, or None."""
        methods = self._fixed.get(path)
        if methods is not None:
            return methods, {}
        for pattern, methods in self._patterns:
            found = pattern.match(path)
            if found is not None:
                return methods, found.groupdict()
        return None
