"""Is a model's file the one recorded, and a merge what its ingredients make?"""

from __future__ import annotations

from dataclasses import dataclass

from core import models
from core.progress import Report, silent
from storage import artifacts
from storage.catalog import Catalog

SAME = "made again from its ingredients it is the same, byte for byte"


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether a model's file is the recorded one, and whether making it again gives the same (None: not a merge)."""

    name: str
    ok: bool
    file: str
    remade: str | None

    def lines(self) -> list[str]:
        """For a person to read."""
        return [f"{self.name}: {self.file}", *([f"{self.name}: {self.remade}"] if self.remade else [])]


def verify(catalog: Catalog, name: str, report: Report = silent) -> Verification:
    """Read a model's file and compare its hash; make a merge again from its ingredients and compare that too.

    Raises NoSuchRecord, and Tainted for a model whose file is not to be had (tainted, quarantined, deleted).
    """
    model = artifacts.get_model(catalog, name)
    models.require_in_use(model)
    problem = models.file_problem(catalog, model)
    if model.kind not in models.MERGES:
        return Verification(name, problem is None, problem or "its file is the one recorded", None)
    from core.merging.catalogued import made_again  # torch is loaded only where it is used

    odd = made_again(catalog, model, report)
    inputs = artifacts.get_models(catalog, [arrow.input_id for arrow in artifacts.inputs_of(catalog, model.id)])
    changed = [one.name for one in inputs if odd and models.file_problem(catalog, one)]
    why = f" (changed since: its ingredient {', '.join(changed)})" if changed else ""
    said = f"made again it comes out differently: {', '.join(odd)}{why}" if odd else SAME
    return Verification(name, problem is None and not odd, problem or "its file is the one recorded", said)
