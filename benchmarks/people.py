"""Whose faces they are, measured: `python -m benchmarks.people [--scale 20000]`.

Made-up faces of 512 dimensions: people of very different numbers of faces (1 to 5,000, a long tail), some pictures of
each more alike than others, relatives, and one face in twenty a stranger's who is seen once. Each figure of a search
stands beside that of numpy and of faiss' exact index on the same vectors in the same run. Pairwise F1 of the sample
archive is measured with its own faces, at the catalog's own threshold.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.table import Row, show
from core import people
from storage import catalog as catalogs
from storage import faces
from storage.catalog import Catalog

SPACE = "facenet-vggface2"
DIM = 512
LARGEST = 5_000
STRANGERS = 0.05
ADDED = 1_000
QUERIES = 100
WANTED = 50
SAMPLE = Path(__file__).resolve().parent.parent / "sample_data"
_AT_A_TIME = 20_000

Vectors = NDArray[np.float32]
Ints = NDArray[np.int64]


def made_up(number: int, seed: int = 0) -> tuple[Vectors, Ints]:
    """Unit vectors [number, 512] and whose each is. A tenth of the people have a relative who is like them."""
    draws = np.random.default_rng(seed)
    known = number - int(STRANGERS * number)
    sizes = np.minimum(LARGEST, 1 + 2 * draws.pareto(0.9, known)).astype(int)
    sizes = sizes[: np.searchsorted(np.cumsum(sizes), known) + 1]
    whose = np.concatenate([np.repeat(np.arange(len(sizes)), sizes)[:known], len(sizes) + np.arange(number - known)])
    draws.shuffle(whose)
    between, within = (np.arange(1, DIM + 1) ** power for power in (-0.5, -0.2))
    centres = draws.normal(size=(whose.max() + 1, DIM)) * between
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    relatives = draws.choice(len(sizes), len(sizes) // 10, replace=False)
    centres[relatives] = 0.7 * centres[relatives - 1] + 0.7 * centres[relatives]
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    spread = np.minimum(1.3, draws.lognormal(np.log(0.62), 0.22, number)) / np.linalg.norm(within)
    vectors = np.empty((number, DIM), dtype=np.float32)
    for start in range(0, number, _AT_A_TIME):
        rows = slice(start, start + _AT_A_TIME)
        block = centres[whose[rows]] + draws.normal(size=(len(whose[rows]), DIM)) * within * spread[rows, None]
        vectors[rows] = block / np.linalg.norm(block, axis=1, keepdims=True)
    return vectors, whose.astype(np.int64)


def put_down(catalog: Catalog, vectors: Vectors) -> None:
    """A photograph for each of the faces, as `kyodaku index` and `kyodaku faces` would have left them."""
    with catalog.transaction() as db:
        db.execute("INSERT OR IGNORE INTO folders(id, path) VALUES (1, ?)", (b"/made-up",))
        first, face = (
            db.execute(f"SELECT coalesce(max(id), 0) + 1 FROM {table}").fetchone()[0] for table in ("photos", "faces")
        )
        db.executemany(
            "INSERT INTO photos(id, folder_id, name, path_text, size, mtime_ns, ctime_ns, inode)"
            " VALUES (?, 1, ?, ?, 1, 1, 1, 1)",
            ((first + at, b"%d.jpg" % (first + at), f"/made-up/{first + at}.jpg") for at in range(len(vectors))),
        )
        db.executemany(
            "INSERT INTO faces(id, photo_id, x0, y0, x1, y1, probability, space) VALUES (?,?,0,0,90,90,1,?)",
            ((face + at, first + at, SPACE) for at in range(len(vectors))),
        )
        db.executemany(
            "INSERT INTO face_embeddings VALUES (?, ?)",
            ((face + at, vector.tobytes()) for at, vector in enumerate(vectors)),
        )


def pairwise(labels: Ints, whose: Ints) -> tuple[float, float, float]:
    """Precision, recall and their harmonic mean over the pairs of faces that share a label, or a person."""

    def pairs(keys: Ints) -> int:
        return sum(number * (number - 1) // 2 for number in np.unique(keys, return_counts=True)[1].tolist())

    _, label = np.unique(labels, return_inverse=True)
    both, found, true = pairs(label * (whose.max() + 1) + whose), pairs(labels), pairs(whose)
    return both / max(1, found), both / max(1, true), 2 * both / max(1, found + true)


def clusters_of(catalog: Catalog) -> Ints:
    """Each face's cluster by id; a lone one's is its own."""
    return np.array([now.cluster or -now.face_id for now in faces.standing(catalog, SPACE)], dtype=np.int64)


def seconds(work: Callable[[], object]) -> float:
    """Seconds by the clock."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def in_a_process(step: str, folder: Path) -> dict[str, Any]:
    """A step of this module in a fresh process, so that its peak memory is its own; what it tells."""
    command = [sys.executable, "-m", "benchmarks.people", "--step", step, "--folder", str(folder)]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    told: dict[str, Any] = json.loads(said.splitlines()[-1])
    return told


def run_step(step: str, folder: Path) -> None:
    """Cluster the catalog in `folder`; prints seconds, peak memory in MB, and what was found."""
    with catalogs.open_catalog(folder) as catalog:
        spent = seconds(lambda: print(people.cluster(catalog, whole=step == "whole"), file=sys.stderr))
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
    print(json.dumps({"seconds": spent, "peak": peak}))


def plain_linkage(vectors: Vectors, within: float) -> float:
    """Seconds of scipy's average linkage, which keeps all pairs."""
    from scipy.cluster.hierarchy import fcluster, linkage

    return seconds(lambda: fcluster(linkage(vectors, "average"), within, "distance"))


def clustering(scale: int, room: Path) -> list[Row]:
    """Clustering all, then `ADDED` more, in a catalog."""
    vectors, whose = made_up(scale + ADDED)
    folder = room / "people"
    with catalogs.create(folder) as catalog:
        put_down(catalog, vectors[:scale])
    whole = in_a_process("whole", folder)
    with catalogs.open_catalog(folder) as catalog:
        before = clusters_of(catalog)
        put_down(catalog, vectors[scale:])
    added = in_a_process("new", folder)
    with catalogs.open_catalog(folder) as catalog:
        after = clusters_of(catalog)
    few = min(scale, 8_000)  # scipy's matrix of pairs is 8 n^2 / 2 bytes
    plain = plain_linkage(vectors[:few], 0.95) * (scale / few) ** 2
    precision, recall, f1 = pairwise(before, whose[:scale])
    moved = int(np.count_nonzero((after[:scale] != before) & (before > 0)))
    largest = int(np.unique(before, return_counts=True)[1].max())
    biggest = int(np.bincount(whose[:scale]).max())
    sought = f"of {ADDED:,} faces added to {scale:,}"
    goal = ("< 600 s", whole["seconds"] < 600) if scale >= 300_000 else ("", None)
    peer = f"scipy's linkage on {few:,}, times the square"
    return [
        Row(f"cluster {scale:,} faces", whole["seconds"], "s", peer, whole["seconds"] / plain, *goal),
        Row("  peak memory", whole["peak"], "MB", "all pairs", whole["peak"] / (scale**2 * 4 / 2**20)),
        Row("  pairwise F1", f1, "", f"precision {precision:.4f}, recall {recall:.4f}"),
        Row("  faces of the largest cluster", largest, "", "of the largest person", largest / biggest),
        Row(f"  seconds {sought}", added["seconds"], "s", "all anew", added["seconds"] / whole["seconds"]),
        Row(f"  peak memory {sought}", added["peak"], "MB", "all anew", added["peak"] / whole["peak"]),
        Row(f"  pairwise F1 {sought}", pairwise(after, whose)[2], "", "before", pairwise(after, whose)[2] / f1),
        Row("  clustered faces that moved", moved, "", goal="0", kept=moved == 0),
    ]


def searching(number: int, room: Path, bound: float) -> list[Row]:
    """Nearest faces among `number`: 95th percentile in ms, and the share of the true nearest that is found."""
    import faiss

    from core.faces.nearest import nearest

    faiss.omp_set_num_threads(1)
    vectors, _ = made_up(number, seed=2)
    with catalogs.create(room / f"nearest{number}") as catalog:
        put_down(catalog, vectors)
        built = seconds(lambda: nearest(catalog, SPACE))
        search = nearest(catalog, SPACE)
        flat = faiss.IndexFlatL2(DIM)
        flat.add(vectors)
        norms = np.einsum("ij,ij->i", vectors, vectors)
        spent: dict[str, list[float]] = {"ours": [], "flat": [], "numpy": []}
        hits = 0
        for row in np.random.default_rng(3).integers(number, size=QUERIES):
            query = vectors[row]
            found: list[Any] = []
            spent["ours"].append(seconds(lambda q=query, f=found: f.append(search.search(q, WANTED)[0])))  # type: ignore[misc]
            spent["flat"].append(seconds(lambda q=query, f=found: f.append(flat.search(q[None], WANTED)[1][0])))  # type: ignore[misc]
            spent["numpy"].append(seconds(lambda q=query: np.argpartition(norms - 2 * (vectors @ q), WANTED)[:WANTED]))  # type: ignore[misc]
            hits += len(set((found[0] - 1).tolist()) & set(found[1].tolist()))
    ours, exact, plain = (float(np.quantile(spent[who], 0.95)) * 1000 for who in ("ours", "flat", "numpy"))
    recall = hits / QUERIES / WANTED
    return [
        Row(
            f"nearest {WANTED} of {number:,}, p95", ours, "ms", "numpy", ours / plain, f"<= {bound:g} ms", ours <= bound
        ),
        Row("  faiss, exact", exact, "ms", "ours", exact / ours),
        Row("  recall", recall, "", "faiss, exact", recall, ">= 0.99", recall >= 0.99),
        Row("  matrix and index made anew", built, "s"),
    ]


def sample(room: Path) -> list[Row]:
    """How well the clusters of the sample archive agree with its truth, at the catalog's own threshold."""
    from core import scan
    from core.faces.index import index_faces
    from storage import photos

    who: dict[int, str] = {}
    with (SAMPLE / "truth.csv").open(encoding="utf-8", newline="") as file:
        truth = list(csv.DictReader(file))
    with catalogs.create(room / "sample") as catalog:
        scan.index(catalog, [SAMPLE / "photos"])
        index_faces(catalog, embedder="dlib")
        result = people.cluster(catalog)
        by_path = {photo.path: photo.id for photo in photos.page(catalog, "p.error IS NULL", limit=10**9)}
        for line in truth:
            seen = faces.of_photo(catalog, by_path.get(bytes(SAMPLE / line["path"]), -1))
            x0, y0, x1, y1 = (round(float(line[key])) for key in ("x0", "y0", "x1", "y1"))
            best = max(seen, key=lambda face: faces.overlap(face.box, (x0, y0, x1, y1)), default=None)
            if best is not None and faces.overlap(best.box, (x0, y0, x1, y1)) >= 0.3:
                who[best.id] = line["name"]
        held = {face.id: face.cluster or -face.id for face in faces.page(catalog)}
    names = {name: at for at, name in enumerate(sorted(set(who.values())))}
    labels = np.array([held[face] for face in who], dtype=np.int64)
    f1 = pairwise(labels, np.array([names[name] for name in who.values()], dtype=np.int64))[2]
    told = f"{result.clusters} clusters of {len(names)} people, {len(who)} faces, threshold {result.threshold}"
    return [Row("pairwise F1 of the sample archive", f1, "", told, goal=">= 0.998", kept=round(f1, 3) >= 0.998)]


def measure(scale: int, room: Path) -> list[Row]:
    """Clustering and adding at `scale` faces, the nearest among 150,000, and among a million when `scale` is that."""
    rows = [*sample(room), *clustering(scale, room), *searching(150_000, room, 20)]
    if scale >= 1_000_000:
        rows += searching(1_000_000, room, 80)
    return rows


def main() -> None:
    """Run what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=int, default=20_000, help="how many made-up faces")
    parser.add_argument("--only", choices=["sample", "cluster", "nearest"], help="one part alone")
    parser.add_argument("--step", choices=["whole", "new"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step:
        run_step(given.step, given.folder)
        return
    with tempfile.TemporaryDirectory() as name:
        room = Path(name)
        if given.only == "sample":
            rows = sample(room)
        elif given.only == "cluster":
            rows = clustering(given.scale, room)
        elif given.only == "nearest":
            rows = searching(given.scale, room, 80 if given.scale > 150_000 else 20)
        else:
            rows = measure(given.scale, room)
    show("People", rows)


if __name__ == "__main__":
    main()
