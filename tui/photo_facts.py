"""All that is known of one photograph, as text and as a picture of so many cells."""

from __future__ import annotations

from collections.abc import Mapping

from PIL import Image
from rich.text import Text

from core import looks, statuses
from core.counted import counted
from core.errors import BadImage
from core.thumbnails import thumbnail
from storage import faces, photos, similar, subjects
from storage.catalog import Catalog
from storage.records import Face, Photo, Status, Subject
from storage.safe_text import display
from tui.terminal import Preview
from tui.widgets.picture import fitted
from tui.widgets.signs import SIGNS


def decode(photo_id: int, preview: Preview, columns: int, lines: int, catalog: Catalog) -> tuple[Image.Image, int, int]:
    """The photograph scaled to the cells there are, from the catalog's thumbnail. Raises BadImage."""
    photo = photos.get(catalog, photo_id)
    if photo.error is not None:
        raise BadImage(photo.error)
    with Image.open(thumbnail(catalog, photo)) as small:
        return fitted(small, preview, columns, lines)


def facts(catalog: Catalog, photo_id: int) -> Text:
    """All that is known of a photograph: its file, its exposure, its faces, and why each status is what it is."""
    photo = photos.get(catalog, photo_id)
    text = Text()
    text.append(display(photo.path_text) + "\n", style="bold")
    for line in exposure(photo):
        text.append(display(line) + "\n")
    if photo.error:
        text.append(f"can't be used: {display(photo.error)}\n", style="bold")
    if photo.state != "present":
        text.append("the file was gone at the last scan\n", style="bold")
    text.append(f"rights {photo.rights}\n", style="dim")
    group = similar.group_of(catalog, photo_id)
    if group is not None:
        text.append(f"{len(group.members)} alike ({group.kind}): / similar:{photo_id}\n")
    seen = faces.of_photo(catalog, photo_id)
    known = {face.subject_id for face in seen if face.subject_id is not None}
    people = subjects.get_many(catalog, known)
    text.append(f"\n{_faces_line(photo, seen)}\n", style="bold")
    for face in seen:
        text.append(f"  {display(face_line(face, photo, people))}\n")
    text.append("\nMay it be used?\n", style="bold")
    alike: dict[tuple[Status, str], list[str]] = {}
    for purpose, ruling in statuses.explain(catalog, photo_id).items():
        alike.setdefault((ruling.status, ruling.why), []).append(purpose)
    for (status, why), purposes in alike.items():
        text.append(f"{SIGNS[status]} {status}: ", style="bold")
        text.append(", ".join(purposes) + "\n")
        text.append(f"  {display(why)}\n", style="dim")
    return text


def exposure(photo: Photo) -> list[str]:
    """When, with what and how it was taken, in a few short lines."""
    lines = []
    if photo.taken_at is None:
        lines.append("no time of capture on record")
    else:
        offset = "" if photo.taken_offset is None else f" {photo.taken_offset / 60:+.3g} h"
        lines.append(f"taken {photo.taken_at:%Y-%m-%d %H:%M:%S}{offset}")
    if photo.camera or photo.lens:
        lines.append(", ".join(part for part in (photo.camera, photo.lens) if part))
    shot = []
    if photo.exposure_s:
        shot.append(f"1/{1 / photo.exposure_s:.0f} s" if photo.exposure_s < 0.4 else f"{photo.exposure_s:g} s")
    if photo.f_number:
        shot.append(f"f/{photo.f_number:g}")
    if photo.iso:
        shot.append(f"ISO {photo.iso}")
    if photo.focal_mm:
        shot.append(f"{photo.focal_mm:g} mm")
    if shot:
        lines.append("  ".join(shot))
    size = f"{photo.width} x {photo.height}  " if photo.width else ""
    lines.append(f"{size}{photo.format or ''}  {photo.size / 1e6:.2f} MB".strip())
    where = ", ".join(part for part in (photo.place, photo.country) if part)
    if photo.lat is not None and photo.lon is not None:
        lines.append(f"{where}  ({photo.lat:.4f}, {photo.lon:.4f})".strip())
    if photo.caption:
        lines.append(photo.caption)
    return lines


def _faces_line(photo: Photo, seen: list[Face]) -> str:
    if photo.faces_space is None:
        return "Faces have not been looked for yet"
    return counted(len(seen), "face") if seen else "No face found"


def face_line(face: Face, photo: Photo, people: Mapping[int, Subject]) -> str:
    """A face in a line: whose, by whom said, how sure the detector was, how old they were and look."""
    subject = None if face.subject_id is None else people[face.subject_id]
    if face.mark is not None:
        return f"marked: {face.mark}; face {face.id}, {face.probability:.0%} sure"
    if subject is None:
        who = "unnamed" if face.cluster is None else f"unnamed, cluster {face.cluster}"
    else:
        who = subject.name + ("" if face.assigned_by_person else " (by likeness)")
    age = looks.told(face, subject, photo) if subject is not None else looks.estimated(face)
    return f"{who}; face {face.id}, {face.probability:.0%} sure" + (f"; {age}" if age else "")
