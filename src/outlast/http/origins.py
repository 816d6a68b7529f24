"""What URLs begin with, as the clients of a listener write it.

A Host header can say anything. It is believed where it names what is the listener's own: a host of
the settings, this machine, or an address. Any other gets the address that the call came in at.
"""

import re
from collections.abc import Container
from typing import Final

_HOST: Final = re.compile(
    r"(?P<name>localhost|[a-z0-9-]+(?:\.[a-z0-9-]+)*|\[[0-9a-f:.]+\])(?P<port>:\d{1,5})?"
)
_ADDRESS: Final = re.compile(r"localhost|\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-f:.]+\]")


def origin_of(
    host: str, server: tuple[str, int | None] | None, *, scheme: str, hosts: Container[str]
) -> str:
    """The origin of a request that came in at `server`; `hosts` are those of the settings."""
    found = _HOST.fullmatch(host.lower())
    if found is not None and (_ADDRESS.fullmatch(found["name"]) or found["name"] in hosts):
        return f"{scheme}://{found[0]}"
    name, port = server or ("localhost", None)
    shown = f"[{name}]" if ":" in name else name
    return f"{scheme}://{shown}" + ("" if port is None else f":{port}")
