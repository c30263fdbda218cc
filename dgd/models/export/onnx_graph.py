"""A model as an ONNX graph in float64: columns in, predictions and probabilities out.

inputs    X (rows, columns) for a model of an array; of a table a vector of each column: double, or string and int64
          for categories. A missing number is NaN, a missing text "".
outputs   prediction (rows,) or (rows, outputs): numbers or labels; probabilities (rows, classes)

Categories cost a look-up: a label's number, and the row of coefficients there.
"""

from __future__ import annotations

import ast
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dgd._typing import Array
from dgd.errors import ConfigurationError
from dgd.models.export.link import link_of
from dgd.models.export.summands import Category, Number, Summand, summands
from dgd.models.predictor import Predictor

OPSET, LABELS_OPSET, IR = 18, 3, 9
FUNCTIONS = {"log": "Log", "exp": "Exp", "sqrt": "Sqrt", "abs": "Abs", "sin": "Sin", "cos": "Cos"}
OPERATORS = {ast.Add: "Add", ast.Sub: "Sub", ast.Mult: "Mul", ast.Div: "Div", ast.Pow: "Pow"}


def onnx_bytes(model: Predictor) -> bytes:
    """The graph, checked. Raises ConfigurationError without the package `onnx`, or for a model without such a form."""
    found = summands(model)
    onnx = _onnx()
    graph = _Graph(onnx)
    raw = _raw(model, found, graph)
    _responses(model, graph, raw)
    made = onnx.helper.make_graph(graph.nodes, "dgd", graph.inputs, graph.outputs, graph.constants)
    imports = [onnx.helper.make_opsetid("", OPSET), onnx.helper.make_opsetid("ai.onnx.ml", LABELS_OPSET)]
    document = onnx.helper.make_model(made, opset_imports=imports, ir_version=IR, producer_name="dgd")
    onnx.checker.check_model(document)
    content: bytes = document.SerializeToString()
    return content


def _onnx() -> Any:
    try:
        import onnx
        import onnx.checker
        import onnx.helper
        import onnx.numpy_helper
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            'a model is written as ONNX by the package onnx, which is not installed: pip install "dgd[onnx]"'
        ) from error
    return onnx


@dataclass
class _Graph:
    """Nodes, constants and inputs, as they are added."""

    onnx: Any
    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)
    inputs: list[Any] = field(default_factory=list)
    outputs: list[Any] = field(default_factory=list)
    known: dict[Any, str] = field(default_factory=dict)

    def __call__(
        self, operator: str, *inputs: str, name: str | None = None, domain: str = "", **attributes: Any
    ) -> str:
        """The name of a node's output."""
        name = name or f"v{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(operator, list(inputs), [name], domain=domain, **attributes))
        return name

    def constant(self, values: Any) -> str:
        """The name of a constant."""
        name = f"c{len(self.constants)}"
        values = np.asarray(values)
        if values.dtype.kind == "U":
            tensor = self.onnx.helper.make_tensor(
                name, self.onnx.TensorProto.STRING, values.shape, [text.encode() for text in values.ravel().tolist()]
            )
        else:
            tensor = self.onnx.numpy_helper.from_array(np.ascontiguousarray(values), name)
        self.constants.append(tensor)
        return name

    def input(self, name: str, kind: str, shape: tuple[Any, ...]) -> str:
        """An input, added once."""
        if name not in self.known:
            element = getattr(self.onnx.TensorProto, kind)
            self.inputs.append(self.onnx.helper.make_tensor_value_info(name, element, shape))
            self.known[name] = name
        return name

    def output(self, name: str, kind: str, shape: tuple[Any, ...]) -> None:
        """An output."""
        self.outputs.append(self.onnx.helper.make_tensor_value_info(name, getattr(self.onnx.TensorProto, kind), shape))


def _raw(model: Predictor, found: list[Summand], graph: _Graph) -> str:
    """η, (rows, outputs)."""
    q = math.prod(model.outputs)
    intercept = np.broadcast_to(np.atleast_1d(np.asarray(model.intercept, dtype=np.float64)), (q,))
    if model.design is None:
        X = graph.input("X", "DOUBLE", ("rows", model.n_features))
        total = graph("MatMul", X, graph.constant(np.stack([each.table for each in found])))
        return graph("Add", total, graph.constant(intercept))
    kinds = _kinds(found)
    plain = [each for each in found if not each.categories]
    parts = []
    if plain:
        columns = [graph("Unsqueeze", _product(each.numbers, graph), graph.constant(np.array([1]))) for each in plain]
        block = graph("Concat", *columns, axis=1)
        parts.append(graph("MatMul", block, graph.constant(np.stack([each.table for each in plain]))))
    parts += [_coded(each, kinds, graph) for each in found if each.categories]
    total = graph.constant(intercept.reshape(1, q))
    for part in parts:
        total = graph("Add", total, part)
    return total


def _kinds(found: list[Summand]) -> dict[str, str]:
    """What goes in for each column of a category: texts or whole numbers, unless it is a number elsewhere."""
    kinds: dict[str, str] = {}
    for category in (category for each in found for category in each.categories):
        texts = {isinstance(level, str) for level in category.levels}
        whole = all(isinstance(level, str) or int(level) == level for level in category.levels)
        if len(texts) > 1 or not whole:
            raise ConfigurationError(
                f"the levels of {category.column!r} are not all texts or all whole numbers, which ONNX can look up"
            )
        kinds[category.column] = "STRING" if texts == {True} else "INT64"
    for one in (one for each in found for one in each.numbers):
        for node in ast.walk(one.tree):
            if isinstance(node, ast.Name) and kinds.get(node.id) == "INT64":
                kinds[node.id] = "DOUBLE"
    return kinds


def _coded(each: Summand, kinds: dict[str, str], graph: _Graph) -> str:
    """The coefficients at a row's levels, times its numbers; (rows, outputs)."""
    place = None
    for category, size in zip(each.categories, each.table.shape, strict=False):
        mine = _place(category, kinds[category.column], graph)
        place = mine if place is None else graph("Add", graph("Mul", place, graph.constant(np.int64(size))), mine)
    assert place is not None
    table = graph.constant(each.table.reshape(-1, each.table.shape[-1]))
    found = graph("Gather", table, place, axis=0)
    if not each.numbers:
        return found
    return graph("Mul", found, graph("Unsqueeze", _product(each.numbers, graph), graph.constant(np.array([1]))))


def _place(category: Category, kind: str, graph: _Graph) -> str:
    """Which level a row has: after them a missing one, and any other."""
    key = ("place", category)
    if key in graph.known:
        return graph.known[key]
    given = graph.input(category.column, kind, ("rows",))
    levels, other = len(category.levels), len(category.levels) + 1
    if kind == "STRING":
        texts = [*map(str, category.levels), *([""] if "" not in category.levels else [])]
        place = graph(
            "LabelEncoder", given, domain="ai.onnx.ml", keys_strings=texts, values_int64s=list(range(len(texts))),
            default_int64=other,
        )  # fmt: skip
    else:
        missing = None
        if kind == "DOUBLE":
            missing = graph("IsNaN", given)
            given = graph("Where", missing, graph.constant(np.float64(0)), given)
            given = graph("Cast", given, to=graph.onnx.TensorProto.INT64)
        place = graph(
            "LabelEncoder", given, domain="ai.onnx.ml", keys_int64s=[int(level) for level in category.levels],
            values_int64s=list(range(levels)), default_int64=other,
        )  # fmt: skip
        if missing is not None:
            place = graph("Where", missing, graph.constant(np.int64(levels)), place)
    graph.known[key] = place
    return place


def _product(numbers: tuple[Number, ...], graph: _Graph) -> str:
    found = _number(numbers[0], graph)
    for one in numbers[1:]:
        found = graph("Mul", found, _number(one, graph))
    return found


def _number(one: Number, graph: _Graph) -> str:
    value = _arithmetic(one.tree, graph)
    if one.says_missing:
        return graph("Cast", graph("IsNaN", value), to=graph.onnx.TensorProto.DOUBLE)
    if one.fill is None:
        return value
    return graph("Where", graph("IsNaN", value), graph.constant(np.float64(one.fill)), value)


def _arithmetic(tree: ast.expr, graph: _Graph) -> str:
    match tree:
        case ast.Name(id=column):
            return graph.input(column, "DOUBLE", ("rows",))
        case ast.Constant(value=value):
            return graph.constant(np.float64(value))  # type: ignore[arg-type]
        case ast.UnaryOp(op=op, operand=operand):
            found = _arithmetic(operand, graph)
            return graph("Neg", found) if isinstance(op, ast.USub) else found
        case ast.BinOp(left=left, op=op, right=right):
            return graph(OPERATORS[type(op)], _arithmetic(left, graph), _arithmetic(right, graph))
        case ast.Call(func=ast.Name(id=function), args=[argument]):
            return _function(function, _arithmetic(argument, graph), graph)
    raise AssertionError(ast.dump(tree))


def _function(function: str, value: str, graph: _Graph) -> str:
    one = np.float64(1)
    if function == "I":
        return value
    if function in ("log2", "log10"):
        base = math.log(2 if function == "log2" else 10)
        return graph("Div", graph("Log", value), graph.constant(np.float64(base)))
    if function == "log1p":
        return graph("Log", graph("Add", value, graph.constant(one)))
    if function == "expm1":
        return graph("Sub", graph("Exp", value), graph.constant(one))
    return graph(FUNCTIONS[function], value)


def _responses(model: Predictor, graph: _Graph, raw: str) -> None:
    """The outputs."""
    link, q = link_of(model), math.prod(model.outputs)
    shape: tuple[Any, ...] = ("rows", q) if model.outputs else ("rows",)
    flat = raw if model.outputs else graph("Squeeze", raw, graph.constant(np.array([1])))
    operator = {"identity": "Identity", "exp": "Exp", "logistic": "Sigmoid", "softmax": "Softmax"}[link]
    if model.classes is None:
        graph(operator, flat, name="prediction")
        graph.output("prediction", "DOUBLE", shape)
        return
    labels: Array = np.asarray(model.classes)
    kind = {"U": "STRING", "i": "INT64", "b": "BOOL", "f": "DOUBLE"}[labels.dtype.kind]
    if link == "softmax":
        place = graph("ArgMax", raw, axis=1, keepdims=0)
        graph("Softmax", raw, name="probabilities", axis=1)
        graph("Gather", graph.constant(labels), place, name="prediction", axis=0)
        graph.output("prediction", kind, ("rows",))
        graph.output("probabilities", "DOUBLE", ("rows", q))
        return
    above = graph("Greater", flat, graph.constant(np.float64(0)))
    place = graph("Cast", above, to=graph.onnx.TensorProto.INT64)
    graph("Gather", graph.constant(labels), place, name="prediction", axis=0)
    last = graph.constant(np.array([-1]))
    both = [graph("Sigmoid", graph("Neg", flat)), graph("Sigmoid", flat)]
    graph("Concat", *(graph("Unsqueeze", each, last) for each in both), name="probabilities", axis=-1)
    graph.output("prediction", kind, shape)
    graph.output("probabilities", "DOUBLE", (*shape, 2))
