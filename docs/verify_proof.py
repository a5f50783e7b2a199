"""Is a photograph among those a model was trained on? Checks a proof (docs/proofs.md): verify_proof.py PROOF ROOT HASH

ROOT: 64 hex digits, or a model's .safetensors file, which names its roots. HASH: the photograph's BLAKE3 (b3sum FILE).
Exit status 0: what is printed is proved; 1: nothing is."""

import hashlib
import json
import sys
from pathlib import Path


def need(true, why):
    if not true:
        raise ValueError(why)


def digest(kind, *parts):
    return hashlib.sha256(f"kyodaku/2/{kind}\n".encode() + b"".join(parts)).digest()


def raw(text):
    need(len(text) == 64 and bytes.fromhex(text).hex() == text, "not 64 lower-case hex digits")
    return bytes.fromhex(text)


def roots_of(given):
    if not given.endswith(".safetensors"):
        return [given]
    with Path(given).open("rb") as model:
        told = json.loads(model.read(int.from_bytes(model.read(8), "little")))["__metadata__"]
    own = told.get("kyodaku.subject_root") or told.get("kyodaku.cohort_root")
    return [own] if own else sorted(json.loads(told["kyodaku.roots"]))


def included(content, part):
    path, there, pictures = [raw(one) for one in part["path"]], "pictures" in part, []
    need(set(part) == {"path", "root", "pictures" if there else "absent"}, "not a proof")
    for one in part["pictures"] if there else []:
        text = content + json.dumps(one, sort_keys=True, separators=(",", ":"))
        pictures.append(raw(one["hidden"]) if set(one) == {"hidden"} else digest("picture", text.encode()))
    need((pictures and len(path) == 128) or (not there and len(path) <= 128), "not the way to a place")
    held = digest("photograph", content.encode(), *pictures) if there else digest("empty", raw(part["absent"]))
    place = int.from_bytes(digest("place", content.encode())[:16], "big")
    for height, sibling in enumerate(path, 128 - len(path)):  # the place's first bit decides at the top, the last step
        held = digest("node", *((sibling, held) if place >> height & 1 else (held, sibling)))
    need(digest("root", held) == raw(part["root"]), "the way leads to another root")
    return there


try:
    name, root, content = sys.argv[1:]
    text = Path(name).read_bytes()
    proof = json.loads(text)
    need(text == json.dumps(proof, indent=2, sort_keys=True).encode() + b"\n", "it was changed")
    need(repr(proof["format"]) == "2" and len(proof) == 3 and raw(content), "not a proof")
    need(proof["content_hash"] == content, "it is of another photograph")
    need(sorted(part["root"] for part in proof["proofs"]) == roots_of(root), "it is for other roots")
    print("INCLUDED" if max(included(content, part) for part in proof["proofs"]) else "NOT INCLUDED")
except Exception as error:
    sys.exit(f"NOTHING IS PROVED: {error or type(error).__name__}")
