"""How bad something is, in one set of words."""

from collections.abc import Iterable
from typing import Final

SEVERITIES: Final = ("critical", "high", "medium", "low", "info", "none", "unknown")
_SCORES: Final = ((9.0, "critical"), (7.0, "high"), (4.0, "medium"), (0.1, "low"), (0.0, "none"))


def severity_of_score(score: float | None) -> str:
    """What a score of CVSS, from 0 to 10, means."""
    if score is None:
        return "unknown"
    return next((word for least, word in _SCORES if score >= least), "unknown")


def worst(words: Iterable[str]) -> str:
    """The worst of some severities, `unknown` where there is none."""
    known = [SEVERITIES.index(word) for word in words if word in SEVERITIES]
    return SEVERITIES[min(known)] if known else "unknown"
