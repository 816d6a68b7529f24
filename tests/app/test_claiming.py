"""What a worker is called, and which kinds it claims, as the settings say."""

import os
import socket

import pytest

from outlast.app.kinds import install_kinds, kinds_to_claim
from outlast.app.working import name_worker
from outlast.settings import KindShare, Settings, SettingsError, Sharing, load_settings

GPU = Sharing(kinds={"fine_tuning": KindShare(labels={"gpu": "a100"})})


def claims(**settings):
    made = Settings(**settings)
    return kinds_to_claim(made, install_kinds(made))


def test_a_worker_has_a_name_of_its_own_where_host_and_process_have_those_of_another():
    names = {name_worker() for _ in range(100)}
    assert len(names) == 100
    assert all(name.startswith(f"{socket.gethostname()}-{os.getpid()}-") for name in names)


def test_a_worker_claims_every_kind_if_nothing_is_said():
    assert claims() == install_kinds(Settings()).kinds.keys()


def test_a_kind_that_asks_for_labels_runs_only_where_they_are():
    assert "fine_tuning" not in claims(sharing=GPU)
    assert "fine_tuning" not in claims(sharing=GPU, worker_labels={"gpu": "h100"})
    ours = claims(sharing=GPU, worker_labels={"gpu": "a100", "zone": "eu"})
    assert "fine_tuning" in ours
    assert "sql_query" in ours


def test_a_worker_claims_only_the_kinds_that_it_is_told():
    assert claims(claim_kinds=("sql_query",)) == {"sql_query"}


def test_a_kind_that_is_not_there_is_refused():
    with pytest.raises(SettingsError, match="there is no kind sql_qery"):
        claims(claim_kinds=("sql_qery",))


def test_a_worker_that_would_run_nothing_is_refused():
    with pytest.raises(SettingsError, match="labels of none"):
        claims(claim_kinds=("fine_tuning",), sharing=GPU)


def test_labels_and_kinds_come_from_flags_and_from_the_environment():
    environment = {"OUTLAST_WORKER_LABELS": "gpu=a100,zone=eu", "OUTLAST_CLAIM_KINDS": "a,b"}
    loaded = load_settings({}, environment)
    assert loaded.worker_labels == {"gpu": "a100", "zone": "eu"}
    assert loaded.claim_kinds == ("a", "b")
    flags = {"worker_labels": ("gpu=none",), "claim_kinds": ("c",)}
    loaded = load_settings(flags, environment)
    assert (loaded.worker_labels, loaded.claim_kinds) == ({"gpu": "none"}, ("c",))
    with pytest.raises(SettingsError, match="KEY=VALUE: 'gpu'"):
        load_settings({"worker_labels": ("gpu",)}, {})


def test_the_rules_of_sharing_stand_in_the_settings_file(tmp_path):
    file = tmp_path / "outlast.toml"
    file.write_text(
        "[sharing.every_tenant]\nrunning_max = 20\n[sharing.tenants.research]\nweight = 3\n"
        '[sharing.kinds.fine_tuning]\nrunning_max = 2\nlabels = { gpu = "a100" }\n'
    )
    sharing = load_settings({}, {}, file).sharing
    assert sharing.of_tenant("research").weight == 3
    assert sharing.of_tenant("research").running_max == 20
    assert sharing.of_kind("fine_tuning").labels == {"gpu": "a100"}


@pytest.mark.parametrize("line", ["running_max = 0", "weight = -1", "starts_per_minute = 0"])
def test_a_limit_of_nothing_is_refused(tmp_path, line):
    file = tmp_path / "outlast.toml"
    file.write_text(f"[sharing.every_tenant]\n{line}\n")
    with pytest.raises(SettingsError, match="must be at least 1"):
        load_settings({}, {}, file)
