"""The composition root: the only room that names an adapter or lists the kinds."""

import os

from outlast.app.foundation import open_store
from outlast.app.infrastructure import find_program
from outlast.app.moving import export, import_, upgrade, upgrades
from outlast.app.objects import try_objects
from outlast.app.serving import ROOT, Started, serve
from outlast.app.working import work
from outlast.engine import Principal
from outlast.executors.probing import SandboxReport, probe

__all__ = [
    "Started",
    "export",
    "find_program",
    "import_",
    "open_store",
    "root_principal",
    "sandbox_report",
    "serve",
    "try_objects",
    "upgrade",
    "upgrades",
    "work",
]


def sandbox_report() -> SandboxReport:
    """Which sandbox holds on this machine. It is tried, not guessed."""
    return probe(os.environ)


def root_principal() -> Principal:
    """Whoever has access to the data folder: allowed everything."""
    return ROOT
