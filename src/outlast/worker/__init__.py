"""The runtime: claim operations, run them on executors, turn each outcome into a transition."""

from outlast.worker.loop import Publisher, Stager, Worker

__all__ = ["Publisher", "Stager", "Worker"]
