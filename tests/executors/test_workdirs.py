import os
import subprocess
import sys
from pathlib import Path

import pytest

from outlast.executors.workdirs import WorkFolder, opened, relative, remove, stage
from outlast.operations.errors import Invalid


@pytest.fixture
def work(tmp_path):
    folder = WorkFolder(tmp_path / "work")
    folder.open()
    yield folder
    folder.close()


def test_a_work_folder_can_be_walked_through_but_not_listed(work):
    assert work.path.stat().st_mode & 0o777 == 0o711


def test_a_workdir_is_named_after_its_attempt_and_is_nobody_elses(work):
    path = work.name(work.make(None), "0ABC", 3)
    assert path.name.startswith("0ABC-3-")
    assert path.stat().st_mode & 0o777 == 0o700


def test_what_a_dead_process_left_is_removed_and_what_a_live_one_has_is_not(tmp_path):
    code = (
        "import sys; from pathlib import Path; from outlast.executors.workdirs import WorkFolder;"
        "work = WorkFolder(Path(sys.argv[1])); work.open(); path = work.make(None);"
        "(work.name(path, '0ABC', 1) / 'file').write_text('x'); print('made', flush=True); input()"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as other:
        other.stdout.readline()
        mine = WorkFolder(tmp_path)
        mine.open()
        assert len(list(tmp_path.glob("0ABC-1-*"))) == 1
        other.kill()
    again = WorkFolder(tmp_path)
    again.open()
    assert list(tmp_path.glob("0ABC-1-*")) == []
    assert len(list(tmp_path.glob(".*.lock"))) == 2
    mine.close()
    again.close()
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_a_workdir_is_left_alone(tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "0ABC-1-short").mkdir()
    folder = WorkFolder(tmp_path)
    folder.open()
    folder.close()
    assert {path.name for path in tmp_path.iterdir()} == {"notes", "0ABC-1-short"}


@pytest.mark.parametrize("name", ["", ".", "..", "/etc/passwd", "a/../../b", "a\0b"])
def test_a_name_that_leaves_the_workdir_is_refused(name):
    with pytest.raises(Invalid):
        relative(name)


def test_inputs_are_staged_read_only_also_in_folders(tmp_path):
    source = tmp_path / "source"
    source.write_text("x")
    workdir = tmp_path / "workdir"
    workdir.mkdir()
    stage(workdir, {"a": source, "b/c/d": source}, None)
    assert (workdir / "b" / "c" / "d").read_text() == "x"
    assert (workdir / "a").stat().st_mode & 0o777 == 0o444


def test_only_a_regular_file_of_the_workdir_is_opened(tmp_path):
    (tmp_path / "outside").write_text("secret")
    workdir = tmp_path / "workdir"
    (workdir / "real").mkdir(parents=True)
    (workdir / "real" / "file").write_text("x")
    (workdir / "link").symlink_to(tmp_path / "outside")
    (workdir / "up").symlink_to(tmp_path)
    os.mkfifo(workdir / "pipe")
    with opened(workdir, "real/file") as number:
        assert os.read(number, 9) == b"x"
    for name in ("link", "up/outside", "pipe", "real", "missing", "../outside", "real/file/x"):
        with pytest.raises(Invalid), opened(workdir, name):
            pass


def test_a_folder_too_deep_to_follow_or_forbidden_is_removed(tmp_path):
    deep = tmp_path / "deep"
    deep.mkdir()
    start = Path.cwd()
    try:
        os.chdir(deep)
        for _ in range(3000):
            Path("d").mkdir()
            os.chdir("d")
    finally:
        os.chdir(start)
    remove(deep)
    assert not deep.exists()
    forbidden = tmp_path / "forbidden"
    (forbidden / "inner").mkdir(parents=True)
    (forbidden / "inner" / "file").touch()
    (forbidden / "inner").chmod(0)
    remove(forbidden)
    assert not forbidden.exists()
    remove(tmp_path / "nothing")
