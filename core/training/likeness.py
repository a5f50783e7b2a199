"""How like a person what is drawn on the way has become: over-fitting seen, and the best weights chosen by it."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from core import audit_stats
from core.audit_faces import Known, known_faces
from core.errors import BadValue
from core.faces.detect import Detector
from core.faces.embed import embedder
from core.generated_checks import enlarged, faces_in
from storage.catalog import Catalog


class Likeness:
    """Looks at the faces of pictures drawn with a LoRA, in the space that holds most of the catalog's faces."""

    def __init__(self, catalog: Catalog, device: str, subject_id: int | None) -> None:
        """Of a LoRA of that person, or of a composite. Raises BadValue when the catalog knows no faces of them."""
        known: Known = known_faces(catalog)
        chosen = known.vectors if subject_id is None else known.vectors[known.people == subject_id]
        if not len(chosen):
            raise BadValue("the catalog knows no face of this person to compare with", "look for faces: kyodaku faces")
        self._vectors, self._subject = chosen, subject_id
        self._detector, self._embed = Detector(device), embedder(known.space)

    def distance(self, pictures: Sequence[Image.Image]) -> float | None:
        """Of a personal LoRA the mean distance of the drawn faces to the person's nearest; of a composite the least
        distance of any drawn face to anyone at all. None when no face is found.
        """
        nearest: list[float] = []
        large = [enlarged(picture) for picture in pictures]
        for picture, found in zip(large, self._detector.detect(large), strict=True):
            sure = faces_in(found)
            if sure:
                vectors = self._embed.embed(picture, sure)
                nearest += audit_stats.distances(vectors, self._vectors).min(axis=1).tolist()
        if not nearest:
            return None
        return min(nearest) if self._subject is None else sum(nearest) / len(nearest)

    def score(self, distance: float) -> float:
        """What is least when it is best: near to the person, or, of a composite, far from everyone."""
        return -distance if self._subject is None else distance
