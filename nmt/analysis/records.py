"""The records of a metrics file: what was measured at a step, one JSON object a line."""

import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path

from nmt.errors import DataError

Record = Mapping[str, float | int | str | None]


def read_records(path: str | PathLike) -> list[dict[str, float | int | str | None]]:
    """Reads a metrics file; a last line without its newline was cut off in writing and left out.

    Raises:
      DataError: the file cannot be read, or a line is not a JSON object with a step.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").split("\n")[:-1]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the metrics file {path}: {error}") from error
    records = []
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if not isinstance(record, dict) or not isinstance(record.get("step"), int):
            raise DataError(
                f"{path}, line {number}: a JSON object with a step is wanted; got {line[:60]!r}"
            )
        records.append(record)
    return records
