"""Shows that a corpus has one fingerprint however it is stored, and another once it is changed.

    python scripts/fingerprints.py FOLDER --split train --source en --target de

reads SPLIT.LANGUAGE[.gz|.xz|.zst] from FOLDER, writes the same pairs into a temporary directory as

    (a) two .gz files   (b) .tsv   (c) .jsonl
    (d) a folder like a Hub dataset, with a `translation` column   (e) the same, flat columns

and (a) twice more, with one character changed and with two lines swapped. The fingerprint of each
is printed. The status is 0 if the five agree and the two differ from them and from each other. A
.tsv cannot hold a sentence with a tab in it: where there are such, all forms but (b) are compared
with them, and all five without.
"""

import gzip
import json
import sys
import tempfile
from pathlib import Path

from running.command_line import ScriptParser, one_line_errors

from nmt.config.schema import DataConfig
from nmt.data.corpus import Split, load_split

Languages = tuple[str, str]
Pairs = list[tuple[str, str]]

CARD = """---
configs:
- config_name: default
  data_files:
  - split: {split}
    path: data/{split}-*.parquet
---
"""


def write_gz(folder: Path, split: str, languages: Languages, pairs: Pairs) -> None:
    """One .gz file for each language."""
    for language, lines in zip(languages, zip(*pairs, strict=True), strict=True):
        with gzip.open(folder / f"{split}.{language}.gz", "wb", compresslevel=1) as file:
            file.write("".join(f"{line}\n" for line in lines).encode())


def write_tsv(folder: Path, split: str, languages: Languages, pairs: Pairs) -> None:
    """One .tsv file with a header."""
    rows = "".join("\t".join(row) + "\n" for row in [languages, *pairs])
    (folder / f"{split}.tsv").write_bytes(rows.encode())


def write_jsonl(folder: Path, split: str, languages: Languages, pairs: Pairs) -> None:
    """One .jsonl file with the languages as keys."""
    rows = (json.dumps(dict(zip(languages, pair, strict=True))) + "\n" for pair in pairs)
    (folder / f"{split}.jsonl").write_text("".join(rows), "utf-8")


def write_translation(folder: Path, split: str, languages: Languages, pairs: Pairs) -> None:
    """A card and a parquet file with one column of {language: text}."""
    rows = [dict(zip(languages, pair, strict=True)) for pair in pairs]
    _write_dataset(folder, split, {"translation": rows})


def write_flat(folder: Path, split: str, languages: Languages, pairs: Pairs) -> None:
    """A card and a parquet file with one column per language."""
    columns = zip(languages, map(list, zip(*pairs, strict=True)), strict=True)
    _write_dataset(folder, split, dict(columns))


def _write_dataset(folder: Path, split: str, columns: dict[str, list]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    (folder / "data").mkdir()
    (folder / "README.md").write_text(CARD.format(split=split), "utf-8")
    pq.write_table(pa.table(columns), folder / "data" / f"{split}-00000-of-00001.parquet")


FORMS = (
    ("(a) two .gz files", write_gz),
    ("(b) .tsv", write_tsv),
    ("(c) .jsonl", write_jsonl),
    ("(d) translation column", write_translation),
    ("(e) flat columns", write_flat),
)


def change_one_character(pairs: Pairs) -> Pairs:
    """The middle target sentence gets another last character."""
    middle = len(pairs) // 2
    source, target = pairs[middle]
    changed = target[:-1] + ("!" if target[-1:] != "!" else "?")
    return [*pairs[:middle], (source, changed), *pairs[middle + 1 :]]


def swap_two_lines(pairs: Pairs) -> Pairs | None:
    """The first pair changes places with the first that differs from it; None where none does."""
    other = next((index for index, pair in enumerate(pairs) if pair != pairs[0]), None)
    if other is None:
        return None
    return [pairs[other], *pairs[1:other], pairs[0], *pairs[other + 1 :]]


def fingerprint_as(write, split: str, languages: Languages, pairs: Pairs) -> str:
    """Writes the pairs in one form, reads them back as a user would, and fingerprints them."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), split, languages, pairs)
        return fingerprint_of(folder, split, languages)


def fingerprint_of(folder: str, split: str, languages: Languages) -> str:
    """The fingerprint of a split as the corpus reader finds it in a folder."""
    config = DataConfig(path=folder, source_language=languages[0], target_language=languages[1])
    return load_split(config, split).fingerprint


def check(folder: str, split: str, languages: Languages) -> bool:
    """Prints the fingerprints of one split and says whether they are as they must be."""
    config = DataConfig(path=folder, source_language=languages[0], target_language=languages[1])
    given = load_split(config, split)
    pairs = list(zip(given.source, given.target, strict=True))
    without_tabs = [pair for pair in pairs if "\t" not in "".join(pair)]
    title = f"{split}, {languages[0]}-{languages[1]}"
    if len(without_tabs) == len(pairs):
        return compare(f"{title}, {len(pairs)} pairs", FORMS, split, languages, given)
    others = tuple((name, write) for name, write in FORMS if write is not write_tsv)
    title_all = f"{title}, {len(pairs)} pairs, {len(pairs) - len(without_tabs)} of them with a tab"
    rest = Split(split, *map(list, zip(*without_tabs, strict=True)))
    return compare(f"{title_all}, which .tsv cannot hold", others, split, languages, given) & (
        compare(f"{title}, {len(rest)} pairs without a tab", FORMS, split, languages, rest)
    )


def compare(title: str, forms, split: str, languages: Languages, given: Split) -> bool:
    """Prints the fingerprints of some pairs in each form, and changed; are they as they must be?"""
    pairs = list(zip(given.source, given.target, strict=True))
    same = {name: fingerprint_as(write, split, languages, pairs) for name, write in forms}
    changed = {
        "one character changed": change_one_character(pairs),
        "two lines swapped": swap_two_lines(pairs),
    }
    other = {
        name: fingerprint_as(write_gz, split, languages, changed_pairs)
        for name, changed_pairs in changed.items()
        if changed_pairs is not None
    }
    print(title)
    for name, fingerprint in {"as given": given.fingerprint, **same, **other}.items():
        print(f"  {name:<24} {fingerprint}")
    agree = set(same.values()) == {given.fingerprint}
    return agree and len({given.fingerprint, *other.values()}) == 1 + len(other)


@one_line_errors(__file__)
def main(arguments: list[str] | None = None) -> int:
    """Reads the command line; 0 if every split is as it must be, 1 if one is not, 2 on errors."""
    parser = ScriptParser(__file__, __doc__)
    parser.add_argument("folder", help="holds SPLIT.LANGUAGE files")
    parser.add_argument("--split", nargs="+", default=["train"])
    parser.add_argument("--source", default="en")
    parser.add_argument("--target", default="de")
    options = parser.parse_args(arguments)
    languages = (options.source, options.target)
    good = [check(options.folder, split, languages) for split in options.split]
    print("as it must be" if all(good) else "NOT as it must be")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
