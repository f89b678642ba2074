"""Embeddings, and the projection that may be tied to them."""

import numpy as np
from flax import nnx

from nmt.models.embedding import Embedding, VocabularyProjection


def test_embedding_looks_up_rows_and_pads_its_table():
    embedding = Embedding(130, 6, stddev=0.5, rngs=nnx.Rngs(0))
    table = np.asarray(embedding.table[...])
    assert table.shape == (384, 6)
    assert abs(table.std() - 0.5) < 5 * 0.5 / np.sqrt(2 * table.size)  # 5 standard errors
    ids = np.array([[0, 129, 3], [3, 3, 1]])
    for b, t in np.ndindex(2, 3):
        np.testing.assert_array_equal(embedding(ids)[b, t], table[ids[b, t]])


def test_projection_is_the_embedding_where_tied():
    rngs = nnx.Rngs(0)
    embedding = Embedding(130, 6, stddev=0.5, rngs=rngs)
    tied = VocabularyProjection(130, 6, tied=True, precision="bfloat16", rngs=rngs)
    own = VocabularyProjection(130, 7, tied=False, precision="float32", rngs=rngs)
    np.testing.assert_array_equal(tied(embedding).kernel, embedding.table[...])
    assert own(embedding).kernel.shape == (384, 7)
    for projection, precision in ((tied(embedding), "bfloat16"), (own(embedding), "float32")):
        assert (projection.size, projection.precision) == (130, precision)
        assert projection.bias.shape == (384,) and not projection.bias.any()
