"""Kinds with a `prepare` that does what one does, and what it should not."""

import os
import time
from typing import Any

import msgspec

from outlast.operations.errors import Conflict, Invalid, NotFound
from outlast.operations.kind import CatalogWrite, Kind, Prepared


class Spec(msgspec.Struct):
    do: str
    name: str = ""


class PickyConflict(Conflict):
    """A class that the server has never heard of."""


def prepare(spec: Spec, catalog: Any) -> Any:
    match spec.do:
        case "plan":
            return {"planned": spec.name}
        case "invalid":
            raise Invalid("no good", field_errors={"name": "is bad"}, details={"n": 1})
        case "picky":
            raise PickyConflict("taken")
        case "bug":
            raise ZeroDivisionError("oops")
        case "sleep":
            time.sleep(60)
        case "die":
            os._exit(3)
        case "pid":
            return {"pid": os.getpid()}
        case "print":
            os.write(1, b"x" * (1 << 20))
            return {}
        case "environment":
            return dict(os.environ)
    return None


async def prepare_async(spec: Spec, catalog: Any) -> Any:
    found = await catalog.get("dataset", spec.name)
    if found is None:
        raise NotFound(f"no dataset {spec.name}")
    others = await catalog.find("dataset", limit=5, owner="me")
    return Prepared(
        plan={"id": found.id, "document": found.document.decode(), "others": len(others)},
        writes=[CatalogWrite(type="dataset", id="new", document=b"{}", expected_revision=0)],
        inputs={"in": "key"},
    )


def partial(checkpoint: dict[str, Any]) -> Any:
    match checkpoint["do"]:
        case "write":
            return [CatalogWrite(type="part", id=checkpoint["name"], document=b"{}")]
        case "bug":
            raise ZeroDivisionError("oops")
        case "sleep":
            time.sleep(60)
        case "die":
            os._exit(3)
    return []


def run(plan: Any, ctx: Any) -> Any:
    return plan


kinds = [
    Kind("plain", spec=Spec, result=dict, run=run, prepare=prepare),
    Kind("leaving", spec=Spec, result=dict, run=run, partial=partial),
    Kind("asking", spec=Spec, result=dict, run=run, prepare=prepare_async),
]
