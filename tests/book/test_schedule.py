"""Schedule: dependencies first, longest first, every chapter once."""

import threading

import pytest

from flatminima_book.schedule import find_cycle, pick, run_all, seconds_left


def test_longest_ready_chapter_goes_first_and_unknown_counts_as_longest():
    after = {"a": [], "b": [], "c": ["a"], "d": []}
    assert pick(list(after), set(), after, {"a": 1, "b": 9, "c": 99, "d": 2}) == "b"
    assert pick(list(after), set(), after, {"a": 1, "b": 9, "d": 2}) == "b"
    assert pick(["c"], set(), after, {}) is None
    assert pick(["b", "c"], {"a"}, after, {"b": 9}) == "c"


def test_every_chapter_runs_after_its_dependencies():
    done: list[str] = []
    lock = threading.Lock()

    def work(name):
        with lock:
            return (name, tuple(done))

    def finished(name, result, unfinished):
        done.append(name)
        assert name not in unfinished

    after = {"a": ["c"], "b": [], "c": ["b"], "d": []}
    results = run_all(after, work, workers=2, seconds={}, finished=finished)
    assert list(results) == ["a", "b", "c", "d"]
    assert "c" in results["a"][1]
    assert "b" in results["c"][1]


def test_a_long_wait_is_reported():
    event = threading.Event()

    def report(names):
        assert names == ["a"]
        event.set()

    run_all(
        {"a": []},
        lambda name: event.wait(300),
        workers=1,
        seconds={},
        finished=lambda *_: None,
        waiting_on=report,
        every=0.01,
    )
    assert event.is_set()


def test_cycles_are_found_and_refused():
    after = {"a": ["b"], "b": ["c"], "c": ["b"]}
    assert find_cycle(after) == ["b", "c", "b"]
    assert find_cycle({"a": ["b"], "b": []}) == []
    with pytest.raises(ValueError, match="wait for each other"):
        run_all(after, str, workers=2, seconds={}, finished=lambda *_: None)


def test_time_left_is_shared_but_no_less_than_the_longest():
    assert seconds_left(["a", "b"], {"a": 4, "b": 6}, 2, {}) == 6
    assert seconds_left(["a", "b", "c"], {"a": 4, "b": 4, "c": 4}, 2, {}) == 6
    assert seconds_left([], {}, 2, {"a": 3}) == 0


def test_time_left_follows_the_mean_pace():
    """The last chapter alone would have it swing between 1 and 1000."""
    earlier = dict.fromkeys("abcd", 10)
    took = {"a": 1000}
    assert seconds_left(["b", "c", "d"], earlier, 1, took) == 3000
    took["b"] = 0.0
    assert seconds_left(["c", "d"], earlier, 1, took) == 1000
    took["c"] = 500
    assert seconds_left(["d"], earlier, 1, took) == 500


def test_a_chapter_without_a_duration_counts_as_the_mean_of_those_done():
    assert seconds_left(["a", "b"], {"a": 4}, 2, {}) is None
    assert seconds_left(["a", "b"], {"a": 4}, 1, {"c": 2, "d": 4}) == 4 + 3
    assert seconds_left(["a", "b"], {"a": 4, "c": 1}, 1, {"c": 2, "d": 4}) == 8 + 3


def test_a_duration_of_zero_sets_no_pace():
    assert seconds_left(["b"], {"a": 0.0, "b": 3}, 1, {"a": 5}) == 3
