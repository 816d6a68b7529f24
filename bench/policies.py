"""How long it takes to hold an SBOM to policies, in the process that an attempt has for it.

    .venv/bin/python bench/policies.py [COMPONENTS ...]

One policy in Rego and one in CEL ask the same of every component, then all built-in ones; each in a
fork, as in an evaluation. What is told is the seconds of the processor.
"""

import json
import resource
import sys

from outlast.resources.evidence.recognition import recognise
from outlast.resources.policies import evaluating
from outlast.resources.policies.builtin import load_builtin_policies
from outlast.resources.policies.format import PolicyDocument, Rule
from outlast.resources.policies.verdicts import Seen

REGO = PolicyDocument(
    name="rego",
    language="rego",
    source="""package licenses

result := {"violations": [violation |
    component := input.components[i]
    some one in component.licenses
    one.license.id == "GPL-3.0-only"
    violation := {"message": component.name, "path": ["components", i]}
]}""",
)
CEL = PolicyDocument(
    name="cel",
    language="cel",
    rules=(
        Rule(
            each="input.components",
            check="!item.licenses.exists(one, one.license.id == 'GPL-3.0-only')",
            message_expression="item.name",
        ),
    ),
)


def sbom(components: int) -> bytes:
    """An SBOM with so many components, every seventh under the GPL."""
    return json.dumps(
        {
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "version": 1,
            "components": [
                {
                    "type": "library",
                    "name": f"library-{number}",
                    "version": f"1.{number}.0",
                    "purl": f"pkg:pypi/library-{number}@1.{number}.0",
                    "hashes": [{"alg": "SHA-256", "content": f"{number:064x}"}],
                    "licenses": [{"license": {"id": "MIT" if number % 7 else "GPL-3.0-only"}}],
                }
                for number in range(components)
            ],
        },
        indent=1,
    ).encode()


def _used() -> float:
    """The seconds of the processor that this process and its forks have had."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def main() -> None:
    """Measure and print."""
    sizes = [int(one) for one in sys.argv[1:]] or [500, 5000]
    builtin = [one for one in load_builtin_policies().values() if one.name != "tests_pass"]
    for size in sizes:
        content = sbom(size)
        began = _used()
        found = recognise(content)
        evidence = found.metadata()
        print(f"{size} components, {len(content) / 1e6:.1f} MB")
        print(f"  read and held to its schema  {_used() - began:6.2f} s")
        for name, policies in (("Rego", [REGO]), ("CEL", [CEL]), ("all built-in", builtin)):
            began = _used()
            total = 0
            for policy in policies:
                seen = Seen(document=found.document, args=policy.args, evidence=evidence)
                verdict = evaluating.judge(policy, seen, seconds=600)
                assert verdict.error is None, verdict.error
                total += verdict.total
            took = _used() - began
            print(f"  {name:<28} {took:6.2f} s, {total} violations")


if __name__ == "__main__":
    main()
