"""The order of training: every sample once per pass, fair shares, and any place in it computable."""

from collections import Counter
from itertools import chain, islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.order import WINDOW, Mixture, Order, through_window


def rows(order: Order, count: int, taken: int = 0) -> list[tuple[int, int]]:
    """`count` samples of an order, as (part, place), after the first `taken`."""
    stretches = (map(tuple, stretch.rows[stretch.turns].tolist()) for stretch in order.after(taken))
    return list(islice(chain.from_iterable(stretches), count))


PARTS = st.lists(st.integers(0, 7), min_size=1, max_size=6).filter(any)


@settings(max_examples=60, deadline=None)
@given(PARTS, st.integers(1, 5), st.integers(0, 6), st.integers(0, 99))
def test_a_pass_deals_each_sample_once_in_shares_that_differ_by_one(counts: list[int], consumers: int, epoch: int, seed: int) -> None:
    orders = [Order([np.arange(n) for n in counts], seed, consumer, consumers) for consumer in range(consumers)]
    shares = [order.stretch(epoch) for order in orders]
    dealt = [tuple(row) for share in shares for row in share.rows[share.turns].tolist()]
    assert sorted(dealt) == [(part, place) for part, n in enumerate(counts) for place in range(n)]
    sizes = [len(share.turns) for share in shares]
    assert max(sizes) - min(sizes) <= 1


@settings(max_examples=60, deadline=None)
@given(PARTS, st.integers(1, 4), st.data())
def test_any_place_in_the_order_is_where_an_unbroken_reading_would_be(counts: list[int], consumers: int, data: st.DataObject) -> None:
    order = Order([np.arange(n) for n in counts], 3, data.draw(st.integers(0, consumers - 1)), consumers)
    taken = data.draw(st.integers(0, 90))
    assert rows(order, 30, taken) == rows(order, taken + 30)[taken:]


def test_consumers_stay_together_over_many_passes() -> None:
    """Seven samples for three consumers: the one with three in a pass is another one each time."""
    orders = [Order([np.arange(7)], 0, consumer, 3) for consumer in range(3)]
    taken = [sum(len(order.stretch(epoch).turns) for epoch in range(30)) for order in orders]
    assert taken == [70, 70, 70]


def test_samples_of_a_part_are_torn_apart_and_passes_differ() -> None:
    order = Order([np.arange(100)] * 10, 0)
    first, second = (order.stretch(epoch) for epoch in (0, 1))
    neighbours = np.mean(np.diff(first.rows[first.turns], axis=0)[:, 1] == 1)
    assert neighbours < 0.05 and not np.array_equal(first.rows[:, 0], second.rows[:, 0])


@given(st.integers(0, 400), st.integers(1, 50))
@settings(max_examples=30, deadline=None)
def test_the_window_never_holds_more_than_it_may(count: int, window: int) -> None:
    turns = through_window(count, window, np.random.default_rng(0))
    assert sorted(turns.tolist()) == list(range(count))
    assert all(arrival <= turn + window for turn, arrival in enumerate(turns.tolist()))
    assert WINDOW >= 64


def test_a_mixture_keeps_its_weights_and_goes_on_anywhere() -> None:
    mixture = Mixture([0.7, 0.3], seed=1)
    drawn = list(islice(mixture.after(0), 9000))
    assert abs(drawn.count(0) / 9000 - 0.7) < 0.015
    for taken in (0, 1, 4095, 4096, 8500):
        assert mixture.taken(taken) == [Counter(drawn[:taken])[0], Counter(drawn[:taken])[1]]
        assert list(islice(mixture.after(taken), 300)) == drawn[taken : taken + 300]
    assert list(islice(Mixture([0.7, 0.3], seed=1, consumer=1).after(0), 100)) != drawn[:100]


def test_nothing_to_read_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing to read"):
        Order([np.arange(0)], 0)
