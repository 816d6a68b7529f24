import math

from outlast.worker.served import FADE_SECONDS, Served


def test_a_start_counts_as_one_and_fades():
    served = Served()
    served.add("a", 100.0)
    served.add("a", 100.0)
    served.add("b", 100.0)
    assert served.until(100.0) == {"a": 2, "b": 1}
    faded = served.until(100.0 + FADE_SECONDS)
    assert math.isclose(faded["a"], 2 / math.e)
    assert math.isclose(faded["b"], 1 / math.e)


def test_at_a_steady_pace_the_count_is_what_began_in_the_time_that_it_fades():
    served = Served()
    for number in range(10_000):
        served.add("a", number / 100)
    assert math.isclose(served.until(100.0)["a"], 100 * FADE_SECONDS, rel_tol=0.01)


def test_a_tenant_that_had_nothing_for_long_is_forgotten():
    served = Served()
    served.add("a", 0.0)
    assert served.until(20 * FADE_SECONDS) == {}
