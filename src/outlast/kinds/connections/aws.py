"""Asking an account of AWS, and who its keys belong to."""

import asyncio
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode

import httpx2
import msgspec

from outlast.clock import system_clock
from outlast.kinds.connections.signing import Keys, sign
from outlast.operations.errors import Fatal, OutboundRefused, Unavailable
from outlast.operations.model import SECOND
from outlast.outbound import AsyncGatedTransport, Gate

_SECONDS: Final = 30.0
"""How long an answer may take in all, however slowly it comes."""
_SHORT_BYTES: Final = 64 * 1024
_HEADERS: Final = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
# A few short texts are looked for in what is short: nothing here reads XML.
_IDENTITY: Final = {
    "account": re.compile(r"<Account>(\d{1,20})</Account>"),
    "arn": re.compile(r"<Arn>(arn:[!-;=?-~]{1,2000})</Arn>"),
}
_CODE: Final = re.compile(rb"<Code>([A-Za-z.]{1,100})</Code>")
_SLOW_DOWN: Final = frozenset({"RequestLimitExceeded", "Throttling", "ThrottlingException"})


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """How an account is reached: its connection, in a region, and what calls may leave."""

    settings: Mapping[str, str]
    region: str
    secrets: Mapping[str, str]
    gate: Gate

    def url(self, service: str) -> str:
        """Where a service of the account's region answers."""
        if "endpoint" in self.settings:
            return self.settings["endpoint"].rstrip("/") + "/"
        suffix = "amazonaws.com.cn" if self.region.startswith("cn-") else "amazonaws.com"
        return f"https://{service}.{self.region}.{suffix}/"

    def signed(self, service: str, body: bytes) -> dict[str, str]:
        """The headers of a request of now."""
        keys = Keys(
            access_key=self.secrets["access_key"],
            secret_key=self.secrets["secret_key"],
            session_token=self.secrets.get("session_token"),
        )
        at = datetime.fromtimestamp(system_clock() / SECOND, UTC)
        return sign(
            "POST",
            self.url(service),
            _HEADERS,
            body,
            keys=keys,
            region=self.region,
            service=service,
            at=at,
        )


async def look_at_account(account: Account) -> dict[str, str]:
    """The account and the name of who has these keys. Raises Fatal, Unavailable."""
    form = {"Action": "GetCallerIdentity", "Version": "2011-06-15"}
    text = (await ask(account, "sts", form, _SHORT_BYTES)).decode("utf-8", errors="replace")
    found = {name: pattern.search(text) for name, pattern in _IDENTITY.items()}
    identity = {name: match[1] for name, match in found.items() if match}
    if len(identity) < len(_IDENTITY):
        raise Fatal("unexpected_answer", f"{account.url('sts')} is not the STS of AWS")
    return identity


async def ask(account: Account, service: str, form: Mapping[str, str], bytes_max: int) -> bytes:
    """What a service answers to a form. Raises Fatal, Unavailable."""
    url = account.url(service)
    status, content = await _post(account, service, urlencode(form).encode(), bytes_max)
    if status == httpx2.codes.OK:
        return content
    said = _CODE.search(content)
    code = said[1].decode() if said else str(status)
    if status >= httpx2.codes.INTERNAL_SERVER_ERROR or code in _SLOW_DOWN:
        raise Unavailable(f"{url} answers {code}")
    raise Fatal("access_refused", f"AWS refuses {form['Action']}: {code}")


async def _post(account: Account, service: str, body: bytes, bytes_max: int) -> tuple[int, bytes]:
    url, content = account.url(service), b""
    transport = AsyncGatedTransport(account.gate)
    try:
        async with (
            asyncio.timeout(_SECONDS),
            httpx2.AsyncClient(transport=transport, timeout=_SECONDS) as client,
            client.stream(
                "POST", url, headers=account.signed(service, body), content=body
            ) as response,
        ):
            async for chunk in response.aiter_bytes():
                content += chunk
                if len(content) > bytes_max:
                    raise Fatal("unexpected_answer", f"{url} answers more than AWS would")
    except OutboundRefused as error:
        raise Fatal("outbound_refused", error.message) from error
    except (httpx2.HTTPError, TimeoutError) as error:
        reason = str(error) or "it does not answer in time"
        raise Unavailable(f"{url} cannot be reached: {reason}") from error
    return response.status_code, content
