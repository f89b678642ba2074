"""Bahdanau et al. (2015), https://arxiv.org/abs/1409.0473: its models and figures, and our presets.

A preset is laid over the config of each model, configs/bahdanau2015/MODEL.yaml.
"""

from pathlib import Path
from typing import NamedTuple

CONFIGS = Path(__file__).parents[2] / "configs" / "bahdanau2015"


class Model(NamedTuple):
    """One of the four models that the paper compares.

    Attributes:
      name: as the paper has it; the number is the longest training sentence in words.
      stem: of its config and of its run.
      updates: of training, from table 2.
      all_sentences, known_words: BLEU on newstest2014 from table 1: on all sentences, and on those
        without unknown words.
    """

    name: str
    stem: str
    updates: int
    all_sentences: float
    known_words: float

    @property
    def config(self) -> Path:
        """Its config."""
        return CONFIGS / f"{self.stem}.yaml"


ENCDEC_30 = Model("RNNencdec-30", "rnnencdec30", 846_000, 13.93, 24.19)
SEARCH_30 = Model("RNNsearch-30", "rnnsearch30", 471_000, 21.50, 31.44)
ENCDEC_50 = Model("RNNencdec-50", "rnnencdec50", 600_000, 17.82, 26.71)
SEARCH_50 = Model("RNNsearch-50", "rnnsearch50", 288_000, 26.75, 34.16)
MODELS = (ENCDEC_30, SEARCH_30, ENCDEC_50, SEARCH_50)  # in the order of table 1
ONLY_IN_PAPER = (("RNNsearch-50*, trained longer", 28.45, 36.15), ("Moses", 33.30, 35.63))
LENGTHS = (10, 20, 30, 40, 50)  # words of a source at which a bucket of figure 2 ends


class Preset(NamedTuple):
    """A size to do it at.

    Attributes:
      overrides: of every model.
      minutes: of each model; None where its updates end it.
      departures: from the paper, in sentences.
    """

    overrides: tuple[str, ...]
    minutes: float | None
    departures: tuple[str, ...]

    def overrides_of(self, model: Model) -> list[str]:
        """What is laid over a model's config."""
        updates = [] if self.minutes is not None else [f"training.num_steps={model.updates}"]
        return [*self.overrides, *updates]


COMMON_DEPARTURES = (
    "The corpus: the paper trained on 348 million words of WMT'14 English-French, selected, and "
    "tested on newstest2014, 3003 sentences. On another corpus its figures stand beside ours for "
    "the order of the models, not for the level.",
    "A vocabulary is made from a run's own training text, so models of 30 and of 50 words know "
    "slightly different ones, where the paper has one list. The column without unknown words has "
    "the sentences that all four models know.",
    "The best checkpoint by validation BLEU is scored; the paper does not say which it took.",
    "Recurrent matrices are orthogonal at first as in appendix B; all others are drawn as by "
    "Glorot and Bengio (2010), where the paper has Gaussians of deviation 0.01 and 0.001.",
    "Scores of hypotheses are normalised by length (search.length_norm). The paper does not name "
    "the width of the beam.",
    "Gradients are of the loss per target word. Those of the paper's program are of the loss per "
    "sentence, so many times as large, and its threshold of 1 (training.clip_norm) is passed far "
    "more often.",
)
PRESETS = {
    "cpu-small": Preset(
        (),
        16,
        (
            "All sizes are about a quarter of the paper's.",
            "In a small corpus a list of 30,000 words leaves no training word unknown, and what an "
            "unknown word is like is learned from those of the training text: so it is shorter.",
            "Adam, its rate halved when validation BLEU stands still, converges in fewer updates "
            "than Adadelta; without dropout a small corpus is soon known by heart.",
            "Minutes of training are equal for all models (the paper: about five days each), so "
            "one without attention, whose updates are cheaper, makes more of them.",
        ),
    ),
    "paper": Preset(
        (
            "vocabulary.size=30000",
            "model.embedding_dim=620",
            "model.encoder_dim=1000",
            "model.decoder_dim=1000",
            "model.alignment_dim=1000",
            "model.readout_dim=500",
            "model.dropout=0",
            "training.max_minutes=null",
            "training.precision=float32",
            "training.optimizer=adadelta",
            "training.schedule=constant",
            "training.plateau_patience=3",
            "training.learning_rate=1.0",
            "training.rho=0.95",
            "training.epsilon=1e-6",
            "training.save_every=2000",
            "validation.every=2000",
            "validation.max_sentences=1000",
            "search.beam_size=12",
        ),
        None,
        ("Sizes, optimiser, batches of 80 sentences and updates (table 2) are the paper's.",),
    ),
}
