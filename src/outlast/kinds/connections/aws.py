"""An account of AWS: who the keys belong to."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import httpx2

from outlast.clock import system_clock
from outlast.kinds.connections.signing import Keys, sign
from outlast.operations.errors import Fatal, OutboundRefused, Unavailable
from outlast.operations.model import SECOND
from outlast.outbound import AsyncGatedTransport, Gate

_SECONDS: Final = 20.0
_ANSWER_BYTES_MAX: Final = 64 * 1024
_BODY: Final = b"Action=GetCallerIdentity&Version=2011-06-15"
_HEADERS: Final = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
# Two short texts are looked for in what is short: nothing here reads XML.
_FIELDS: Final = {
    "account": re.compile(r"<Account>(\d{1,20})</Account>"),
    "arn": re.compile(r"<Arn>(arn:[!-;=?-~]{1,2000})</Arn>"),
}
_CODE: Final = re.compile(r"<Code>([A-Za-z]{1,100})</Code>")


async def look_at_account(
    settings: Mapping[str, str], region: str, secrets: Mapping[str, str], gate: Gate
) -> dict[str, str]:
    """The account and the name of who has these keys. Raises Fatal, Unavailable."""
    url = settings.get("endpoint", _endpoint(region)).rstrip("/") + "/"
    keys = Keys(
        access_key=secrets["access_key"],
        secret_key=secrets["secret_key"],
        session_token=secrets.get("session_token"),
    )
    at = datetime.fromtimestamp(system_clock() / SECOND, UTC)
    headers = sign("POST", url, _HEADERS, _BODY, keys=keys, region=region, service="sts", at=at)
    status, text = await _ask(url, headers, gate)
    if status >= httpx2.codes.INTERNAL_SERVER_ERROR:
        raise Unavailable(f"{url} answers {status}")
    if status != httpx2.codes.OK:
        code = _CODE.search(text)
        raise Fatal("access_refused", f"AWS refuses the keys: {code[1] if code else status}")
    found = {name: form.search(text) for name, form in _FIELDS.items()}
    identity = {name: match[1] for name, match in found.items() if match}
    if len(identity) < len(_FIELDS):
        raise Fatal("unexpected_answer", f"{url} is not the STS of AWS")
    return identity


def _endpoint(region: str) -> str:
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"https://sts.{region}.{suffix}"


async def _ask(url: str, headers: Mapping[str, str], gate: Gate) -> tuple[int, str]:
    """The status, and the text of a short answer."""
    content = b""
    try:
        async with (
            httpx2.AsyncClient(transport=AsyncGatedTransport(gate), timeout=_SECONDS) as client,
            client.stream("POST", url, headers=headers, content=_BODY) as response,
        ):
            async for chunk in response.aiter_bytes():
                content += chunk
                if len(content) > _ANSWER_BYTES_MAX:
                    raise Fatal("unexpected_answer", f"{url} answers more than STS would")
    except OutboundRefused as error:
        raise Fatal("outbound_refused", error.message) from error
    except httpx2.HTTPError as error:
        raise Unavailable(f"{url} cannot be reached: {error}") from error
    return response.status_code, content.decode("utf-8", errors="replace")
