"""The first query once more, in the wire format of Nebius Token Factory: plain HTTP and no SDK."""

import time
from collections.abc import Mapping
from typing import Any, Final

import httpx
import msgspec
from rich.console import Console
from rich.text import Text

ROOT: Final = "/nebius/v1"
_ENDED: Final = frozenset({"succeeded", "failed", "cancelled"})
_POLL_SECONDS: Final = 0.2
_POLLS_MAX: Final = 300


class NebiusClient:
    """What a client of that platform does, shown: each request, and what it is answered."""

    def __init__(self, console: Console, url: str, token: str) -> None:
        self._console = console
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"}

    def run_query(self, text: str, dataset: str, version: str) -> Mapping[str, Any]:
        """Ask for a query over a dataset's version; the operation when it has ended."""
        body = {
            "type": "yql",
            "params": {"query": text},
            "src": [{"id": dataset, "version": version}],
        }
        operation = self._ask("POST", "/operations", body)
        path = f"/operations/{operation['id']}"
        for _ in range(_POLLS_MAX):
            if operation["status"] in _ENDED:
                break
            time.sleep(_POLL_SECONDS)
            operation = self._ask("GET", path, is_shown=False)
        ended: Mapping[str, Any] = self._ask("GET", path)
        return ended

    def rows(self, dataset: str, limit: int) -> list[dict[str, Any]]:
        """The first rows of a dataset."""
        content = self._ask("GET", f"/datasets/{dataset}/content?limit={limit}")
        rows: list[dict[str, Any]] = content["rows"]
        return rows

    def _ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        is_shown: bool = True,
    ) -> Any:
        answer = httpx.request(
            method, self._url + ROOT + path, json=body, headers=self._headers, timeout=30
        )
        if is_shown:
            said = "" if body is None else f" {msgspec.json.encode(body).decode()}"
            self._console.print(Text(f"> {method} {ROOT}{path}{said}", "bold cyan"))
            self._console.print(Text(answer.text))
        answer.raise_for_status()
        return answer.json()
