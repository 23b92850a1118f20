"""The search itself: baselines, teachers, students, in the order in which each needs the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from recpress_edge.core.errors import RecPressError
from recpress_edge.core.files import write_json
from recpress_edge.core.progress import Note, OnEvent
from recpress_edge.distill.methods import METHODS
from recpress_edge.jobs.executor import Executor
from recpress_edge.jobs.export import ExportRequest
from recpress_edge.jobs.tune.bench import Gauge, fast_shape, too_slow
from recpress_edge.jobs.tune.budget import FileKind, TableShape
from recpress_edge.jobs.tune.diary import Diary
from recpress_edge.jobs.tune.search import ROUND, Proposal, Search, prune_below
from recpress_edge.jobs.tune.space import STUDENT
from recpress_edge.jobs.tune.trial import Kind, TrialRequest, TuneTrial, kept_trial
from recpress_edge.records.baseline_methods import PLAIN_BASELINES, POPULAR, TAUGHT_BASELINE
from recpress_edge.training.overrides import Tables
from recpress_export.options import plainest

TEACHERS_KEPT: Final = 2
"""The best on validation, of which the search chooses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What every try of a search has in common."""

    data: str
    digest: str
    choose_by: str
    fixed: Tables
    """Settings of every student."""
    seed: int
    work: Path
    device: str
    threads: int

    def trial(self, kind: Kind, name: str, **more: object) -> TrialRequest:
        """A request with these words."""
        return TrialRequest(
            kind=kind,
            name=name,
            data=self.data,
            digest=self.digest,
            choose_by=self.choose_by,
            training={
                "choose_by": self.choose_by,
                **(self.fixed["training"] if kind == "student" else {}),
            },
            seed=self.seed,
            work=self.work,
            device=self.device,
            threads=self.threads,
            **more,  # type: ignore[arg-type]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """A search that runs."""

    bounds: Bounds
    kind: FileKind
    diary: Diary
    executor: Executor
    on_event: OnEvent

    def tried(self, requests: Sequence[TrialRequest]) -> list[TuneTrial]:
        """What came of each, in their order: known from before, or tried now and kept."""
        files = [self._file(request) for request in requests]
        known = [kept_trial(where) if where else None for where in files]
        missing = [request for request, trial in zip(requests, known, strict=True) if trial is None]
        ran = iter(self.executor.run(missing, self.on_event)) if missing else iter(())
        found = []
        for where, before in zip(files, known, strict=True):
            trial = before or next(ran)
            if before is None and where and trial.state != "failed":
                write_json(where, trial.facts())
            self.diary.add(trial)
            found.append(trial)
        self.diary.write()
        return found

    def _file(self, request: TrialRequest) -> Path | None:
        try:
            return request.file(self.kind.data)
        except RecPressError:  # running it gives the reason
            return None

    def plain_baselines(self, shapes: Sequence[TableShape]) -> None:
        """Factorisations of the log, and the most popular items."""
        requests = [self._stored("baseline", method, shape) for shape in shapes for method in PLAIN_BASELINES]
        popular = self._stored("baseline", POPULAR, TableShape(shapes[0].recipe, 1))
        self.tried([popular, *requests])

    def fast_enough(self, shapes: Sequence[TableShape], gauge: Gauge) -> tuple[TableShape, ...]:
        """The shapes, narrower where they are too slow; GateError where none is fast enough."""
        limit = gauge.max_p95_ns
        assert limit is not None

        def p95_ns(shape: TableShape) -> float:
            if str(shape) not in self.diary.p95_ns:
                self.diary.p95_ns[str(shape)] = gauge.p95_ns(self._gauge_bundle(shape), self.on_event)
                self.diary.write()
            return self.diary.p95_ns[str(shape)]

        found = [fast_shape(shape, limit, p95_ns, self.on_event) for shape in shapes]
        fast = tuple(shape for shape, _, is_fast in found if is_fast)
        if not fast:
            shape, needed, _ = min(found, key=lambda entry: entry[1])
            raise too_slow(limit, gauge.on, (shape, needed))
        return fast

    def _gauge_bundle(self, shape: TableShape) -> Path:
        """A bundle of this shape: how fast a file answers does not depend on its numbers."""
        name = f"{PLAIN_BASELINES[0]}_dim{shape.dim}"
        trial = self._stored("baseline", PLAIN_BASELINES[0], shape).run(self.on_event)
        if trial.state != "done":
            raise RecPressError(f"{name}, by which the time is measured, failed: {trial.reason}")
        return self.export(trial, self.diary.folder / f"{name}-{shape.recipe}")

    def export(self, trial: TuneTrial, target: Path) -> Path:
        """The bundle of a trial at ``target``; GateError where its parity is below the gate."""
        kind = self.kind
        request = ExportRequest(
            student=str(self.bounds.work / "models" / str(trial.folder)),
            recipe=trial.recipe,
            format=kind.file_format,
            profile=kind.profile,
            user=kind.user,
            options=plainest(kind.file_format),  # a trial is chosen by the bytes that it was to have
            out=target,
            threads=self.bounds.threads,
            work=self.bounds.work,
        )
        return request.run(self.on_event).exported.bundle.folder

    def teachers(self, names: Sequence[str]) -> list[str]:
        """Folders of the best teachers, best first: single ones, and all of them where together is better."""
        requests = [self.bounds.trial("teacher", name) for name in dict.fromkeys(names)]
        done = [trial for trial in self.tried(requests) if trial.state == "done"]
        if not done:
            raise RecPressError(
                "no teacher could be trained: "
                + "; ".join(f"{t.name}: {t.reason}" for t in self.diary.trials if t.kind == "teacher")
            )
        best = max(trial.worth or 0.0 for trial in done)
        if len(done) > 1:
            folders = tuple(str(trial.folder) for trial in done)
            name = f"ensemble:{'+'.join(trial.name for trial in done)}"
            (together,) = self.tried([self.bounds.trial("teacher", name, members=folders)])
            if together.state == "done" and (together.worth or 0.0) > best:
                done.append(together)
            elif together.state == "done":
                self.on_event(Note("left out   the ensemble: it is not above its best member"))
        ranked = sorted(done, key=lambda trial: -(trial.worth or 0.0))
        return [str(trial.folder) for trial in ranked[:TEACHERS_KEPT]]

    def taught_baselines(self, shapes: Sequence[TableShape], teachers: Sequence[str]) -> None:
        """The factorisation of each teacher."""
        self.tried(
            [
                self._stored("baseline", TAUGHT_BASELINE, shape, teacher=teacher)
                for shape in shapes
                for teacher in teachers
            ]
        )

    def students(self, shapes: Sequence[TableShape], teachers: Sequence[str]) -> None:
        """The usual settings first, then rounds of students until the trials or the time are spent."""
        diary, fixed = self.diary, self.bounds.fixed["method"]
        search = Search(shapes, teachers, self.bounds.seed, fixed)
        self._round(search, search.usual()[: diary.limit])
        while (left := diary.limit - len(diary.students)) > 0:
            count = min(ROUND, left)
            if diary.out_of_time(count):
                self.on_event(Note(f"time       {len(diary.students)} students: --hours is spent"))
                return
            self._round(search, search.ask(count))

    def _round(self, search: Search, proposals: Sequence[Proposal]) -> None:
        below = prune_below(self.diary.trials)
        results = self.tried([self._proposed(proposal, below) for proposal in proposals])
        for proposal, result in zip(proposals, results, strict=True):
            search.tell(proposal, result)

    def _proposed(self, proposal: Proposal, below: tuple[tuple[int, float], ...]) -> TrialRequest:
        return self._stored(
            "student",
            STUDENT,
            proposal.shape,
            teacher=proposal.teacher,
            method=dict(proposal.method),
            stop_below=below,
        )

    def _stored(self, kind: Kind, of: str, shape: TableShape, **more: object) -> TrialRequest:
        name = f"{of}_dim{shape.dim}" if METHODS[of].has_dim else of
        size = self.kind.bytes_of(shape, of, self.bounds.seed)
        return self.bounds.trial(kind, name, recipe=shape.recipe, file_bytes=size, **more)
