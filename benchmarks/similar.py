"""How fast look-alikes are found, and how well, beside what else would find them.

    python -m benchmarks.similar [--scale 300000]

Peers: decoding alone for the hashes, faiss' multi-hash index for the search, one pHash alone for what is told apart.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import tempfile
import time
from pathlib import Path

import faiss
import numpy as np
from PIL import Image

from benchmarks.table import Row, show
from core import image, scan
from core.similar.find import find
from core.similar.grouping import NEAR_DETAIL, NEAR_KEY, arrange, firsts
from core.similar.hashing import KEY, LONGEST, perceptual_hash
from core.similar.pictures import gather
from storage import catalog as catalogs
from storage import photos, similar
from storage.similar import Likeness, Seen

SAMPLE = Path(__file__).parent.parent / "sample_data/photos"
PLANTED = 0.1  # of the photographs lie near another one
QUERIES = 20_000  # of faiss; the whole would take minutes
MOST_SECONDS = 120  # for a million on one core
LARGE = (6000, 4000)  # a photograph of 24 megapixels


def main() -> None:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("--scale", type=int, default=300_000, help="photographs to group")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="kyodaku-benchmark-") as room:
        show(f"look-alikes, {given.scale:,} photographs", measure(given.scale, Path(room)))


def measure(scale: int, room: Path) -> list[Row]:
    """The rows; `room` is an empty folder."""
    return [*hashing(room), *told_apart(room), *grouping(scale), *by_faiss(scale)]


def hashing(room: Path) -> list[Row]:
    """Photographs a second on one core, decoded at reduced scale and hashed, small ones and large ones."""
    small = sorted(SAMPLE.rglob("*.JPG"))[:200]
    wide = Image.open(small[0]).convert("RGB").resize(LARGE)
    noise = Image.effect_noise(LARGE, 30).convert("RGB")  # a JPEG costs by what is in it
    large = room / "large.jpg"
    Image.blend(wide, noise, 0.3).save(large, quality=92)
    rows = []
    for what, paths in (("512 to 1,024 pixels", small), ("24 megapixels", [large] * 10)):
        start = time.process_time()
        pictures = [image.load(path, 1, longest=LONGEST) for path in paths]
        decoded = time.process_time() - start
        start = time.process_time()
        for picture in pictures:
            perceptual_hash(picture)
        whole = decoded + time.process_time() - start
        rows.append(Row(f"hashed, JPEGs of {what}", len(paths) / whole, "/s a core", "decoding alone", decoded / whole))
    return rows


def told_apart(room: Path) -> list[Row]:
    """Pairs of the sample archive: its copies and second versions, and everything else."""
    shutil.copytree(SAMPLE, room / "photos")
    with catalogs.create(room / "catalog") as catalog:
        scan.index(catalog, [room / "photos"])
        find(catalog)
        names = {one.id: Path(one.path_text).name for one in photos.get_many(catalog, list(photos.ids(catalog)))}
        found = [{names[one.photo] for one in group.members} for group in similar.groups(catalog)]
        copies = sum(group.kind is Likeness.COPY for group in similar.groups(catalog))
        hashes = [one.hash[:KEY] for one in similar.compared(catalog) if one.hash is not None]
    seconds = (
        {"DSC_0333.JPG", "screenshot.jpg"},
        {"IMG_0691.HEIC", "IMG_0691.JPG"},
        {"IMG_4823.JPG", "retouched IMG_4823.png"},
    )
    right = copies + sum(pair in found for pair in seconds)
    keys = np.frombuffer(b"".join(hashes), np.uint64)
    close = int((np.bitwise_count(keys[:, None] ^ keys) <= NEAR_KEY).sum() - len(keys)) // 2
    return [
        Row("sample archive: groups found of 8", right, "groups", goal="8", kept=right == 8),
        Row("... that are right", right / len(found), "of 1", "pHash of 64 bits alone", right / len(found) * close / 8),
    ]


def grouping(scale: int) -> list[Row]:
    """Random hashes, a tenth of them near another: seconds on one core, and the most memory the process took."""
    rows = planted(scale)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    pictures = gather((), rows)
    found = arrange(pictures, 1)
    seconds = time.process_time() - start
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    joined = int((found.groups > 0).sum())
    wanted = 2 * int(scale * PLANTED)
    late = rows[: max(1, scale // 1000)]
    known = [one._replace(photo=one.photo + scale) for one in rows]
    start = time.process_time()
    arrange(gather(known, late), 1)
    again = time.process_time() - start
    most = MOST_SECONDS * scale / 1e6
    return [
        Row("grouped, one core", seconds, "s", goal=f"{most:,.0f} s", kept=seconds <= most),
        Row("... planted pairs found", joined / wanted, "of 1", goal="1", kept=joined == wanted),
        Row("... memory it added", (after - before) / 1024, "MB"),
        Row("a thousandth more, one core", again, "s", "all anew", again / seconds),
    ]


def planted(scale: int) -> list[Seen]:
    """Photographs of random hashes; the last tenth are near one before them, at most the bounds away."""
    draws = np.random.default_rng(7)
    near = int(scale * PLANTED)
    bits = draws.integers(0, 256, (scale, 72), dtype=np.uint8)
    bits[-near:] = bits[:near]
    flipped = np.zeros((near, 72 * 8), np.uint8)
    key = np.argsort(draws.random((near, 64)), axis=1)[:, :NEAR_KEY]
    np.put_along_axis(flipped, key, 1, axis=1)
    flipped[:, 64 : 64 + NEAR_DETAIL] = 1
    bits[-near:] ^= np.packbits(flipped, axis=1)
    return [Seen(place + 1, f"{place:064x}", row.tobytes(), None, None, None, True) for place, row in enumerate(bits)]


def by_faiss(scale: int) -> list[Row]:
    """The search alone, by us and by faiss' multi-hash index with the same bands, on one core."""
    keys = np.random.default_rng(8).integers(0, 2**64, scale, dtype=np.uint64)
    start = time.process_time()
    firsts(keys, np.zeros((scale, 8), np.uint64))
    ours = time.process_time() - start
    faiss.omp_set_num_threads(1)
    codes = keys.view(np.uint8).reshape(-1, 8)
    start = time.process_time()
    index = faiss.IndexBinaryMultiHash(64, 3, 21)
    index.nflip = 2
    index.add(codes)
    built = time.process_time() - start
    some = codes[: min(QUERIES, scale)]
    start = time.process_time()
    index.range_search(some, NEAR_KEY + 1)
    theirs = built + (time.process_time() - start) * scale / len(some)
    return [Row("neighbours of all within 8 bits", ours, "s", "faiss multi-hash", ours / theirs)]


if __name__ == "__main__":
    main()
