"""A run of the tool: what it is given, what is kept of what it does, and how its end is read.

The tool is a program that says what Terraform has said. Terraform itself is in `tests/heavy`.
"""

import io
import json
import tarfile

import msgspec
import pytest
from listed_stacks import listed_installation, listed_module, listed_stack
from replayed_tool import STATE, STREAMS, ReplayedTool

from outlast.kinds import check_drift, deploy, destroy
from outlast.resources.keyring import make_key
from outlast.resources.stacks import model, states
from outlast.resources.stacks.states import KeptState
from outlast.testing import run_kind

STACK = "06EV0000000000000STK"
BEFORE = "00000001-06EV0000000000000MKR-0001"
AFTER = "00000002-00000000000000000000-0001"


class Bench:
    """The program, and what it was called with."""

    def __init__(self, folder):
        self.folder = folder
        self.keys = make_key()
        self.tool = ReplayedTool(folder)
        self.says = self.tool.says
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as packed:
            for name, mode in (("main.tf", 0o600), ("scripts/run.sh", 0o700)):
                member = tarfile.TarInfo(name)
                member.size, member.mode = 4, mode
                packed.addfile(member, io.BytesIO(b"# ab"))
        (folder / "module.tar").write_bytes(archive.getvalue())

    def run(self, kind, spec, *, kept=None, attempt=1, tool=None, secrets=None, **document):
        program = {"program": str(self.tool.program)} | (tool or {})
        files = {}
        if kept is not None:
            files[BEFORE] = states.seal_state(self.keys, kept, BEFORE)
            document["state"] = model.states_prefix("default", STACK) + BEFORE
        return run_kind(
            kind.kinds[0],
            spec,
            catalog=[
                listed_installation(**program),
                listed_module(),
                listed_stack(STACK, "site", **document),
            ],
            inputs={"module.tar": self.folder / "module.tar"},
            secrets={"state_keys": self.keys, **(secrets or {})},
            files=files,
            attempt=attempt,
        )

    @property
    def calls(self):
        return self.tool.calls

    def kept(self, result, name=AFTER):
        return states.open_state(self.keys, result.files[name], name)


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def test_a_deployment_publishes_its_state_and_what_may_be_seen_of_it(bench):
    secrets = {"variable/password": '"correct-horse"'}
    spec = {"stack": "site", "secret_variables": {"password": "sealed:1"}}
    done = bench.run(deploy, spec, secrets=secrets)
    assert done.failure is None
    assert done.result["changes"] == {"created": 4, "updated": 0, "deleted": 0}
    [published] = done.writes
    assert (published["type"], published["is_done"], published["resources"]) == (
        "stack_state", True, 3,
    )  # fmt: skip
    assert published["outputs"] == {
        "address": {"value": "10.0.0.1", "is_sensitive": False, "is_left_out": False},
        "told": {"value": None, "is_sensitive": True, "is_left_out": False},
        "password": {"value": None, "is_sensitive": True, "is_left_out": False},
    }
    said = [done.result, done.writes, done.log, done.checkpoints]
    assert "correct-horse" not in repr(said)
    sealed = done.files["00000001-00000000000000000000-0001"]
    assert b"correct-horse" not in sealed
    kept = bench.kept(done, "00000001-00000000000000000000-0001")
    assert msgspec.json.decode(kept.state) == STATE
    assert kept.secret_variables == {"password": "correct-horse"}


@pytest.mark.parametrize(
    "secret", ["correct-horse", 'a "quoted" \\\\ one', "correct\nquoted ümlaut"]
)
def test_a_secret_that_is_a_key_or_stands_in_an_output_is_shown_nowhere(bench, secret):
    quoted, stream = json.dumps(secret, ensure_ascii=False), bench.folder / "stream"
    addr = json.dumps(f"terraform_data.a[{quoted}]", ensure_ascii=False)[1:-1]
    lines = stream.read_text().replace("terraform_data.a[1]", addr)
    stream.write_text(lines.replace('"resource_key":1', f'"resource_key":{quoted}'))
    told = {"value": [f"it is {secret}"], "type": "list"}
    (bench.folder / "state").write_text(json.dumps(STATE | {"outputs": {"told": told}}))
    spec = {"stack": "site", "secret_variables": {"password": "sealed:1"}}
    done = bench.run(deploy, spec, secrets={"variable/password": quoted})
    assert done.failure is None
    assert done.writes[0]["outputs"]["told"]["is_sensitive"]
    assert sum("[secret]" in one.name for one in done.progress.resources) == 1
    said = json.dumps([done.result, done.writes, done.log, done.checkpoints])
    seen = said + json.dumps([one.urn + one.name for one in done.progress.resources])
    assert "[secret]" in seen
    assert not any(part in seen for part in ("correct", "quoted"))


def test_secret_variables_are_in_a_file_of_their_own_and_nowhere_else(bench):
    spec = {"stack": "site", "secret_variables": {"password": "sealed:1"}}
    bench.run(deploy, spec, secrets={"variable/password": '"correct-horse"'})
    for call in bench.calls:
        text, mode = call["files"].pop("zzz-outlast.auto.tfvars.json")
        assert json.loads(text) == {"root": "/srv", "password": "correct-horse"}
        assert mode == "0o600"
        assert "correct-horse" not in json.dumps(call)


def test_the_tool_sees_nothing_of_the_workers_environment(bench, monkeypatch):
    monkeypatch.setenv("TF_VAR_root", "/elsewhere")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the-workers")
    bench.run(deploy, {"stack": "site"})
    for call in bench.calls:
        assert not {"TF_VAR_root", "AWS_SECRET_ACCESS_KEY"} & call["environment"].keys()
        assert call["environment"]["CHECKPOINT_DISABLE"] == "1"


@pytest.mark.parametrize("registries", [True, False])
def test_registries_are_asked_only_where_the_settings_say_so(bench, registries):
    tool = {"provider_mirror": "/srv/mirror", "registries": registries}
    bench.run(deploy, {"stack": "site"}, tool=tool)
    said = bench.calls[0]["configuration"]
    assert 'path = "/srv/mirror"' in said
    assert ("direct {}" in said) is registries


def test_an_attempt_goes_on_from_the_newest_state_and_its_secrets(bench):
    older = KeptState(state=msgspec.Raw(b'{"old":1}'), secret_variables={"password": "known"})
    done = bench.run(deploy, {"stack": "site"}, kept=older, secret_names=("password",))
    assert done.failure is None
    apply = bench.calls[-1]
    assert json.loads(apply["state"]) == {"old": 1}
    assert "known" in apply["files"]["zzz-outlast.auto.tfvars.json"][0]
    assert sorted(done.files) == [BEFORE, AFTER]
    assert done.writes[0]["state"] == AFTER


def test_what_fails_keeps_its_state_and_is_tried_again_three_times(bench):
    bench.says("failed", code=1)
    failed = bench.run(deploy, {"stack": "site"})
    assert (failed.failure.code, failed.failure.retryable) == ("apply_failed", True)
    [left] = failed.partial
    assert (left["type"], left["is_done"], left["resources"]) == ("stack_state", False, 3)
    last = bench.run(deploy, {"stack": "site"}, attempt=3)
    assert (last.failure.code, last.failure.retryable) == ("apply_failed", False)
    assert last.failure.details["errors"][0]["address"] == "terraform_data.bad[0]"


def test_half_a_state_is_not_kept(bench):
    bench.says(state='{"resources": [')
    done = bench.run(deploy, {"stack": "site"})
    assert done.result["resources"] == 0
    kept = bench.kept(done, "00000001-00000000000000000000-0001")
    assert kept.state == states.NO_STATE


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"stream": "refused", "code": 1}, "plan_failed"),
        ({"init_code": 1, "complaint": "no provider"}, "init_failed"),
        ({"code": -9 % 256}, "program_crashed"),
    ],
)
def test_how_it_ended_is_told(bench, said, code):
    bench.says(**({"state": ""} | said))
    assert bench.run(deploy, {"stack": "site"}).failure.code == code


def test_a_tool_that_is_not_there_is_told(bench):
    gone = bench.run(deploy, {"stack": "site"}, tool={"program": "/nowhere/tofu"})
    assert gone.failure.code == "program_missing"
    none = bench.run(deploy, {"stack": "site"}, tool={"program": None})
    assert none.failure.code == "program_missing"


def test_a_state_that_is_gone_or_cannot_be_opened_is_never_taken_for_none(bench):
    adopted = model.states_prefix("default", STACK) + BEFORE
    assert bench.run(deploy, {"stack": "site"}, state=adopted).failure.code == "state_missing"
    other = bench.keys
    bench.keys = make_key()
    sealed = states.seal_state(other, KeptState(), BEFORE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(states, "seal_state", lambda *_: sealed)
        failed = bench.run(destroy, {"stack": "site"}, kept=KeptState())
    assert failed.failure.code == "state_unreadable"
    assert not (bench.folder / "calls").exists()


def test_a_secret_that_nobody_knows_any_more_must_be_given_again(bench):
    failed = bench.run(deploy, {"stack": "site"}, secret_names=("password",))
    assert failed.failure.code == "secret_variables_missing"
    assert "secret_variables.password" in failed.failure.field_errors


def test_nothing_is_asked_of_the_tool_to_destroy_what_never_was(bench):
    done = bench.run(destroy, {"stack": "site"}, secret_names=("password",))
    assert done.result["deleted"] == 0
    assert done.writes == [{"type": "stack_removal", "stack": STACK}]
    assert not (bench.folder / "calls").exists()


def test_a_stack_is_destroyed_by_the_tool_even_where_its_state_cannot_be_read(bench):
    bench.says("destroyed", state='{"encrypted_data": "of another tool"}')
    kept = KeptState(state=msgspec.Raw(b'{"encrypted_data": "of another tool"}'))
    done = bench.run(destroy, {"stack": "site"}, kept=kept)
    assert done.result["deleted"] == 4
    assert "-destroy" in bench.calls[-1]["arguments"]


def test_drift_is_what_the_tool_has_found_and_changes_nothing(bench):
    bench.says("planned", code=2)
    kept = KeptState(state=msgspec.Raw(b'{"old":1}'))
    done = bench.run(check_drift, {"stack": "site"}, kept=kept)
    assert done.failure is None
    assert done.result["has_drifted"] is False
    assert "-refresh-only" in bench.calls[-1]["arguments"]
    assert sorted(done.files) == [BEFORE]
    assert done.checkpoints == []


def test_a_plan_tells_what_would_be_done_and_keeps_nothing(bench):
    bench.says("planned", code=2)
    done = bench.run(deploy, {"stack": "site", "plan_only": True})
    assert "create" in {one["change"] for one in done.result["planned"]}
    assert (done.writes, done.files, done.checkpoints) == ([], {}, [])


def test_more_resources_than_fit_are_cut_and_that_is_said(bench):
    lines = (STREAMS / "created.jsonl").read_text().splitlines()
    line = next(one for one in lines if "a[1]: Plan to create" in one)
    long = line.replace("terraform_data", "module.m" + "x" * 900)
    plans = [long.replace("[1]", f"[{number}]") for number in range(400)]
    (bench.folder / "stream").write_text("\n".join(plans))
    done = bench.run(deploy, {"stack": "site"})
    assert done.failure is None
    assert done.progress.message.endswith("of 400 are shown")
    assert len(done.progress.resources) < 400
