# SPDX-License-Identifier: Apache-2.0
"""The number that a selector names is found on a page, and nothing but the two answers comes of bad ones."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.errors import JepaError
from jepa.signals.exposition import Extractor, parse_selector, samples
from jepa.signals.signal import NoNews, Unreachable


def page(*counts: int) -> bytes:
    bounds = ("0.1", "0.5", "1", "+Inf")
    rows = [f'request_seconds_bucket{{le="{b}"}} {n}' for b, n in zip(bounds, counts, strict=True)]
    return "\n".join(["# TYPE request_seconds histogram", *rows, "request_seconds_count 1", ""]).encode()


def read(selector: str, *pages: bytes) -> float:
    extractor = Extractor(parse_selector(selector))
    for at, each in enumerate(pages[:-1]):
        with contextlib.suppress(NoNews):
            extractor.read(each, float(at))
    return extractor.read(pages[-1], float(len(pages) - 1))


def test_a_quantile_of_a_histogram_is_of_what_was_counted_since() -> None:
    before, now = page(1000, 1000, 1000, 1000), page(1050, 1090, 1100, 1100)
    assert read("request_seconds:p50", before, now) == pytest.approx(0.1)
    assert read("request_seconds:p90", before, now) == pytest.approx(0.5)
    assert read("request_seconds:p95", before, now) == pytest.approx(0.75)


def test_what_lies_beyond_the_last_bound_is_that_bound() -> None:
    assert read("request_seconds:p99", page(0, 0, 0, 0), page(0, 0, 0, 10)) == 1.0


def test_the_window_forgets() -> None:
    fast = [page(10 * n, 10 * n, 10 * n, 10 * n) for n in range(1, 21)]
    slow = [page(200, 200, 200 + 10 * n, 200 + 10 * n) for n in range(1, 12)]
    assert read("request_seconds:p50", *fast) < 0.1
    assert read("request_seconds:p50", *fast, *slow) > 0.5


def test_a_program_that_was_started_anew_is_counted_from_there() -> None:
    with pytest.raises(NoNews):
        read("request_seconds:p50", page(9, 9, 9, 9), page(0, 0, 0, 0))
    assert read("request_seconds:p50", page(9, 9, 9, 9), page(0, 0, 0, 0), page(0, 2, 2, 2)) > 0.1


def test_nothing_counted_is_no_number() -> None:
    with pytest.raises(NoNews, match="nothing was counted"):
        read("request_seconds:p99", page(5, 5, 5, 5), page(5, 5, 5, 5))


def test_a_summary_gives_its_own_quantile() -> None:
    text = (
        b'# TYPE rpc summary\nrpc{quantile="0.5"} 1\nrpc{quantile="0.99"} 7.5e-1 1700000000000\nrpc_sum 8\n'
    )
    assert read("rpc:p99", text) == 0.75
    with pytest.raises(Unreachable, match="no such number"):
        read("rpc:p90", text)


def test_a_gauge_is_itself_and_a_counter_its_rate() -> None:
    assert read("queue", b"# TYPE queue gauge\nqueue 12\nqueue_other 3\n") == 12
    text = '# TYPE hits counter\nhits{{path="/"}} {}\nhits{{path="/x"}} 5\n'
    assert read("hits", *(text.format(n).encode() for n in (0, 20, 40))) == 20.0
    assert read("jobs_total", b"jobs_total 3\n", b"jobs_total 3\n") == 0.0


def test_labels_choose_and_more_than_one_series_is_not_guessed() -> None:
    text = b'temp{room="a\\"b}",floor="1"} 20\ntemp{room="c",floor="1"} 22\n'
    assert read('temp{room="c"}', text) == 22
    assert next(samples(text, "temp"))[0]["room"] == 'a"b}'
    with pytest.raises(Unreachable, match="2 series"):
        read('temp{floor="1"}', text)


@pytest.mark.parametrize(
    "bad", [b"queue", b"queue x\n", b"queue{ 1\n", b'queue{a="1} 2\n', b"queue 1_0\n", b""]
)
def test_a_page_that_cannot_be_read_is_said_so(bad: bytes) -> None:
    with pytest.raises(Unreachable):
        read("queue", bad)


@pytest.mark.parametrize(
    "bad", ["", "9x", "a:p", "a:p100", "a:q9", "a{b}", 'a{b="c"', "a b", 'a{b="c"}}:p9']
)
def test_a_selector_that_selects_nothing_is_refused(bad: str) -> None:
    with pytest.raises(JepaError):
        parse_selector(bad)


LINES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([b"# TYPE m histogram", b"# TYPE m summary", b"# TYPE m counter", b"m", b"m{", b"m 1"]),
    st.tuples(
        st.sampled_from([b"m", b"m_bucket"]),
        st.sampled_from(
            [b"", b"{}", b'{le="1"}', b'{le="+Inf"}', b'{le="nan"}', b'{quantile="0.99"}', b'{le="']
        ),
        st.sampled_from([b" 1", b" NaN", b" -Inf", b" 1e400", b" 0x1", b" 5 7", b"  ", b" \xff"]),
    ).map(b"".join),
)


@given(st.lists(st.lists(LINES, max_size=8).map(b"\n".join), min_size=1, max_size=4), st.booleans())
def test_whatever_a_page_holds_there_is_a_number_or_one_of_two_answers(
    pages: list[bytes], p99: bool
) -> None:
    extractor = Extractor(parse_selector("m:p99" if p99 else "m"))
    for at, each in enumerate(pages):
        with contextlib.suppress(NoNews, Unreachable):
            assert isinstance(extractor.read(each, float(at)), float)


@given(st.text(max_size=60))
def test_whatever_a_selector_is_it_is_taken_or_refused(text: str) -> None:
    with contextlib.suppress(JepaError):
        parse_selector(text)
