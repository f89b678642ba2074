"""Configs and overrides that are wrong."""

import itertools

from tests.input_cases import CONFIG, Case


def override(name, text, says):
    return Case(name, f"train c.yaml '{text}'", says)


def config(name, text, says):
    return Case(name, "train c.yaml", says, {"c.yaml": text})


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n"
    for before, name in itertools.pairwise("abcdefghi")
)
NAMES = [
    config("unknown section", "date: {path: corpus}", 'unknown key date; did you mean "data"?'),
    config("unknown key", "data: {pth: x}", 'c.yaml: unknown key data.pth; did you mean "path"?'),
    config(
        "unknown key two levels down",
        "data: {path: x, cleaning: {max_word: 9}}",
        'unknown key data.cleaning.max_word; did you mean "max_words"?',
    ),
    config(
        "key outside its section",
        CONFIG + "num_steps: 3\n",
        'unknown key num_steps; did you mean "training.num_steps"?',
    ),
    config("key that is a number", "data: {path: x, 7: 2}", "unknown key data.7"),
    config(
        "key with a line end and a control",
        'data: {"pa\\nth\\e[2J": x}',
        r"unknown key 'data.pa\nth\x1b[2J' | \"path\"".replace('\\"', '"'),
    ),
    config(
        "key of another architecture",
        "data: {path: x}\nmodel: {num_heads: 2}",
        "model.num_heads cannot be given where model.architecture is recurrent; remove it",
    ),
    override(
        "override of an unknown section", "trainin.num_steps=1", 'trainin | did you mean "training"'
    ),
    override(
        "override of an unknown key",
        "search.beamsize=3",
        "override 'search.beamsize=3': unknown key search.beamsize | did you mean \"beam_size\"?",
    ),
    override(
        "override two levels down",
        "data.cleaning.duplicate=false",
        'unknown key data.cleaning.duplicate; did you mean "duplicates"?',
    ),
    override(
        "override without a section",
        "beam_size=3",
        'did you mean "validation.beam_size" or "search.beam_size"?',
    ),
    override("override of a section", "data=corpus", "data is a section; write data.key=value"),
    override("override below a value", "data.path.x=3", "data.path is a value and has no keys"),
    override(
        "override with an unknown choice",
        "model.cell=lsmt",
        "model.cell cannot be 'lsmt'; did you mean \"lstm\"? (legal: vanilla_tanh,",
    ),
    override(
        "what to do with unknown words",
        "search.unknown=replaced",
        "search.unknown cannot be 'replaced'; did you mean \"replace\"? (legal: keep, replace,",
    ),
    Case(
        "an option of SentencePiece for words",
        "train c.yaml vocabulary.kind=word vocabulary.sampling=0.1",
        "vocabulary.sampling is of SentencePiece and means nothing where vocabulary.kind is word",
    ),
    Case(
        "words of two languages by the rules of one",
        "train c.yaml vocabulary.kind=word vocabulary.tokenize=moses",
        "vocabulary.tokenize moses needs vocabulary.joint false",
    ),
    Case(
        "unknown words replaced without attention",
        "train c.yaml model.attention=none search.unknown=replace",
        "search.unknown replace needs a model with attention; got model.attention none",
    ),
    override(
        "unknown architecture", "model.architecture=transfomer", 'did you mean "transformer"?'
    ),
]
KINDS = [
    override(
        "a shortlist narrower than the beam",
        "search.shortlist=4",
        "search.shortlist must be search.beam_size or more; got 4 for 5",
    ),
    override("text for a whole number", "training.num_steps=many", "a whole number; got 'many'"),
    override("a fraction for a whole number", "search.beam_size=1.5", "a whole number; got 1.5"),
    override(
        "1e3 for a whole number",
        "training.num_steps=1e3",
        "training.num_steps must be a whole number; got 1000.0",
    ),
    override(
        "an epsilon that is zero on devices",
        "training.epsilon=1e-46",
        "training.epsilon must be 1e-37 or more; got 1e-46",
    ),
    override(
        "a final rate above the peak",
        "training.final_learning_rate=1",
        "training.final_learning_rate must be training.learning_rate or less; got 1.0 for 0.001",
    ),
    override(
        "too many shapes", "data.num_shapes=257", "data.num_shapes must be 256 or less; got 257"
    ),
    override("true for a whole number", "data.num_shapes=true", "must be a whole number; got true"),
    override("text for a number", "training.learning_rate=fast", "must be a number; got 'fast'"),
    override("null where there must be a value", "data.seed=null", "a whole number; got null"),
    override(
        "a list for a single value", "training.seed=[1, 2]", "must be a whole number; got [1, 2]"
    ),
    override("a mapping for a single value", "training.seed={a: 1}", "whole number; got {'a': 1}"),
    override("yes for true", "vocabulary.joint=yes", "must be true or false; got 'yes'"),
    override("not a number", "training.learning_rate=.nan", "must be a number; got nan"),
    override("infinity", "search.length_norm=.inf", "search.length_norm must be a number; got inf"),
    override("more than a float holds", "search.top_p=1e999", "a number or null; got inf"),
    override("more than 64 bits", "training.seed=99999999999999999999", "must fit into 64 bits"),
    config(
        "a number for a text", "data: {path: 5}", "must be text or null; got 5 (put it in quotes)"
    ),
    config("a number in a list of texts", "data: {path: x, test: [7]}", "a list of texts; got [7]"),
    config("a value for a section", "data: corpus", "data must be a section of keys; got 'corpus'"),
    config("a list for a section", "data: {path: x}\nmodel: [lstm]", "model must be a section"),
    config("NUL in a name", 'data: {path: "a\\0b"}', "data.path must be UTF-8 text without NUL"),
    Case(
        "bytes that are no UTF-8 in an override",
        "train c.yaml data.path=\udcff",
        "data.path must be UTF-8 text without NUL; got '\\udcff'",
    ),
]
RANGES = [
    config(
        "modules that do not divide a state",
        "data: {path: x}\nmodel: {cell: clockwork, clockwork_modules: 5}",
        "model.clockwork_modules must divide model.encoder_dim; got 5 modules for 256",
    ),
    override(
        "a depth gate without a layer below",
        "model.cell=lstm_depth_gated",
        "model.cell lstm_depth_gated needs model.encoder_layers or model.decoder_layers of 2",
    ),
    override("no steps", "training.num_steps=0", "training.num_steps must be 1 or more; got 0"),
    override("too many steps", "training.num_steps=99999999999", "must be 2147483647 or less"),
    override("no seed", "training.num_seeds=0", "training.num_seeds must be 1 or more; got 0"),
    override("too many seeds", "training.num_seeds=257", "num_seeds must be 256 or less; got 257"),
    Case(
        "seeds beyond the last one that there is",
        "train c.yaml training.seed=4294967295 training.num_seeds=2",
        "the last seed, must be at most 4294967295; got 4294967296",
    ),
    override("too large a layer", "model.encoder_dim=8000000", "must be 100000 or less; got 8000"),
    override(
        "too many layers", "model.decoder_layers=9999", "model.decoder_layers must be 1000 or"
    ),
    override("too many sentences", "data.embedded.num_test=99999999", "must be 10000000 or less"),
    override("a negative rate", "training.learning_rate=-1", "must be 0 or more; got -1.0"),
    override("all dropped out", "model.dropout=1", "must be at least 0 and below 1; got 1.0"),
    override("a negative seed", "training.seed=-1", "must be from 0 to 4294967295; got -1"),
    override("top_p above 1", "search.top_p=1.5", "above 0 and at most 1; got 1.5"),
    override(
        "no temperature", "search.temperature=0", "search.temperature must be 1e-06 or more; got 0"
    ),
    override("no coverage", "vocabulary.character_coverage=0", "must be from 0.98 to 1; got 0"),
]
COMBINATIONS = [
    override("path and hub", "data.hub=a/b' 'data.path=x", "got path 'x' and hub 'a/b'"),
    config("neither path nor hub", "model: {cell: lstm}", "either data.path or data.hub; got nei"),
    override("the same languages", "data.target_language=en", "must differ; both are 'en'"),
    Case(
        "heads that do not divide",
        "train c.yaml model.architecture=transformer model.num_heads=3",
        "model.num_heads must divide model.model_dim; got 3 heads for 512",
        {"c.yaml": "data: {path: corpus}"},
    ),
    config(
        "an odd width",
        "data: {path: x}\nmodel: {architecture: transformer, model_dim: 9, num_heads: 3}",
        "model.model_dim must be even for sinusoids; got 9",
    ),
    config(
        "an alignment layer that is not there",
        "data: {path: x}\nmodel: {architecture: transformer, alignment_layer: 6}",
        "must name one of the 6 decoder layers; got 6",
    ),
    override("a beam larger than the vocabulary", "search.beam_size=41", "got 41 for 40 pieces"),
    override("the same in validation", "validation.beam_size=41", "validation.beam_size must not"),
    override(
        "one embedding for two vocabularies",
        "vocabulary.joint=false' 'model.share_embeddings=true",
        "model.share_embeddings needs vocabulary.joint true; got false",
    ),
    override(
        "a tied projection of another size",
        "model.tie_projection=true' 'model.readout_dim=9",
        "needs model.readout_dim equal to model.embedding_dim; got 9 and 8",
    ),
    override(
        "inverse_sqrt without a warm-up",
        "training.schedule=inverse_sqrt",
        "needs training.warmup_steps of 1 or more; got 0",
    ),
    override("weight decay of adam", "training.weight_decay=0.1", "optimizer adamw; got adam"),
    override(
        "an order without attention",
        "model.attention=none' 'model.decoder_order=update_attend_update",
        "needs model.attention additive, dot, general or concat; got none",
    ),
    override(
        "dot attention between two sizes",
        "model.attention=dot' 'model.decoder_dim=7",
        "model.attention dot needs model.decoder_dim equal to twice model.encoder_dim",
    ),
    override(
        "sampled symbols",
        "vocabulary.kind=unigram' 'vocabulary.sampling=0.1' 'vocabulary.symbols=<x>",
        "vocabulary.sampling would split vocabulary.symbols",
    ),
    override("lengths the wrong way round", "data.embedded.min_words=21", "min_words 21, max_word"),
]
YAML = [
    config("no mapping", "- data\n- model\n", "must hold sections (a mapping); got ['data', 'mod"),
    config("a lone word", "data", "must hold sections (a mapping); got 'data'"),
    config("a key twice", "data: {path: a}\ndata: {path: b}\n", "line 2 | 'data' is given twice"),
    config("a key twice, below", "data:\n  path: a\n  path: b\n", "line 3 | 'path' is given twice"),
    config("a tab", "data:\n\tpath: a\n", "c.yaml line 2 is not YAML"),
    config("an open bracket", "data: {path: a\n", "c.yaml line 2 is not YAML"),
    config("two documents", "data: {path: a}\n---\nx: 1\n", "c.yaml line 2 is not YAML"),
    config("nested without end", "[" * 1000, "c.yaml is nested too deeply"),
    config("a bomb of aliases", BOMB, "unknown key a"),
    config("a bomb as a value", BOMB.replace("i: &i", "data: {path: x, test: ") + "}", "key a"),
    config("a value within itself", "data: {path: &a [*a]}", "data.path must be text or null"),
    config(
        "a tag that would run", "data: !!python/object/apply:os.getcwd []", "line 1 | python/obj"
    ),
    config("empty", "", "c.yaml is empty; wanted sections (legal: data, vocabulary, model"),
    config("comments alone", "# data: {path: x}\n", "c.yaml is empty"),
    config("binary", bytes(range(256)) * 4, "c.yaml line 2 is not UTF-8: byte 0x80"),
    config(
        "UTF-16 for a config", "data: {path: x}".encode("utf-16"), "line 1 is not UTF-8: byte 0xFF"
    ),
    config("a control", "data: {path: a\0b}", "c.yaml is not YAML"),
    config("too large", "#" * (1 << 20) + "\n", "must have 1048576 bytes at most"),
    Case("a file without end", "train /dev/zero --run runs/x", "/dev/zero must have 1048576 bytes"),
    Case("a folder for a config", "train corpus", "config file corpus cannot be read: Is a direct"),
    Case("a config that is not there", "train d.yaml", 'd.yaml does not exist; did you mean "c.y'),
]
CASES = [*NAMES, *KINDS, *RANGES, *COMBINATIONS, *YAML]
