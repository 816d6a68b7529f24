"""Stacks on the wire, and the networks and clusters that are stacks."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from outlast.dialects.lakesail.connections import Connection
from outlast.dialects.lakesail.ids import ResourceId
from outlast.dialects.lakesail.operations import Included, Instant, LakeSailOperation

STATUSES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "deploying": "provisioning",
        "ready": "active",
        "failed": "failed",
        "destroying": "deleting",
    }
)
"""What the status of a stack is called."""


class Change(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What shall be different. What is not named stays; a variable that is null is taken away.

    `planOnly`: nothing is changed, and the operation that is answered tells what would be.
    """

    secret_variables: Mapping[str, Any] = {}
    connection_id: str | None = None
    plan_only: bool = False


class UpdateStackRequest(Change, frozen=True, kw_only=True, rename="camel"):
    """What a stack shall be changed to."""

    variables: Mapping[str, Any] = {}


class CreateStackRequest(UpdateStackRequest, frozen=True, kw_only=True, rename="camel"):
    """A stack to make of a module, or of the one that is bound to the word `stack`."""

    name: str
    module: str | None = None


class UpdateNetworkRequest(Change, frozen=True, kw_only=True, rename="camel"):
    """What a network or a cluster shall be changed to; `config` are variables of its module."""

    config: Mapping[str, Any] = {}


class CreateNetworkRequest(UpdateNetworkRequest, frozen=True, kw_only=True, rename="camel"):
    """A network to make."""

    name: str
    region: str | None = None
    module: str | None = None


class CreateClusterRequest(CreateNetworkRequest, frozen=True, kw_only=True, rename="camel"):
    """A cluster to make."""

    network_id: str | None = None


class IacState(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Of what module it is, and its name."""

    project_name: str
    stack_name: str


class Made(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What stacks, networks and clusters have in common."""

    id: ResourceId
    name: str
    connection_id: ResourceId | UnsetType = UNSET
    secret_variable_names: Sequence[str]
    iac_state: IacState
    iac_outputs: Mapping[str, str]
    status_message: str | UnsetType = UNSET
    operation_id: ResourceId
    created_at: Instant
    created_by: ResourceId
    updated_at: Instant


class Stack(Made, frozen=True, kw_only=True, rename="camel"):
    """A module that was deployed."""

    variables: Mapping[str, Any]
    resources: int
    status: str


class Network(Made, frozen=True, kw_only=True, rename="camel"):
    """A network."""

    region: str | UnsetType = UNSET
    provider_network_id: str | UnsetType = UNSET
    config: Mapping[str, Any]
    status: str


class Cluster(Made, frozen=True, kw_only=True, rename="camel"):
    """A cluster. What was made for it has its own id, which is the same here."""

    external_cluster_id: ResourceId
    region: str | UnsetType = UNSET
    network_id: ResourceId | UnsetType = UNSET
    config: Mapping[str, Any]
    external_status: str


class StackList(msgspec.Struct, frozen=True, kw_only=True):
    """Stacks, newest first, and what they name. A `marker` is there if there are more."""

    items: Sequence[Stack]
    included: Included
    marker: str | UnsetType = UNSET


class NetworkList(msgspec.Struct, frozen=True, kw_only=True):
    """Networks, newest first, and what they name. A `marker` is there if there are more."""

    items: Sequence[Network]
    included: Included
    marker: str | UnsetType = UNSET


class ClusterList(msgspec.Struct, frozen=True, kw_only=True):
    """Clusters, newest first, and what they name. A `marker` is there if there are more."""

    items: Sequence[Cluster]
    included: Included
    marker: str | UnsetType = UNSET


class ClusterReference(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Which cluster."""

    id: ResourceId
    external_cluster_id: ResourceId
    connection_id: ResourceId | UnsetType = UNSET


class IncludedWithClusters(msgspec.Struct, frozen=True, kw_only=True):
    """What references name."""

    clusters: Sequence[Cluster]
    connections: Sequence[Connection]
    operations: Sequence[LakeSailOperation]


class MyClusters(msgspec.Struct, frozen=True, kw_only=True):
    """A page of clusters, and how many there are."""

    total: int
    items: Sequence[ClusterReference]
    included: IncludedWithClusters


def show_output(value: Any) -> str:
    """An output as the text that the wire has room for: texts as they are, else as JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
