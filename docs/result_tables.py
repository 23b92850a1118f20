"""The tables of README and docs/results, from the JSON of the benchmarks."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import mean, median
from typing import Any, Final

from recpress_edge.core.units import format_bytes

Result = Mapping[str, Any]
R50: Final = "recall@50"
HEAD: Final = ("recall@10", "ndcg@10")
HEAD_TITLES: Final = ("Recall@10", "NDCG@10")


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown."""
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join(f"| {' | '.join(cells)} |".replace("|  |", "| |") for cells in lines)


def short(value: float, digits: int = 4) -> str:
    """.2826: without the zero in front."""
    return f"{value:.{digits}f}".replace("0.", ".", 1)


def spread(values: Sequence[float]) -> str:
    """Least and greatest, of several seeds."""
    return f"{short(min(values))}–{short(max(values))}" if len(values) > 1 else "one seed"


def kib(n_bytes: float) -> str:
    """1,189: whole KiB."""
    return f"{n_bytes / 1024:,.0f}"


def mib(n_bytes: float) -> str:
    """12.9: MiB."""
    return f"{n_bytes / 2**20:.1f}"


def interval(found: Mapping[str, float]) -> str:
    """+.0034 [-.0008, +.0075]"""
    mean_, low, high = (f"{found[key]:+.4f}".replace("0.", ".", 1) for key in ("mean", "low", "high"))
    return f"{mean_} [{low}, {high}]"


LEARNS_FROM: Final = {"bpr_dim10": "interactions alone", "htd_dim10": "`bpr_dim200`"}
HEADLINE: Final = ("bpr_dim10", "htd_dim10", "soft_dim10")


def citeulike(runtimes_of: Result, ensemble: Result) -> str:
    """The headline: three students of one teacher or none, two of the ensemble."""
    rows = []
    by_name = runtimes_of["rows"]
    teacher = short(by_name["soft_dim200"]["ways"]["onnx fp32"]["test"][R50])
    for name in HEADLINE:
        fp32, int8 = (by_name[name]["ways"][f"onnx {recipe}"] for recipe in ("fp32", "int8"))
        source = LEARNS_FROM.get(name, f"`soft_dim200` ({teacher})")
        size = f"{kib(int8['file_bytes'])} KiB"
        metrics = [short(int8["test"][metric]) for metric in (*HEAD, R50)]
        rows.append([f"`{name}`", source, short(fp32["test"][R50]), "", *metrics, size])
    for name in dict.fromkeys(one["name"] for one in ensemble["students"]):
        seeds = [one for one in ensemble["students"] if one["name"] == name]
        tests = [one["test"] for one in seeds]
        size = f"{kib(seeds[0]['int8_table_bytes'])} KiB"
        metrics = [short(mean(one["int8_test"][metric] for one in seeds)) for metric in (*HEAD, R50)]
        rows.append([f"`{name}`", "the ensemble", short(mean(tests)), spread(tests), *metrics, size])
    int8_titles = (f"{title} int8" for title in (*HEAD_TITLES, "Recall@50"))
    headers = "student", "learns from", "Recall@50 fp32", "over 3 seeds", *int8_titles, "int8 tables"
    return table(headers, rows)


def recipes(result: Result) -> str:
    """Each student in each recipe: as trained, and what fine-tuning for the recipe gains."""
    rows = [
        [
            f"`{one['student']}`",
            f"`{one['recipe']}`",
            str(one["item_row_bytes"]),
            *(short(one["test"][arm]) for arm in ("fp32", "trained")),
            *(
                interval(one["test"]["gain"][pair])
                for pair in ("quantisation-aware over trained", "quantisation-aware over fine-tuned")
            ),
        ]
        for one in result["results"]
    ]
    headers = (
        "student",
        "recipe",
        "bytes an item",
        "Recall@50 fp32",
        "in the recipe",
        "fine-tuned for it",
        "of that, its rounding",
    )
    return table(headers, rows)


WAYS: Final = {"onnxruntime": "onnx int8", "LiteRT built-in": "tflite int8", "XNNPACK": "tflite int8 xnnpack"}


def runtimes(zen5: Result, zen3: Result) -> str:
    """Sizes, quality, memory, and latencies over the naive fp32 ONNX file on both processors."""
    rows = []
    for name, row in sorted(zen5["rows"].items(), key=lambda item: (item[1]["dim"], item[0])):
        ways = row["ways"]
        fp32, int8, tflite = (ways[way] for way in ("onnx fp32", "onnx int8", "tflite int8"))
        memory = (mib(median(way["model_memory_bytes"])) for way in (int8, tflite))
        rows.append(
            [
                f"`{name}`",
                f"{kib(fp32['file_bytes'])} → {kib(int8['file_bytes'])} KiB",
                f"{kib(tflite['file_bytes'])} KiB",
                *(f"{short(fp32['test'][m])} → {short(int8['test'][m])}" for m in (*HEAD, R50)),
                short(int8["overlap@50"], 3),
                f"{' / '.join(memory)} MiB",
                *(f"{_over(row, way)} · {_over(zen3['rows'].get(name), way)}" for way in WAYS.values()),
            ]
        )
    headers = (
        "student",
        "file fp32 → int8 (ONNX)",
        "int8 TFLite",
        *(f"{title} fp32 → int8" for title in (*HEAD_TITLES, "Recall@50")),
        "overlap@50",
        "int8 model memory: onnxruntime / LiteRT",
        "int8 latency, Zen 5 · Zen 3: onnxruntime",
        "LiteRT built-in",
        "LiteRT XNNPACK",
    )
    return table(headers, rows)


def _over(row: Result | None, way: str) -> str:
    return short(row["latency"]["ways"][way]["over_naive"]["ratio"], 2) if row else "–"


def peers(zen5: Result, zen3: Result) -> str:
    """Each way to answer the same queries: time, and its ratio to the int8 bundle."""
    rows = [
        [
            here["name"],
            *(
                cell
                for found in (here, there)
                for cell in (f"{found['p50_ns'] / 1000:.0f} µs", f"{found['ratio']:.2f}×")
            ),
        ]
        for here, there in zip(zen5["peers"], zen3["peers"], strict=True)
    ]
    return table([f"dim {zen5['dim']}", "Zen 5, p50", "over int8", "Zen 3, p50", "over int8"], rows)


def judged(result: Result) -> str:
    """For how many users TensorFlow gives the same list, for each recipe and judge."""
    groups: dict[tuple[str, str, str], list[Result]] = {}
    for one in result["results"]:
        groups.setdefault((one["recipe"], one["format"], one["judge"]), []).append(one)
    rows = [
        [
            f"`{recipe}`",
            file_format,
            judge,
            " / ".join(f"{one['users'] - one['same_lists']}" for one in ones),
            f"{max(one['score_difference_of_moved'] for one in ones):.0e}",
        ]
        for (recipe, file_format, judge), ones in groups.items()
    ]
    students = " / ".join(f"`{name}`" for name in dict.fromkeys(one["student"] for one in result["results"]))
    headers = (
        "recipe",
        "format",
        "judge",
        f"users with another list: {students}",
        "scores that moved differ by",
    )
    return table(headers, rows)


def brought(*results: Result) -> str:
    """Models of other libraries: each library's own recall and that of its bundles."""
    rows = [
        [
            one["data"],
            one["model"],
            one["package"],
            *(short(one[key]) for key in ("library", "fp32", "int8")),
            f"{one['lists_alike']:,} of {one['test_users']:,}",
        ]
        for result in results
        for one in result["results"]
    ]
    headers = "data", "model", "library", "its own Recall@50", "fp32 bundle", "int8 bundle", "lists alike"
    return table(headers, rows)


TARGETS: Final = ("host", "armvm:cortex-a53", "armvm:cortex-a76")


def cores(result: Result) -> str:
    """Instructions, peak memory and answers of every file on the host and on both cores."""
    rows = []
    for row in result["rows"]:
        on = [row["on"][target] for target in TARGETS]
        rows.append(
            [
                f"{row['student']} {row['recipe']} {row['format']}",
                f"{kib(row['file_bytes'])} KiB",
                *(f"{found['instructions']['query']['p50'] / 1000:,.0f} k" for found in on[1:]),
                *(f"{mib(found['peak_bytes'])} MiB" for found in on),
                *(short(on[0]["quality"][metric]) for metric in (*HEAD, R50)),
                _sameness(row),
            ]
        )
    headers = (
        "bundle",
        "file",
        "instr A53",
        "instr A76",
        "peak host",
        "peak A53",
        "peak A76",
        *HEAD_TITLES,
        "Recall@50",
        "ids",
    )
    return table(headers, rows)


def arranged_cores(result: Result) -> str:
    """Bytes and instructions of one student's files, with those that are arranged for a core."""
    rows = []
    for row in result["rows"]:
        found = [row["on"][target] for target in TARGETS[1:]]
        if any(found):
            core = f" --core {row['core']}" if "core" in row else ""
            work = (f"{one['instructions']['query']['p50'] / 1000:,.0f} k" if one else "–" for one in found)
            size = f"{kib(row['file_bytes'])} KiB"
            rows.append([f"`{row['recipe']}{core}`", row["format"], size, *work])
    return table(("recipe", "format", "file", "Cortex-A53", "Cortex-A76"), rows)


def _sameness(row: Result) -> str:
    if row["ids_equal"]:
        return "equal"
    found = row["apart"]
    users = f"equal for {found['users_equal']:,} of {found['users']:,} users"
    return f"{users}, the others swap scores within {found['largest_gap']:.0e}"


def networks(*results: Result) -> str:
    """Every file of every network."""
    rows = [
        [
            f"`{result['student']}`, {result['model']['dataset']['name']}",
            variant["name"],
            format_bytes(variant["file_bytes"]),
            short(variant[R50]),
            "1" if variant["overlap@50"] == 1 else short(variant["overlap@50"], 3),
            short(variant["latency_ratio"]["ratio"], 2) if "latency_ratio" in variant else "1",
        ]
        for result in results
        for variant in result["variants"]
    ]
    return table(("student", "file", "size", "Recall@50", "overlap@50", "latency"), rows)


def history(*results: Result) -> str:
    """Recall@50 on test of the history profile and of what it replaces."""
    rows = [
        [f"`{entry['student']}`", who, name, short(found["test"]), _difference(found)]
        for result in results
        for entry in result["students"]
        for who, group in _groups(entry, result["new_users_seed"], whole=result is results[0])
        for name, found in group.items()
        if name != "users"
    ]
    headers = "student", "users", "vector from", "Recall@50 test", "difference to the user table"
    return table(headers, rows)


def _groups(entry: Result, seed: int, *, whole: bool) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if whole:
        yield f"all {entry['all_users']['users']:,}", entry["all_users"]
    new = entry["without_the_new"]["new_users"]
    yield f"{new['users']:,} new ones (seed {seed})", new


def _difference(found: Result) -> str:
    return interval(found["difference"]["test"]) if "difference" in found else ""


def ties(result: Result) -> str:
    """Recall@10 of each model under each rule for equal times."""
    rules: dict[str, list[str]] = {}
    for one in result["results"]:
        rules.setdefault(one["rule"], []).append(short(one["recall@10"]))
    models = dict.fromkeys(one["model"] for one in result["results"])
    headers = ("ties", *(f"`{name}`" for name in models))
    return table(headers, [[rule, *cells] for rule, cells in rules.items()])


def topology(result: Result) -> str:
    """Each student next to the published figure, and the claims."""
    ours: dict[str, list[float]] = {}
    for outcome in result["outcomes"]:
        ours.setdefault(outcome["run"]["student"], []).append(outcome["recall"])
    rows = []
    for name, values in ours.items():
        method, _, dim = name.partition("_dim")
        published = result["published"][dim][method]
        rows.append([f"`{name}`", *_compared(values, published)])
    teacher = result["teacher"]
    rows.append(
        [f"teacher `{teacher['name']}`", *_compared([teacher["recall"]], result["published_teacher"])]
    )
    claims = [
        f"- {_judged(verdict)}: {verdict['claim']} ({verdict['evidence']})." for verdict in result["verdicts"]
    ]
    headers = "student", "ours", "over 3 seeds", "published", "difference"
    return "\n".join([table(headers, rows), "", *claims])


def _compared(values: Sequence[float], published: float) -> list[str]:
    apart = f"{mean(values) - published:+.4f}".replace("0.", ".", 1)
    return [short(mean(values)), spread(values), short(published), apart]


def _judged(verdict: Result) -> str:
    return "Holds" if verdict["holds"] else "Does not hold"


def topology_speed(result: Result) -> str:
    """Seconds an epoch of the plain definition and of the fast form."""
    rows = [
        [
            found["method"].upper(),
            f"{found['plain_epoch_mean_s']:.2f} s",
            f"{found['fast_epoch_mean_s']:.2f} s",
            f"{found['ratio']:.1f}×",
            f"{sum(found['fast_epoch_ns']) / 1e9:.0f} s",
        ]
        for found in result["results"]
    ]
    head = f"CiteULike, dim {result['dim']}, {result['threads']} threads"
    whole = f"whole run of {result['epochs']} epochs"
    return table([head, "plain definition, per epoch", "as shipped", "faster", whole], rows)


def first_answer(result: Result) -> str:
    """A fresh process up to its first answer: a bare session, a verified bundle, the Recommender."""
    says = {
        "session": "onnxruntime alone: the file opened, indices asked for",
        "runtime": "digests checked, the runtime opened, indices asked for",
        "Recommender": "digests, self-test, ids",
    }
    rows = [
        [words, f"{median_['cpu_ns'] / 1e6:,.0f} ms", f"{mib(median_['peak_bytes'])} MiB"]
        for way, words in says.items()
        for median_ in [result["medians"][way]]
    ]
    return table(["first answer by", "CPU", "peak memory"], rows)
