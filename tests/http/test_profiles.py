"""Where the doors stand: prefixes, host names, and listeners of their own."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from outlast.dialects.nebius import Nebius
from outlast.engine.access import Verb
from outlast.http import Parts, Site
from outlast.http.edge import Front, Mount
from outlast.http.faces import NATIVE_FACE, Door
from outlast.http.profiles import plan_addresses
from outlast.http.routing import Answer, Route, Table
from outlast.settings import Profile, Settings, SettingsError, load_settings

DIALECTS = ("nebius", "chainloop")


def door(prefix=""):
    return Door(table=Table([]), face=NATIVE_FACE, prefix=prefix)


def asked(path, host="outlast"):
    return {"path": path, "headers": [(b"accept", b"*/*"), (b"host", host.encode())]}


NATIVE, NEBIUS, DATAROBOT = door(), door("/nebius"), door("/datarobot")
FRONT = Front(
    root=NATIVE,
    mounts=[
        Mount(path="/nebius", door=NEBIUS),
        Mount(path="/api/v2", door=DATAROBOT, is_kept=True),
    ],
    hosts={"nebius.example.org": NEBIUS},
)


@pytest.mark.parametrize(
    ("path", "found", "inner"),
    [
        ("/v1/operations", NATIVE, "/v1/operations"),
        ("/nebius/v1/operations", NEBIUS, "/v1/operations"),
        ("/nebius/", NEBIUS, "/"),
        ("/nebius", NATIVE, "/nebius"),
        ("/nebiusx/v1/operations", NATIVE, "/nebiusx/v1/operations"),
        ("/api/v2/genai/status/1/", DATAROBOT, "/api/v2/genai/status/1/"),
        ("/api/v20", NATIVE, "/api/v20"),
    ],
)
def test_a_path_leads_to_a_door(path, found, inner):
    assert FRONT.enter(asked(path)) == (found, inner)


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("nebius.example.org", NEBIUS),
        ("NEBIUS.Example.org:8470", NEBIUS),
        ("nebius.example.org.", NEBIUS),
        ("example.org", NATIVE),
        ("nebius.example.org.evil.org", NATIVE),
        ("127.0.0.1:8470", NATIVE),
        ("[::1]:8470", NATIVE),
        ("", NATIVE),
    ],
)
def test_a_host_name_leads_to_a_door(host, found):
    assert FRONT.enter(asked("/v1/operations", host)) == (found, "/v1/operations")


class Rooted(Nebius):
    """A dialect whose clients take no prefix, and send tokens in a way of their own."""

    name = "rooted"
    fixed_paths = ("/api/v9",)
    schemes = frozenset({"Token"})


async def test_a_dialect_that_takes_no_prefix_stands_at_the_root(serving, monkeypatch):
    async def handle(call):
        return Answer(body=call.principal.member.encode())

    route = Route(
        method="GET", path="/api/v9/status/{id}/", handle=handle, says="A status", verb=Verb.READ
    )
    dialects = {"rooted": (Rooted(), lambda parts: [route])}
    monkeypatch.setattr("outlast.http.app.DIALECTS", dialects)
    parts = Parts(engine=serving.engine, tokens=serving.tokens, settings=serving.settings)
    site = Site(parts, ready=None, version="1")
    transport = httpx.ASGITransport(site.main)
    token = serving.texts["default", "viewer"]
    async with httpx.AsyncClient(transport=transport, base_url="http://outlast") as client:
        asked = {"Authorization": f"Token {token}"}
        assert (await client.get("/api/v9/status/1/", headers=asked)).text == "viewer-1"
        bearer = {"Authorization": f"Bearer {token}"}
        assert (await client.get("/api/v9/status/1/", headers=bearer)).status_code == 401
        assert (await client.get("/api/v9/nothing")).json().keys() == {"detail"}
        assert (await client.get("/v1/operations", headers=bearer)).status_code == 200
        assert (await client.get("/v1/operations", headers=asked)).status_code == 401
        assert "/api/v9" not in (await client.get("/openapi.json")).text
        document = (await client.get("/rooted/openapi.json")).json()
        assert (document["servers"], "/api/v9/status/{id}/" in document["paths"]) == (
            [{"url": "/"}],
            True,
        )


def test_a_profile_has_an_address_of_its_own():
    profiles = {
        "nebius": Profile(dialect="nebius", listen="127.0.0.1:9000"),
        "six": Profile(dialect="chainloop", listen="[::1]:0"),
        "named": Profile(dialect="nebius", hosts=("nebius.example.org",)),
    }
    addresses = plan_addresses(Settings(profiles=profiles), DIALECTS)
    assert [(one.profile, one.host, one.port) for one in addresses] == [
        (None, "127.0.0.1", 8470),
        ("nebius", "127.0.0.1", 9000),
        ("six", "::1", 0),
    ]
    assert addresses[2].url(7) == "http://[::1]:7"


def named(*hosts):
    return Profile(dialect="nebius", hosts=hosts)


def at(listen, dialect="nebius"):
    return Profile(dialect=dialect, listen=listen)


@pytest.mark.parametrize(
    ("profiles", "message"),
    [
        ({"x": at("127.0.0.1:9000", "nebulous")}, "profile x: there is no dialect 'nebulous'"),
        ({"x": at("127.0.0.1")}, "is not HOST:PORT"),
        ({"x": at("127.0.0.1:70000")}, "is not HOST:PORT"),
        ({"x": at("::1:9000")}, "is not HOST:PORT"),
        ({"x": at("127.0.0.1:8470")}, "profile x: 127.0.0.1:8470 is used twice"),
        ({"x": at("127.0.0.1:9"), "y": at("127.0.0.1:9")}, "profile y: 127.0.0.1:9 is used twice"),
        ({"x": named("Nebius.org")}, "is not a host name in lower case"),
        ({"x": named("nebius.org:80")}, "without a port"),
        ({"x": named("a.org"), "y": named("a.org")}, "the host name a.org is used twice"),
    ],
)
def test_what_cannot_be_is_refused(profiles, message):
    with pytest.raises(SettingsError, match=message):
        plan_addresses(Settings(profiles=profiles), DIALECTS)


def test_a_flag_moves_a_profile_of_the_settings_and_a_dialect_needs_no_table(tmp_path):
    file = tmp_path / "o.toml"
    file.write_text('[profiles.inner]\ndialect = "nebius"\npublic_url = "https://in"\n')
    flags = {"profiles": ("inner=127.0.0.1:1", "chainloop=127.0.0.1:2")}
    assert load_settings(flags, {}, file).profiles == {
        "inner": Profile(dialect="nebius", public_url="https://in", listen="127.0.0.1:1"),
        "chainloop": Profile(dialect="chainloop", listen="127.0.0.1:2"),
    }
    variables = {"OUTLAST_PROFILES": "nebius=127.0.0.1:1,chainloop=127.0.0.1:2"}
    assert load_settings({}, variables).profiles.keys() == {"nebius", "chainloop"}


@pytest.mark.parametrize("text", ["nebius", "=127.0.0.1:1", ""])
def test_a_flag_that_names_no_profile_is_refused(text):
    with pytest.raises(SettingsError, match="NAME=HOST:PORT"):
        load_settings({"profiles": (text,)}, {})


def serve(folder, *arguments):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OUTLAST_")}
    program = [sys.executable, "-m", "outlast", "serve", "--data", str(folder / "data"), "--json"]
    return subprocess.Popen(
        [*program, "--port", "0", "--workers", "0", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_listeners_of_one_server_answer_and_stop_together(tmp_path):
    settings = tmp_path / "o.toml"
    settings.write_text(
        '[profiles.named]\ndialect = "nebius"\nhosts = ["nebius.example.org"]\n'
        '[profiles.outer]\ndialect = "nebius"\nlisten = "127.0.0.1:0"\npublic_url = "https://o"\n'
    )
    server = serve(tmp_path, "--settings", str(settings), "--profile", "nebius=127.0.0.1:0")
    with server:
        try:
            started = json.loads(server.stdout.readline())
            main, urls = started["url"], started["profiles"]
            token = Path(started["token_file"]).read_text().strip()
            headers = {"Authorization": f"Bearer {token}"}
            with httpx.Client(headers=headers) as client:
                for url in (urls["nebius"], f"{main}/nebius"):
                    answer = client.get(f"{url}/v1/operations")
                    assert answer.json() == {"object": "list", "data": []}, url
                host = {"Host": "nebius.example.org"}
                assert client.get(f"{main}/v1/operations", headers=host).json()["data"] == []
                assert client.get(f"{main}/v1/operations").json()["operations"] == []
                assert client.get(f"{urls['nebius']}/healthz").status_code == 404
            assert urls["outer"] == "https://o"
            assert urls["named"] == f"http://nebius.example.org:{main.rpartition(':')[2]}"
        finally:
            server.send_signal(signal.SIGTERM)
        assert server.wait(10) == 0
        for url in (main, urls["nebius"]):
            with pytest.raises(httpx.ConnectError):
                httpx.get(url)


def test_a_port_that_is_taken_is_named(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with serve(tmp_path, "--profile", f"nebius=127.0.0.1:{port}") as server:
            _, errors = server.communicate(timeout=20)
    assert server.returncode == 2
    assert f"profile nebius: cannot listen on 127.0.0.1:{port}: Address already in use" in errors
