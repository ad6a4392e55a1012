#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holds ONNX files to the standard: check_model.py LIST FOLDER, LIST being what export_all wrote on its standard output."""
import json
import os
import sys

import onnx

CLASSES = ["cat", '"dog"\n\\', "K\u00e4tzchen", ""]
INPUTS = ["width", "\u9ad8\u3055", "x\x01"]


def check(path, is_plain):
    with open(path, "rb") as file:
        content = file.read()
    model = onnx.load_model_from_string(content)
    onnx.checker.check_model(model, full_check=True)
    assert model.ir_version == 8
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 13)]
    assert model.producer_name == "libbackprop" and model.producer_version
    assert [i.name for i in model.graph.input] == ["X"] and [o.name for o in model.graph.output] == ["Y"]
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    # Nothing is lost or added where another encoder writes the same message, only the order of fields is its own.
    assert len(model.SerializeToString()) == len(content)
    entries = {e.key: e.value for e in model.metadata_props}
    assert len(entries) == len(model.metadata_props)
    if is_plain:
        assert entries == {}
    else:
        assert json.loads(entries["bp.class_names"]) == CLASSES
        assert json.loads(entries["bp.input_names"]) == INPUTS
        assert entries["author"] == "N\u00f6body"
    return [node.op_type for node in model.graph.node]


def main(list_path, folder):
    operators, n = set(), 0
    with open(list_path, encoding="utf-8") as lines:
        for line in lines:
            name = line.split()[0]
            try:
                operators.update(check(os.path.join(folder, name + ".onnx"), "-tails-" in name or name.startswith("wide")))
            except Exception:
                print(f"check_model.py: {name}.onnx", file=sys.stderr)
                raise
            n += 1
    assert n > 0
    print(f"onnx {onnx.__version__}: {n} files pass the full check; operators: {' '.join(sorted(operators))}")


main(*sys.argv[1:])
