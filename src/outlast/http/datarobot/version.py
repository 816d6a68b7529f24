"""Which version of the wire this is: clients ask before all else, and with their token."""

import msgspec

from outlast.dialects.datarobot import encode
from outlast.dialects.datarobot.words import PLATFORM
from outlast.engine.access import Verb
from outlast.http.routing import Answer, Call, Route

MAJOR = 2
MINOR = 49


class Version(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The version of the API. Clients refuse a greater `major`, and warn of a smaller `minor`."""

    major: int = MAJOR
    minor: int = MINOR
    version_string: str = f"{MAJOR}.{MINOR}.0"


def version_route() -> Route:
    """The route of the version."""
    return Route(
        method="GET",
        path=PLATFORM + "/version/",
        handle=_get,
        says="The version of the API",
        verb=Verb.READ,
        answers={200: Version},
    )


async def _get(call: Call) -> Answer:
    _ = call
    return Answer(body=encode(Version()))
