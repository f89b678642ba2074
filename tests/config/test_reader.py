import dataclasses
import math

import pytest

from nmt.config.reader import differing_keys, read_config, to_yaml
from nmt.config.schema import Config, DataConfig, RecurrentConfig, TransformerConfig
from nmt.errors import ConfigError

EMBEDDED = "data: {path: embedded}\n"


@pytest.fixture
def read(tmp_path):
    """Writes a text to a config file and reads it back with overrides."""

    def read(text, *overrides):
        path = tmp_path / "experiment.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_config(path, overrides)

    return read


def test_what_a_file_leaves_out_is_the_default(read):
    assert read(EMBEDDED) == Config(data=DataConfig(path="embedded"))


def test_a_section_may_be_empty_and_a_file_may_have_a_byte_order_mark(read):
    assert read("\ufeff" + EMBEDDED + "search:\nmodel: {}\n") == read(EMBEDDED)


def test_values_of_every_kind(read):
    config = read(
        "data:\n"
        "  path: embedded\n"
        "  source_language: no\n"
        "  test: [test_2016, test_2017]\n"
        "  tokenized: true\n"
        "  max_pieces: null\n"
        "  cleaning: {max_words: 7, max_length_ratio: 3}\n"
        "vocabulary: {symbols: <x>, kind: unigram}\n"
        "training: {learning_rate: 1e-3, num_steps: 20}\n"
    )
    assert config.data.source_language == "no"
    assert config.data.test == ("test_2016", "test_2017")
    assert config.data.tokenized is True
    assert config.data.max_pieces is None
    assert config.data.cleaning.max_words == 7
    assert config.data.cleaning.max_length_ratio == 3.0
    assert type(config.data.cleaning.max_length_ratio) is float
    assert config.vocabulary.symbols == ("<x>",)
    assert config.vocabulary.kind == "unigram"
    assert config.training.learning_rate == 1 / 1000


@pytest.mark.parametrize(
    ("override", "section", "value"),
    [
        ("data.source_language=no", "data.source_language", "no"),
        ("data.path=true", "data.path", "true"),
        ("data.path=a: b=c #d", "data.path", "a: b=c #d"),
        ("data.revision=null", "data.revision", None),
        ("data.test=a, b", "data.test", ("a", "b")),
        ("data.test=[a, 'b,c']", "data.test", ("a", "b,c")),
        ("data.test=a", "data.test", ("a",)),
        ("data.cleaning.max_words=null", "data.cleaning.max_words", None),
        ("data.cleaning.max_words=", "data.cleaning.max_words", None),
        ("data.embedded.num_train=10", "data.embedded.num_train", 10),
        ("training.learning_rate=1e-3", "training.learning_rate", 1 / 1000),
        ("training.learning_rate=1", "training.learning_rate", 1.0),
        (" training.num_steps =7", "training.num_steps", 7),
        ("model.share_embeddings=true", "model.share_embeddings", True),
        ("model.cell=lstm", "model.cell", "lstm"),
        ("vocabulary.symbols=", "vocabulary.symbols", ()),
    ],
)
def test_override(read, override, section, value):
    node = read(EMBEDDED, override)
    for name in section.split("."):
        node = getattr(node, name)
    assert node == value and type(node) is type(value)


def test_an_override_wins_over_the_file_and_the_last_over_the_first(read):
    text = EMBEDDED + "search: {beam_size: 2}\n"
    assert read(text, "search.beam_size=3", "search.beam_size=4").search.beam_size == 4


def test_a_file_that_is_not_there_is_told_with_its_nearest_sibling(read, tmp_path):
    read(EMBEDDED)
    with pytest.raises(ConfigError, match='does not exist; did you mean "experiment.yaml"?'):
        read_config(tmp_path / "expermient.yaml")


def test_an_override_can_give_what_the_file_lacks(read):
    assert read("data:\n", "data.path=embedded") == read(EMBEDDED)


def test_the_architecture_chooses_the_dataclass(read):
    assert type(read(EMBEDDED).model) is RecurrentConfig
    model = read(EMBEDDED + "model: {architecture: transformer, num_heads: 4}\n").model
    assert model == TransformerConfig(num_heads=4)
    assert read(EMBEDDED, "model.architecture=transformer", "model.num_heads=4").model == model


CASES = [
    ("", "experiment.yaml is empty"),
    ("# only a comment\n", "experiment.yaml is empty"),
    ("word", "must hold sections"),
    ("- data", "must hold sections"),
    ("data: 4", "data must be a section of keys; got 4"),
    ("data: {cleaning: no}", "data.cleaning must be a section of keys; got 'no'"),
    ("data: [", "experiment.yaml line 1 is not YAML"),
    ("data:\n  path: a\n\tb: c\n", "experiment.yaml line 3 is not YAML"),
    ("data: {path: a}\ndata: {path: b}\n", "line 2 is not YAML: the key 'data' is given twice"),
    (EMBEDDED + "---\nx: 1\n", "line 2 is not YAML"),
    ("data: !!python/object/apply:os.getcwd []", "python/object/apply:os.getcwd"),
    ("data: {path: a\0b}", "is not YAML"),
    (b"data:\n  path: \xff", "line 2 is not UTF-8: byte 0xFF"),
    ("[" * 5000, "nested too deeply"),
    ("data: {pth: x}", 'unknown key data.pth; did you mean "path"?'),
    ("date: {path: x}", 'unknown key date; did you mean "data"?'),
    (EMBEDDED + "num_steps: 3", 'unknown key num_steps; did you mean "training.num_steps"?'),
    (
        EMBEDDED + "seed: 3",
        'did you mean "data.seed" or "training.seed" or "search.seed" or "data.embedded.seed"?',
    ),
    ("data: {1: 2}", "unknown key data.1"),
    ("data: {? " + "k" * 20_000 + " : 2}", "unknown key 'data.kkk"),
    ("data: {? " + "k\u0301" * 10_000 + " : 2}", "unknown key 'data.k"),
    ("? " + "k" * 10_000 + "\n? " + "k" * 10_000, "line 2 is not YAML: the key 'kkk"),
    ("data: !" + "k" * 20_000 + " x", "could not determine a constructor for the tag '!kkk"),
    ("data: {seed: !!int " + "k" * 20_000 + "}", "kkk' is not of the kind int"),
    ('data: {"a\\nb": 2}', "unknown key 'data.a\\nb'"),
    ("data: {path: 5}", "data.path must be text or null; got 5 (put it in quotes)"),
    ("data: {path: &a [*a]}", "data.path must be text or null; got [["),
    ("data: {test: [1]}", "data.test must be a list of texts; got [1]"),
    ("data: {seed: 1.0}", "data.seed must be a whole number; got 1.0"),
    ("data: {seed: true}", "data.seed must be a whole number; got true"),
    ("data: {seed: null}", "data.seed must be a whole number; got null"),
    ("data: {seed: '1'}", "data.seed must be a whole number; got '1'"),
    ("data: {seed: 1" + "0" * 30 + "}", "data.seed must fit into 64 bits"),
    ("data: {seed: 1" + "0" * 5000 + "}", "data.seed must be a whole number"),
    ('data: {path: "a\\0"}', "data.path must be UTF-8 text without NUL"),
    ('data: {path: x, test: ["\\ud800"]}', "data.test must be UTF-8 text without NUL"),
    ("#" * (1 << 20) + "\n", "must have 1048576 bytes at most; got more"),
    ("data: {tokenized: no}", "data.tokenized must be true or false; got 'no'"),
    ("data: {tokenized: 1}", "data.tokenized must be true or false; got 1"),
    ("data: {max_pieces: many}", "data.max_pieces must be a whole number or null; got 'many'"),
    ("training: {learning_rate: fast}", "training.learning_rate must be a number; got 'fast'"),
    ("training: {learning_rate: .nan}", "training.learning_rate must be a number; got nan"),
    ("training: {learning_rate: 1e999}", "training.learning_rate must be a number; got inf"),
    ("training: {learning_rate: true}", "training.learning_rate must be a number; got true"),
    ("vocabulary: {kind: bep}", "vocabulary.kind cannot be 'bep'; did you mean \"bpe\"?"),
    ("vocabulary: {kind: [bpe]}", "vocabulary.kind cannot be ['bpe']"),
    ("model: {architecture: transfomer}", 'did you mean "transformer"?'),
    ("model: {num_heads: 2}", "model.num_heads cannot be given where model.architecture is recurr"),
    ("model: lstm", "model must be a section of keys; got 'lstm'"),
    ("model: {cell: lstm}", "data needs either data.path or data.hub; got neither"),
]


@pytest.mark.parametrize(("text", "message"), CASES)
def test_a_wrong_file_is_refused_in_one_line(read, text, message):
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("beam", "override 'beam' lacks '='"),
        ("data=3", "data is a section; write data.key=value"),
        ("data.cleaning=false", "data.cleaning is a section"),
        ("model=lstm", "model is a section"),
        ("data.path.x=3", "data.path is a value and has no keys"),
        ("=3", "unknown key"),
        ("data.=3", "unknown key data."),
        ("beam_size=3", 'did you mean "validation.beam_size" or "search.beam_size"?'),
        ("share_embeddings=true", 'did you mean "model.share_embeddings"?'),  # of both models
        ("k" * 100_000, "override 'kkk"),
        ("data." + "k" * 100_000 + "=3", "unknown key 'data.kkk"),
        ("data.seed=" + "k" * 100_000, "data.seed must be a whole number; got 'kkk"),
        ("search.beamsize=3", 'unknown key search.beamsize; did you mean "beam_size"?'),
        (
            "search.beam_size=3.5",
            "override 'search.beam_size=3.5': search.beam_size must be a whole",
        ),
        ("search.beam_size=", "search.beam_size must be a whole number; got null"),
        ("search.beam_size=[", "search.beam_size must be a whole number; got '['"),
        ("data.tokenized=no", "data.tokenized must be true or false; got 'no'"),
        ("model.cell=gru", "override 'model.cell=gru': model.cell cannot be 'gru'"),
        ("model.num_heads=4", "model.num_heads cannot be given where model.architecture is recurr"),
    ],
)
def test_a_wrong_override_is_refused_in_one_line(read, override, message):
    with pytest.raises(ConfigError) as caught:
        read(EMBEDDED, override)
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert len(str(caught.value)) < 900


def test_an_override_cannot_reach_into_a_value_of_the_file(read):
    with pytest.raises(ConfigError, match="data must be a section of keys; got 'embedded'"):
        read("data: embedded", "data.path=embedded")


def test_switching_the_architecture_names_every_foreign_key(read):
    text = EMBEDDED + "model: {cell: lstm, encoder_layers: 2, decoder_dim: 8}\n"
    with pytest.raises(ConfigError, match=r"model\.cell, model\.decoder_dim cannot be given where"):
        read(text, "model.architecture=transformer")


def test_a_missing_or_unreadable_file(tmp_path):
    with pytest.raises(ConfigError, match="absent.yaml does not exist"):
        read_config(tmp_path / "absent.yaml")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        read_config(tmp_path)


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["data.source_language=no", "data.path=1e-3", "data.test=[on, '1:30', 'a b']"],
        ["model.architecture=transformer", "model.dropout=0.30000000000000004"],
        ["training.learning_rate=1e-300", "search.length_norm=5e-324", "data.max_pieces=null"],
        ["data.path=  é 'quoted' \"twice\" \t# & * ! | > %"],
        ["data.path=a\x85b", "data.source_language=\u2028", "data.target_language=\ufeff\u2029"],
    ],
)
def test_to_yaml_round_trips_exactly(read, overrides):
    config = read(EMBEDDED, *overrides)
    assert read(to_yaml(config)) == config


def test_to_yaml_holds_every_option(read):
    config = read(EMBEDDED)
    lines = [line.strip().partition(":")[0] for line in to_yaml(config).splitlines()]

    def names(section):
        for field in dataclasses.fields(section):
            yield field.name
            if dataclasses.is_dataclass(getattr(section, field.name)):
                yield from names(getattr(section, field.name))

    assert [line for line in lines if line] == list(names(config))


def test_differing_keys(read):
    a = read(EMBEDDED)
    b = read(EMBEDDED, "data.cleaning.max_words=9", "search.beam_size=2")
    assert differing_keys(a, a) == []
    assert differing_keys(a, b) == [("data.cleaning.max_words", 100, 9), ("search.beam_size", 5, 2)]


def test_differing_architectures_are_one_difference(read):
    a, b = read(EMBEDDED), read(EMBEDDED, "model.architecture=transformer", "training.seed=2")
    assert differing_keys(a, b) == [
        ("model.architecture", "recurrent", "transformer"),
        ("training.seed", 1, 2),
    ]


def test_floats_survive_as_they_are(read):
    value = math.nextafter(0.1, 1)
    config = read(EMBEDDED, f"training.label_smoothing={value!r}")
    assert config.training.label_smoothing == value
    assert read(to_yaml(config)).training.label_smoothing == value


def test_a_whole_number_is_a_float_only_where_no_other_is_the_same_float(read):
    largest = 2**53 - 1
    assert int(read(EMBEDDED, f"training.clip_norm={largest}").training.clip_norm) == largest
    assert float(2**53) == float(2**53 + 1)
    for number in (2**53, 2**53 + 1, -(2**53) - 1):
        message = f"training.clip_norm must be a number or null; got {number}$"
        with pytest.raises(ConfigError, match=message):
            read(EMBEDDED, f"training.clip_norm={number}")


def test_naming_the_corpus_anew_takes_back_its_other_name(read):
    hub = "data: {hub: a/b, configuration: fr-en, revision: v1}\n"
    assert read(hub, "data.path=folder").data == DataConfig(path="folder")
    assert read(hub, "data.configuration=de-en", "data.path=x").data == DataConfig(
        path="x", configuration="de-en"
    )
    assert read(EMBEDDED, "data.hub=a/b").data == DataConfig(hub="a/b")
    moved = read("data: {path: card, configuration: noisy}\n", "data.path=card2")
    assert moved.data == DataConfig(path="card2", configuration="noisy")
    assert read(hub, "data.path=null") == read(hub)


def test_two_names_of_the_corpus_given_together_are_refused(read):
    with pytest.raises(ConfigError, match="needs either data.path or data.hub; got path 'x'"):
        read(EMBEDDED, "data.path=x", "data.hub=a/b")
    with pytest.raises(ConfigError, match="needs either data.path or data.hub"):
        read("data: {path: x, hub: a/b}\n")
