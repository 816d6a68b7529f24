"""A server that deploys, with the embedded Terraform and a provider of real local things."""

from pathlib import Path

import pytest
from stack_site import Site
from terraform_tools import MODULES, terraform_tools

HERE = Path(__file__).parent
SETTINGS = """
[infrastructure]
program = "{program}"
provider_mirror = "{mirror}"

[modules.workshop]
path = "{workshop}"
description = "Things of this machine."
environment = ["WORKSHOP_COLOUR"]

[modules.network]
path = "{network}"
word = "network"

[modules.cluster]
path = "{cluster}"
word = "cluster"

[connections]
folders = ["{folders}"]

[recovery]
lease_seconds = 6
renew_seconds = 1
"""


@pytest.fixture(scope="session")
def installation(serve, tmp_path_factory):
    tools = terraform_tools()
    settings = SETTINGS.format(
        program=tools.program,
        mirror=tools.mirror,
        workshop=HERE / "module",
        network=MODULES / "network",
        cluster=MODULES / "cluster",
        folders=tmp_path_factory.getbasetemp(),
    )
    return serve(settings, environment={"WORKSHOP_COLOUR": "of-the-workers-environment"})


@pytest.fixture
def client(installation):
    with installation.client() as client:
        yield client


@pytest.fixture
def site(installation, client, tmp_path):
    """A stack to be, in a folder of its own."""
    return Site(installation, client, tmp_path)
