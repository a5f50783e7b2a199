"""Receipts as files: JSON, plain text, and a page of PDF in the person's language."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.errors import BadValue
from core.interchange import receipt as receipts
from storage import subjects, whole_files
from storage.catalog import Catalog

SUFFIXES = (".json", ".pdf", ".txt")


def write(catalog: Catalog, made: Mapping[str, Any], out: Path) -> tuple[list[Path], list[str]]:
    """Write the receipt as its suffix says, or with none as .json and .pdf, each whole or not at all.

    Gives the files, and the characters that the page could only show replaced. Raises BadValue for another suffix.
    """
    if not out.suffix:
        return _write(catalog, made, [out.with_name(f"{out.name}{suffix}") for suffix in (".json", ".pdf")])
    if out.suffix.lower() not in SUFFIXES:
        raise BadValue(f"{out.name}: a receipt is no {out.suffix}", f"one of {', '.join(SUFFIXES)}; or no suffix: both")
    return _write(catalog, made, [out])


def page(catalog: Catalog, made: Mapping[str, Any]) -> tuple[bytes, list[str]]:
    """The receipt as one page of PDF, and the characters that no font has."""
    from core.interchange import receipt_pdf, receipt_pictures  # fpdf is loaded only where it is used

    person = subjects.by_uids(catalog, [made["principal_id"]])[made["principal_id"]]
    return receipt_pdf.pdf(made, lambda ids: list(receipt_pictures.pictures(catalog, person.id, ids)))


def _write(catalog: Catalog, made: Mapping[str, Any], files: list[Path]) -> tuple[list[Path], list[str]]:
    replaced: list[str] = []
    for file in files:
        match file.suffix.lower():
            case ".pdf":
                content, replaced = page(catalog, made)
            case ".txt":
                content = ("\n".join(receipts.lines(made)) + "\n").encode()
            case _:
                content = receipts.written(made).encode()
        with whole_files.whole_file(file) as opened:
            opened.write(content)
    return files, replaced
