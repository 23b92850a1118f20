"""Panels: every point drawn, labels apart, ticks round."""

import io
import re
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Text
from records import make_record, study

from recpress_edge.records.budget import Budget
from recpress_edge.report import pareto_plot
from recpress_edge.report.devices import DeviceComparison, Mark
from recpress_edge.report.devices_plot import devices_inches
from recpress_edge.report.drawing import drawing, freeze, limits, linear_ticks, log_ticks, theme_css
from recpress_edge.report.front import sections
from recpress_edge.report.labels import Label, place_labels
from recpress_edge.report.runs import to_run
from recpress_edge.report.verdict import choose
from recpress_edge.report.views import View


def one_section(records):
    (section,) = sections([to_run(Path(str(n)), r) for n, r in enumerate(records)], Budget())
    return section


def test_three_panels_and_the_same_bytes_twice():
    section = one_section(study())
    winner = choose(section)
    view = View(section, winner, "recall@50")
    first = pareto_plot.panels(view, "s0")
    assert [p.title.split(" against ")[1] for p in first] == [
        "model file",
        "p95 latency of a query",
        "peak memory above the idle runtime",
    ]
    assert all(p.svg.startswith("<svg ") and "soft_dim20-int8" in p.description for p in first)
    assert pareto_plot.panels(view, "s0") == first


@pytest.mark.parametrize(
    "records",
    [
        [make_record()],  # nothing to scale an axis by
        [make_record(), make_record("htd_dim10")],  # all costs equal
        [
            make_record(),
            make_record(model_bytes=-40_000, name="x", recipe="fp32"),
        ],  # noise below the idle process
        [make_record(), make_record(p95_ns=9_000_000, basis="estimated")],
        [make_record(name="$a_{b}$ \\frac", teacher=None)],  # no formulas in names
    ],
    ids=["one", "equal", "negative memory", "estimate", "formula"],
)
def test_awkward_sections_are_drawn(records):
    section = one_section(records)
    assert len(pareto_plot.panels(View(section, section.placed[0], "ndcg@10"), "s")) == 3


def test_png_has_a_row_for_each_section():
    section = one_section(study()[:4])
    one = imread(io.BytesIO(pareto_plot.png([(section, None)])))
    two = imread(io.BytesIO(pareto_plot.png([(section, None), (section, None)])))
    assert two.shape[0] == 2 * one.shape[0]
    assert one.std() > 0.05  # something is on it


def test_panels_of_a_row_share_one_recall_axis():
    """Its name beside the numbers of the second and third panel would crowd them."""
    row = pareto_plot.overview([(one_section(study()), None)]).get_axes()
    assert [axes.get_ylabel() for axes in row] == ["√(Recall@50 · NDCG@10)", "", ""]
    assert len({axes.get_ylim() for axes in row}) == 1
    assert [any(label.get_visible() for label in axes.get_yticklabels()) for axes in row] == [
        True,
        False,
        False,
    ]


def test_the_line_of_the_teacher_is_kept_free_of_names_from_edge_to_edge():
    axes = Figure().subplots()
    axes.set_xscale("log", base=2)
    axes.set_xlim(1, 1024)
    axes.plot([2, 4], [0.1, 0.2])  # a line of data, which names are kept off elsewhere
    axes.axhline(0.3)
    spots = pareto_plot.along_levels(axes)
    assert {y for _, y in spots} == {0.3}
    assert [round(x) for x in (min(spots)[0], max(spots)[0])] == [1, 1024]
    assert sum(x < 32 for x, _ in spots) == len(spots) / 2  # evenly, as they are drawn


def test_png_has_what_all_devices_show_below():
    section = one_section(study()[:4])
    mark = Mark("Cortex-A53", "a", "emulated", 4e5, 4e5)
    board = Mark("Raspberry Pi 4B", "a", "estimated", 2e5, 4e5)
    found = DeviceComparison("over all devices", (board,), (mark,), (), ("estimated ±40 %, unvalidated",))
    alone = imread(io.BytesIO(pareto_plot.png([(section, None)])))
    both = imread(io.BytesIO(pareto_plot.png([(section, None)], [found])))
    assert both.shape[1] == alone.shape[1]
    below = both[alone.shape[0] :]
    assert below.shape[0] == pytest.approx(150 * (devices_inches(found) + 0.5), abs=1)
    assert below.std() > 0.02


def test_labels_of_a_crowd_do_not_cover_each_other():
    figure = Figure(figsize=(5, 4), dpi=100)
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    labels = [Label(f"variant_{n}", 0.5 + 0.01 * n, 0.5 + 0.012 * n, "black", False) for n in range(8)]
    place_labels(axes, labels, [(label.x, label.y) for label in labels], [], size=7.5)
    canvas.draw()
    texts = [Text.get_window_extent(text) for text in axes.texts]  # without the leader lines
    assert len(texts) == 8
    for index, a in enumerate(texts):
        for b in texts[index + 1 :]:
            width = min(a.x1, b.x1) - max(a.x0, b.x0)
            height = min(a.y1, b.y1) - max(a.y0, b.y0)
            assert not (width > 1 and height > 1), "two labels overlap"


def test_names_side_by_side_do_not_touch():
    """A demo whose two smallest files lay in a row: a name that touches the next reads as one with it."""
    rows = [
        ("soft_dim20", "int8-dim", 0.7515, 99_300, 43_000),
        ("soft_dim20", "fp32", 0.7510, 361_200, 38_700),
        ("ftd_dim20", "fp32", 0.5195, 361_200, 48_600),
        ("bpr_dim20", "fp32", 0.5070, 361_200, 45_300),
        ("soft_dim10", "fp32", 0.4855, 181_100, 38_500),
        ("soft_dim10", "int8-dim", 0.4820, 54_400, 32_300),
    ]
    section = one_section(
        [
            make_record(
                student, recipe=recipe, recall=recall, file_bytes=size, p95_ns=p95, teacher="soft_dim200"
            )
            for student, recipe, recall, size, p95 in rows
        ]
    )
    with drawing("p95", 4.6, 4.0) as figure:
        axes = figure.subplots()
        view = View(section, section.placed[0], "recall@50")
        pareto_plot._draw(axes, view, 1)
        freeze(figure)
        pareto_plot._name_points(axes, view, 1)
        figure.canvas.draw()
        boxes = [Text.get_window_extent(text) for text in axes.texts]
    assert len(boxes) == 7  # the teacher's too
    for index, a in enumerate(boxes):
        for b in boxes[index + 1 :]:
            beside = max(a.x0, b.x0) - min(a.x1, b.x1)
            above = max(a.y0, b.y0) - min(a.y1, b.y1)
            assert beside >= 4 or above >= 1, (beside, above)


def test_every_colour_of_a_figure_has_one_for_a_dark_page():
    records = [*study(), make_record("unkd_dim10"), make_record("htd_dim8", basis="emulated")]
    section = one_section(records)
    for panel in pareto_plot.panels(View(section, section.placed[0], "ndcg@10"), "s"):
        bare = re.sub(r"var\(--fig-[0-9a-f]{6}, #[0-9a-f]{6}\)", "", panel.svg)
        assert re.findall(r"(?:fill|stroke|stop-color): *#[0-9a-f]{6}", bare) == []
        assert "fill: none" in panel.svg  # nothing white lies under it
    css = theme_css()
    for name in set(re.findall(r"var\((--fig-[0-9a-f]{6})", panel.svg)):
        assert css.count(f"{name}: ") == 2  # light and dark


def test_names_can_be_read_on_a_dark_page():
    dark = dict(re.findall(r"--fig-([0-9a-f]{6}): (#[0-9a-f]{6});", theme_css().partition("dark")[2]))
    paper = luminance(dark["ffffff"])
    for colour in ("222222", "555555", "6b6b6b", "0072b2", "d55e00", "009e73", "cc79a7", "e69f00", "56b4e9"):
        assert (luminance(dark[colour]) + 0.05) / (paper + 0.05) >= 4.5, colour  # WCAG's ratio for text


def luminance(colour):
    """As WCAG 2 defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_ticks_are_round_and_few():
    assert log_ticks(200_000, 5_000_000, binary=True) == [2.0**e for e in range(18, 23)]
    assert log_ticks(40, 900, binary=False) == pytest.approx([50, 100, 200, 500])
    assert len(log_ticks(1, 1e12, binary=False)) <= 7
    assert linear_ticks(0.9 * 2**20, 3.1 * 2**20, binary=True) == [n * 2**19 for n in range(2, 7)]
    assert linear_ticks(58, 92, binary=False) == [60, 70, 80, 90]


@pytest.mark.parametrize(("value", "log"), [(20_100.0, False), (54_000.0, True), (0.0, False)])
def test_a_single_value_gets_an_axis_with_ticks(value, log):
    low, high = limits(value, value, log=log)
    assert low < value < high
    ticks = log_ticks(low, high, binary=True) if log else linear_ticks(low, high, binary=False)
    assert len(ticks) >= 2
