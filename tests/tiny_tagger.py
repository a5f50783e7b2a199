"""A WD14 tagger small enough for a test: a real ONNX model, in the layout of those that are published."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from core.captioning import wd14

SIDE = 8
TAGS = (
    ("general", "9"),
    ("sensitive", "9"),
    ("blue_sky", "0"),
    ("red_dress", "0"),
    ("^_^", "0"),
    ("1girl", "0"),
    ("nude", "0"),
    ("old_woman", "0"),
    ("hatsune_miku", "4"),
    ("noise", "0"),
)


def write_wd14(
    folder: Path, tags: Sequence[tuple[str, str]] = TAGS, *, batch: int | str = "n", bias: float = 0.0
) -> Path:
    """A tagger whose probabilities follow from the mean of each channel, as the real ones' from more than that.

    `blue_sky` from the first channel given, which is blue, `red_dress` from the third; others are near 1, `noise` 0.
    """
    folder.mkdir(exist_ok=True)
    with (folder / wd14.TABLE).open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("tag_id", "name", "category", "count"))
        table.writerows((place, name, category, 1) for place, (name, category) in enumerate(tags))
    weights = np.zeros((3, len(TAGS)), np.float32)
    offsets = np.full(len(TAGS), 4.0, np.float32)
    weights[0, 2] = weights[2, 3] = 8 / 255
    offsets[[2, 3]] = -4.0
    offsets[9] = -9.0
    nodes = [
        helper.make_node("ReduceMean", ["input", "axes"], ["means"], keepdims=0),
        helper.make_node("MatMul", ["means", "weights"], ["scaled"]),
        helper.make_node("Add", ["scaled", "offsets"], ["moved"]),
        helper.make_node("Sigmoid", ["moved"], ["squashed"]),
        helper.make_node("Add", ["squashed", "bias"], ["output"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tagger",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [batch, SIDE, SIDE, 3])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [batch, len(TAGS)])],
        [
            numpy_helper.from_array(np.array([1, 2], np.int64), "axes"),
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(offsets, "offsets"),
            numpy_helper.from_array(np.array(bias, np.float32), "bias"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, folder / wd14.MODEL)
    return folder
