"""The order of the folders, and what importing the package costs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "nmt"
LAYERS = (  # from top to bottom; a file may import from its own layer and those below
    ("cli", "commands", "__init__", "__main__"),
    ("training",),
    ("decoding",),
    ("runs",),
    ("models",),
    ("data",),
    ("analysis",),
    ("devices",),
    ("config",),
    ("errors",),
)
FILES = sorted(PACKAGE.rglob("*.py"))


def module_name(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 2 else parts)


def layer(module):
    name = (module.split(".") + ["__init__"])[1]
    return next(number for number, names in enumerate(LAYERS) if name in names)


def imports(path, *, at_start):
    """The modules of this package that a file imports, all or only those at its start."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if at_start else ast.walk(tree)
    modules = {module_name(file) for file in FILES}
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "nmt")
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            if (node.module or "").split(".")[0] == "nmt":
                for alias in node.names:
                    whole = f"{node.module}.{alias.name}"
                    yield whole if whole in modules else node.module


def test_every_file_has_a_layer():
    for path in FILES:
        assert layer(module_name(path)) < len(LAYERS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_downwards(path):
    if path == PACKAGE / "__init__.py":
        return  # it only forwards names
    here = layer(module_name(path))
    for module in imports(path, at_start=False):
        assert layer(module) >= here, f"{path} imports {module}"


def test_imports_have_no_circles():
    graph = {module_name(path): set(imports(path, at_start=True)) for path in FILES}
    done, under_way = set(), []

    def visit(module):
        assert module not in under_way, " > ".join([*under_way, module])
        if module in done or module not in graph:
            return
        under_way.append(module)
        for imported in graph[module]:
            visit(imported)
        under_way.pop()
        done.add(module)

    for module in graph:
        visit(module)


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, nmt, nmt.cli; print({'jax', 'datasets', 'matplotlib'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_what_the_package_forwards_is_there():
    import nmt

    assert callable(nmt.load)
    assert nmt.Translator.__module__ == "nmt.decoding.translator"
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        nmt.lod  # noqa: B018
