"""Operations as the Chainloop dialect shows them, one of its own kind and one of another's."""

from outlast.testing.dialect_contract import Example

EVIDENCE = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
EXAMPLES = {
    "evidence_evaluation": Example(
        spec={"evidence": EVIDENCE, "policies": ["licences"]},
        result={"summary": {"status": "passed", "passed": 1}, "cached": False},
    ),
    "sql_query": Example(spec={"query": "SELECT 1"}, result={"rows": 1}),
}
RESOURCES = {"evidence_evaluation": ("evidence", EVIDENCE)}
