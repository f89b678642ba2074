"""A corpus to train aligners on, and gold links to measure them against."""

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from nmt.analysis.pharaoh import GoldLinks, check_links, parse_gold
from nmt.config.reader import read_config
from nmt.data.corpus import load_split
from nmt.data.gold import load_gold
from nmt.data.stages import stage
from nmt.data.text_files import read_lines
from nmt.errors import DataError

CONFIGS = Path(__file__).parents[2] / "configs"
FAMILIES = ("gru", "transformer")


class Pairs(NamedTuple):
    """Sentences and their translations."""

    source: list[str]
    target: list[str]


class Task(NamedTuple):
    """A corpus to train on and gold links to measure against.

    Attributes:
      languages: source and target.
      configs: of each family.
      overrides: that name the corpus.
      validation, test: pairs in the task's direction.
      gold: of the test pairs.
      corpus: a digest of the text files.
    """

    languages: tuple[str, str]
    configs: dict[str, Path]
    overrides: list[str]
    validation: Pairs
    test: Pairs
    gold: list[GoldLinks]
    corpus: str

    @property
    def fingerprint(self) -> str:
        """A digest of what is trained on and measured."""
        gold = [[sorted(links.sure), sorted(links.possible)] for links in self.gold]
        return digest(self.corpus, self.validation, self.test, gold)


def embedded_task() -> Task:
    """The built-in grammar: its links are exact."""
    configs = {"gru": "quickstart", "transformer": "quickstart_transformer"}
    paths = {family: CONFIGS / f"{name}.yaml" for family, name in configs.items()}
    data = read_config(paths["gru"]).data
    validation, test = (load_split(data, name) for name in (data.validation, *data.test))
    return Task(
        languages=(data.source_language, data.target_language),
        configs=paths,
        overrides=[],
        validation=Pairs(list(validation.source), list(validation.target)),
        test=Pairs(list(test.source), list(test.target)),
        gold=load_gold(data, data.test[0]),
        corpus="embedded",
    )


def file_task(corpus: Path, gold: Path, folder: Path, languages: tuple[str, str]) -> Task:
    """Text files, tokenised into FOLDER/corpus, and a folder of gold links.

    Raises:
      DataError: a file cannot be read, or the gold links do not fit their text.
    """
    tests = {language: find(gold, f"test.{language}") for language in languages}
    test = Pairs(*map(read_lines, tests.values()))
    links = read_gold(find(gold, "test.talp"), test)
    raw = {
        f"{split}.{language}": find(corpus, f"{split}.{language}")
        for language in languages
        for split in ("train", "dev")
    }

    def tokenise_all(beside: Path) -> None:
        for language, path in tests.items():
            write_lines(beside / f"test.{language}", read_lines(path))  # which is tokenised already
        for name, path in raw.items():
            write_lines(beside / name, tokenise(read_lines(path), name.partition(".")[2]))

    files = [*raw.values(), *tests.values()]
    made_from = digest(languages, [content_digest(path) for path in files])
    tokenised = made(folder / "corpus", lambda: made_from, tokenise_all)
    return Task(
        languages=languages,
        configs={family: CONFIGS / f"europarl_small_{family}.yaml" for family in FAMILIES},
        overrides=[f"data.path={tokenised}"],
        validation=Pairs(*(read_lines(tokenised / f"dev.{language}") for language in languages)),
        test=test,
        gold=links,
        corpus=made_from,
    )


def read_gold(path: Path, test: Pairs) -> list[GoldLinks]:
    """The gold links of pairs, counted from 1.

    Raises:
      DataError: they are of fewer or more pairs, or link words that are not there.
    """
    lines = read_lines(path)
    if not len(lines) == len(test.source) == len(test.target):
        raise DataError(
            f"{path}: a line for each pair is wanted; got {len(lines)} lines for "
            f"{len(test.source)} source and {len(test.target)} target sentences"
        )
    gold = []
    for number, (line, source, target) in enumerate(zip(lines, *test, strict=True), 1):
        place = f"line {number} of the gold links"
        gold.append(parse_gold(line, place, base=1))
        check_links(sorted(gold[-1].possible), len(source.split()), len(target.split()), place)
    return gold


def find(folder: Path, name: str) -> Path:
    """The file, or the same packed."""
    packed = folder / f"{name}.gz"
    return packed if packed.exists() else folder / name


def tokenise(lines: Iterable[str], language: str) -> list[str]:
    """Punctuation normalised and words parted, as Moses does."""
    import sacremoses

    normalizer = sacremoses.MosesPunctNormalizer(language)
    tokenizer = sacremoses.MosesTokenizer(language)
    return [
        tokenizer.tokenize(normalizer.normalize(line), escape=False, return_str=True)
        for line in lines
    ]


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Writes a text file."""
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def made(folder: Path, made_from: Callable[[], str], make: Callable[[Path], None]) -> Path:
    """A folder that `make` fills, where it was not filled from the same before.

    Args:
      folder: its place.
      made_from: tells a digest of what it is made from; asked again when it is made.
      make: writes into the folder that it is given.
    """
    before = folder / "made_from"
    if not before.exists() or before.read_text("utf-8") != made_from():
        with stage(folder) as beside:
            make(beside)
            (beside / "made_from").write_text(made_from(), "utf-8")
    return folder


def content_digest(path: Path) -> str:
    """Of a file as it is; raises DataError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from None


def digest(*parts: Any) -> str:
    """Of what JSON can say."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
