"""The quickstart notebook runs from the first cell to the last, and is stored without outputs."""

import ast
import json
from pathlib import Path
from typing import Any

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebooks" / "quickstart.ipynb"


def test_every_cell_runs() -> None:
    """Each cell runs in the namespace of the ones before it; a value at its end has a representation."""
    scope: dict[str, Any] = {"__name__": "__main__"}
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    for number, source in enumerate(sources):
        *statements, last = ast.parse(source, f"<cell {number}>").body
        exec(compile(ast.Module(statements, []), f"<cell {number}>", "exec"), scope)  # noqa: S102 -- what Jupyter does
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), f"<cell {number}>", "eval"), scope)  # noqa: S307 -- same
            assert value is None or repr(value)
            if hasattr(value, "_repr_html_"):
                assert value._repr_html_()
        else:
            exec(compile(ast.Module([last], []), f"<cell {number}>", "exec"), scope)  # noqa: S102 -- what Jupyter does
    assert scope["result"].best_params


def test_outputs_are_stripped() -> None:
    """Outputs would go stale and fill the diffs."""
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in cells if cell["cell_type"] == "code")
