"""A pooled model trained again without those who left it: the same recipe, on its cohort frozen anew."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core import cohort as cohorts
from core.errors import NoSuchRecord
from core.progress import Report
from core.training.loop import train
from core.training.recipe import Recipe
from storage import artifacts
from storage.catalog import Catalog
from storage.records import Cohort, Job


def run_job(catalog: Catalog, job: Job, report: Report) -> Mapping[str, Any]:
    """Run a `retrain` job: args `model`, the id of the model that can't be had any more, and `device` (default auto).

    Cohort and model get new names, with the job's number; on resume they are found again. Raises as freezing and
    training do: nothing is trained that consent at this moment does not cover.
    """
    old = artifacts.get_model(catalog, int(job.args["model"]))
    if old.cohort_id is None:
        raise NoSuchRecord(f"no cohort stands behind {old.name}", "freeze one and train it")
    cohort = _frozen_anew(catalog, artifacts.get_cohort(catalog, old.cohort_id), job.id)
    recipe = Recipe.model_validate({name: value for name, value in old.recipe.items() if name != "job"})
    made = train(
        catalog,
        cohort.name,
        Path(old.base),
        f"{old.name}-{job.id}",
        mode="pooled",
        recipe=recipe,
        device=job.args.get("device", "auto"),
        report=report,
        job=job.id,
    )
    return {"models": made}


def _frozen_anew(catalog: Catalog, old: Cohort, number: int) -> Cohort:
    name = f"{old.name}-{number}"
    with catalog.transaction():
        try:
            new = artifacts.get_cohort(catalog, name)
        except NoSuchRecord:
            new = cohorts.create(catalog, name, old.query, old.rules)
        if new.merkle_root is None or new.tainted:
            cohorts.freeze(catalog, name)
    return artifacts.get_cohort(catalog, name)
