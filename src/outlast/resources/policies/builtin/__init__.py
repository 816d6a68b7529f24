"""The policies that every installation has: a file each beside this one, in TOML."""

from collections.abc import Mapping
from importlib import resources

from outlast.resources.policies.format import PolicyDocument, check_policy, read_policy


def load_builtin_policies() -> Mapping[str, PolicyDocument]:
    """Read the built-in policies: by name, each with its version."""
    found: dict[str, PolicyDocument] = {}
    files = [one for one in resources.files(__package__).iterdir() if one.name.endswith(".toml")]
    for file in sorted(files, key=lambda one: one.name):
        policy = read_policy(file.read_bytes(), is_toml=True)
        check_policy(policy)
        if f"{policy.name}.toml" != file.name or policy.version is None or policy.version < 1:
            raise ValueError(f"{file.name} needs the name of its policy, and a version")
        found[policy.name] = policy
    return found
