"""Search in batches: devices and batch mates change nothing of what is found."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from nmt.config.schema import SearchConfig
from nmt.decoding import finding, programs
from nmt.decoding.finding import find, max_target_pieces
from nmt.decoding.stages import stage_sizes
from nmt.devices.mesh import make_mesh, on_all

SHORT = dict(max_length_factor=0.5, max_length_extra=6, batch_sentences=4)
SEARCHES = {  # and how many hypotheses are wanted
    "greedy": (SearchConfig(beam_size=1, **SHORT), 1),
    "beam": (SearchConfig(beam_size=4, **SHORT), 3),
    "sample": (SearchConfig(method="sample", temperature=1.5, top_p=0.9, **SHORT), 2),
}
NAMES = ["recurrent", "without attention", "transformer"]
QUICK = [("recurrent", "beam"), ("without attention", "greedy"), ("transformer", "sample")]


@pytest.fixture(scope="module")
def sources(vocabularies):
    """Encoded sentences of many lengths, EOS at the end; several batches on few devices."""
    rng = np.random.default_rng(0)
    eos_id = vocabularies.source.eos_id
    lengths = rng.integers(0, 8, 21)
    return [np.array([*rng.integers(4, 50, length), eos_id], np.int32) for length in lengths]


@pytest.fixture(scope="module")
def find_on(models, vocabularies, sources):
    """find_on(name of a model, name of a search, shape of the mesh) -> what `find` gives."""

    def find_on(name, search, shape):
        (graph, params), (config, num_hypotheses) = models[name], SEARCHES[search]
        mesh = make_mesh(shape[1], jax.devices()[: shape[0] * shape[1]])
        return find(
            graph,
            on_all(mesh, params),
            sources,
            vocabularies.target.special,
            config,
            mesh=mesh,
            num_hypotheses=num_hypotheses,
        )

    return find_on


def assert_same(found, expected):
    for of_sentence, wanted in zip(found, expected, strict=True):
        assert [one.ids.tolist() for one in of_sentence] == [one.ids.tolist() for one in wanted]
        np.testing.assert_allclose(  # the last bits may depend on the rows that a device has
            [one[1:] for one in of_sentence], [one[1:] for one in wanted], rtol=1e-5
        )


@pytest.mark.parametrize(("name", "search"), QUICK)
def test_devices_change_nothing(find_on, name, search):
    expected = find_on(name, search, (1, 1))
    assert [len(hypotheses) for hypotheses in expected] == [SEARCHES[search][1]] * 21
    assert len({hypotheses[0].ids.tobytes() for hypotheses in expected}) > 5
    assert_same(find_on(name, search, (4, 2)), expected)


@pytest.mark.slow
@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("name", NAMES)
def test_devices_change_nothing_of_any_search(find_on, name, search):
    assert_same(find_on(name, search, (4, 2)), find_on(name, search, (1, 1)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "search"),
    [("transformer", "beam"), ("transformer", "sample"), ("recurrent", "sample")],
)
def test_a_batch_that_sentences_leave_finds_what_small_batches_find(
    models, vocabularies, name, search
):
    """As it is halved on the way, and given more room; batches of four are not."""
    rng = np.random.default_rng(1)
    eos_id, unk_id = vocabularies.source.eos_id, vocabularies.target.unk_id
    lengths = [*rng.integers(1, 9, 30), *rng.integers(20, 40, 10)]
    sources = [np.array([*rng.integers(4, 50, n), eos_id], np.int32) for n in lengths]
    (graph, params), (config, num_hypotheses) = models[name], SEARCHES[search]
    mesh = make_mesh(devices=jax.devices()[:1])

    def found(batch_sentences, forbidden_id=None):
        return find(
            graph,
            params,
            sources,
            vocabularies.target.special,
            replace(config, batch_sentences=batch_sentences),
            mesh=mesh,
            num_hypotheses=num_hypotheses,
            forbidden_id=forbidden_id,
        )

    expected = found(4)
    room = max(max_target_pieces(len(source), config) for source in sources)
    longest = np.array([max(len(one.ids) for one in of_text) for of_text in expected])
    assert len(stage_sizes(64)) == 3
    assert all((low < longest).any() for low in (0, room / 4, room / 2))
    assert_same(found(64), expected)
    pieces = np.concatenate([one.ids for of_text in expected for one in of_text])
    unlike = found(64, forbidden_id=unk_id)
    of_unlike = np.concatenate([one.ids for of_text in unlike for one in of_text])
    assert unk_id in pieces and unk_id not in of_unlike


@pytest.mark.parametrize("search", SEARCHES)
def test_a_sentence_whose_states_overflow_is_empty_and_harms_no_other(
    models, vocabularies, sources, search, caplog
):
    (graph, params), (config, _) = models["recurrent"], SEARCHES[search]
    special, piece = vocabularies.target.special, 7
    is_hit = [piece in ids for ids in sources]
    assert 0 < sum(is_hit) < len(sources) // 2
    broken = jax.tree.map(lambda leaf: leaf, params)
    table = broken["source_embedding"]["table"]
    broken["source_embedding"]["table"] = table.at[piece].set(np.nan)
    mesh = make_mesh(devices=jax.devices()[:1])

    def found(params):
        return find(graph, on_all(mesh, params), sources, special, config, mesh=mesh)

    for (one,), (wanted,), hit in zip(found(broken), found(params), is_hit, strict=True):
        if hit:
            assert one.ids.tolist() == [special.eos_id] and one.log_prob == -np.inf
        else:
            assert one.ids.tolist() == wanted.ids.tolist()
    assert caplog.text.count("has no translation") == sum(is_hit)


@pytest.mark.parametrize("search", ["greedy", "sample"])
def test_devices_do_not_speak_with_each_other(models, vocabularies, search):
    mesh = make_mesh(2, jax.devices()[:4])
    graph, params = models["recurrent"][0], on_all(mesh, models["recurrent"][1])
    special = vocabularies.target.special
    source = np.full((4, 8), vocabularies.source.eos_id, np.int32)
    rows, number = (source, source > 0, np.ones(4, np.int32)), np.float32(1)
    numbers = np.zeros((4, 2), np.int32)
    static = dict(mesh=mesh, special=special, max_length=2, num_hypotheses=1)
    prepared = programs.prepare_search(graph, params, mesh=mesh, special=special)
    if search == "greedy":
        program, arguments = programs.beam_search, (prepared, *rows, number)
        static["beam_size"] = 1
    else:
        others = numbers, number, np.uint32(1), number, None
        program, arguments = programs.sample, (prepared, *rows, *others)
        static["top_k"] = None
    text = program.lower(graph, params, *arguments, **static).compile().as_text()
    assert "while" in text and "num_partitions=4" in text
    for collective in ("all-reduce", "all-gather", "all-to-all", "collective", "reduce-scatter"):
        assert collective not in text


def test_batches_are_told_of_when_they_are_done(models, vocabularies, sources):
    done = []
    graph, params = models["recurrent"]
    mesh = make_mesh(devices=jax.devices()[:1])
    config, _ = SEARCHES["beam"]
    special = vocabularies.target.special
    find(graph, params, sources, special, config, mesh=mesh, on_batch=done.append)
    assert sorted(i for batch in done for i in batch) == list(range(21)) and len(done) == 6


@pytest.mark.parametrize(("num_hypotheses", "batches"), [(1, 6), (3, 11), (5, 21), (9, 21)])
def test_a_batch_has_no_more_samples_than_are_bounded(
    models, vocabularies, sources, monkeypatch, num_hypotheses, batches
):
    monkeypatch.setattr(finding, "MOST_SAMPLES", 8)
    done = []
    graph, params = models["recurrent"]
    mesh = make_mesh(devices=jax.devices()[:1])
    config, _ = SEARCHES["sample"]
    found = find(
        graph,
        params,
        sources,
        vocabularies.target.special,
        config,
        mesh=mesh,
        num_hypotheses=num_hypotheses,
        on_batch=done.append,
    )
    assert len(done) == batches and {len(of_text) for of_text in found} == {num_hypotheses}


def test_a_translation_has_as_many_pieces_as_the_config_allows():
    config = SearchConfig(max_length_factor=1.5, max_length_extra=10)
    assert [max_target_pieces(length, config) for length in (1, 7, 8)] == [12, 21, 22]
