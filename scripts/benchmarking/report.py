"""How benchmarks report: a plain table or one JSON object on stdout, progress on stderr."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

ABSENT = "-"


def say(text: str) -> None:
    """What goes on, for whoever waits."""
    print(text, file=sys.stderr, flush=True)


def report(head: Mapping[str, Any], results: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """Prints what was measured.

    Args:
      head: of the whole run; `matmul_gflops` is in it, and `machine`.
      results: what was measured of each model.
      as_json: prints one object: `head` with `results` in it.
    """
    if as_json:
        print(json.dumps({**head, "results": list(results)}, indent=2, ensure_ascii=False))
        return
    for name, value in _flat(head):
        print(f"{name}: {_shown(value)}")
    print()
    print(table(results))


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows of values under their names, numbers to the right; lists are left to --json."""
    names = dict.fromkeys(name for row in rows for name in row)
    names = [n for n in names if not any(isinstance(row.get(n), list | dict) for row in rows)]
    cells = [[_shown(row.get(name)) for name in names] for row in rows]
    heads = [name.split("_") for name in names]
    height = max((len(head) for head in heads), default=0)
    lines = [[head[k] if k < len(head) else "" for head in heads] for k in range(height)] + cells
    widths = [max(len(line[k]) for line in lines) for k in range(len(names))]
    texts = {k for k, n in enumerate(names) if any(isinstance(row.get(n), str) for row in rows)}

    def padded(line: Sequence[str]) -> str:
        cells = zip(range(len(line)), line, widths, strict=True)
        joined = (c.ljust(width) if k in texts else c.rjust(width) for k, c, width in cells)
        return "  ".join(joined).rstrip()

    return "\n".join(map(padded, lines))


def _shown(value: Any) -> str:
    """A value for readers: three digits or more of a number."""
    match value:
        case None:
            return ABSENT
        case float() if abs(value) >= 100:
            return f"{value:.0f}"
        case float():
            return f"{value:.3g}"
        case _:
            return str(value)


def _flat(tree: Mapping[str, Any], prefix: str = ""):
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
