"""Evidence: what is known of software, brought by callers and evaluated by policies."""

from outlast.resources.evidence.collecting import EvidenceCollector
from outlast.resources.evidence.library import Evidences
from outlast.resources.evidence.model import (
    EVIDENCE,
    TYPES,
    Evidence,
    EvidenceDocument,
    EvidenceProblem,
    Seen,
    as_evidence,
    evidence_document,
    find_evidence,
    find_keys,
)

__all__ = [
    "EVIDENCE",
    "TYPES",
    "Evidence",
    "EvidenceCollector",
    "EvidenceDocument",
    "EvidenceProblem",
    "Evidences",
    "Seen",
    "as_evidence",
    "evidence_document",
    "find_evidence",
    "find_keys",
]
