import base64
import json

import numpy as np
import pytest

from nmt.analysis.alignment import Alignment, HeadAlignments
from nmt.analysis.matrix_plot import png
from nmt.errors import DataError

SOURCE, TARGET = ["a", "b", "c"], ["x", "y"]


def alignment_with_heads(num_layers, num_heads, seed=0):
    """Every row of every head sums to one with EOS; the alignment's own is the first head's."""
    rng = np.random.default_rng(seed)
    rows = rng.dirichlet(np.ones(len(SOURCE) + 1), size=(num_layers, num_heads, len(TARGET)))
    heads = HeadAlignments(rows[..., :-1], rows[..., -1])
    return Alignment(SOURCE, TARGET, rows[0, 0, :, :-1], rows[0, 0, :, -1], heads)


def test_an_alignment_of_the_wrong_shape_is_refused():
    with pytest.raises(DataError, match=r"matrix of shape \(2, 1\)"):
        Alignment(["a"], ["x", "y"], np.ones((1, 2)), np.zeros(2))
    with pytest.raises(DataError, match=r"eos of shape \(2,\)"):
        Alignment(["a"], ["x", "y"], np.ones((2, 1)), np.zeros(3))


def test_links_are_the_greatest_of_each_row():
    alignment = Alignment(
        ["a", "b", "c"],
        ["v", "w", "x", "y", "z"],
        [[0.1, 0.7, 0.1], [0.4, 0.1, 0.4], [0.2, 0.2, 0.1], [0.3, 0.3, 0], [0, 0, 0]],
        [0.1, 0.1, 0.5, 0.3, 0],
    )
    # w: a tie goes to the first. x: EOS holds most. y: EOS holds no more than a. z: has nothing.
    assert alignment.links() == [(1, 0), (0, 1), (0, 3)]
    assert alignment.to_pharaoh() == "0-1 0-3 1-0"


def test_to_dict_goes_through_json():
    alignment = Alignment(["été"], ["日"], np.array([[1 / 3]], np.float32), np.array([2 / 3]))
    read = json.loads(alignment.to_json())
    assert read == {
        "source_words": ["été"],
        "target_words": ["日"],
        "matrix": [[0.333333]],
        "eos": [0.666667],
    }
    assert "été" in alignment.to_json()


def test_a_head_and_the_mean_of_a_layer():
    alignment = alignment_with_heads(2, 3)
    matrices, eos = alignment.heads.matrices, alignment.heads.eos
    for layer in range(2):
        mean = alignment.head(layer)
        np.testing.assert_allclose(mean.matrix, sum(matrices[layer]) / 3)
        np.testing.assert_allclose(mean.eos, sum(eos[layer]) / 3)
        np.testing.assert_allclose(mean.matrix.sum(axis=1) + mean.eos, 1)
        for number in range(3):
            head = alignment.head(layer, number)
            np.testing.assert_array_equal(head.matrix, matrices[layer, number])
            np.testing.assert_array_equal(head.eos, eos[layer, number])
            assert (head.source_words, head.target_words) == (SOURCE, TARGET)


@pytest.mark.parametrize("layer, head", [(2, None), (-1, 0), (0, 3), (1, -1)])
def test_a_layer_or_head_that_is_not_there_is_refused(layer, head):
    with pytest.raises(DataError, match=f"from 0 to 1 .* from 0 to 2, .*layer {layer} .* {head}"):
        alignment_with_heads(2, 3).head(layer, head)


def test_heads_are_to_be_asked_for_and_to_fit_the_words():
    with pytest.raises(DataError, match="heads=True"):
        Alignment(["a"], ["x"], [[1]], [0]).head(0)
    with pytest.raises(DataError, match=r"\(layers, heads, 1, 1\).* got \(2, 3, 1, 2\)"):
        heads = HeadAlignments(np.ones((2, 3, 1, 2)), np.ones((2, 3, 1)))
        Alignment(["a"], ["x"], [[1]], [0], heads)


@pytest.mark.parametrize("name", ["matrix.html", "matrix.HTM"])
def test_plot_names_what_writes_html(tmp_path, name):
    with pytest.raises(DataError, match="save_html"):
        Alignment(["a"], ["x"], [[1]], [0]).plot(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_notebook_gets_the_page_with_the_picture_and_nothing_for_nothing():
    alignment = Alignment(["a"], ["x"], [[1]], [0])
    bundle = alignment._repr_mimebundle_()
    assert base64.b64decode(bundle["image/png"]) == png(alignment)
    # A viewer that takes the HTML and cuts the frame out of it has the picture left.
    assert bundle["image/png"] in bundle["text/html"]
    assert "<iframe" in bundle["text/html"] and "<script" not in bundle["text/html"]
    assert Alignment([], [], np.zeros((0, 0)), [])._repr_mimebundle_() == {}
