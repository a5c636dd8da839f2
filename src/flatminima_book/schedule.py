"""The order of chapters: two at a time, dependencies first, longest first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


def find_cycle(after: Mapping[str, Sequence[str]]) -> list[str]:
    """Find names that wait for each other.

    Args:
        after: For each name, those that must finish first.

    Returns:
        One cycle, its first name repeated at the end; empty when there is none.

    >>> find_cycle({"a": ["b"], "b": ["a"]})
    ['a', 'b', 'a']
    """
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return []
        for other in after.get(name, ()):
            if cycle := walk(other, [*path, name]):
                return cycle
        done.add(name)
        return []

    for name in after:
        if cycle := walk(name, []):
            return cycle
    return []


def pick(
    waiting: Sequence[str],
    finished: set[str],
    after: Mapping[str, Sequence[str]],
    seconds: Mapping[str, float],
) -> str | None:
    """Choose what to start next.

    Args:
        waiting: Names not yet started, in reading order.
        finished: Names that have finished.
        after: For each name, those that must finish first.
        seconds: Known durations; unknown counts as longest.

    Returns:
        The longest ready name, the first in reading order among equals.
    """
    ready = [n for n in waiting if all(o in finished for o in after.get(n, ()))]
    return max(ready, key=lambda n: seconds.get(n, float("inf")), default=None)


def seconds_left(
    unfinished: Sequence[str],
    seconds: Mapping[str, float],
    workers: int,
    took: Mapping[str, float],
) -> float | None:
    """Estimate the time left from the mean pace since the start.

    Args:
        unfinished: Names that are not done.
        seconds: Known durations of earlier runs.
        workers: How many run at once.
        took: Durations, in this run, of the names that are done.

    Returns:
        What the unfinished are expected to take, shared among the workers; no less
        than the longest of them. Expected is the earlier duration times the pace, that
        is, the time that everything done took now over the time that it took earlier.
        A name without an earlier duration is expected to take the mean of those done.
        None when a duration is unknown and none is done.

    >>> seconds_left(["b", "c"], {"a": 10, "b": 10, "c": 20}, 2, {"a": 5})
    10.0
    """
    both = [name for name in took if name in seconds]
    earlier = sum(seconds[name] for name in both)
    pace = sum(took[name] for name in both) / earlier if earlier > 0 else 1.0
    expected = {name: pace * seconds[name] for name in unfinished if name in seconds}
    unknown = len(unfinished) - len(expected)
    if unknown and not took:
        return None
    left = list(expected.values())
    if unknown:
        left += unknown * [sum(took.values()) / len(took)]
    return max(sum(left) / workers, max(left, default=0.0))


def run_all(
    after: Mapping[str, Sequence[str]],
    work: Callable[[str], T],
    *,
    workers: int,
    seconds: Mapping[str, float],
    finished: Callable[[str, T, list[str]], None],
    waiting_on: Callable[[list[str]], None] = lambda names: None,
    interrupted: Callable[[], None] = lambda: None,
    every: float = 20.0,
) -> dict[str, T]:
    """Run every name once; a dependency decides the order, not success.

    Args:
        after: Names in reading order, each with those that must finish first.
        work: Called with a name, in a thread.
        workers: How many run at once.
        seconds: Known durations of earlier runs.
        finished: Called here with a name, its result and the unfinished names.
        waiting_on: Called here with the running names when none has finished
            for a while.
        interrupted: Called here on Ctrl-C until the running work has ended.
        every: Seconds between such calls.

    Returns:
        Results in reading order.
    """
    waiting = list(after)
    running: dict[Future[T], str] = {}
    results: dict[str, T] = {}
    with ThreadPoolExecutor(workers) as pool:
        try:
            while waiting or running:
                while len(running) < workers:
                    name = pick(waiting, set(results), after, seconds)
                    if name is None:
                        break
                    waiting.remove(name)
                    running[pool.submit(work, name)] = name
                if not running:
                    raise ValueError(f"chapters wait for each other: {waiting}")
                done = wait(running, timeout=every, return_when=FIRST_COMPLETED).done
                if not done:
                    waiting_on(list(running.values()))
                for future in done:
                    name = running.pop(future)
                    results[name] = future.result()
                    finished(name, results[name], [*waiting, *running.values()])
        except KeyboardInterrupt:
            end = Thread(target=pool.shutdown, kwargs={"cancel_futures": True})
            end.start()
            # again and again: work that was just about to start did not hear of it
            while end.is_alive():
                interrupted()
                end.join(timeout=1)
            raise
    return {name: results[name] for name in after}
