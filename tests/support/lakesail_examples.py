"""Operations as the LakeSail dialect shows them, one for each word that it has of its own."""

from outlast.operations.progress import Report, ResourceProgress
from outlast.testing.dialect_contract import Example

STACK = "06A1B2C3D4E5F6G7H8J9"
DISCOVERED = {
    "items": [
        {
            "provider": "aws",
            "instance_type": "m5.large",
            "vcpus": 2,
            "memory_mib": 8192,
            "architecture": "x86_64",
            "gpu_count": 0,
            "instance_family": "m5",
            "max_pods": 29,
            "group": "general",
            "allocatable_milli_cpu": 1930,
        }
    ],
    "metadata": {
        "provider": "aws",
        "system_pods_per_node": 4,
        "system_pods_per_system_node": 2,
        "system_pods_fixed": 9,
        "system_pods_per_node_margin": 1,
        "system_pods_fixed_margin": 2,
        "system_milli_cpu_per_node": 200,
        "system_milli_cpu_fixed": 900,
        "karpenter_milli_cpu_per_replica": 500,
        "karpenter_replicas": 2,
    },
}
EXAMPLES = {
    "deploy": Example(spec={"stack": STACK, "variables": {"nodes": 3}}, result={"outputs": {}}),
    "destroy": Example(spec={"stack": STACK}),
    "discover_instance_types": Example(spec={"provider": "aws"}, result=DISCOVERED),
    "sql_query": Example(spec={"query": "SELECT 1"}, result={"rows": 1}),
    "add": Example(spec={"a": 1, "b": 2}, result=3),
}
RESOURCES = {"deploy": ("stack", STACK), "destroy": ("cluster", STACK)}
"""What the operations of a kind work on."""

REPORTS = {
    "deploy": Report(
        stage="apply",
        message="3 of 5 resources",
        resources=[
            ResourceProgress(
                urn=f"urn:outlast:{STACK}::{type}::{name}",
                type=type,
                name=name,
                operation=operation,
                status=status,
                duration_seconds=seconds,
            )
            for type, name, operation, status, seconds in (
                ("folder", "root", "same", "unchanged", None),
                ("database", "orders", "create", "succeeded", 2.25),
                ("database", "old", "delete", "failed", 1.0),
                ("process", "web", "replace", "running", 0.5),
                ("process", "web-2", "create", "pending", None),
            )
        ],
    ),
    "sql_query": Report(done=12_345, total=30_000, unit="rows", stage="running"),
}
"""What the operations of a kind have said of their progress."""
