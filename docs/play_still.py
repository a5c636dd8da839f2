"""Draw `book/_static/play/still.svg`, what the page `play` shows without scripts.

It is the first setting of the page, trained by the engine itself, and takes a few
seconds. What `book/play.md` says of the picture, to those who cannot see it, is checked
against the runs. Call it from anywhere:

    .venv/bin/python docs/play_still.py
"""

import sys
from pathlib import Path

from matplotlib import pyplot as plt

from flatminima.plots.style import WIDTH, use_style
from flatminima.runs import loop
from flatminima.runs.mlp import measures
from flatminima.runs.mlp.config import Config
from flatminima.runs.mlp.train import advance, start
from flatminima_book.live.settings import fields, presets

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "book" / "_static" / "play" / "still.svg"
STYLES = {"a": ("#0173b2", "-"), "b": ("#b35900", (0, (4, 2)))}
"""Of the two runs, as in `play.css`."""


FLAT = 1.1
"""Trace over bound up to which the words say that it falls to the bound."""
RIGHT, WRONG = 0.99, 0.9
"""Test accuracy at the top, and that of a curve which stays below."""


def check_words(ends: dict[str, tuple[float, float]]) -> None:
    """Refuse runs that end otherwise than the picture's alternative text says.

    Args:
        ends: test accuracy and trace over bound at the end of either run.

    Raises:
        ValueError: Naming what they end at.
    """
    (solid, _), (dashed, _) = ends["a"], ends["b"]
    flat = all(ratio <= FLAT for _, ratio in ends.values())
    if not (flat and solid < WRONG and dashed >= RIGHT):
        raise ValueError(f"the runs end at {ends}: rewrite the alt text in play.md")


def curve(run: Config) -> tuple[list[int], list[float], list[float]]:
    """Steps, test accuracy and trace over bound of a run."""
    state = start(run)
    steps, accuracy, ratio = [], [], []
    for step in loop.spaced(run.num_steps, 40, ()):
        if step > state.step:
            state = advance(state, run, int(step) - state.step)
            row = measures.measure(run, state)
            steps.append(int(step))
            accuracy.append(row["test_accuracy"])
            ratio.append(row["trace"] / row["bound_outputs"])
    return steps, accuracy, ratio


def main() -> None:
    """Train both runs of the first setting and draw them."""
    use_style()
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.0))
    first = presets(ROOT)[0]
    ends = {}
    for name, (colour, style) in STYLES.items():
        run = Config(**fields(first["shared"], first[name]))
        steps, accuracy, ratio = curve(run)
        ends[name] = (accuracy[-1], ratio[-1])
        label = f"start × {first[name]['scale']:g}"
        for axis, values in zip(axes, (accuracy, ratio), strict=True):
            axis.plot(steps, values, color=colour, ls=style, label=label)
    check_words(ends)
    axes[0].set(title="test accuracy", ylim=(0.4, 1.03))
    axes[1].set(title="trace / bound", yscale="log")
    axes[1].axhline(1, color="0.3", lw=0.8, ls=":")
    for axis in axes:
        axis.set(xscale="log", xlabel="steps")
    axes[0].legend()
    figure.savefig(TARGET, metadata={"Date": None, "Creator": None})
    print(f"made {TARGET.relative_to(ROOT)}", file=sys.stderr)


if __name__ == "__main__":
    main()
