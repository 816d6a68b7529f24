"""Attempts on the nodes of a Ray cluster.

The worker (`attempt`) speaks through a pipe of two methods (`relay`, an actor of Ray's) with a host
process on the node (`host`), which runs one attempt just as a worker runs its own: with a guard.
"""

from outlast.executors.ray.cluster import RayCluster, check_installed
from outlast.executors.ray.executor import Place, RayExecutor

__all__ = ["Place", "RayCluster", "RayExecutor", "check_installed"]
