# SPDX-License-Identifier: Apache-2.0
"""The way of the data has one direction, and what runs in the image knows nothing of the lab."""

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "userland" / "src"
ORDER = [
    "telemetry",
    "signals",
    "actions",
    "healing",
    "explanation",
    "packs",
    "world",
    "vision",
    "robots",
    "tasks",
    "language",
    "planning",
    "service",
    "evaluation",
    "updates",
    "fleet",
    "shell",
]
"""Each package may import itself and those before it. The daemons are in those before `evaluation`."""
LAB_ONLY = {
    "torch",
    "onnx",
    "onnxscript",
    "lightgbm",
    "statsforecast",
    "fracast",
    "latentplant",
    "safetensors",
    "transformers",
    "pymunk",
    "ray",
    "jepa_lab",
}


def imports(path: Path) -> Iterator[str]:
    """Every absolute module name that a file imports, at any depth."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} uses a relative import"
            yield node.module or ""


@pytest.mark.parametrize("package", ORDER)
def test_package_imports_only_what_lies_before_it(package: str) -> None:
    later = set(ORDER[ORDER.index(package) + 1 :])
    files = list((SRC / "jepa" / package).rglob("*.py"))
    assert files
    wrong = [
        f"{path.relative_to(SRC)} imports {name}"
        for path in files
        for name in imports(path)
        if name.startswith("jepa.") and name.split(".")[1] in later
    ]
    assert not wrong, wrong


SEEN_BY_PLANNING = {"telemetry", "signals", "packs", "world", "tasks", "planning", "errors", "text"}
"""Of our packages; of actions it sees the types in the catalogue, and nothing of how one is applied."""


def test_planning_sees_of_actions_the_catalogue_alone() -> None:
    wrong = [
        f"{path.relative_to(SRC)} imports {name}"
        for path in (SRC / "jepa/planning").rglob("*.py")
        for name in imports(path)
        if name.startswith("jepa.")
        and name.split(".")[1] not in SEEN_BY_PLANNING
        and name != "jepa.actions.catalogue"
    ]
    assert not wrong, wrong


def test_the_image_never_imports_the_lab() -> None:
    wrong = [
        f"{path.relative_to(SRC)} imports {name}"
        for path in (SRC / "jepa").rglob("*.py")
        for name in imports(path)
        if name.split(".")[0] in LAB_ONLY
    ]
    assert not wrong, wrong


def test_every_module_says_its_purpose_and_licence() -> None:
    for path in SRC.rglob("*.py"):
        text = path.read_text()
        assert text.startswith("# SPDX-License-Identifier:"), path
        assert ast.get_docstring(ast.parse(text)), path


def module_name(path: Path) -> str:
    """The dotted name under which ``path`` is imported."""
    parts = path.relative_to(SRC).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def import_graph() -> dict[str, set[str]]:
    """For every module of ours, those of ours it imports when it runs (not for types alone)."""
    files = {module_name(path): path for path in SRC.rglob("*.py")}
    graph: dict[str, set[str]] = {}
    for name, path in files.items():
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                node.body = []
        found: set[str] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                found.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module)
                found.update(f"{node.module}.{alias.name}" for alias in node.names)
        graph[name] = (found & files.keys()) - {name}
    return graph


def test_no_modules_import_each_other_in_a_circle() -> None:
    try:
        graphlib.TopologicalSorter(import_graph()).prepare()
    except graphlib.CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_no_two_public_classes_have_one_name() -> None:
    defined: dict[str, list[str]] = {}
    for path in sorted((SRC / "jepa").rglob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                defined.setdefault(node.name, []).append(str(path.relative_to(SRC)))
    assert len(defined) > 500
    assert {name: places for name, places in defined.items() if len(places) > 1} == {}
