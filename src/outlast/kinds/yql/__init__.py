"""YQL for DuckDB: a pure translator of a subset of YQL, and the policy for plain DuckDB SQL.

The subset is one SELECT, with any number of named expressions (`$x = ...`, `$t = (SELECT ...)`,
lambdas) before it: WHERE, GROUP BY with named keys, HAVING, ORDER BY, LIMIT and OFFSET, DISTINCT,
UNION [ALL], JOIN (INNER, LEFT, RIGHT, FULL, CROSS, SEMI and ONLY) by equality, window functions
with ROWS frames, FLATTEN LIST BY, SAMPLE, WITHOUT, CASE, CAST, LIKE, REGEXP, JSON_VALUE and
JSON_EXISTS, and the functions in the tables `FUNCTIONS` and `AGGREGATES`. Everything else is
refused by name and place. What is accepted means what YDB documents, or the query fails.
"""

from outlast.kinds.yql.plain import check_duckdb
from outlast.kinds.yql.refusal import QueryRefused
from outlast.kinds.yql.translation import translate

__all__ = ["QueryRefused", "check_duckdb", "translate"]
