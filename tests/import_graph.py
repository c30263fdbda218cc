"""The import graph of dgd and its rule: `python tests/import_graph.py` prints the floors, and what is against the rule.

Which folder may import which, no circle of files, and one home for each outside library.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "dgd"

ALLOWED = {
    "errors": set(),
    "losses": {"errors"},
    "penalties": {"errors"},
    "solvers": {"errors"},
    "data": {"errors"},
    "passes": {"errors", "losses", "data"},
    "models": {"errors", "losses", "data", "passes"},
    "fitting": {"errors", "losses", "penalties", "solvers", "data", "passes", "models"},
    "testing": {"errors", "losses", "data", "passes"},
    "estimators": {"errors", "losses", "penalties", "solvers", "data", "passes", "models", "fitting"},
    "cli": {"errors", "losses", "penalties", "solvers", "data", "passes", "models", "fitting"},
    "__init__": {
        "errors",
        "losses",
        "penalties",
        "solvers",
        "data",
        "passes",
        "models",
        "fitting",
        "estimators",
        "testing",
    },
    "__main__": {"cli"},
    "_typing": set(),
    "_version": set(),
}
"""What each folder may import, besides itself and the two files below."""
EVERYWHERE = {"_typing", "_version"}

HOMES = {
    "zarr": "data/zarr",
    "numcodecs": "data/zarr",
    "fsspec": "data/zarr",
    "crc32c": "data/zarr",
    "dask": ("data/dask_rows", "passes/cluster", "passes/memory.py"),
    "distributed": (
        "data/dask_rows",
        "passes/cluster",
        "testing/simulated_client.py",
        "testing/simulated_cluster.py",
    ),
    "pyarrow": "data/tables",
    "sklearn": "estimators",
    "scipy": ("data/csr.py", "estimators"),
    "xarray": "models/labelled.py",
    "pandas": ("models/inference/table.py", "estimators/to_sklearn.py"),
    "onnx": "models/export/onnx_graph.py",
    "click": "cli",
    "rich": "cli/progress",
    "matplotlib": "fitting/plots",
    "threadpoolctl": "passes/blas.py",
    "psutil": "passes/memory.py",
    "numba": "passes/sums/compiled",
    "llvmlite": "passes/sums/compiled",
    "tornado": "passes/cluster/pages.py",
    "prometheus_client": "passes/cluster/pages.py",
}
"""Where each outside library may be imported; NumPy may be anywhere."""

TOP = {"__init__.py", "__main__.py", "_version.py", "_typing.py", "py.typed"}
MOST_ENTRIES = 12
BLOCKS = ("body", "orelse", "handlers", "finalbody", "cases")


@cache
def imports() -> dict[Path, list[tuple[str, int]]]:
    """Every module that each file imports, at any depth, with its line; imports for type checking do not count."""
    return {path.relative_to(PACKAGE): list(_imports(path)) for path in sorted(PACKAGE.rglob("*.py"))}


def _imports(path: Path) -> Iterator[tuple[str, int]]:
    for node in statements(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            submodules = [f"{module}.{alias.name}" for alias in node.names if is_module(f"{module}.{alias.name}")]
            # `from package import module` imports the module; the package itself is but its docstring.
            yield from ((name, node.lineno) for name in submodules or [module])


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """A module and its statements at any depth, but those for type checking; many times faster than `ast.walk`."""
    yield node
    blocks = ("orelse",) if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING" else BLOCKS
    for block in blocks:
        for child in getattr(node, block, ()):
            yield from statements(child)


@cache
def is_module(name: str) -> bool:
    if not name.startswith("dgd."):
        return False
    path = PACKAGE.joinpath(*name.split(".")[1:])
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def folder(path: Path) -> str:
    """The folder or module directly below the package."""
    return path.parts[0].removesuffix(".py")


def forbidden(found: dict[Path, list[tuple[str, int]]]) -> list[str]:
    """The imports that the rule does not allow."""
    return [
        f"{path}:{line} imports {module}"
        for path, modules in found.items()
        for module, line in modules
        if module.startswith("dgd.") and module.split(".")[1] not in {folder(path), *EVERYWHERE, *ALLOWED[folder(path)]}
    ]


def circles(found: dict[Path, list[tuple[str, int]]]) -> list[str]:
    """Each file that can be reached from itself."""
    graph = {
        module_of(path): {name for name, _ in modules if name.startswith("dgd")} for path, modules in found.items()
    }

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        stack = [start]
        while stack:
            new = graph.get(stack.pop(), set()) - seen
            seen |= new
            stack.extend(new)
        return seen

    return [module for module in graph if module in reached(module)]


def module_of(path: Path) -> str:
    return ".".join(["dgd", *path.with_suffix("").parts]).removesuffix(".__init__")


def astray(found: dict[Path, list[tuple[str, int]]]) -> list[str]:
    """Imports of an outside library away from its home."""
    stray = []
    for path, modules in found.items():
        for module, line in modules:
            top = module.partition(".")[0]
            homes = HOMES.get(top, ())
            at_home = path.as_posix().startswith(homes)
            if top not in {"dgd", "numpy"} and top not in sys.stdlib_module_names and not at_home:
                stray.append(f"{path}:{line} imports {top}")
    return stray


def floors(found: dict[Path, list[tuple[str, int]]]) -> list[set[str]]:
    """The folders, lowest first: each imports only folders of floors below."""
    below = {folder(path): set[str]() for path in found}
    for path, modules in found.items():
        below[folder(path)] |= {name.split(".")[1] for name, _ in modules if name.startswith("dgd.")} - {folder(path)}
    stack: list[set[str]] = []
    while below:
        floor = {name for name, needs in below.items() if not needs & below.keys()}
        if not floor:
            return [*stack, set(below)]
        stack.append(floor)
        below = {name: needs for name, needs in below.items() if name not in floor}
    return stack


def top_entries() -> set[str]:
    """The folders and files at the top of the package, besides the fixed ones."""
    return {path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"} - TOP


if __name__ == "__main__":
    graph = imports()
    for number, floor in enumerate(floors(graph), 1):
        print(f"floor {number}  {' '.join(sorted(floor))}")
    for what, against in {
        "imports against the rule": forbidden(graph),
        "files in a circle": circles(graph),
        "libraries away from home": astray(graph),
    }.items():
        print(f"{what}: {len(against)}", *against, sep="\n  ")
    print(f"entries at the top: {len(top_entries())} ({' '.join(sorted(top_entries()))})")
