"""What the gate lets pass, and every way round it that is known to have worked elsewhere."""

from ipaddress import ip_address

import pytest

from outlast.operations.errors import OutboundRefused, Unavailable
from outlast.outbound import Gate, gate_of
from outlast.outbound.addresses import is_public, unwrap
from outlast.settings import Backend, ObjectStoreSettings, Outbound, Settings, SettingsError


def leads_to(*addresses):
    return lambda host, port: list(addresses)


def find(gate, url):
    return gate.find_here(gate.check(url))


SPECIAL = """
0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.127.255.255 127.0.0.1 127.255.255.254 169.254.169.254
172.16.0.1 172.31.255.255 192.0.0.8 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.51.100.7
203.0.113.9 224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255
:: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:0:127.0.0.1 64:ff9b::127.0.0.1
64:ff9b::8.8.8.8 64:ff9b:1::1 100::1 2001::1 2001:0:53aa:64c::1 2001:db8::1 2002:7f00:1::1
2002:808:808::1 3fff::1 5f00::1 fc00::1 fd12::1 fe80::1 fec0::1 ff02::1
"""


@pytest.mark.parametrize("address", SPECIAL.split())
def test_what_is_not_the_public_internet_is_refused(address):
    assert not is_public(unwrap(ip_address(address)))
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(OutboundRefused):
        find(Gate(), f"http://{host}/")
    with pytest.raises(OutboundRefused):
        find(Gate(resolve=leads_to(address)), "https://innocent.example/")


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "100.128.0.1", "172.32.0.1", "2606:4700::1111", "2a00::1"]
)
def test_the_public_internet_may_be_called(address):
    host = f"[{address}]" if ":" in address else address
    for url in (f"https://{host}/x", f"http://{host}:8080/"):
        assert find(Gate(), url) == [address]
    assert find(Gate(resolve=leads_to(address)), "https://innocent.example/") == [address]


@pytest.mark.parametrize(
    "url",
    [
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://0/",
        "http://127.0.0.1.:80/",
        "http://127.000.000.001/",
        "http://1.2.3.4.5/",
        "http://[fe80::1%25eth0]/",
        "http://[::1%25lo]/",
        "http://user@8.8.8.8/",
        "http://user:secret@8.8.8.8/",
        "http://8.8.8.8@127.0.0.1/",
        "http://127.0.0.1#@8.8.8.8/",
        "http://127.0.0.1\\@8.8.8.8/",
        "http:///x",
        "http://",
        "//8.8.8.8/",
        "8.8.8.8",
        "",
        "ftp://8.8.8.8/",
        "file:///etc/passwd",
        "gopher://8.8.8.8/",
        "unix:///run/x.sock",
        "http://8.8.8.8:22/",
        "http://8.8.8.8:25/",
        "http://8.8.8.8:0/",
        "http://8.8.8.8:65536/",
        "http://8.8.8.8:-1/",
        "http://a b.example/",
        "http://a\nb.example/",
        "http://" + "a" * 64 + ".example/",
        "http://" + "a." * 130 + "example/",
        "http://-a.example/",
        "http://*.example/",
        "http://[8.8.8.8/",
    ],
)
def test_odd_urls_are_refused_whatever_a_resolver_would_make_of_them(url):
    with pytest.raises(OutboundRefused):
        find(Gate(resolve=leads_to("8.8.8.8")), url)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "localhost.", "localhost6"])
def test_names_of_this_machine_are_refused(host):
    with pytest.raises((OutboundRefused, Unavailable)):
        find(Gate(), f"http://{host}/")


def test_of_many_addresses_only_the_public_ones_are_used():
    mixed = leads_to("127.0.0.1", "8.8.8.8", "::1", "8.8.8.8", "10.0.0.1", "1.1.1.1")
    assert find(Gate(resolve=mixed), "http://mixed.example/") == ["8.8.8.8", "1.1.1.1"]


def test_a_refusal_does_not_tell_what_a_name_leads_to():
    with pytest.raises(OutboundRefused) as caught:
        find(Gate(resolve=leads_to("10.1.2.3")), "http://inside.example/")
    assert "10.1.2.3" not in caught.value.message


def test_a_name_that_leads_nowhere_is_unavailable():
    def nowhere(host, port):
        raise OSError("no such name")

    with pytest.raises(Unavailable):
        find(Gate(resolve=nowhere), "http://nowhere.example/")


@pytest.mark.parametrize(
    ("rule", "allowed", "refused"),
    [
        ("db.inside", ["http://db.inside/", "http://DB.inside.:9000/"], ["http://x.db.inside/"]),
        ("db.inside:81", ["http://db.inside:81/"], ["http://db.inside/", "http://db.inside:82/"]),
        (
            "*.inside",
            ["http://a.inside/", "http://a.b.inside/"],
            ["http://inside/", "http://ainside/"],
        ),
        ("*.inside:8080", ["http://a.inside:8080/"], ["http://a.inside/"]),
        ("10.0.0.0/8", ["http://10.9.9.9/", "http://any.example/"], ["http://127.0.0.1/"]),
        ("10.0.0.1", ["http://10.0.0.1:9/"], ["http://10.0.0.2/", "http://any.example/"]),
        ("[fd00::1]:90", ["http://[fd00::1]:90/", "http://[FD00:0::1]:90/"], ["http://[fd00::1]/"]),
        ("fd00::/16", ["http://[fd00:0:1::1]/"], ["http://[fd01::1]/"]),
    ],
)
def test_what_is_allowed_may_be_called_and_nothing_else(rule, allowed, refused):
    gate = Gate([rule], resolve=leads_to("10.0.0.1"))
    for url in allowed:
        assert find(gate, url)
    for url in refused:
        with pytest.raises(OutboundRefused):
            find(gate, url)


def test_an_allowed_address_is_allowed_however_it_is_wrapped():
    gate = Gate(["127.0.0.0/8"])
    assert find(gate, "http://[::ffff:127.0.0.1]/") == ["127.0.0.1"]


@pytest.mark.parametrize(
    "rule",
    [
        "",
        "*",
        "*.",
        "http://a.example",
        "10.0.0.1/8",
        "10.0.0.0/99",
        "a:0",
        "a:x",
        "a b",
        "a:99999",
        "2130706433",
    ],
)
def test_a_rule_that_is_none_is_refused(rule):
    with pytest.raises(ValueError, match="neither HOST"):
        Gate([rule])
    with pytest.raises(SettingsError, match=r"outbound\.allow"):
        gate_of(Settings(outbound=Outbound(allow=(rule,))))


def test_what_the_operator_configured_is_allowed_on_its_port_alone():
    gate = gate_of(
        Settings(
            backends={"local": Backend(url="http://127.0.0.1:8000/v1", models=("m",))},
            object_stores={"store": ObjectStoreSettings(url="s3://b", endpoint="http://10.0.0.1")},
        )
    )
    assert find(gate, "http://127.0.0.1:8000/v1/chat/completions") == ["127.0.0.1"]
    assert find(gate, "http://10.0.0.1/b") == ["10.0.0.1"]
    for url in ("http://127.0.0.1:8001/", "http://127.0.0.1/", "http://10.0.0.1:8000/"):
        with pytest.raises(OutboundRefused):
            find(gate, url)


def test_a_gate_for_one_backend_lets_nothing_else_pass():
    gate = Gate(
        configured=["https://models.example/v1"],
        is_public_allowed=False,
        resolve=leads_to("8.8.8.8"),
    )
    assert find(gate, "https://models.example/v1/models") == ["8.8.8.8"]
    for url in ("https://other.example/", "https://8.8.8.8/", "http://models.example/"):
        with pytest.raises(OutboundRefused):
            find(gate, url)


@pytest.mark.parametrize("url", ["ftp://a.example", "not a url", "http://", "http://a b/"])
def test_a_configured_url_that_is_none_is_refused(url):
    with pytest.raises(ValueError, match=r"not a URL|begins with"):
        Gate(configured=[url])


async def test_a_look_up_does_not_hold_up_the_loop():
    gate = Gate(resolve=leads_to("8.8.8.8"))
    assert await gate.find_addresses(gate.check("http://a.example/")) == ["8.8.8.8"]
