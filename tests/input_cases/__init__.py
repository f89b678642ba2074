"""The table of wrong input: what a user may get wrong, and what the one line must say of it."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

Content = str | bytes | Callable[[Path], object] | None

# What every case finds in its folder, beside runs/good, a trained run, and good.yaml, its config.
CONFIG = """\
data: {path: corpus, num_shapes: 1}
vocabulary: {size: 40}
model: {embedding_dim: 8, encoder_dim: 8, decoder_dim: 8, alignment_dim: 8, readout_dim: 8}
training: {num_steps: 2}
"""
ENGLISH = "a red door\nthe old boat sinks\nwe sing\nrain falls on the roof\n"
FRENCH = "une porte rouge\nle vieux bateau coule\nnous chantons\nla pluie tombe sur le toit\n"
FILES = {
    "c.yaml": CONFIG,
    "text.txt": "the cat sleeps .\na dog\n",
    "corpus/train.en": ENGLISH,
    "corpus/train.fr": FRENCH,
    **{f"corpus/{split}.en": "it is cold\nmy hat is blue\n" for split in ("validation", "test")},
    **{
        f"corpus/{split}.fr": "il fait froid\nmon chapeau est bleu\n"
        for split in ("validation", "test")
    },
}


class Case(NamedTuple):
    """One row.

    Attributes:
      name: what is wrong, in a few words.
      line: the command line without "nmt"; words as a shell would cut them.
      says: what the message must contain, parted by " | ".
      files: other than in FILES, by path: the content, None for one that is not there, or what
        makes it.
      logged: whether the command may have said other things before, as training does.
    """

    name: str
    line: str
    says: str
    files: Mapping[str, Content] = {}
    logged: bool = False


def make_files(folder: Path, files: Mapping[str, Content]) -> None:
    """Puts files into a folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        if callable(content):
            content(path)
        elif content is not None:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
