"""Finds a split where the config says the corpus is, and reads it by the right reader.

`data.hub` names a dataset of the Hugging Face Hub. `data.path` is one of

- "embedded": the built-in grammar (splits train, validation, test);
- a folder whose README.md has a `configs:` block: a local copy of a Hub dataset;
- a folder, or a prefix of file names. For a folder, the files of a split are

      <path>/<split>.<language>       both languages: parallel text, a sentence a line
      <path>/<split>.<data.links>     beside them, if there are any: word links, a pair a line
      <path>/<split>.tsv              the first line names the columns, by language, and links
      <path>/<split>.jsonl            {"en": ..., "fr": ...} or {"translation": {...}}, and links
      <path>/<split>.parquet          columns as in jsonl

  and for a prefix the same with `<path>.<split>` in place of `<path>/<split>`. All but parquet may
  end in .gz, .xz or .zst. What is there twice (train.en beside train.en.gz) is refused;
- a folder with none of these but other data files (data/train-00000-of-00001.parquet), which
  `datasets` is left to understand.

The embedded corpus has word links of its own; in all others `data.links` names them: a column, or a
file of parallel text. Only the training split must have them where they are named.
"""

import re
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from nmt.config.schema import EMBEDDED, DataConfig
from nmt.data.columns import Columns, TextRow, sure_links
from nmt.data.hub import iter_parquet, no_split, open_dataset, place_of, root_of
from nmt.data.splits import Split
from nmt.data.streams import Row, RowStream, SplitStream, State, in_parts
from nmt.data.text_files import COMPRESSIONS, iter_jsonl, iter_parallel, iter_tsv
from nmt.errors import DataError, nearest

_TABLES = ("tsv", "jsonl", "parquet")
_DATASET_FILES = {".parquet", ".jsonl", ".json", ".csv", ".arrow"}
_NOT_A_LANGUAGE = {"json", "csv", "arrow", "txt", "md", "zip", "tar"}
_SHARD = re.compile(r"-\d{5}-of-\d{5}")


def read_split(config: DataConfig, name: str, limit: int | None = None) -> Split:
    """Reads the raw pairs of one split, all into memory.

    Args:
      config: says where the corpus is and which languages to take.
      name: the split, as the corpus calls it; it need not be one that the config names.
      limit: read only the first so many pairs.
    Raises:
      DataError: the split cannot be read as meant, or has no pairs.
    """
    return open_split(config, name, limit).read()


def open_split(config: DataConfig, name: str, limit: int | None = None) -> SplitStream:
    """Finds one split; its raw pairs are read, part by part, when they are asked for.

    Raises:
      DataError: the split cannot be read as meant, now or when its parts are read; after the
        last part where it has no pairs.
    """
    if config.path == EMBEDDED:
        from nmt.data.embedded_corpus import embedded_rows, embedded_state

        rows, state = embedded_rows(config, name), embedded_state(config, limit)
    else:
        stream = open_rows(config, name)
        rows, state = _with_sure_links(stream.rows), stream.state

    def parts() -> Iterator[Split]:
        is_empty = True
        for part in in_parts(name, islice(rows(), limit)):
            is_empty = False
            yield part
        if is_empty:
            raise DataError(f"{place_of(config)}: split {name!r} is empty; wanted one pair or more")

    return SplitStream(name, parts, state)


def open_rows(config: DataConfig, name: str) -> RowStream:
    """Finds one split of a corpus other than the embedded one; its links are not yet parsed.

    Raises:
      DataError: see `open_split`.
    """
    return open_dataset(config, name) if config.hub is not None else _open_local(config, name)


def _with_sure_links(rows: Callable[[], Iterator[TextRow]]) -> Callable[[], Iterator[Row]]:
    def parsed() -> Iterator[Row]:
        for row in rows():
            yield row if len(row) == 2 else (*row[:2], sure_links(*row))

    return parsed


def _open_local(config: DataConfig, name: str) -> RowStream:
    root = root_of(config)
    if root.is_file():
        raise DataError(
            f"data.path {config.path} is a file; wanted its folder, "
            f"with the split named by the file: data.path={root.parent} "
            f"data.train={root.name.split('.')[0]}"
        )
    if root.is_dir() and _has_dataset_card(root):
        return open_dataset(config, name)
    for option, value in (("configuration", config.configuration), ("revision", config.revision)):
        if value is not None:
            raise DataError(
                f"data.{option} {value!r} is for a Hub dataset; "
                f"data.path {config.path} has no README.md with a `configs:` block"
            )
    files = _list_files(root)
    languages = (config.source_language, config.target_language)
    is_one_sided = any(file.split == name and file.kind in languages for file in files)
    has_splits = is_one_sided or _splits_of(files, languages)
    if not has_splits and root.is_dir() and _has_dataset_files(root):
        return open_dataset(config, name)
    texts = [file for file in files if file.kind != config.links]
    chosen = _choose(texts, name, config)
    columns = Columns.of(config, name)
    paths = _with_links(root, chosen, columns, files, place_of(config))

    def rows() -> Iterator[TextRow]:
        match chosen[0].kind:
            case "parquet":
                return iter_parquet(*paths, columns)
            case "tsv":
                return iter_tsv(*paths, columns)
            case "jsonl":
                return iter_jsonl(*paths, columns)
            case _:
                return iter_parallel(*paths)

    return RowStream(rows, _state_of(paths))


def _state_of(paths: list[Path]) -> State | None:
    """Size and time of change of each file: a change of content that keeps both is not seen."""
    try:
        states = [(path.resolve(), path.stat()) for path in paths]
    except OSError:
        return None  # reading says why
    return [[str(path), state.st_size, state.st_mtime_ns] for path, state in states]


def _has_dataset_card(folder: Path) -> bool:
    card = folder / "README.md"
    if not card.is_file():
        return False
    front = re.match(r"---\r?\n(.*?)^---", card.read_text("utf-8", "replace"), re.S | re.M)
    return front is not None and bool(re.search(r"^(configs|dataset_info):", front[1], re.M))


def _has_dataset_files(folder: Path) -> bool:
    places = (*folder.glob("*"), *folder.glob("*/*"))
    return any(_DATASET_FILES & set(path.suffixes) for path in places)


class _File(NamedTuple):
    """A file that may be a split, or one side of it, going by its name."""

    split: str
    kind: str  # "tsv", "jsonl", "parquet", or what stands in the place of a language
    path: Path


def _list_files(root: Path) -> list[_File]:
    """The files of a folder, or of a prefix of file names, that are named as splits are."""
    folder, prefix = (root, "") if root.is_dir() else (root.parent, f"{root.name}.")
    if not folder.is_dir():
        raise DataError(f"data.path {root}: no such folder")
    if prefix and not any(path.name.startswith(prefix) for path in folder.iterdir()):
        raise DataError(
            f"data.path {root}: no such folder, nor any file whose name begins with {prefix!r}, in "
            f"{folder.absolute()}"
        )
    files = []
    for path in sorted(folder.iterdir()):
        stem = path.name
        if path.suffix in COMPRESSIONS:
            stem = stem.removesuffix(path.suffix)
        split, _, kind = stem.removeprefix(prefix).rpartition(".")
        packed_parquet = kind == "parquet" and path.suffix in COMPRESSIONS
        shard = kind in _TABLES and _SHARD.search(split)
        if not stem.startswith(prefix) or not split or not path.is_file():
            continue
        if not (kind in _NOT_A_LANGUAGE or packed_parquet or shard):
            files.append(_File(split, kind, path))
    return files


def _splits_of(files: list[_File], languages: tuple[str, str]) -> list[str]:
    """The splits that are there in full: a table, or a file for both languages."""
    kinds: dict[str, set[str]] = {}
    for file in files:
        kinds.setdefault(file.split, set()).add(file.kind)
    return [split for split, has in kinds.items() if has & set(_TABLES) or has >= set(languages)]


def _choose(files: list[_File], name: str, config: DataConfig) -> list[_File]:
    """The one table, or the source and the target file, that hold the split."""
    languages, place = (config.source_language, config.target_language), place_of(config)
    here = [file for file in files if file.split == name]
    tables = [file for file in here if file.kind in _TABLES]
    sides = [[file for file in here if file.kind == language] for language in languages]
    candidates = [*tables, *sides[0], *sides[1]] if all(sides) else tables
    if not candidates and here:
        present = sorted({file.kind for file in here})
        missing = languages[0] if not sides[0] else languages[1]
        raise DataError(
            f"{place}: split {name!r} has no file for language {missing!r}"
            f"{nearest(missing, present)}"
        )
    if not candidates:
        raise no_split(config, name, _whole_splits(files, name, languages))
    if len(candidates) > 1 and (tables or len(candidates) > 2):
        found = ", ".join(file.path.name for file in candidates)
        raise DataError(f"{place}: split {name!r} is there more than once ({found}); keep one")
    return candidates


def _with_links(
    root: Path, chosen: list[_File], columns: Columns, files: list[_File], place: str
) -> list[Path]:
    """The chosen files and, beside parallel text, the file of its links if there is one."""
    split, kind, paths = chosen[0].split, chosen[0].kind, [file.path for file in chosen]
    if columns.links is None:
        return paths
    wanted = f"{split}.{columns.links}"
    start = root / wanted if root.is_dir() else root.with_name(f"{root.name}.{wanted}")
    ends = (Path(f"{start}{end}") for end in ("", *COMPRESSIONS))
    links = [path for path in ends if path.is_file()]
    if kind in _TABLES and links:
        raise DataError(
            f"{place}: the word links of {paths[0].name} must be its column {columns.links!r}; "
            f"got a file, {links[0].name}"
        )
    if len(links) > 1:
        found = ", ".join(path.name for path in links)
        raise DataError(f"{place}: {wanted} is there more than once ({found}); keep one")
    if kind not in _TABLES and not links and columns.must_have_links:
        present = {file.kind for file in files if file.split == split} - {*columns.languages}
        raise DataError(
            f"{place}: split {split!r} has no word links: wanted {start.name} beside "
            f"{paths[0].name}{nearest(columns.links, sorted(present))}"
        )
    return [*paths, *links]


def _whole_splits(files: list[_File], name: str, languages: tuple[str, str]) -> str:
    """The end of a message: the splits that are there, or why there is none."""
    present = _splits_of(files, languages)
    if present:
        return nearest(name, present)
    kinds = sorted({file.kind for file in files if file.kind not in _TABLES})
    absent = [language for language in languages if language not in kinds]
    if kinds and len(absent) == 1:
        return f", and nothing of language {absent[0]!r}{nearest(absent[0], kinds)}"
    return (
        f"; nor any other: wanted such as {name}.{languages[0]} and {name}.{languages[1]}, "
        f"{name}.tsv, {name}.jsonl or {name}.parquet"
    )
