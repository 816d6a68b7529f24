"""Each statement outside of the subset is refused, with the construct named and its place."""

import pytest
from yql_refusals import REFUSALS, Refusal

from outlast.kinds.yql import QueryRefused, translate


@pytest.mark.parametrize("refusal", [pytest.param(case, id=case.says) for case in REFUSALS])
def test_refuses(refusal: Refusal):
    with pytest.raises(QueryRefused) as caught:
        translate(refusal.query, 2)
    assert caught.value.construct == refusal.construct
    assert (caught.value.line, caught.value.column) == (refusal.line, refusal.column)
    assert caught.value.message.startswith("YQL subset: ")
    assert refusal.construct in caught.value.message
    assert str(caught.value) == caught.value.message
