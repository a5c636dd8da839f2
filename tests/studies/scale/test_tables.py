"""Tables of costs, on measurements made by hand."""

import pytest

from flatminima.studies.scale import tables
from tests.measured import costs


@pytest.fixture
def measured(tmp_path):
    return costs(tmp_path)


def test_growth(measured):
    table = tables.growth(measured)
    assert table.loc[("num_steps", "one")].tolist() == pytest.approx([0.5, 20, 0])
    assert table.loc[("num_steps", "full")].tolist() == pytest.approx([0, 1000, 0])
    assert table.loc[("width", "one")].tolist() == pytest.approx([0.1, 1000, 0])
    assert table.loc[("d", "one")].tolist() == pytest.approx([0.1, 10_000, 0])


def test_overheads_beside_their_bars(measured):
    table = tables.overheads(measured)
    assert table["overhead, ms"].tolist() == pytest.approx([4, 6, 8, 22])
    assert table["bar, ms"].tolist() == pytest.approx([5, 5, 20, 20])
    assert table["bar met"].tolist() == ["yes", "no", "yes", "no"]


def test_speed_ups_beside_their_bar(measured):
    table = tables.speed_ups(measured)
    assert list(table.index.unique("kind")) == ["training", "measuring"]
    assert table["speed-up"].to_dict() == pytest.approx(
        {
            ("training", "threads"): 2.0,
            ("training", "processes"): 1.6,
            ("training", "dask"): 2.0,
            ("measuring", "threads"): 1.0,
            ("measuring", "processes"): 2.0,
            ("measuring", "dask"): 1.25,
        }
    )
    met = table["bar met"] == "yes"
    assert (met == (table["speed-up"] > 1.9)).all()
    assert list(table.columns[:2]) == ["1 worker, s", "2 workers, s"]


def test_better_place(measured):
    table = tables.better_place(measured)
    assert table["faster"].to_dict() == {
        "training": "threads",
        "measuring": "processes",
    }
    assert table["the other, times"].tolist() == pytest.approx([1.25, 2.0])


def test_client_table(measured):
    table = tables.client_table(measured)
    assert table.loc["dask"].tolist() == pytest.approx([4, 1, 5, 200])


def test_batch_table(measured):
    table = tables.batch_table(measured, "dask", 10_000, 1.0, [1, 500, 2000], 0.05)
    # 500 workers: (500 * 0.004 - 0.008) / (1 - 0.5) = 3.98; 2000: 1 < 2000 * 0.001
    assert table["smallest batch"].tolist() == ["1", "4", "none"]
    assert table["largest batch"].tolist() == [1000, 2, 1]
