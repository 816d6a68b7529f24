"""What stands in deploy/ is held to the program: its settings load, its commands exist."""

import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml

from outlast.cli.program import program
from outlast.settings import load_settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
RECOVERY_SECONDS = 10 + 5 + 5


def check_command(words):
    """Parse a command line of ours as the program would, without running it."""
    name, *arguments = words
    command = program.get_command(click.Context(program), name)
    assert command is not None, name
    # Files that a command names are elsewhere.
    for option in command.params:
        if isinstance(option.type, click.Path):
            option.type.exists = False
    command.make_context(name, list(arguments))


def documents(name):
    return [one for one in yaml.safe_load_all((DEPLOY / "kubernetes" / name).read_text()) if one]


def pod_specs():
    for document in documents("outlast.yaml"):
        if document["kind"] == "Deployment":
            yield document["metadata"]["name"], document["spec"]["template"]["spec"]
    (cluster,) = documents("ray.yaml")
    yield "ray", cluster["spec"]["headGroupSpec"]["template"]["spec"]


@pytest.mark.parametrize("path", sorted((DEPLOY / "systemd").glob("*.service")), ids=str)
def test_a_unit_starts_a_command_that_there_is_and_lets_it_drain(path):
    lines = dict(line.split("=", 1) for line in path.read_text().splitlines() if "=" in line)
    program_path, *words = shlex.split(lines["ExecStart"])
    assert program_path.endswith("/outlast")
    check_command(words)
    assert int(lines["TimeoutStopSec"]) > RECOVERY_SECONDS


def test_every_pod_runs_a_command_that_there_is_and_mounts_what_it_names():
    for name, spec in pod_specs():
        volumes = {volume["name"] for volume in spec["volumes"]}
        assert spec["terminationGracePeriodSeconds"] > RECOVERY_SECONDS, name
        for container in spec["containers"]:
            assert {mount["name"] for mount in container.get("volumeMounts", [])} <= volumes
            if "args" in container:
                check_command(container["args"])


def test_the_service_finds_the_pods_and_the_port():
    found = {
        (one["kind"], one["metadata"]["name"]): one["spec"] for one in documents("outlast.yaml")
    }
    api = found["Deployment", "outlast-api"]["template"]
    service = found["Service", "outlast"]
    assert service["selector"].items() <= api["metadata"]["labels"].items()
    ports = {port["name"] for port in api["spec"]["containers"][0]["ports"]}
    assert service["ports"][0]["targetPort"] in ports


def test_the_settings_load():
    settings = load_settings({}, {}, DEPLOY / "outlast.toml")
    assert settings.objects in settings.object_stores


def test_the_image_installs_pinned_requirements_that_the_repository_has():
    text = (DEPLOY / "Dockerfile").read_text()
    for line in text.splitlines():
        if "deploy/requirements" in line:
            path = line.split("=", 1)[1].split()[0]
            pins = (ROOT / path).read_text()
            assert "--hash=sha256:" in pins
            assert "pytest" not in pins


@pytest.mark.skipif(sys.platform != "linux", reason="the shell of the image is Linux's")
def test_the_step_of_the_image_is_a_shell_command_that_parses():
    steps = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    for step in steps:
        if step.startswith("RUN "):
            subprocess.run(["sh", "-n", "-c", step[4:]], check=True)
