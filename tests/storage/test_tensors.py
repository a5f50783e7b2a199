"""The safetensors reader and writer, held against the reference implementation and against lying files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from storage.errors import BadTensorFile
from storage.tensors import TensorSpec, header_bytes, read_header, read_tensor, runs, write_tensors
from storage.whole_files import whole_file

NUMPY = {"F32": np.float32, "F16": np.float16, "I64": np.int64, "U8": np.uint8}
ARRAYS = {
    "b.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "a": np.array(7, dtype=np.int64),
    "halves": np.linspace(-1, 1, 5, dtype=np.float16),
    "empty": np.zeros((0, 4), dtype=np.float32),
    "名": np.array([1, 2, 3], dtype=np.uint8),
}


def specs_of(arrays: dict[str, np.ndarray]) -> list[TensorSpec]:
    names = {np.dtype(kind): name for name, kind in NUMPY.items()}
    return [TensorSpec(name, names[array.dtype], array.shape) for name, array in arrays.items()]


def write(path: Path, arrays: dict[str, np.ndarray], metadata: dict[str, str]) -> None:
    with whole_file(path) as file:
        write_tensors(file, specs_of(arrays), metadata, lambda spec: [arrays[spec.name].tobytes()])


def test_the_reference_implementation_reads_what_we_write(tmp_path: Path) -> None:
    write(tmp_path / "f", ARRAYS, {"dtype": "a text", "ß": "é"})
    loaded = load_file(tmp_path / "f")
    assert loaded.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(loaded[name], array)
    with safe_open(tmp_path / "f", "numpy") as file:
        assert file.metadata() == {"dtype": "a text", "ß": "é"}


def test_we_read_what_the_reference_implementation_writes(tmp_path: Path) -> None:
    save_file(ARRAYS, tmp_path / "f", {"key": "value"})
    header = read_header(tmp_path / "f")
    assert header.metadata == {"key": "value"}
    with (tmp_path / "f").open("rb") as file:
        for name, array in ARRAYS.items():
            assert header.specs[name].shape == array.shape
            np.testing.assert_array_equal(
                np.frombuffer(read_tensor(file, header, name), array.dtype).reshape(array.shape), array
            )


def test_bytes_do_not_depend_on_the_order_given(tmp_path: Path) -> None:
    write(tmp_path / "one", ARRAYS, {"a": "1", "b": "2"})
    write(tmp_path / "two", dict(reversed(ARRAYS.items())), {"b": "2", "a": "1"})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8).filter(
            lambda name: name != "__metadata__"
        ),
        st.tuples(st.sampled_from(sorted(NUMPY)), st.lists(st.integers(0, 3), max_size=3)),
        max_size=6,
    )
)
def test_every_tensor_starts_aligned_and_offsets_agree(
    tmp_path_factory: pytest.TempPathFactory, layout: dict[str, tuple[str, list[int]]]
) -> None:
    arrays = {name: np.ones(shape, NUMPY[dtype]) for name, (dtype, shape) in layout.items()}
    path = tmp_path_factory.mktemp("layout") / "f"
    write(path, arrays, {})
    header = read_header(path)
    _, offsets = header_bytes(list(header.specs.values()), {})
    assert offsets == dict(header.offsets)
    for name, array in arrays.items():
        assert header.offsets[name] % array.itemsize == 0


def lie(path: Path, header: object, data: bytes) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def entry(begin: int, end: int, shape: list[int] | None = None, dtype: str = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": [1] if shape is None else shape, "data_offsets": [begin, end]}


@pytest.mark.parametrize(
    ("header", "data"),
    [
        ({"a": entry(0, 4)}, b"123"),
        ({"a": entry(0, 4)}, b"12345"),
        ({"a": entry(0, 8)}, b"12345678"),
        ({"a": entry(4, 8)}, b"12345678"),
        ({"a": entry(0, 4), "b": entry(0, 4)}, b"1234"),
        ({"a": entry(0, 4, dtype="F128")}, b"1234"),
        ({"a": entry(0, 4, shape=[-1])}, b"1234"),
        ({"a": entry(0, 4, shape=[True])}, b"1234"),
        ({"a": {"dtype": "F32"}}, b"1234"),
        ({"a": 3}, b""),
        ({"__metadata__": {"a": 1}}, b""),
        ({"__metadata__": []}, b""),
        ([1], b""),
        (b"{", b""),
        (b"\xff\xfe", b""),
        (b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":1}', b"1234"),
        (b"[" * 100_000, b""),
    ],
)
def test_a_file_that_lies_is_refused_by_name(tmp_path: Path, header: object, data: bytes) -> None:
    path = lie(tmp_path / "liar.safetensors", header, data)
    with pytest.raises(BadTensorFile, match=r"liar\.safetensors"):
        read_header(path)


@pytest.mark.parametrize("raw", [b"", b"123", (2**63).to_bytes(8, "little"), b"\xff" * 8 + b"{}"])
def test_no_header_at_all(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "f").write_bytes(raw)
    with pytest.raises(BadTensorFile):
        read_header(tmp_path / "f")


def test_missing_file_and_missing_tensor(tmp_path: Path) -> None:
    with pytest.raises(BadTensorFile, match="No such file"):
        read_header(tmp_path / "none")
    write(tmp_path / "f", ARRAYS, {})
    with (tmp_path / "f").open("rb") as file, pytest.raises(BadTensorFile, match="no tensor"):
        read_tensor(file, read_header(tmp_path / "f"), "other")


def test_a_short_tensor_leaves_no_file(tmp_path: Path) -> None:
    spec = TensorSpec("a", "F32", (2,))
    with pytest.raises(ValueError, match="4 bytes given, 8 needed"), whole_file(tmp_path / "f") as file:
        write_tensors(file, [spec], {}, lambda _: [b"1234"])
    assert list(tmp_path.iterdir()) == []


def test_runs_join_neighbours(tmp_path: Path) -> None:
    write(tmp_path / "f", {name: np.ones(2, np.float32) for name in "abcd"}, {})
    header = read_header(tmp_path / "f")
    start = header.offsets["a"]
    assert list(runs("adb", header)) == [(start, 16, ["a", "b"]), (start + 24, 8, ["d"])]
    assert list(runs("", header)) == []
