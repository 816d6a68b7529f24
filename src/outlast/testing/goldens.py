"""Golden files: a folder of JSON files, each a request and the response that it gets.

    @pytest.mark.parametrize("path", golden_files(FOLDER), ids=golden_name)
    async def test_the_answer_is_the_golden_one(path, world):
        golden = read_golden(path)
        await world.prepare(golden.given)
        answer = await world.client.request(**request_of(golden))
        check_golden(path, golden, answer.status_code, answer.headers, answer.content)

`given` is a name that the test gives a meaning to: what there was before the request. A new golden
has no response yet. OUTLAST_REWRITE_GOLDENS=1 writes down the answers of today: read the
difference before you keep it.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

VARIABLE = "OUTLAST_REWRITE_GOLDENS"


class GoldenRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A request. `json` is a body; `text` is one that is no JSON."""

    method: str
    path: str
    headers: dict[str, str] = {}
    json: Any = None
    text: str | None = None


class GoldenResponse(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Its response. Only the headers that stand here are compared."""

    status: int
    headers: dict[str, str] = {}
    json: Any = None
    text: str | None = None


class Golden(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a golden file holds, and where it is known from: `source` names a page or a sample."""

    says: str
    source: str = ""
    given: str = ""
    request: GoldenRequest
    response: GoldenResponse | None = None


def golden_files(folder: Path) -> Sequence[Path]:
    """The golden files of a folder, in the order of their names."""
    return sorted(folder.glob("*.json"))


def golden_name(path: Path) -> str:
    """What a test of a golden file is called."""
    return path.stem


def read_golden(path: Path) -> Golden:
    """What a golden file holds."""
    return msgspec.json.decode(path.read_bytes(), type=Golden)


def request_of(golden: Golden) -> dict[str, Any]:
    """The request as the arguments of a client of httpx."""
    asked = golden.request
    body = {"content": asked.text} if asked.text is not None else {"json": asked.json}
    if asked.json is None and asked.text is None:
        body = {}
    return {"method": asked.method, "url": asked.path, "headers": asked.headers, **body}


def check_golden(
    path: Path, golden: Golden, status: int, headers: Mapping[str, str], body: bytes
) -> None:
    """Compare an answer with the golden one, or write it down as the golden one."""
    kept = {} if golden.response is None else golden.response.headers
    answer = GoldenResponse(status=status, headers={name: headers.get(name, "") for name in kept})
    try:
        answer.json = msgspec.json.decode(body) if body else None
    except msgspec.DecodeError:
        answer.text = body.decode()
    if os.environ.get(VARIABLE):
        golden.response = answer
        path.write_bytes(msgspec.json.format(msgspec.json.encode(golden), indent=2) + b"\n")
    assert golden.response is not None, f"{path.name} has no response yet: set {VARIABLE}=1"
    assert _as_builtins(answer) == _as_builtins(golden.response), golden.says


def _as_builtins(response: GoldenResponse) -> Any:
    return msgspec.to_builtins(response)
