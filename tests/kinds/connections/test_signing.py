"""Requests are signed as AWS's own examples are."""

from datetime import UTC, datetime

import pytest

from outlast.kinds.connections.signing import Keys, sign

KEYS = Keys(access_key="AKIDEXAMPLE", secret_key="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
AT = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def signature(method, url, headers=(), body=b"", *, keys=KEYS, service="service"):
    made = sign(
        method,
        url,
        dict(headers),
        body,
        keys=keys,
        region="us-east-1",
        service=service,
        at=AT,
    )
    return made["authorization"].rpartition("Signature=")[2]


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (
            signature("GET", "https://example.amazonaws.com/"),
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        (
            signature("POST", "https://example.amazonaws.com/"),
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ),
        (
            signature("POST", "https://example.amazonaws.com/", FORM, b"Param1=value1"),
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        ),
        (
            signature("GET", "https://example.amazonaws.com/?Param2=value2&Param1=value1"),
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            signature(
                "GET",
                "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08",
                {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"},
                service="iam",
            ),
            "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
        ),
    ],
)
def test_the_signatures_are_those_that_aws_publishes(made, expected):
    assert made == expected


def test_a_session_token_is_signed_too():
    keys = Keys(access_key="A", secret_key="s", session_token="token")
    made = sign("GET", "https://e.com/", {}, b"", keys=keys, region="r", service="sts", at=AT)
    assert made["x-amz-security-token"] == "token"
    assert "SignedHeaders=host;x-amz-date;x-amz-security-token" in made["authorization"]
