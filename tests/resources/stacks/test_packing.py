"""Modules of the settings are packed the same for the same files, and read once."""

import pytest
from serving import OwnSandbox

from outlast.resources.stacks.packing import pack_folder, pack_modules
from outlast.settings import ModuleSettings, SettingsError

MODULE = """
variable "nodes" {
  description = "How many."
  type        = number
  default     = 2
}
variable "password" {
  type      = string
  sensitive = true
}
variable "shape" {
  type    = object({ size = string })
  default = null
}
resource "terraform_data" "one" {}
"""


@pytest.fixture
def folder(tmp_path):
    module = tmp_path / "module"
    (module / "scripts").mkdir(parents=True)
    (module / "main.tf").write_text(MODULE)
    (module / "more.tf.json").write_text('{"variable": {"colour": {"description": "Which."}}}')
    (module / "scripts" / "run.sh").write_text("true")
    (module / "scripts" / "inner.tf").write_text('variable "inner" {}\n')
    return module


@pytest.fixture
def pack(objects, spool, tmp_path):
    spool.mkdir(parents=True, exist_ok=True)
    sandbox = OwnSandbox(tmp_path / "calls")

    async def pack(**modules):
        return await pack_modules(modules, objects, sandbox, spool), sandbox._count

    return pack


async def test_a_module_is_known_by_its_files_and_its_variables(folder, pack, objects, spool):
    found, _ = await pack(web=ModuleSettings(path=folder, word="network", environment=("A",)))
    web = found["web"]
    assert (web.word, web.pin.environment) == ("network", ("A",))
    assert await objects.find(web.pin.key) is not None
    told = {one.name: (one.type, one.is_required, one.is_sensitive) for one in web.variables}
    assert told == {
        "colour": ("", True, False),
        "nodes": ("number", False, False),
        "password": ("string", True, True),
        "shape": ("object({size = string})", False, False),
    }
    assert web.variables[1].description == "How many."
    assert list(spool.iterdir()) == []


async def test_what_is_known_of_a_modules_files_is_not_read_again(folder, pack):
    first, _ = await pack(web=ModuleSettings(path=folder))
    again, calls = await pack(web=ModuleSettings(path=folder), other=ModuleSettings(path=folder))
    assert calls == 1
    assert again["web"] == first["web"]
    assert again["other"].variables == first["web"].variables


def test_what_the_tool_leaves_is_not_of_the_module(folder):
    before = pack_folder(folder)
    for name in (
        *(".terraform/x", ".git/HEAD", "terraform.tfstate", "terraform.tfstate.backup"),
        *("errored.tfstate", "terraform.tfstate.d/prod"),
    ):
        file = folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("left")
    (folder / "main.tf").touch()
    assert pack_folder(folder) == before
    (folder / "main.tf").write_text(MODULE + "\n")
    assert pack_folder(folder) != before


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "is not a folder"), ("", "has no file"), ('variable "x" {', "main.tf cannot be read")],
)
async def test_what_is_no_module_is_said_with_its_name(tmp_path, pack, content, says):
    module = tmp_path / "broken"
    if content is not None:
        module.mkdir()
    if content:
        (module / "main.tf").write_text(content)
    with pytest.raises(SettingsError, match=f"modules.web: .*{says}"):
        await pack(web=ModuleSettings(path=module))
