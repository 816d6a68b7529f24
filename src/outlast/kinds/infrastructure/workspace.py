"""The folder that the tool works in: the module's files, and what it is told beside them."""

import os
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from outlast.resources.configured import InfrastructureDocument
from outlast.resources.stacks.modules import MODULE_FILE

_OURS: Final = "outlast_override.tf.json"
_VARIABLES: Final = "zzz-outlast.auto.tfvars.json"
"""Files of variables are read in the order of their names: this one comes last."""


class Workspace:
    """The files of one attempt. Nobody else may read them: variables and states hold secrets."""

    def __init__(self, workdir: Path) -> None:
        self._workdir = workdir
        self.module = workdir / "module"
        self.state = workdir / "state" / "terraform.tfstate"
        self._configuration = workdir / "terraform.rc"
        self._home = workdir / "home"

    def write(
        self,
        tool: InfrastructureDocument,
        variables: Mapping[str, Any],
        state: bytes | None,
        *,
        state_file: Path | None = None,
    ) -> None:
        """Lay out the module, its variables, its state, and what the tool is told.

        `state_file` is where the tool writes the state, if that is not to go with the workdir.
        """
        os.umask(0o077)
        self.state = state_file or self.state
        for folder in (self.module, self.state.parent, self._home, self._workdir / "no_providers"):
            folder.mkdir(mode=0o700)
        if state is not None:
            self.state.write_bytes(state)
        _unpack(self._workdir / MODULE_FILE, self.module)
        # Whatever the module says, its state is here: it is for us to keep.
        backend = {"terraform": {"backend": {"local": {"path": str(self.state)}}}}
        (self.module / _OURS).write_bytes(msgspec.json.encode(backend))
        (self.module / _VARIABLES).write_bytes(msgspec.json.encode(variables))
        self._configuration.write_text(self._said(tool))

    def environment(self, tool: InfrastructureDocument, extra: Mapping[str, str]) -> dict[str, str]:
        """The environment of the tool: nothing of the worker's but where programs are."""
        # A folder of this attempt's own would make the paths of the providers' sockets too long.
        passed_on = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR")
        environment = {name: os.environ[name] for name in passed_on if name in os.environ}
        environment |= {
            "HOME": str(self._home),
            "TF_CLI_CONFIG_FILE": str(self._configuration),
            "TF_IN_AUTOMATION": "1",
            "TF_INPUT": "0",
            "CHECKPOINT_DISABLE": "1",
        }
        if tool.plugin_cache is not None:
            environment["TF_PLUGIN_CACHE_DIR"] = tool.plugin_cache
        return {**environment, **extra}

    def clear(self, *, has_state: bool) -> None:
        """Remove what holds secrets: nothing of it is there any more when the operation ends.

        `has_state`: the state is left, since nobody else has it.
        """
        for folder in (self.module, *(() if has_state else (self.state.parent,))):
            # What cannot be removed goes with the whole folder, a moment later.
            shutil.rmtree(folder, ignore_errors=True)

    @property
    def has_lock(self) -> bool:
        """Whether the module says which builds of its providers it wants."""
        return (self.module / ".terraform.lock.hcl").is_file()

    def _said(self, tool: InfrastructureDocument) -> str:
        """Where providers come from, in the tool's own words."""
        # Without a mirror, an empty one: what is built into the tool needs none.
        mirror = tool.provider_mirror or str(self._workdir / "no_providers")
        ways = [f"filesystem_mirror {{\n    path = {msgspec.json.encode(mirror).decode()}\n  }}"]
        if tool.registries:
            ways.append("direct {}")
        return "provider_installation {\n  " + "\n  ".join(ways) + "\n}\n"


def _unpack(archive_path: Path, folder: Path) -> None:
    with tarfile.open(archive_path) as archive:
        for member in archive:
            target = (folder / member.name).resolve()
            content = archive.extractfile(member) if member.isfile() else None
            if content is None or not target.is_relative_to(folder.resolve()):
                raise ValueError(f"not a file of a module: {member.name[:200]!r}")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.read())
            target.chmod(member.mode & 0o700)
