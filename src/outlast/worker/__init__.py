"""The runtime: claim operations, run them on executors, turn each outcome into a transition."""

from outlast.worker.loop import Equipment, OwnPartials, Publisher, SecretSource, Stager, Worker

__all__ = ["Equipment", "OwnPartials", "Publisher", "SecretSource", "Stager", "Worker"]
