"""Datasets of the Hugging Face Hub, local folders laid out like one, and single parquet files.

Two layouts are known: one column per language, named by its code (bentrevett/multi30k), and one
column `translation` that holds a {language: text} dict (wmt14, opus). Word links are a column of
their own in both. `datasets` takes seconds to import, so only the functions that need it import it.
"""

import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from nmt.config.schema import DataConfig
from nmt.data.columns import Columns, LinkLine, TextRow, check_column, some_linked
from nmt.data.streams import RowStream, State
from nmt.data.text_files import TRANSLATION, check_no_nul
from nmt.errors import DataError, NmtError, nearest

if TYPE_CHECKING:
    import datasets
    import pyarrow

logger = logging.getLogger(__name__)

_ROWS = 1000  # read at a time, however long their text is
_SLICE = re.compile(r"([\w.\-]+)(\[.*\])?")  # train, or train[:1%]


def place_of(config: DataConfig) -> str:
    """Where the corpus is, as error messages begin."""
    return f"data.hub {config.hub}" if config.hub else f"data.path {config.path}"


def root_of(config: DataConfig) -> Path:
    """The folder `data.path`, or the prefix of file names, with a home folder in place of ~.

    Raises:
      DataError: there is no such home folder.
    """
    try:
        return Path(config.path).expanduser()
    except RuntimeError:
        raise DataError(f"{place_of(config)}: no such home folder") from None


def no_split(config: DataConfig, name: str, hint: str) -> DataError:
    """The error that a split is not there; with the key that names it, unless an option does.

    Args:
      config: names the splits.
      name: of this one.
      hint: the end of the message.
    """
    keys = {"train": (config.train,), "validation": (config.validation,), "test": config.test}
    named = [f"data.{key}" for key, splits in keys.items() if name in splits]
    by = f", which {' and '.join(named)} names" if named else ""
    return DataError(f"{place_of(config)}: no split {name!r}{by}{hint}")


def open_dataset(config: DataConfig, name: str) -> RowStream:
    """Opens one split of the dataset `data.hub`, or of the folder `data.path`.

    A split may be a part of one in the notation of `datasets`, such as "train[:1%]" (not when
    streaming).

    Raises:
      DataError: the dataset or configuration is not there; when its rows are read, the split or
        a column is not there, or it cannot be read.
    """
    place, columns = place_of(config), Columns.of(config, name)
    with _one_line_errors(place), _quiet_retries(config):
        builder = _open_builder(config, place)
        state = _state(builder, name)

    def rows() -> Iterator[TextRow]:
        with _one_line_errors(place):
            dataset = _open_split(builder, config, name, place)  # may download it
            tables = dataset.with_format("arrow").iter(batch_size=_ROWS)
            yield from _rows(tables, columns, f"{place}, split {name}")

    return RowStream(rows, state)


def iter_parquet(path: Path, columns: Columns) -> Iterator[TextRow]:
    """The pairs of a parquet file, in either layout.

    Raises:
      DataError: the file is no parquet file, or lacks a column.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with _one_line_errors(str(path)), pq.ParquetFile(path) as file:
        needed = _needed_columns(file.schema_arrow.names, columns)
        tables = map(
            lambda batch: pa.Table.from_batches([batch]),
            file.iter_batches(batch_size=_ROWS, columns=needed),
        )
        yield from _rows(tables, columns, str(path))


@contextmanager
def _one_line_errors(place: str) -> Iterator[None]:
    # datasets, huggingface_hub, pyarrow and the network below them raise dozens of types whose
    # messages are often pages: here is the one place where any of them becomes a user's error.
    try:
        yield
    except NmtError:
        raise
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = lines[0] if lines else type(error).__name__
        raise DataError(f"{place}: cannot be read: {reason}") from error


@contextmanager
def _quiet_retries(config: DataConfig) -> Iterator[None]:
    """Says once what is waited for, where the Hub's library warns at each of its six attempts."""
    from huggingface_hub.utils import logging as library

    if config.hub is not None:
        logger.info("looking for %s on the Hugging Face Hub", config.hub)
    verbosity = library.get_verbosity()
    library.set_verbosity_error()
    try:
        yield
    finally:
        library.set_verbosity(verbosity)


def _open_split(
    builder: "datasets.DatasetBuilder", config: DataConfig, name: str, place: str
) -> "datasets.Dataset | datasets.IterableDataset":
    match = _SLICE.fullmatch(name)
    base, part = match.groups() if match else (name, None)
    present = [str(split) for split in builder.config.data_files or builder.info.splits or ()]
    if present and base not in present:  # a cached one may know its splits only when opened
        raise no_split(config, base, nearest(base, present))
    if part and config.streaming:
        raise DataError(f"{place}: data.streaming cannot read a part of a split; got {name!r}")
    # A local folder is streamed too: that reads its files in place instead of copying them.
    if config.streaming or (config.hub is None and not part):
        rows = builder.as_streaming_dataset(base)
    else:
        builder.download_and_prepare()
        rows = builder.as_dataset(name)
    if rows.column_names is None:  # not known before the first row is read
        return rows
    return rows.select_columns(_needed_columns(rows.column_names, Columns.of(config, name)))


def _open_builder(config: DataConfig, place: str) -> "datasets.DatasetBuilder":
    import datasets
    from datasets import packaged_modules

    if config.hub in packaged_modules._PACKAGED_DATASETS_MODULES:  # csv, json, text, ...
        raise DataError(
            f"{place}: wanted a dataset of the Hub, such as OWNER/NAME; got the name of a format "
            "of files (data.path names files)"
        )
    # A relative path may be such a name, too: `datasets` would then read the working folder.
    path = config.hub or str(root_of(config).absolute())
    wanted = config.configuration
    try:
        builder = datasets.load_dataset_builder(path, wanted, revision=config.revision)
        if not hasattr(builder.config, "keep_default_na"):
            return builder
        return datasets.load_dataset_builder(  # of .csv, where "None" and nothing are texts, too
            path, wanted, revision=config.revision, keep_default_na=False
        )
    except ValueError:
        legal = datasets.get_dataset_config_names(path, revision=config.revision)
        if wanted in legal:
            raise
        if wanted is None:
            raise DataError(
                f"{place}: data.configuration must name one of its configurations; "
                f"got none (legal: {', '.join(legal)})"
            ) from None
        raise DataError(f"{place}: no configuration {wanted!r}{nearest(wanted, legal)}") from None


def _needed_columns(present: list[str], columns: Columns) -> list[str]:
    """The columns to read: the texts' and the links', or all for the error message."""
    links = [columns.links] if columns.links in present else []
    for texts in (list(columns.languages), [TRANSLATION]):
        if set(texts) <= set(present) and (links or not columns.must_have_links):
            return texts + links
    return list(present)


def _state(builder: "datasets.DatasetBuilder", name: str) -> State | None:
    """What `datasets` knows of the files: a Hub commit, or the times of change of local ones."""
    base = _SLICE.fullmatch(name)
    files = (builder.config.data_files or {}).get(base[1] if base else name)
    if not files or not all(files.origin_metadata):
        return None
    origins = [list(map(str, origin)) for origin in files.origin_metadata]
    return [builder.config_id, builder.hash, list(map(str, files)), origins]


def _rows(tables: Iterable["pyarrow.Table"], columns: Columns, place: str) -> Iterator[TextRow]:
    first_row, are_linked = 1, None  # the first table tells it of all
    for table in tables:
        sides = [_side(table, lang, columns, first_row, place) for lang in columns.languages]
        links = _links(table, columns, first_row, place)
        if are_linked is None:
            are_linked = links is not None
        elif are_linked != (links is not None):
            raise some_linked(columns.links, f"{place}, row {first_row}")
        if links is not None:
            lines = enumerate(links, first_row)
            sides.append(LinkLine(text, f"{place}, row {row}") for row, text in lines)
        yield from zip(*sides, strict=True)
        first_row += len(table)


def _side(
    table: "pyarrow.Table", language: str, columns: Columns, first_row: int, place: str
) -> list[str]:
    """The texts of one language."""
    import pyarrow as pa
    import pyarrow.compute as pc

    present = table.column_names
    if set(columns.languages) <= set(present) or TRANSLATION not in present:
        column = table.column(check_column(language, present, place))
    else:
        column = table.column(TRANSLATION)
        if not pa.types.is_struct(column.type):
            raise DataError(
                f"{place}: column {TRANSLATION!r} must hold {{language: text}} dicts; "
                f"got {column.type}"
            )
        inner = [field.name for field in column.type]
        column = pc.struct_field(column, check_column(language, inner, place))
    return _texts(column, language, first_row, place)


def _links(
    table: "pyarrow.Table", columns: Columns, first_row: int, place: str
) -> list[str] | None:
    """The texts of the third column; None where there is none, or it may be null and is."""
    if not columns.are_linked(table.column_names, place):
        return None
    column = table.column(columns.links)
    if not columns.must_have_links and column.null_count:
        if column.null_count == len(column):
            return None
        first_null = column.is_null().to_pylist().index(True)
        raise some_linked(columns.links, f"{place}, row {first_row + first_null}")
    return _texts(column, columns.links, first_row, place)


def _texts(column: "pyarrow.ChunkedArray", name: str, first_row: int, place: str) -> list[str]:
    import pyarrow as pa

    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        raise DataError(f"{place}: column {name!r} must hold text; got {column.type}")
    if column.null_count:
        row = first_row + column.is_null().to_pylist().index(True)
        raise DataError(f"{place}, row {row}: column {name!r} must hold text; got null")
    texts = column.to_pylist()
    for row, text in enumerate(texts, first_row):
        if "\0" in text:
            check_no_nul(text, f"{place}, row {row}")
    return texts
