"""What plain DuckDB SQL may use, as data: kinds of tree, functions and types.

The functions compute a value from their arguments alone. None of them reads a file, a setting, a
variable, the environment or the catalog, runs SQL from a string, or builds a table.
"""

from sqlglot import exp

_FUNCTIONS = """
    abs acos add any_value approx_count_distinct approx_quantile arg_max arg_max_null arg_min
    arg_min_null array_agg array_concat array_contains array_length array_slice array_to_string
    asin atan atan2 avg base64 bit_and bit_count bit_length bit_or bit_xor bool_and bool_or cbrt
    ceil ceiling char_length chr coalesce concat concat_ws contains corr cos cot count count_if
    covar_pop covar_samp cume_dist damerau_levenshtein date_diff date_part date_sub date_trunc
    datediff datepart datesub datetrunc day dayname dayofmonth dayofweek dayofyear decode
    degrees dense_rank editdist3 encode ends_with epoch epoch_ms epoch_ns epoch_us even exp
    factorial favg first first_value flatten floor fmod from_base64 from_hex from_json fsum gcd
    geomean greatest group_concat grouping hamming hash hex histogram hour if ifnull instr
    isfinite isinf isnan isodow isoyear jaccard jaro_similarity jaro_winkler_similarity json
    json_array json_array_length json_contains json_exists json_extract json_extract_path
    json_extract_path_text json_extract_string json_group_array json_group_object json_keys
    json_object json_quote json_type json_valid json_value kurtosis lag last last_day last_value
    lcase lcm lead least left len length levenshtein lgamma list list_aggregate list_any_value
    list_append list_avg list_concat list_contains list_count list_cosine_similarity
    list_distance list_distinct list_element list_extract list_filter list_has list_has_all
    list_has_any list_indexof list_inner_product list_intersect list_max list_median list_min
    list_position list_prepend list_reduce list_resize list_reverse list_reverse_sort
    list_select list_slice list_sort list_sum list_transform list_unique list_value list_where
    list_zip ln log log10 log2 lower lpad ltrim mad make_date make_time make_timestamp map
    map_contains map_entries map_extract map_from_entries map_keys map_values max max_by md5
    median microsecond millisecond min min_by minute mod mode month monthname nfc_normalize
    nth_value ntile nullif octet_length ord percent_rank pi pow power prefix printf product
    quantile quantile_cont quantile_disc quarter radians range rank regexp_escape
    regexp_extract regexp_extract_all regexp_full_match regexp_matches regexp_replace
    regexp_split_to_array regr_intercept regr_slope regr_r2 repeat replace reverse right round
    round_even row row_number rpad rtrim second sem sha1 sha256 sign sin skewness split
    split_part sqrt starts_with stddev stddev_pop stddev_samp strftime string_agg string_split
    string_split_regex string_to_array strip_accents strlen strpos strptime struct_extract
    struct_insert struct_pack substr substring substring_grapheme suffix sum sum_no_overflow tan
    time_bucket timezone to_base64 to_days to_hex to_hours to_json to_minutes to_months
    to_seconds to_timestamp to_weeks to_years translate trim trunc try_strptime typeof ucase
    unbin unhex unicode unnest upper url_decode url_encode uuid_extract_timestamp var_pop
    var_samp variance week weekday weekofyear xor year yearweek
"""

PLAIN_FUNCTIONS = frozenset(_FUNCTIONS.split())
"""The functions that plain DuckDB SQL may call."""

_QUERY_NODES = (
    *(exp.Select, exp.Union, exp.Except, exp.Intersect, exp.Subquery, exp.With, exp.CTE, exp.From),
    *(exp.Table, exp.TableAlias, exp.Join, exp.Where, exp.Group, exp.Having, exp.Qualify),
    *(exp.Order, exp.Ordered, exp.Limit, exp.Offset, exp.Distinct, exp.Star, exp.Alias),
    *(exp.Column, exp.Identifier, exp.Window, exp.WindowSpec, exp.Values, exp.Tuple, exp.Exists),
    *(exp.Filter, exp.WithinGroup, exp.IgnoreNulls, exp.RespectNulls, exp.Cube, exp.Rollup),
    *(exp.GroupingSets,),
)
_EXPRESSION_NODES = (
    *(exp.Literal, exp.Boolean, exp.Null, exp.Paren, exp.Neg, exp.Not, exp.And, exp.Or, exp.EQ),
    *(exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Add),
    *(exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod, exp.Pow, exp.DPipe, exp.BitwiseAnd),
    *(exp.BitwiseOr, exp.BitwiseNot, exp.BitwiseLeftShift, exp.BitwiseRightShift, exp.Is, exp.In),
    *(exp.Between, exp.Like, exp.ILike, exp.SimilarTo, exp.Escape, exp.Case, exp.If, exp.Cast),
    *(exp.TryCast, exp.DataType, exp.DataTypeParam, exp.Extract, exp.Interval, exp.Var, exp.Array),
    *(exp.Struct, exp.PropertyEQ, exp.Bracket, exp.Slice, exp.Dot, exp.Lambda, exp.Anonymous),
    *(exp.JSONExtract, exp.JSONExtractScalar, exp.JSONPath, exp.JSONPathRoot, exp.JSONPathKey),
    *(exp.JSONPathSubscript, exp.Any, exp.All, exp.Kwarg),
)

PLAIN_NODES = frozenset((*_QUERY_NODES, *_EXPRESSION_NODES))
"""The kinds of tree that plain DuckDB SQL may consist of."""

PLAIN_PARTS_REFUSED: dict[type[exp.Expr], tuple[str, ...]] = {
    exp.Select: ("into", "locks", "hint", "sample", "pivots", "laterals", "kind", "settings"),
    exp.Table: ("pivots", "hints", "version", "format", "pattern", "ordinality", "when", "only"),
    exp.Subquery: ("pivots", "with_", "sample"),
    exp.Join: ("method", "hint", "global_", "match_condition"),
    exp.CTE: ("scalar",),
}
"""The parts of an allowed tree that are still refused."""

_TYPES = exp.DType
PLAIN_TYPES = frozenset(
    {
        *(_TYPES.BOOLEAN, _TYPES.TINYINT, _TYPES.SMALLINT, _TYPES.INT, _TYPES.BIGINT),
        *(_TYPES.INT128, _TYPES.UTINYINT, _TYPES.USMALLINT, _TYPES.UINT, _TYPES.UBIGINT),
        *(_TYPES.FLOAT, _TYPES.DOUBLE, _TYPES.DECIMAL, _TYPES.TEXT, _TYPES.VARCHAR, _TYPES.CHAR),
        *(_TYPES.BLOB, _TYPES.VARBINARY, _TYPES.DATE, _TYPES.TIME, _TYPES.TIMESTAMP),
        *(_TYPES.TIMESTAMPTZ, _TYPES.TIMESTAMP_S, _TYPES.TIMESTAMP_MS, _TYPES.TIMESTAMP_NS),
        *(_TYPES.INTERVAL, _TYPES.JSON, _TYPES.UUID, _TYPES.LIST, _TYPES.ARRAY, _TYPES.STRUCT),
        *(_TYPES.MAP, _TYPES.DATETIME, _TYPES.BIT),
    }
)
"""The types that plain DuckDB SQL may cast to."""
