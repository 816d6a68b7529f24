"""How large a query may be. Whatever is larger is refused before it can cost time or stack."""

from collections.abc import Callable

from sqlglot import exp

QUERY_BYTES_MAX = 64 * 1024
TOKENS_MAX = 12_000
STATEMENTS_MAX = 100
STRING_BYTES_MAX = 16 * 1024
NUMBER_CHARACTERS_MAX = 64
BRACKETS_MAX = 32
NODES_MAX = 20_000
DEPTH_MAX = 150
OUTPUT_CHARACTERS_MAX = 1024 * 1024

Refuse = Callable[[str, str], Exception]


def check_query_size(query: str, refuse: Refuse) -> None:
    """Refuse text that is too long, or that UTF-8 cannot carry."""
    if len(query) > QUERY_BYTES_MAX:
        raise refuse("query", f"is longer than {QUERY_BYTES_MAX} bytes: shorten it")
    try:
        size = len(query.encode())
    except UnicodeEncodeError:
        raise refuse("query", "holds a lone surrogate, which UTF-8 cannot carry") from None
    if size > QUERY_BYTES_MAX:
        raise refuse("query", f"is longer than {QUERY_BYTES_MAX} bytes: shorten it")


def check_tree(root: exp.Expr, refuse: Refuse) -> None:
    """Refuse a tree with too many nodes or too many levels; never recurses itself."""
    level, depth, nodes = [root], 0, 0
    while level:
        depth += 1
        nodes += len(level)
        if depth > DEPTH_MAX:
            raise refuse("expression", f"is nested more than {DEPTH_MAX} deep: simplify it")
        if nodes > NODES_MAX:
            raise refuse("query", f"has more than {NODES_MAX} parts: split it up")
        level = [child for node in level for child in node.iter_expressions()]


def check_output(sql: str, refuse: Refuse) -> None:
    """Refuse a query whose named expressions multiply into too much SQL."""
    if len(sql) > OUTPUT_CHARACTERS_MAX:
        raise refuse("named expression", "repeats itself into too much SQL: use it fewer times")
