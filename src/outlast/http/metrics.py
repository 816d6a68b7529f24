"""Numbers for Prometheus, in its text format."""

from bisect import bisect_left
from collections.abc import Callable, Mapping
from typing import Final

BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
MEDIA: Final = b"text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """What one server has counted since it started."""

    def __init__(self, gauges: Mapping[str, tuple[str, Callable[[], float]]]) -> None:
        """`gauges` are further numbers by name: what each says, and how to read it."""
        self._gauges = gauges
        self._requests: dict[tuple[str, str, int], int] = {}
        self._buckets = [0] * (len(BUCKETS) + 1)
        self._seconds = 0.0
        self._created: dict[tuple[str, str], int] = {}

    def count_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request has been answered."""
        key = (method, route, status)
        self._requests[key] = self._requests.get(key, 0) + 1
        self._buckets[bisect_left(BUCKETS, seconds)] += 1
        self._seconds += seconds

    def count_created(self, kind: str, *, is_new: bool) -> None:
        """An operation has been created, or an earlier one was the answer."""
        key = (kind, "created" if is_new else "replayed")
        self._created[key] = self._created.get(key, 0) + 1

    def render(self) -> bytes:
        """All numbers in the text format."""
        lines: list[str] = []
        _head(lines, "outlast_http_requests_total", "counter", "Requests answered.")
        for (method, route, status), count in sorted(self._requests.items()):
            labels = _labels(method=method, route=route, status=str(status))
            lines.append(f"outlast_http_requests_total{labels} {count}")
        self._render_seconds(lines)
        _head(lines, "outlast_operations_submitted_total", "counter", "Submissions accepted.")
        for (kind, outcome), count in sorted(self._created.items()):
            labels = _labels(kind=kind, outcome=outcome)
            lines.append(f"outlast_operations_submitted_total{labels} {count}")
        for name, (says, read) in self._gauges.items():
            _head(lines, name, "gauge", says)
            lines.append(f"{name} {read():g}")
        return "\n".join(lines).encode() + b"\n"

    def _render_seconds(self, lines: list[str]) -> None:
        name = "outlast_http_request_seconds"
        _head(lines, name, "histogram", "How long requests took, waiting included.")
        total = 0
        for limit, count in zip((*BUCKETS, float("inf")), self._buckets, strict=True):
            total += count
            labels = _labels(le="+Inf" if limit == float("inf") else f"{limit:g}")
            lines.append(f"{name}_bucket{labels} {total}")
        lines.extend((f"{name}_sum {self._seconds:.6f}", f"{name}_count {total}"))


def _head(lines: list[str], name: str, type: str, says: str) -> None:
    lines.extend((f"# HELP {name} {says}", f"# TYPE {name} {type}"))


def _labels(**labels: str) -> str:
    return "{" + ",".join(f'{name}="{_escape(text)}"' for name, text in labels.items()) + "}"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
