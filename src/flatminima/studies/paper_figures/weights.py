"""What the first layers behind the figures of the paper look like at the end.

They are those of the longer runs: committed ones, else those of the build.
"""

from collections.abc import Iterable

import pandas as pd

from flatminima.results.reading import Committed
from flatminima.sources.wen_li_ma import FIGURES, figures
from flatminima.statistics.intervals import mean_interval
from flatminima.studies.paper_figures import units
from flatminima.studies.paper_figures.runs import FigureRuns, committed_runs, longest
from flatminima.sweeps.table import SEEDS

FIRST_LAYER = {
    "alignment": "cosine, 4 largest units",
    "share_4": "share on x1 and x2, 4 largest units",
    "share_all": "share on x1 and x2, all units",
}
"""What `first_layers` shows of `alignment.summary`, and what it calls it."""


def ends(shown: FigureRuns) -> pd.DataFrame:
    """The ends of the longer runs of a figure, with what their weights say.

    Returns:
        As from `alignment.alignments`: a row a seed.
    """
    if shown.committed:
        return shown.paper[shown.paper["last"]].reset_index(drop=True)
    return units.alignments(shown.config, _seeds(shown))


def largest_units(shown: FigureRuns, paper: Committed) -> pd.DataFrame:
    """The four largest units of one run of a figure, the first of the longer ones.

    Args:
        shown: the figure.
        paper: the committed runs among which its own are.

    Returns:
        As from `alignment.largest_units`.
    """
    if not shown.committed:
        return units.largest_units(shown.config.with_seeds(*_seeds(shown)[0]))
    row, _ = longest(paper, shown.config)[0]
    return units.unit_frame(
        {name: kept for name, kept in row["summary"].items() if isinstance(kept, list)}
    )


def _seeds(shown: FigureRuns) -> list[tuple[int, int]]:
    """The pairs of seeds of the runs of this build, in their order."""
    ends = shown.quick.loc[shown.quick["last"], SEEDS]
    return [(int(data), int(init)) for data, init in ends.to_numpy()]


def first_layers(papers: Iterable[Committed]) -> pd.DataFrame:
    """What the first layers of all committed figures look at.

    Args:
        papers: committed runs.

    Returns:
        A row for each of `recipes.FIGURES` that has runs of the source's size among
        them: its setting, the mean over seeds of what says whether it generalises,
        the means of three entries of `alignment.summary`, and the number of seeds.
    """
    papers = list(papers)
    rows = {}
    for name, config in figures(list(FIGURES)).items():
        for table in (committed_runs(paper, config) for paper in papers):
            if table.empty:
                continue
            shown = FigureRuns(name, config, table, table)
            metrics = [shown.metric, *FIRST_LAYER]
            means = [mean_interval(table, metric)[0] for metric in metrics]
            rows[name] = [shown.setting, *means, int(table["last"].sum())]
    columns = ["setting", "accuracy or R²", *FIRST_LAYER.values(), "seeds"]
    found = pd.DataFrame.from_dict(rows, "index", columns=columns)
    return found.rename_axis("figure")
