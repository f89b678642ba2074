"""Every dataclass of the config, frozen and checking itself; imports nothing heavy.

A config file has the six sections of `Config`. It names what makes its experiment. What it leaves
out has the defaults of this file and, of the sections model and vocabulary, of model_schema.py and
vocabulary_schema.py.
"""

from dataclasses import dataclass, field
from typing import Literal

from nmt.config.checks import NUM_SEEDS, at_least, at_most, check_fraction, check_seed
from nmt.config.model_schema import ModelConfig, RecurrentConfig, TransformerConfig
from nmt.config.vocabulary_schema import VocabularyConfig
from nmt.errors import ConfigError

__all__ = [
    "CleaningConfig",
    "Config",
    "DataConfig",
    "EmbeddedConfig",
    "ModelConfig",
    "RecurrentConfig",
    "SearchConfig",
    "TrainingConfig",
    "TransformerConfig",
    "ValidationConfig",
    "VocabularyConfig",
]

MAX_LENGTH = 10_000  # of search.max_length_factor and search.max_length_extra
MAX_SHAPES = 256  # each is compiled, and to choose them takes longer the more they are
LEAST_EPSILON = 1e-37  # a smaller one is zero on devices, and divides zero gradients into NaN
LEAST_TEMPERATURE = 1e-6  # of sampling; a smaller one draws nothing else, and may divide by zero
MOST_LENGTH_NORM = 10.0  # of a long translation a penalty to a higher power has no float32
MAX_EMBEDDED = 10_000_000  # pairs, each made in memory
MAX_SEEDS = 256  # of training.num_seeds; memory ends before it
MOST_LOG_EVERY = 10_000  # steps whose pieces are counted on a device before they are written down
EMBEDDED = "embedded"  # the value of data.path that names the built-in corpus


@dataclass(frozen=True, kw_only=True)
class CleaningConfig:
    """Rules by pair, applied to training text only; `false` or `null` switches a rule off."""

    nfc: bool = True  # Unicode normalisation form C
    whitespace: bool = True  # runs of white space become one space, ends are stripped
    empty: bool = True  # drop pairs with an empty side
    max_words: int | None = 100  # drop pairs with a longer side, or a word over 1000 characters
    max_length_ratio: float | None = 9.0  # drop pairs whose sides differ more in words
    duplicates: bool = True  # keep the first of equal pairs
    test_overlap: bool = True  # drop pairs whose source or target is in validation or test

    def __post_init__(self):
        at_least("data.cleaning", 1, max_words=self.max_words)
        at_least("data.cleaning", 1, max_length_ratio=self.max_length_ratio)


@dataclass(frozen=True, kw_only=True)
class EmbeddedConfig:
    """How much of the embedded English-French corpus to make (data.path: embedded)."""

    num_train: int = 12000
    num_validation: int = 500
    num_test: int = 500
    min_words: int = 3  # English words of a sentence, its full stop not counted
    max_words: int = 20
    seed: int = 1

    def __post_init__(self):
        sizes = {
            "num_train": self.num_train,
            "num_validation": self.num_validation,
            "num_test": self.num_test,
        }
        at_least("data.embedded", 1, **sizes)
        at_most("data.embedded", MAX_EMBEDDED, **sizes)
        check_seed("data.embedded", self.seed)
        if not 3 <= self.min_words <= self.max_words <= 60:
            raise ConfigError(
                "data.embedded needs 3 <= min_words <= max_words <= 60; "
                f"got min_words {self.min_words}, max_words {self.max_words}"
            )


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """The corpus, how it is cleaned, and how it is cut into batches."""

    path: str | None = None  # a folder or prefix; "embedded" is the built-in corpus
    hub: str | None = None  # the name of a Hugging Face Hub dataset
    configuration: str | None = None  # of a dataset, such as "fr-en" of wmt14
    revision: str | None = None  # of a Hub dataset
    streaming: bool = False  # read a Hub dataset without downloading all of it
    max_examples: int | None = None  # use the first so many training pairs
    source_language: str = "en"
    target_language: str = "fr"
    train: str = "train"
    validation: str = "validation"
    test: tuple[str, ...] = ("test",)  # any number of splits, none too
    links: str | None = None  # the third column, word links: the file SPLIT.LINKS, or a column
    gold: str | None = None  # such a column of validation and test splits, to measure AER with
    tokenized: bool = False  # the text is so already: bleu_tokenized_lowercase splits it no more
    cleaning: CleaningConfig = field(default_factory=CleaningConfig)
    embedded: EmbeddedConfig = field(default_factory=EmbeddedConfig)
    max_pieces: int | None = 256  # drop training pairs with a side of more pieces, EOS counted
    batch_pieces: int = 4096  # target positions of a batch
    batch_sentences: int | None = None  # if given, so many sentences to a batch instead
    num_shapes: int = 16  # (source length, target length) shapes of batches
    row_multiple: int = 8  # rows of a batch are a multiple of this
    seed: int = 0  # of the order of shapes

    def __post_init__(self):
        if (self.path is None) == (self.hub is None):
            came = "neither" if self.path is None else f"path {self.path!r} and hub {self.hub!r}"
            raise ConfigError(f"data needs either data.path or data.hub; got {came}")
        if self.source_language == self.target_language:
            raise ConfigError(
                "data.source_language and data.target_language must differ; "
                f"both are {self.source_language!r}"
            )
        for name, column in (("links", self.links), ("gold", self.gold)):
            if column in ("", "tsv", "jsonl", "parquet"):
                raise ConfigError(f"data.{name} must name a column of links; got {column!r}")
            if column in (self.source_language, self.target_language):
                raise ConfigError(
                    f"data.{name} must name a column of links; got {column!r}, a language of the "
                    "corpus"
                )
        at_least(
            "data",
            1,
            max_examples=self.max_examples,
            batch_pieces=self.batch_pieces,
            batch_sentences=self.batch_sentences,
            num_shapes=self.num_shapes,
            row_multiple=self.row_multiple,
        )
        at_most("data", MAX_SHAPES, num_shapes=self.num_shapes)
        at_least("data", 2, max_pieces=self.max_pieces)
        check_seed("data", self.seed)


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """The optimiser, its schedule, and the loop."""

    num_steps: int = 10000
    max_minutes: float | None = None  # stop earlier, so long after the start; all told
    seed: int = 1  # of parameters, dropout and the order of sentences
    num_seeds: int = 1  # train so many models at once, with the seeds seed, seed + 1, ...
    precision: Literal["float32", "bfloat16"] = "float32"  # of the operands of matmuls
    unroll: int | None = None  # positions to an iteration of a recurrence; null: 1 on a CPU, else 4
    attention: Literal["einsum", "cudnn"] = "einsum"  # of a Transformer to itself; cudnn on a GPU
    model_devices: int = 1  # share one copy of the parameters; batches are dealt out over the rest
    deterministic: bool = False  # on a GPU: the same bits every time, at some cost in speed
    optimizer: Literal["adam", "adamw", "adadelta"] = "adam"
    learning_rate: float = 1e-3  # at its peak
    schedule: Literal["constant", "inverse_sqrt", "cosine", "plateau"] = "constant"
    warmup_steps: int = 0
    final_learning_rate: float = 0.0  # where the cosine ends
    plateau_factor: float = 0.5
    plateau_patience: int = 3  # validations without a better score
    beta1: float = 0.9
    beta2: float = 0.999
    rho: float = 0.95  # of Adadelta
    epsilon: float = 1e-8
    weight_decay: float = 0.0  # AdamW only
    clip_norm: float | None = 1.0
    accumulation: int = 1  # batches to a step
    label_smoothing: float = 0.0
    alignment_weight: float = 0.0  # of the loss that guides the alignment by links
    alignment_run: str | None = None  # a run of the other direction makes these links
    average_decay: float | None = None  # of the moving average of the weights, which is evaluated
    patience: int | None = None  # stop after so many validations without a better score
    log_every: int = 50
    save_every: int = 500
    keep_last: int = 3

    def __post_init__(self):
        check_fraction(
            "training",
            beta1=self.beta1,
            beta2=self.beta2,
            rho=self.rho,
            label_smoothing=self.label_smoothing,
            average_decay=self.average_decay,
        )
        at_least(
            "training",
            1,
            num_steps=self.num_steps,
            num_seeds=self.num_seeds,
            unroll=self.unroll,
            model_devices=self.model_devices,
            accumulation=self.accumulation,
            patience=self.patience,
            plateau_patience=self.plateau_patience,
            log_every=self.log_every,
            save_every=self.save_every,
            keep_last=self.keep_last,
        )
        at_least(
            "training",
            0,
            learning_rate=self.learning_rate,
            final_learning_rate=self.final_learning_rate,
            warmup_steps=self.warmup_steps,
            weight_decay=self.weight_decay,
            max_minutes=self.max_minutes,
            alignment_weight=self.alignment_weight,
        )
        at_least("training", LEAST_EPSILON, epsilon=self.epsilon)
        if self.final_learning_rate > self.learning_rate:
            raise ConfigError(
                "training.final_learning_rate must be training.learning_rate or less; "
                f"got {self.final_learning_rate} for {self.learning_rate}"
            )
        if self.alignment_run is not None and not self.alignment_weight:
            raise ConfigError(
                "training.alignment_run needs training.alignment_weight above 0; got 0"
            )
        at_most("training", MAX_SEEDS, num_seeds=self.num_seeds)
        at_most("training", MOST_LOG_EVERY, log_every=self.log_every)
        check_seed("training", self.seed)
        if self.seeds[-1] >= NUM_SEEDS:
            raise ConfigError(
                "training.seed + training.num_seeds - 1, the last seed, must be at most "
                f"{NUM_SEEDS - 1}; got {self.seeds[-1]}"
            )
        if self.max_minutes == 0:
            raise ConfigError("training.max_minutes must be above 0, or null for no limit; got 0")
        if not 0 < self.plateau_factor < 1:
            raise ConfigError(
                f"training.plateau_factor must be between 0 and 1; got {self.plateau_factor}"
            )
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise ConfigError(
                f"training.clip_norm must be above 0, or null for none; got {self.clip_norm}"
            )
        if self.weight_decay and self.optimizer != "adamw":
            raise ConfigError(
                f"training.weight_decay needs training.optimizer adamw; got {self.optimizer}"
            )
        if self.final_learning_rate and self.schedule != "cosine":
            raise ConfigError(
                f"training.final_learning_rate needs training.schedule cosine; got {self.schedule}"
            )
        if self.schedule == "inverse_sqrt" and not self.warmup_steps:
            raise ConfigError(
                "training.schedule inverse_sqrt needs training.warmup_steps of 1 or more; got 0"
            )

    @property
    def seeds(self) -> tuple[int, ...]:
        """Of each model that is trained."""
        return tuple(range(self.seed, self.seed + self.num_seeds))


@dataclass(frozen=True, kw_only=True)
class ValidationConfig:
    """What is measured on the validation split, and how often."""

    every: int = 500  # steps
    score: Literal["bleu", "loss", "aer"] = "bleu"  # chooses the best checkpoint
    aer: bool = False  # measure the alignment error rate, where the split has gold links
    max_sentences: int = 500  # translated for BLEU
    beam_size: int = 1

    def __post_init__(self):
        at_least(
            "validation",
            1,
            every=self.every,
            max_sentences=self.max_sentences,
            beam_size=self.beam_size,
        )
        if self.score == "aer" and not self.aer:
            raise ConfigError("validation.score aer needs validation.aer true; got false")


@dataclass(frozen=True, kw_only=True)
class SearchConfig:
    """How a translation is found."""

    method: Literal["beam", "sample"] = "beam"  # a beam of 1 is greedy search
    beam_size: int = 5
    length_norm: float = 0.6  # alpha in Wu et al. (2016), eq. 14; 0 ranks by plain log_prob
    max_length_factor: float = 2.0  # longest target: factor x source pieces + extra
    max_length_extra: int = 10
    temperature: float = 1.0  # of sampling, as are the next three
    top_k: int | None = None
    top_p: float | None = None
    seed: int = 1
    batch_sentences: int = 64  # rows of a batch on each device, at most
    precision: Literal["float32", "bfloat16"] | None = None  # of matmuls; null: as trained
    shortlist: int | None = None  # of a beam: choose among so many frequent pieces and some likely
    # What becomes of the unknown piece in a translation: it is kept and shown as the vocabulary
    # has it, it gives way to the source word that it is aligned with, or it is never produced.
    unknown: Literal["keep", "replace", "forbid"] = "keep"

    def __post_init__(self):
        at_least(
            "search",
            1,
            beam_size=self.beam_size,
            shortlist=self.shortlist,
            max_length_extra=self.max_length_extra,
            top_k=self.top_k,
            batch_sentences=self.batch_sentences,
        )
        at_least(
            "search", 0, length_norm=self.length_norm, max_length_factor=self.max_length_factor
        )
        at_most(
            "search",
            MAX_LENGTH,
            max_length_factor=self.max_length_factor,
            max_length_extra=self.max_length_extra,
        )
        at_most("search", MOST_LENGTH_NORM, length_norm=self.length_norm)
        check_seed("search", self.seed)
        if self.shortlist is not None and self.shortlist < self.beam_size:
            raise ConfigError(
                "search.shortlist must be search.beam_size or more; "
                f"got {self.shortlist} for {self.beam_size}"
            )
        at_least("search", LEAST_TEMPERATURE, temperature=self.temperature)
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ConfigError(f"search.top_p must be above 0 and at most 1; got {self.top_p}")
        for name in ("temperature", "top_k", "top_p"):
            if self.method != "sample" and getattr(self, name) != getattr(SearchConfig, name):
                raise ConfigError(
                    f"search.{name} needs search.method sample; got {self.method}, which draws "
                    "nothing"
                )
        if self.shortlist is not None and self.method != "beam":
            raise ConfigError(
                f"search.shortlist needs search.method beam; got {self.method} "
                "(search.top_k is what bounds sampling)"
            )


@dataclass(frozen=True, kw_only=True)
class Config:
    """One experiment."""

    data: DataConfig
    vocabulary: VocabularyConfig = field(default_factory=VocabularyConfig)
    model: ModelConfig = field(default_factory=RecurrentConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    validation: ValidationConfig = field(default_factory=ValidationConfig)
    search: SearchConfig = field(default_factory=SearchConfig)

    def __post_init__(self):
        if self.model.share_embeddings and not self.vocabulary.joint:
            raise ConfigError("model.share_embeddings needs vocabulary.joint true; got false")
        for name, section in (("search", self.search), ("validation", self.validation)):
            if section.beam_size > self.vocabulary.size:
                raise ConfigError(
                    f"{name}.beam_size must not exceed vocabulary.size; "
                    f"got {section.beam_size} for {self.vocabulary.size} pieces"
                )
        if self.vocabulary.tokenize != "none" and self.data.tokenized:
            raise ConfigError(
                f"vocabulary.tokenize must be none where data.tokenized is true; "
                f"got {self.vocabulary.tokenize}"
            )
        self._check_alignment()
        if self.training.attention == "cudnn":
            self._check_cudnn()

    def _check_cudnn(self) -> None:
        """cuDNN has kernels for heads of 8, 16, ... 128 numbers in bfloat16, without dropout."""
        model, wanted = self.model, "training.attention cudnn needs"
        if model.architecture != "transformer":
            raise ConfigError(f"{wanted} model.architecture transformer; got {model.architecture}")
        if self.training.precision != "bfloat16":
            raise ConfigError(
                f"{wanted} training.precision bfloat16; got {self.training.precision}"
            )
        if model.attention_dropout:
            raise ConfigError(f"{wanted} model.attention_dropout 0; got {model.attention_dropout}")
        head_dim = model.model_dim // model.num_heads
        if head_dim % 8 or head_dim > 128:
            raise ConfigError(
                f"{wanted} heads of 8, 16, ... or 128 numbers (model.model_dim / model.num_heads); "
                f"got {head_dim}"
            )

    def _check_alignment(self) -> None:
        training = self.training
        wanted = {
            "training.alignment_weight": bool(training.alignment_weight),
            "validation.aer": self.validation.aer,
            "search.unknown replace": self.search.unknown == "replace",
        }
        for name in (name for name, is_wanted in wanted.items() if is_wanted):
            if not self.model.has_attention:
                raise ConfigError(f"{name} needs a model with attention; got model.attention none")
        if not training.alignment_weight:
            return
        if self.vocabulary.tokenize != "none":
            raise ConfigError(
                "training.alignment_weight needs words that end at white space, as those of links "
                f"do: vocabulary.tokenize none; got {self.vocabulary.tokenize}"
            )
        guides = {
            "data.links": self.data.links is not None,
            "training.alignment_run": training.alignment_run is not None,
        }
        named = [name for name, is_there in guides.items() if is_there]
        if len(named) == 2 or not named and self.data.path != EMBEDDED:
            raise ConfigError(
                "training.alignment_weight needs word links of the training pairs: "
                f"{' or '.join(guides)}, or data.path embedded; got {' and '.join(named) or 'none'}"
            )
