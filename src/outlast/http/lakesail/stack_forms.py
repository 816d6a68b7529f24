"""What stacks of each word look like on the wire: stacks themselves, networks and clusters."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from outlast.dialects.lakesail.names import deployment_path
from outlast.dialects.lakesail.stacks import (
    Cluster,
    ClusterList,
    CreateClusterRequest,
    CreateNetworkRequest,
    CreateStackRequest,
    Network,
    NetworkList,
    StackList,
    UpdateNetworkRequest,
    UpdateStackRequest,
)
from outlast.dialects.lakesail.stacks import Stack as ShownStack
from outlast.http.lakesail.answering import BASE
from outlast.http.lakesail.including import NamedOperations
from outlast.http.lakesail.stack_views import show_cluster, show_network, show_stack
from outlast.resources.stacks import Stack, Word


@dataclass(frozen=True, kw_only=True)
class Form:
    """What stacks of a word look like on the wire."""

    word: Word
    create: type[CreateStackRequest | CreateNetworkRequest]
    update: type[UpdateStackRequest | UpdateNetworkRequest]
    shown: type[ShownStack | Network | Cluster]
    listed: type[StackList | NetworkList | ClusterList]
    show: Callable[[Stack, NamedOperations], ShownStack | Network | Cluster]

    @property
    def path(self) -> str:
        """Where they are."""
        return f"{BASE}/infra/{self.word}s"

    def wire_path(self, path: str) -> str:
        """What a field of a spec is called in a request."""
        return deployment_path(path, self.word)


STACKS: Final = Form(
    word="stack",
    create=CreateStackRequest,
    update=UpdateStackRequest,
    shown=ShownStack,
    listed=StackList,
    show=show_stack,
)
NETWORKS: Final = Form(
    word="network",
    create=CreateNetworkRequest,
    update=UpdateNetworkRequest,
    shown=Network,
    listed=NetworkList,
    show=show_network,
)
CLUSTERS: Final = Form(
    word="cluster",
    create=CreateClusterRequest,
    update=UpdateNetworkRequest,
    shown=Cluster,
    listed=ClusterList,
    show=show_cluster,
)
