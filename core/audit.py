"""Does what a model draws look like anyone in the catalog? Measured, with what the sample can't say."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from core import audit_sheet, base_model
from core.audit_agreement import agreed
from core.audit_copies import Trained, copies, trained
from core.audit_faces import Drawn, Known, draw_faces, known_faces
from core.audit_fit import Fit, fit
from core.audit_likeness import likeness_of, nearest_people, shift_of
from core.audit_prompts import PROMPTS, texts
from core.audit_pull import Pull, pulled
from core.audit_report import AuditReport, plain
from core.audit_stats import Labels, upper_bound
from core.audit_strangers import Threshold, mean_faces, scores, search, threshold_at
from core.audit_verdict import Seen, Verdict, verdict_of
from core.composition import NAMED
from core.errors import BadValue, NoSuchRecord, Tainted
from core.faces.embed import Embedder, Several, embedder
from core.generate import Opened, open_model, permit_opened
from core.generated_checks import Checker
from core.progress import Report, silent
from core.watch import Watch
from storage import artifacts, audits, subjects, whole_files
from storage.audits import Audit
from storage.catalog import Catalog
from storage.records import Job, Model

FMR = 0.02  # asked by default: a stranger in fifty
SHOWN = 12  # people listed as nearest
MOST_PULLED = 400  # people among whom one may stand out


@dataclass(frozen=True, slots=True)
class _Eye:
    """An embedder, the catalog's faces in its space, and from when on a search there finds somebody."""

    embed: Embedder
    known: Known
    threshold: Threshold


@dataclass(frozen=True, slots=True)
class _Found:
    """All that was drawn and measured, on the way to the report."""

    opened: Opened
    known: Known
    names: Mapping[int, str]
    shares: Mapping[int, float]
    drawn: Drawn
    of_base: Drawn | None
    threshold: Threshold
    fit: Fit
    trained: Trained | None
    checker: Checker
    seed: int


def run_job(catalog: Catalog, job: Job, report: Report) -> Mapping[str, Any]:
    """Run an `audit` job: args `model`, `n`, `seed`, `fmr`, `device`, `safety`, `embedders`."""
    args = job.args
    found = audit(
        catalog,
        args["model"],
        n=args.get("n", 64),
        seed=args.get("seed", 0),
        fmr=args.get("fmr", FMR),
        device=args.get("device", "auto"),
        safety=None if args.get("safety") is None else Path(args["safety"]),
        embedders=args.get("embedders", ()),
        report=report,
    )
    return plain(found)


def audit(
    catalog: Catalog,
    model: str,
    *,
    n: int = 64,
    seed: int = 0,
    fmr: float = FMR,
    device: str = "auto",
    safety: Path | None = None,
    embedders: Sequence[str] = (),
    base: Path | None = None,
    report: Report = silent,
) -> AuditReport:
    """Draw `n` pictures over a fixed set of prompts, with and without the trigger, and search each face in the catalog.

    `fmr` is the rate at which a search among everybody may take a stranger for somebody; `safety` the folder of a
    safety checker, where the base has none. What makes the verdict: `core.audit_verdict`, and `core.audit_agreement`
    where several `embedders` are to agree, each of which must know everybody; another's hypernetwork is drawn with on
    `base`. Leaves report.json and sheet.png in models/NAME.audit/. Raises NoSuchRecord, Tainted, Refused, BadBase,
    BadLora, BadValue, MissingDependency.
    """
    if n < 1 or not 0 < fmr < 1:
        raise BadValue("an audit needs a picture at least and a rate between 0 and 1", "see: kyodaku audit --help")
    eyes = _eyes(catalog, embedders, fmr)
    several = Several([eye.embed for eye in eyes])
    before = _bytes_of(catalog, model)
    watch = Watch(catalog, lambda: permit_opened(catalog, opened))
    opened = open_model(catalog, model, device, base)
    report = watch.reporting(report)
    checker = Checker(str(opened.base.device), opened.base.path, safety)
    drawn = draw_faces(opened.base, texts(opened.trigger, n), seed, several, checker, report, "drawing", watch)
    of_base = None
    if opened.model is not None:
        bare = base_model.load(Path(opened.model.base), device)
        of_base = draw_faces(bare, texts("", n), seed, several, checker, report, "drawing with the base", watch)
    found = [
        _found(
            catalog, opened, eye, own, None if of_base is None else of_base.parted(several)[at], checker, seed, report
        )
        for at, (eye, own) in enumerate(zip(eyes, drawn.parted(several), strict=True))
    ]
    told = _written(catalog, found)
    if opened.model is not None and before is not None:
        _record(catalog, opened.model, before, checker, told)
    return told


def _eyes(catalog: Catalog, embedders: Sequence[str], fmr: float) -> list[_Eye]:
    """Each embedder with what the catalog knows in its space; that of the space that holds most, if none is named.

    Raises BadValue where one is named twice, or knows people that another does not.
    """
    chosen = [embedder(name) for name in embedders] or [embedder(known_faces(catalog).space)]
    if len({one.space for one in chosen}) < len(chosen):
        raise BadValue("two of the embedders are one", "name different ones, as in --embedders dlib,facenet")
    eyes = [_eye(one, known_faces(catalog, one.space), fmr) for one in chosen]
    everybody = {key for eye in eyes for key in eye.known.subjects}
    for eye in eyes:
        if missing := everybody - set(eye.known.subjects):
            names = sorted(person.name for person in subjects.get_many(catalog, missing).values())
            raise BadValue(
                f"{eye.known.space} knows no face of {', '.join(names[:NAMED])}, whom another embedder knows",
                "agreeing takes faces of everyone in each space: kyodaku faces --embedder --query",
            )
    return eyes


def _eye(embed: Embedder, known: Known, fmr: float) -> _Eye:
    named = known.named
    searches = search(known.vectors[named], known.people[named], known.photos[named])
    return _Eye(embed, known, threshold_at(searches, fmr, known.number))


def _found(
    catalog: Catalog,
    opened: Opened,
    eye: _Eye,
    drawn: Drawn,
    of_base: Drawn | None,
    checker: Checker,
    seed: int,
    report: Report,
) -> _Found:
    """What one embedder makes of the pictures."""
    known, side, limit = eye.known, opened.base.resolution, eye.threshold.value
    return _Found(
        opened,
        known,
        {key: person.name for key, person in subjects.get_many(catalog, known.subjects).items()},
        {} if opened.model is None else artifacts.shares_of(catalog, opened.model.id),
        drawn,
        of_base,
        eye.threshold,
        fit(catalog, known, drawn.faces, limit, side, checker.detector, eye.embed),
        None if opened.model is None else trained(catalog, opened.model, side, known.space, report),
        checker,
        seed,
    )


def _bytes_of(catalog: Catalog, name: str) -> str | None:
    """The hash of a model's bytes, before they are read for drawing; None for a base."""
    try:
        return whole_files.tree_hash(catalog.models / artifacts.get_model(catalog, name).path)
    except (NoSuchRecord, OSError):
        return None


def _record(catalog: Catalog, model: Model, bytes_hash: str, checker: Checker, told: AuditReport) -> None:
    """Put on record what release asks for; bytes that changed while they were looked at were not audited."""
    if whole_files.tree_hash(catalog.models / model.path) != bytes_hash:
        raise Tainted(f"{model.name} was changed while it was audited", "audit it again")
    audits.add(
        catalog,
        Audit(
            model.id, bytes_hash, datetime.now(UTC), told.verdict, told.images, told.faces, told.images_withheld,
            told.rate, told.upper_bound95, told.fmr, checker.safety_hash,
        ),
    )  # fmt: skip


def _written(catalog: Catalog, found: Sequence[_Found]) -> AuditReport:
    """The report, left on disk beside its sheet, which shows whom the first embedder took for the nearest."""
    first = found[0]
    folder = catalog.models / f"{first.opened.name}.audit"
    told = agreed([_report(one, folder) for one in found])
    folder.mkdir(mode=0o700, exist_ok=True)
    audit_sheet.write(
        catalog, folder / "sheet.png", first.drawn, first.known, first.threshold.value, first.checker.unchecked
    )
    with whole_files.whole_file(folder / "report.json") as file:
        file.write(json.dumps(plain(told), indent=2, ensure_ascii=False).encode())
    return told


def _report(found: _Found, folder: Path) -> AuditReport:
    drawn, known, threshold = found.drawn, found.known, found.threshold
    nearest, matches = nearest_people(drawn, known, found.names, threshold.value)
    told = scores(known.everybody.least(drawn.vectors)) if drawn.faces else None
    order = known.subjects
    now = known.by_subject.mean(drawn.vectors) if drawn.faces and order else None
    of_base = found.of_base
    before = known.by_subject.mean(of_base.vectors) if of_base is not None and of_base.faces and order else None
    pull = _pull(found)
    near = [] if found.trained is None else copies(drawn.looks, _pictures(drawn), drawn.vectors, found.trained)
    memorised = [copy for copy in near if copy.by]
    seen = Seen(drawn.pictures, drawn.faceless, len(drawn.faces), matches)
    verdict = verdict_of(seen, threshold, found.fit, memorised, pull, max(found.shares.values(), default=0.0))
    people = sorted({found.names[copy.subject] for copy in memorised if copy.subject in found.names})
    resembles = [one.subject for one in nearest if one.matches] if matches >= verdict.needed else []
    if pull is not None and pull.stands_out:
        resembles.append(pull.subject)
    return AuditReport(
        model=found.opened.name,
        model_hash=found.opened.content_hash,
        verdict=verdict.said,
        resembles=list(dict.fromkeys([*people, *resembles])),
        why=verdict.why,
        images=drawn.pictures,
        faces=len(drawn.faces),
        images_without_face=drawn.faceless,
        images_withheld=len(drawn.withheld),
        embedder=known.space,
        threshold=threshold.value,
        fmr=threshold.fmr,
        calibration=threshold,
        fit=found.fit,
        nearest=nearest[:SHOWN],
        matches=matches,
        needed=verdict.needed,
        rate=matches / len(drawn.faces) if drawn.faces else 0.0,
        upper_bound95=upper_bound(matches, len(drawn.faces)),
        least_share=verdict.least_share,
        drawn_score=None if told is None else float(np.median(told.max(axis=1))),
        means=mean_faces(known.vectors[known.named], known.people[known.named], len(found.shares), threshold.value),
        likeness=likeness_of(drawn, of_base, known, found.shares, found.names),
        shift=None if now is None or before is None else shift_of(now, before, order, found.shares),
        pull=pull,
        base_nearest=[] if of_base is None else nearest_people(of_base, known, found.names, threshold.value)[0][:SHOWN],
        memorised=memorised,
        closest=near[0] if near else None,
        not_compared=0 if found.trained is None else found.trained.unread,
        unchecked=found.checker.unchecked,
        limits=_limits(found, verdict),
        seed=found.seed,
        prompts=list(PROMPTS),
        folder=str(folder),
    )


def _pull(found: _Found) -> Pull | None:
    """Whether one of the model's people, or of others, stands out; among so many at most, members first."""
    if found.of_base is None:
        return None
    chance = np.random.default_rng(0)
    order = sorted(chance.permutation(found.known.subjects), key=lambda key: key not in found.shares)[:MOST_PULLED]
    return pulled(
        found.drawn.vectors,
        found.of_base.vectors,
        found.known.of_people(order),
        [found.shares.get(int(key), 0.0) for key in order],
        [found.names[int(key)] for key in order],
    )


def _limits(found: _Found, verdict: Verdict) -> list[str]:
    """What a sample of pictures leaves open, in words."""
    told = [
        f"whom other prompts than these {len(PROMPTS)} draw",
        f"whether it resembles somebody whose face the catalog does not hold: {len(found.known.ids):,} are compared",
    ]
    if verdict.least_share is not None:
        told.insert(0, f"whether one person is in less than {verdict.least_share:.0%} of its faces")
    return told


def _pictures(drawn: Drawn) -> Labels:
    return np.array([face.picture for face in drawn.faces], dtype=np.int64)
