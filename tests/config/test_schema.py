import ast
import dataclasses
import math
import typing
from pathlib import Path

import pytest

from nmt.config import checks, model_schema, schema, vocabulary_schema
from nmt.config.schema import (
    CleaningConfig,
    Config,
    DataConfig,
    EmbeddedConfig,
    RecurrentConfig,
    SearchConfig,
    TrainingConfig,
    TransformerConfig,
    ValidationConfig,
    VocabularyConfig,
)
from nmt.errors import ConfigError

DATA = DataConfig(path="embedded")
MOSES = VocabularyConfig(kind="word", tokenize="moses", joint=False)
SECTIONS = [
    CleaningConfig,
    EmbeddedConfig,
    VocabularyConfig,
    RecurrentConfig,
    TransformerConfig,
    TrainingConfig,
    ValidationConfig,
    SearchConfig,
]
CUDNN = TrainingConfig(attention="cudnn", precision="bfloat16")
HEADS_OF_8 = TransformerConfig(model_dim=16, num_heads=2)


def with_cudnn(model, training=CUDNN):
    """A config that is refused unless cuDNN can do it."""
    return Config(data=DATA, model=model, training=training)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: DataConfig(), "got neither"),
        (lambda: DataConfig(path="a", hub="b"), "got path 'a' and hub 'b'"),
        (lambda: DataConfig(path="a", target_language="en"), "must differ; both are 'en'"),
        (lambda: DataConfig(path="a", max_pieces=1), "data.max_pieces must be 2 or more; got 1"),
        (lambda: DataConfig(path="a", num_shapes=0), "data.num_shapes must be 1 or more; got 0"),
        (lambda: DataConfig(path="a", seed=-1), "data.seed must be from 0 to 4294967295; got -1"),
        (lambda: SearchConfig(seed=2**32), "search.seed must be from 0 to"),
        (lambda: SearchConfig(max_length_extra=10**9), "max_length_extra must be 10000 or less"),
        (lambda: TrainingConfig(max_minutes=0), "training.max_minutes must be above 0"),
        (
            lambda: Config(data=DATA, validation=ValidationConfig(beam_size=9000)),
            "validation.beam_size must not exceed vocabulary.size; got 9000 for 8000",
        ),
        (
            lambda: TrainingConfig(alignment_weight=-0.1),
            "training.alignment_weight must be 0 or more",
        ),
        (
            lambda: TrainingConfig(alignment_run="runs/other"),
            "training.alignment_run needs training.alignment_weight above 0; got 0",
        ),
        (
            lambda: Config(
                data=DATA,
                model=RecurrentConfig(attention="none"),
                training=TrainingConfig(alignment_weight=0.1),
            ),
            "training.alignment_weight needs a model with attention",
        ),
        (
            lambda: Config(
                data=DATA,
                model=RecurrentConfig(attention="none"),
                validation=ValidationConfig(aer=True),
            ),
            "validation.aer needs a model with attention",
        ),
        (
            lambda: Config(
                data=DataConfig(path="a"), training=TrainingConfig(alignment_weight=0.1)
            ),
            "data.links or training.alignment_run, or data.path embedded; got none",
        ),
        (
            lambda: Config(
                data=DataConfig(path="a", links="links"),
                training=TrainingConfig(alignment_weight=0.1, alignment_run="r"),
            ),
            "got data.links and training.alignment_run",
        ),
        (lambda: DataConfig(path="a", links=""), "data.links must name a column of links; got ''"),
        (lambda: DataConfig(path="a", gold="tsv"), "data.gold must name a column of links; got"),
        (
            lambda: DataConfig(path="a", gold="fr"),
            "data.gold must name a column of links; got 'fr', a language of the corpus",
        ),
        (
            lambda: DataConfig(path="a", links="en"),
            "data.links must name a column of links; got 'en'",
        ),
        (lambda: ValidationConfig(score="aer"), "validation.score aer needs validation.aer true"),
        (lambda: CleaningConfig(max_words=0), "data.cleaning.max_words must be 1 or more"),
        (lambda: EmbeddedConfig(min_words=9, max_words=8), "min_words 9, max_words 8"),
        (lambda: EmbeddedConfig(num_test=0), "data.embedded.num_test must be 1 or more"),
        (
            lambda: VocabularyConfig(character_coverage=0.9),
            "coverage must be from 0.98 to 1; got 0.9",
        ),
        (lambda: VocabularyConfig(size=7), "vocabulary.size must be 8 or more"),
        (lambda: VocabularyConfig(sampling=0.0), "vocabulary.sampling must be above 0 and at most"),
        (lambda: VocabularyConfig(sampling=1.5), "or null for none; got 1.5"),
        (
            lambda: VocabularyConfig(kind="unigram", sampling=0.2, symbols=("<x>",)),
            "vocabulary.sampling would split vocabulary.symbols",
        ),
        (
            lambda: VocabularyConfig(kind="word", byte_fallback=True),
            "vocabulary.byte_fallback is of",
        ),
        (lambda: VocabularyConfig(kind="word", sampling=0.1), "vocabulary.sampling is of Sentence"),
        (lambda: VocabularyConfig(kind="word", symbols=("<x>",)), "vocabulary.symbols is of Sente"),
        (
            lambda: VocabularyConfig(kind="word", character_coverage=0.99),
            "vocabulary.character_coverage is of SentencePiece and means nothing",
        ),
        (lambda: VocabularyConfig(tokenize="moses"), "needs vocabulary.kind word; got bpe"),
        (
            lambda: VocabularyConfig(kind="word", tokenize="moses"),
            "vocabulary.tokenize moses needs vocabulary.joint false",
        ),
        (
            lambda: Config(data=DataConfig(path="a", tokenized=True), vocabulary=MOSES),
            "vocabulary.tokenize must be none where data.tokenized is true; got moses",
        ),
        (
            lambda: Config(
                data=DATA, vocabulary=MOSES, training=TrainingConfig(alignment_weight=0.1)
            ),
            "training.alignment_weight needs words that end at white space",
        ),
        (
            lambda: Config(
                data=DATA,
                model=RecurrentConfig(attention="none"),
                search=SearchConfig(unknown="replace"),
            ),
            "search.unknown replace needs a model with attention; got model.attention none",
        ),
        (
            lambda: Config(data=DATA, training=CUDNN),
            "training.attention cudnn needs model.architecture transformer; got recurrent",
        ),
        (
            lambda: with_cudnn(HEADS_OF_8, dataclasses.replace(CUDNN, precision="float32")),
            "training.attention cudnn needs training.precision bfloat16; got float32",
        ),
        (
            lambda: with_cudnn(dataclasses.replace(HEADS_OF_8, attention_dropout=0.1)),
            "training.attention cudnn needs model.attention_dropout 0; got 0.1",
        ),
        (
            lambda: with_cudnn(dataclasses.replace(HEADS_OF_8, num_heads=4)),
            "training.attention cudnn needs heads of 8, 16, ... or 128 numbers",
        ),
        (lambda: with_cudnn(dataclasses.replace(HEADS_OF_8, model_dim=512)), "num_heads); got 256"),
        (lambda: RecurrentConfig(dropout=1.0), "model.dropout must be at least 0 and below 1"),
        (lambda: RecurrentConfig(tie_projection=True), "model.tie_projection needs"),
        (
            lambda: RecurrentConfig(attention="none", decoder_order="update_attend_update"),
            "update_attend_update needs model.attention additive, dot, general or concat; got none",
        ),
        (
            lambda: RecurrentConfig(attention="none", input_feeding=True),
            "model.input_feeding true needs model.attention additive, dot, general or concat; got",
        ),
        (
            lambda: RecurrentConfig(attention="dot", encoder_dim=300),
            "dot needs model.decoder_dim equal to twice model.encoder_dim, as model.bidirectional "
            "is true; got 512 and 600",
        ),
        (
            lambda: RecurrentConfig(attention="dot", bidirectional=False, decoder_dim=300),
            "dot needs model.decoder_dim equal to model.encoder_dim, as model.bidirectional is "
            "false; got 300 and 256",
        ),
        (
            lambda: RecurrentConfig(cell="lstm_depth_gated"),
            "model.cell lstm_depth_gated needs model.encoder_layers or model.decoder_layers of 2",
        ),
        (lambda: RecurrentConfig(residual=True), "model.residual needs model.encoder_layers or"),
        (lambda: RecurrentConfig(layer_norm=True), "to the one below; got 1 and 1"),
        (
            lambda: RecurrentConfig(cell="clockwork", clockwork_modules=3),
            "model.clockwork_modules must divide model.encoder_dim; got 3 modules for 256",
        ),
        (
            lambda: RecurrentConfig(cell="clockwork", encoder_dim=8, decoder_dim=10),
            "model.clockwork_modules must divide model.decoder_dim; got 4 modules for 10",
        ),
        (
            lambda: RecurrentConfig(cell="clockwork", clockwork_modules=0),
            "model.clockwork_modules must be 1 or more; got 0",
        ),
        (
            lambda: RecurrentConfig(cell="clockwork", clockwork_modules=32),
            "model.clockwork_modules must be 16 or less; got 32",
        ),
        (
            lambda: RecurrentConfig(cell="clockwork", decoder_order="update_attend_update"),
            "model.cell clockwork cannot be updated twice at a position",
        ),
        (lambda: RecurrentConfig(encoder_dim=10**6), "model.encoder_dim must be 100000 or less"),
        (lambda: TransformerConfig(encoder_layers=2000), "model.encoder_layers must be 1000 or le"),
        (lambda: TrainingConfig(num_steps=2**31), "training.num_steps must be 2147483647 or less"),
        (lambda: EmbeddedConfig(num_test=10**8), "data.embedded.num_test must be 10000000 or less"),
        (lambda: TransformerConfig(num_heads=3), "model.num_heads must divide model.model_dim"),
        (lambda: TransformerConfig(model_dim=3, num_heads=3), "model.model_dim must be even"),
        (lambda: TransformerConfig(alignment_layer=6), "one of the 6 decoder layers; got 6"),
        (lambda: TransformerConfig(alignment_head=8), "between 0 and 7, or null; got 8"),
        (lambda: TrainingConfig(clip_norm=0.0), "training.clip_norm must be above 0"),
        (
            lambda: TrainingConfig(final_learning_rate=1e-5),
            "training.final_learning_rate needs training.schedule cosine; got constant",
        ),
        (lambda: TrainingConfig(log_every=10_001), "training.log_every must be 10000 or less"),
        (
            lambda: RecurrentConfig(attention="none", fixed_context="initial_state"),
            "model.fixed_context initial_state needs model.bidirectional false, as the decoder",
        ),
        (lambda: TrainingConfig(plateau_factor=1.0), "training.plateau_factor must be between"),
        (lambda: TrainingConfig(weight_decay=0.1), "needs training.optimizer adamw; got adam"),
        (lambda: TrainingConfig(schedule="inverse_sqrt"), "needs training.warmup_steps"),
        (lambda: TrainingConfig(num_steps=0), "training.num_steps must be 1 or more"),
        (lambda: TrainingConfig(average_decay=1.0), "training.average_decay must be at least 0"),
        (lambda: ValidationConfig(every=0), "validation.every must be 1 or more"),
        (lambda: SearchConfig(beam_size=0), "search.beam_size must be 1 or more"),
        (lambda: SearchConfig(shortlist=0), "search.shortlist must be 1 or more"),
        (
            lambda: SearchConfig(method="sample", shortlist=9),
            "search.shortlist needs search.method beam",
        ),
        (
            lambda: SearchConfig(temperature=0.0),
            "search.temperature must be 1e-06 or more; got 0.0",
        ),
        (lambda: SearchConfig(temperature=2.0), "search.temperature needs search.method sample; "),
        (lambda: SearchConfig(top_k=3), "search.top_k needs search.method sample; got beam, which"),
        (lambda: SearchConfig(top_p=0.9), "search.top_p needs search.method sample; got beam"),
        (lambda: SearchConfig(top_p=0.0), "search.top_p must be above 0 and at most 1"),
        (lambda: SearchConfig(top_p=1.1), "search.top_p must be above 0 and at most 1; got 1.1"),
        (lambda: SearchConfig(length_norm=math.nan), "search.length_norm must be 0 or more; got n"),
        (
            lambda: TrainingConfig(seed=2**32 - 1, num_seeds=2),
            "training.num_seeds - 1, the last seed, must be at most 4294967295; got 4294967296",
        ),
        (
            lambda: Config(
                data=DATA,
                vocabulary=VocabularyConfig(joint=False),
                model=RecurrentConfig(share_embeddings=True),
            ),
            "model.share_embeddings needs vocabulary.joint true",
        ),
        (
            lambda: Config(
                data=DATA, vocabulary=VocabularyConfig(size=8), search=SearchConfig(beam_size=9)
            ),
            "must not exceed vocabulary.size; got 9 for 8",
        ),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(build, message):
    with pytest.raises(ConfigError) as caught:
        build()
    assert message in str(caught.value) and "\n" not in str(caught.value)


ILLEGAL = {  # a value just outside of what each number may be; some have two ends
    CleaningConfig: {"max_words": [0], "max_length_ratio": [0.9]},
    EmbeddedConfig: {
        **dict.fromkeys(("num_train", "num_validation", "num_test"), [0, 10_000_001]),
        **{"min_words": [2, 21], "max_words": [2, 61], "seed": [-1, 2**32]},
    },
    DataConfig: {
        **dict.fromkeys(("max_examples", "batch_pieces", "batch_sentences", "row_multiple"), [0]),
        **{"max_pieces": [1], "num_shapes": [0, 257], "seed": [-1, 2**32]},
    },
    VocabularyConfig: {
        **{"size": [7], "character_coverage": [0.97, 1.01]},
        **{"max_sentences": [0], "sampling": [0.0, 1.01]},
    },
    RecurrentConfig: {
        **dict.fromkeys(("embedding_dim", "encoder_dim", "decoder_dim"), [0, 100_001]),
        **dict.fromkeys(("alignment_dim", "readout_dim"), [0, 100_001]),
        **dict.fromkeys(("encoder_layers", "decoder_layers"), [0, 1001]),
        **{"clockwork_modules": [0, 17], "dropout": [-0.1, 1.0]},
    },
    TransformerConfig: {
        **dict.fromkeys(("model_dim", "feedforward_dim"), [0, 100_001]),
        **dict.fromkeys(("encoder_layers", "decoder_layers"), [0, 1001]),
        **dict.fromkeys(("dropout", "attention_dropout"), [-0.1, 1.0]),
        **{"num_heads": [0], "alignment_layer": [-7, 6], "alignment_head": [-1, 8]},
    },
    TrainingConfig: {
        **dict.fromkeys(("num_steps", "unroll", "model_devices", "accumulation", "patience"), [0]),
        **dict.fromkeys(("plateau_patience", "save_every", "keep_last"), [0]),
        **dict.fromkeys(("max_minutes", "learning_rate", "warmup_steps"), [-1]),
        **dict.fromkeys(("weight_decay", "alignment_weight"), [-0.1]),
        **dict.fromkeys(("beta1", "beta2", "rho", "label_smoothing"), [-0.1, 1.0]),
        **{"average_decay": [-0.1, 1.0], "seed": [-1, 2**32], "num_seeds": [0, 257]},
        **{"final_learning_rate": [-0.1, 0.1], "plateau_factor": [0.0, 1.0]},
        **{"epsilon": [0.0], "clip_norm": [0.0], "log_every": [0, 10_001]},
    },
    ValidationConfig: dict.fromkeys(("every", "max_sentences", "beam_size"), [0]),
    SearchConfig: {
        **dict.fromkeys(("beam_size", "top_k", "batch_sentences"), [0]),
        **{"length_norm": [-0.1, 10.1], "max_length_factor": [-0.1, 10_001]},
        **{"max_length_extra": [0, 10_001], "temperature": [0.0], "top_p": [0.0, 1.1]},
        **{"seed": [-1, 2**32], "shortlist": [0]},
    },
}
BESIDE = {  # what a number needs to mean anything
    DataConfig: {"path": "x"},
    TrainingConfig: {"optimizer": "adamw", "schedule": "cosine"},
    SearchConfig: {"method": "sample"},
    "clockwork_modules": {"cell": "clockwork"},
    "shortlist": {"method": "beam"},
}


@pytest.mark.parametrize(
    "section, name, value",
    [
        (s, name, v)
        for s, names in ILLEGAL.items()
        for name, values in names.items()
        for v in values
    ],
)
def test_every_number_has_its_bounds(section, name, value):
    with pytest.raises(ConfigError, match=name):
        section(**(BESIDE.get(section, {}) | BESIDE.get(name, {}) | {name: value}))


@pytest.mark.parametrize("section", [DataConfig, *SECTIONS])
def test_no_number_is_without_bounds(section):
    hints = typing.get_type_hints(section)
    kinds = {name: {hint, *typing.get_args(hint)} for name, hint in hints.items()}
    numbers = {name for name, of in kinds.items() if of & {int, float}}
    assert numbers == ILLEGAL.get(section, {}).keys()


def test_limits_themselves_are_legal():
    assert SearchConfig(method="sample", top_p=1.0).top_p == 1
    assert TrainingConfig(seed=2**32 - 2, num_seeds=2).seeds == (2**32 - 2, 2**32 - 1)


@pytest.mark.parametrize("section", SECTIONS)
def test_defaults_are_legal_and_frozen(section):
    config = section()
    name = dataclasses.fields(config)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(config, name, None)


def test_a_config_is_hashable_so_that_compiled_functions_may_depend_on_it():
    assert hash(Config(data=DATA)) == hash(Config(data=DataConfig(path="embedded")))


def test_the_default_alignment_layer_serves_a_decoder_of_one_layer():
    assert TransformerConfig(decoder_layers=1).decoder_layers == 1


@pytest.mark.parametrize("module", [checks, model_schema, vocabulary_schema, schema])
def test_the_schema_imports_nothing_heavy(module):
    tree = ast.parse(Path(module.__file__).read_text())
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    sections = {"nmt.config.model_schema", "nmt.config.vocabulary_schema"}
    own = {"nmt.config.checks", *sections, "nmt.errors"}
    assert modules <= {"dataclasses", "typing", *own}
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import)]
