"""The report: table 1 and figures 2 and 3 of the paper, ours beside its figures."""

import random
from collections.abc import Sequence
from pathlib import Path

from benchmarking.machine import describe_machine

from nmt.analysis.curves import plot_bleu_by_length
from nmt.analysis.significance import NUM_SAMPLES, Resampled
from nmt.config.reader import differing_keys, read_config
from nmt.config.schema import Config
from nmt.data.cleaning import count_words
from nmt.runs.directory import write_atomically
from reproduction.document import (
    Block,
    Heading,
    Points,
    Shown,
    Table,
    Text,
    to_html,
    to_markdown,
)
from reproduction.measuring import Found, aligned
from reproduction.paper import (
    COMMON_DEPARTURES,
    ENCDEC_50,
    MODELS,
    ONLY_IN_PAPER,
    PRESETS,
    SEARCH_50,
)

NAME = "report"
MATRICES = 4
MATRIX_WORDS = range(10, 21)  # of a sentence of figure 3
SEED = 1  # of the choice of sentences
NOTHING = "-"
TOLD = ("vocabulary.", "model.", "training.", "search.", "data.cleaning.", "data.batch_")
NOT_TOLD = (
    "training.log_every",
    "training.save_every",
    "training.keep_last",
    "training.seed",
    "training.plateau_patience",  # of no meaning at a constant rate
    "vocabulary.tokenize",  # how words are told apart follows from the corpus
)


def write_report(found: Found, folder: Path, preset: str, command: str) -> list[Path]:
    """Draws the pictures and writes report.html and report.md into the folder."""
    draw_figure_2(found, folder / "figure2.png")
    blocks = [
        Heading("Bahdanau et al. (2015), done again", 1),
        Text(
            "Neural machine translation by jointly learning to align and translate "
            "(https://arxiv.org/abs/1409.0473): four models trained anew, at another size and on "
            "another corpus than the paper's. RNNencdec has one fixed vector for a sentence, "
            "RNNsearch attends; 30 and 50 are the words of the longest training sentences."
        ),
        *table_1(found),
        *figure_2(found),
        *figure_3(found, folder),
        *training(found),
        *departures(found, preset),
        Heading("Made by"),
        Text(command),
        Text(", ".join(f"{name}: {value}" for name, value in describe_machine().items())),
    ]
    page, text = folder / f"{NAME}.html", folder / f"{NAME}.md"
    write_atomically(text, to_markdown(blocks))
    write_atomically(page, to_html(blocks, folder))
    return [page, text]


def table_1(found: Found) -> list[Block]:
    """BLEU on all sentences, and on those without unknown words."""
    rows = []
    for model in MODELS:
        ours = found.all_sentences[model.name], found.known_words.get(model.name)
        rows.append(
            [
                model.name,
                *map(_with_interval, ours),
                *map(_p, ours),
                _two_digits(model.all_sentences),
                _two_digits(model.known_words),
            ]
        )
    for name, *figures in ONLY_IN_PAPER:
        rows.append([name, *[NOTHING] * 4, *map(_two_digits, figures)])
    head = [
        "model",
        "BLEU, all",
        "BLEU, no unknown",
        "p, all",
        "p, no unknown",
        "paper, all",
        "paper, no unknown",
    ]
    data = found.config.data
    corpus = data.path if data.hub is None else data.hub
    shares = [share for of_model in found.unknown.values() for share in of_model]
    return [
        Heading("Table 1: BLEU"),
        Table(head, rows),
        Text(
            f"Corpus {corpus}, {data.source_language} to {data.target_language}, test set "
            f"{found.test.name}: {len(found.test)} sentences, of which {len(found.known)} have no "
            "word that any of the four models does not know, in themselves and in the reference. "
            f"{100 * min(shares[::2]):.1f} to {100 * max(shares[::2]):.1f} % of the sources' words "
            f"and {100 * min(shares[1::2]):.1f} to {100 * max(shares[1::2]):.1f} % of the "
            "references' are unknown. As in the paper, no unknown word may be produced where the "
            "sentences without unknown words are translated (search.unknown=forbid)."
        ),
        Text(
            "± half the 95 % confidence interval, and p of the difference to RNNencdec of the same "
            f"length, by paired bootstrap of {NUM_SAMPLES} samples (Koehn 2004). "
            f"BLEU: {found.signature}"
        ),
    ]


def draw_figure_2(found: Found, path: Path) -> None:
    """BLEU against source length with its bands."""
    plot_bleu_by_length(
        found.by_length,
        path,
        tokenized_lowercase=found.config.data.tokenized,
        bands=found.bands,
    )


def figure_2(found: Found) -> list[Block]:
    """The picture, and its numbers."""
    head = ["source words", "sentences", *(model.name for model in MODELS), "gap of 50", "p"]
    rows = []
    for place, bucket in enumerate(found.by_length[SEARCH_50.name]):
        bands = {name: of_model[place] for name, of_model in found.bands.items()}
        attention, fixed = bands[SEARCH_50.name], bands[ENCDEC_50.name]
        has_gap = attention is not None and fixed is not None
        rows.append(
            [
                bucket.label,
                str(bucket.count),
                *(_with_interval(bands[model.name]) for model in MODELS),
                f"{attention.score - fixed.score:+.2f}" if has_gap else NOTHING,
                _p(attention),
            ]
        )
    return [
        Heading("Figure 2: BLEU against the length of the source"),
        Shown(
            "figure2.png",
            "BLEU of the test sentences of each length, all of them, those with unknown words "
            "too. Shaded: 95 % confidence intervals by bootstrap within a range of lengths.",
        ),
        Table(head, rows),
        Text(
            "Gap: RNNsearch-50 above RNNencdec-50, and p of that difference. Ranges of fewer than "
            "10 sentences have no score. The paper's figure has no numbers: its RNNencdec falls "
            "steeply beyond 20 to 30 words, and its RNNsearch-50 does not fall even beyond 50."
        ),
    ]


def figure_3(found: Found, folder: Path) -> list[Block]:
    """Alignments of RNNsearch-50 for a few sentences drawn by lot."""
    sources = drawn_by_lot(found.known.source, found.test.source, found.config)
    blocks: list[Block] = [Heading("Figure 3: alignments found by RNNsearch-50")]
    for letter, translation in zip("abcd", aligned(folder, SEARCH_50, sources), strict=False):
        alignment, file = translation.alignment, f"figure3{letter}.png"
        if alignment is None or not alignment.matrix.size:
            continue  # it was translated by nothing
        alignment.plot(folder / file)
        blocks.append(Shown(file, f"({letter}) {translation.source} → {translation.text}"))
    return [
        *blocks,
        Text(
            "Weights alpha of the words of the source (on top) for each word of the translation "
            "(at the left), 0 black to 1 white. The sentences were drawn by lot from those of "
            f"{MATRIX_WORDS[0]} to {MATRIX_WORDS[-1]} words without unknown words, where there are "
            "such."
        ),
    ]


def drawn_by_lot(known: Sequence[str], test: Sequence[str], config: Config) -> list[str]:
    """Sentences for figure 3, the same ones every time.

    Args:
      known: those without unknown words.
      test: all, from which they come where too few of `known` have a fitting length; and where too
        few of these have one, they are of any length.
      config: says the language.
    """

    def fits(line: str) -> bool:
        data = config.data
        length = count_words(line, data.source_language, tokenized=data.tokenized)
        return length in MATRIX_WORDS

    every = dict.fromkeys(line for line in test if line.strip())
    pools = (list(filter(fits, dict.fromkeys(known))), list(filter(fits, every)), list(every))
    pool = next((pool for pool in pools if len(pool) >= MATRICES), pools[-1])
    return random.Random(SEED).sample(pool, min(MATRICES, len(pool)))


def training(found: Found) -> list[Block]:
    """What each run has come to."""
    head = [
        "model",
        "parameters",
        "minutes",
        "steps",
        "in epoch",
        "tokens/s",
        "best validation BLEU",
        "updates in the paper",
    ]
    rows = []
    for model in MODELS:
        of_run = found.training[model.name]
        rows.append(
            [
                model.name,
                f"{of_run['parameters']:,}",
                f"{of_run['minutes']:.1f}",
                f"{of_run['steps']:,}",
                str(of_run["epoch"]),
                f"{of_run['target_tokens_per_second']:,.0f}",
                _two_digits(of_run["validation_bleu"]),
                f"{model.updates:,}",
            ]
        )
    return [
        Heading("Training"),
        Table(head, rows),
        Text(
            "Minutes are a run's own, with validation and what compiles, without the preparation "
            "of the corpus. Tokens/s are real target tokens, the median of what training logged, "
            "validation left out. Validation BLEU is greedy."
        ),
    ]


def departures(found: Found, preset: str) -> list[Block]:
    """What is not as in the paper."""
    return [
        Heading("What differs from the paper"),
        Text(
            f"Preset {preset}. As published are the equations of both models, the two lengths, "
            "UNK for unknown words, and of the settings those that neither the table nor the "
            "points below name."
        ),
        Table(
            ["setting of RNNsearch-50", "here", "preset paper"], differing_settings(found.config)
        ),
        Points([*PRESETS[preset].departures, *COMMON_DEPARTURES]),
    ]


def differing_settings(config: Config) -> list[list[str]]:
    """The settings that are not the paper's: key, value, and the paper's value."""
    published = PRESETS["paper"].overrides_of(SEARCH_50)
    differing = differing_keys(config, read_config(SEARCH_50.config, published))
    told = [row for row in differing if row[0].startswith(TOLD) and row[0] not in NOT_TOLD]
    return [[key, str(here), str(there)] for key, here, there in told]


def _with_interval(resampled: Resampled | None) -> str:
    if resampled is None:
        return NOTHING
    return f"{resampled.score:.2f} ± {resampled.interval:.2f}"


def _p(resampled: Resampled | None) -> str:
    if resampled is None or resampled.p_value is None:
        return NOTHING
    return f"{resampled.p_value:.3f}"


def _two_digits(value: float) -> str:
    return f"{value:.2f}"
