import numpy as np
import pytest

from nmt.analysis.links import word_alignment
from nmt.errors import DataError, NmtError


def split_into_pieces(text, rng, longest=4):
    """Random spans over the words of a text, with empty ones as a lone '▁' has before a word."""
    spans, place = [], 0
    for word in text.split():
        place = text.index(word, place)
        end = place + len(word)
        if rng.random() < 0.3:
            spans.append((place, place))
        while place < end:
            piece_end = min(end, place + int(rng.integers(1, longest + 1)))
            spans.append((place, piece_end))
            place = piece_end
    return spans


def random_matrix(rng, rows, columns):
    """(rows, columns), every row a probability."""
    matrix = rng.random((rows, columns)) ** 3
    return matrix / matrix.sum(axis=1, keepdims=True)


def words_with_loops(matrix, source_text, source_spans, target_text, target_spans):
    """The slow reference: for pieces inside one word each; a span's end says which word it is."""

    def word_of(text, span):
        before = text[: span[0]]
        inside_a_word = before != "" and not before[-1].isspace()
        return len(before.split()) - inside_a_word

    rows, columns = len(target_text.split()), len(source_text.split())
    words, eos = np.zeros((rows, columns)), np.zeros(rows)
    for t in range(rows):
        members = [i for i, span in enumerate(target_spans) if word_of(target_text, span) == t]
        for i in members:
            for j, span in enumerate(source_spans):
                words[t, word_of(source_text, span)] += matrix[i, j] / len(members)
            eos[t] += matrix[i, -1] / len(members)
    return words, eos


@pytest.mark.parametrize("seed", range(10))
def test_word_alignment_matches_loops(seed):
    rng = np.random.default_rng(seed)
    source_text = "the  internationalisation of\tsmall things is hard"
    target_text = "kleine Dinge sind schwer zu internationalisieren 。"
    source_spans = split_into_pieces(source_text, rng)
    target_spans = split_into_pieces(target_text, rng)
    matrix = random_matrix(rng, len(target_spans) + 1, len(source_spans) + 1)
    got = word_alignment(matrix, source_text, source_spans, target_text, target_spans)
    words, eos = words_with_loops(matrix, source_text, source_spans, target_text, target_spans)
    assert got.source_words == source_text.split() and got.target_words == target_text.split()
    np.testing.assert_allclose(got.matrix, words, atol=1e-12)
    np.testing.assert_allclose(got.eos, eos, atol=1e-12)
    np.testing.assert_allclose(got.matrix.sum(axis=1) + got.eos, 1)


def test_sum_over_source_pieces_and_mean_over_target_pieces():
    matrix = [
        [0.1, 0.2, 0.3, 0.4],  # "ka"
        [0.3, 0.0, 0.5, 0.2],  # "tze"
        [0.0, 0.0, 0.9, 0.1],  # "da"
        [0.0, 0.0, 0.0, 1.0],  # EOS, no word
    ]
    got = word_alignment(matrix, "cats here", [(0, 3), (3, 4), (5, 9)], "katze da",
                         [(0, 2), (2, 5), (6, 8)])  # fmt: skip
    np.testing.assert_allclose(got.matrix, [[(0.3 + 0.3) / 2, (0.3 + 0.5) / 2], [0, 0.9]])
    np.testing.assert_allclose(got.eos, [(0.4 + 0.2) / 2, 0.1])


def test_the_row_of_target_eos_may_come_with_a_span_without_or_not_at_all():
    rng = np.random.default_rng(0)
    source, target = ("a b", [(0, 1), (2, 3)]), "x y"
    spans = [(0, 1), (2, 3)]
    matrix = random_matrix(rng, 3, 3)
    without = word_alignment(matrix, *source, target, spans)
    truncated = word_alignment(matrix[:2], *source, target, spans)
    for empty in [(3, 3), (0, 0)]:
        spanned = word_alignment(matrix, *source, target, [*spans, empty])
        np.testing.assert_array_equal(spanned.matrix, without.matrix)
        np.testing.assert_array_equal(spanned.eos, without.eos)
    np.testing.assert_array_equal(truncated.matrix, without.matrix)


def test_a_lone_space_mark_belongs_to_the_word_after_it():
    matrix = [[0.1, 0.2, 0.3, 0.4], [0.5, 0.1, 0.1, 0.3], [0.2, 0.2, 0.2, 0.4]]
    spans = [(0, 1), (2, 2), (2, 3)]
    got = word_alignment(matrix, "a b", spans, "x y", spans)
    np.testing.assert_allclose(got.matrix, [[0.1, 0.5], [(0.5 + 0.2) / 2, (0.2 + 0.4) / 2]])


def test_bytes_of_one_character_belong_to_its_word():
    matrix = [[0.1, 0.2, 0.3, 0.4, 0.0]]
    for spans in ([(0, 1), (1, 1), (1, 1), (2, 3)], [(0, 1), (0, 1), (0, 1), (2, 3)]):
        got = word_alignment(matrix, "あ b", spans, "x", [(0, 1)])
        np.testing.assert_allclose(got.matrix, [[0.6, 0.4]])


def test_a_piece_over_several_words_is_shared_by_its_characters():
    # "abc d" is one piece: three quarters of it lie in the first word, one in the second.
    got = word_alignment([[0.8, 0.1, 0.1]], "abc d e", [(0, 5), (6, 7)], "x", [(0, 1)])
    np.testing.assert_allclose(got.matrix, [[0.6, 0.2, 0.1]])
    # On the target side both words take its row, and "y" the mean of its own two pieces.
    matrix = [[0.8, 0.2], [0.4, 0.6]]
    got = word_alignment(matrix, "a", [(0, 1)], "x yz", [(0, 3), (3, 4)])
    np.testing.assert_allclose(got.matrix[:, 0], [0.8, (0.5 * 0.8 + 0.4) / 1.5])
    np.testing.assert_allclose(got.matrix[:, 0] + got.eos, 1)


def test_spaces_at_the_end_of_the_source_go_to_the_last_word():
    got = word_alignment([[0.5, 0.3, 0.2]], "a ", [(0, 1), (1, 2)], "x", [(0, 1)])
    np.testing.assert_allclose(got.matrix, [[0.8]])


def test_empty_sides():
    no_source = word_alignment([[0.3, 0.7]], " ", [(0, 1)], "x", [(0, 1)])
    assert no_source.matrix.shape == (1, 0) and no_source.links() == []
    np.testing.assert_allclose(no_source.eos, [1])
    no_target = word_alignment([[0.3, 0.7]], "a", [(0, 1)], "", [(0, 0)])
    assert no_target.matrix.shape == (0, 1) and no_target.eos.shape == (0,)
    assert word_alignment([[1.0]], "", [], "", []).to_pharaoh() == ""


def test_a_target_word_without_a_piece_has_a_row_of_zeros():
    got = word_alignment([[0.6, 0.4]], "a", [(0, 1)], "x \N{WORD JOINER} ", [(0, 1)])
    np.testing.assert_allclose(got.matrix, [[0.6], [0]])
    np.testing.assert_allclose(got.eos, [0.4, 0])
    assert got.links() == [(0, 0)]


def test_languages_without_spaces_are_aligned_by_piece_or_by_character():
    rng = np.random.default_rng(0)
    text, spans = "猫が 好き。", [(0, 0), (0, 2), (3, 4), (4, 5), (4, 5), (5, 6)]  # き in two bytes
    matrix = random_matrix(rng, 3, 7)
    target = "x yz", [(0, 1), (2, 3), (3, 4)]
    by_piece = word_alignment(matrix, text, spans, *target, source_unit="piece")
    assert by_piece.source_words == ["猫が", "好", "き", "。"]
    expected = np.stack(
        [matrix[:, 0] + matrix[:, 1], matrix[:, 2], matrix[:, 3] + matrix[:, 4], matrix[:, 5]], 1
    )
    words = np.stack([expected[0], expected[1:].mean(axis=0)])
    np.testing.assert_allclose(by_piece.matrix, words)
    by_character = word_alignment(matrix, text, spans, *target, source_unit="character")
    assert by_character.source_words == list("猫が好き。")
    # "猫が" is one piece of two characters; its lone space mark stands before the first of them.
    np.testing.assert_allclose(by_character.matrix[0, 0], matrix[0, 0] + matrix[0, 1] / 2)
    np.testing.assert_allclose(by_character.matrix[0, 1], matrix[0, 1] / 2)
    np.testing.assert_allclose(by_character.matrix[:, 2:], words[:, 1:])
    turned = word_alignment(
        random_matrix(rng, 7, 4), *target, text, spans + [(6, 6)], target_unit="character"
    )
    assert turned.target_words == list("猫が好き。") and turned.source_words == ["x", "yz"]
    for alignment in (by_piece, by_character, turned):
        np.testing.assert_allclose(alignment.matrix.sum(axis=1) + alignment.eos, 1)
    with pytest.raises(NmtError, match="no unit 'charcter'; did you mean \"character\""):
        word_alignment(matrix, text, spans, *target, source_unit="charcter")


def test_heads_are_joined_as_each_would_be_alone():
    rng = np.random.default_rng(0)
    source, target = "the internationalisation of things", "kleine Dinge sind schwer"
    source_spans, target_spans = split_into_pieces(source, rng), split_into_pieces(target, rng)
    shape = len(target_spans) + 1, len(source_spans) + 1
    heads = np.stack([random_matrix(rng, *shape) for _ in range(6)]).reshape(2, 3, *shape)
    spans = source, source_spans, target, target_spans
    got = word_alignment(heads.mean(axis=(0, 1)), *spans, heads=heads)
    for layer, head in np.ndindex(2, 3):
        alone = word_alignment(heads[layer, head], *spans)
        np.testing.assert_allclose(got.heads.matrices[layer, head], alone.matrix)
        np.testing.assert_allclose(got.heads.eos[layer, head], alone.eos)
    np.testing.assert_allclose(got.heads.matrices.mean(axis=(0, 1)), got.matrix)


@pytest.mark.parametrize("shape", [(2, 2), (4, 3), (1, 3), (3,)])
def test_a_matrix_that_does_not_fit_the_spans_is_refused(shape):
    with pytest.raises(DataError, match=r"2 target pieces with 2 source pieces .* \(2, 3\)"):
        word_alignment(np.ones(shape), "a b", [(0, 1), (2, 3)], "x y", [(0, 1), (2, 3)])
