import numpy as np
from benchmarking.corpus import SOURCE, TARGET, TRAIN, Text, generated_corpus
from benchmarking.models import model_config
from benchmarking.preparing import prepared

TEXT = Text(num_train=60, mean_words=5, spread=0.3, lexicon=100)
SMALL = ["vocabulary.size=200", "data.num_shapes=2", "data.batch_pieces=128"]


def test_a_corpus_is_prepared_once_for_all_models_of_the_same_data(tmp_path):
    corpus, kept = generated_corpus(TEXT, tmp_path / "text"), tmp_path / "kept"
    first = prepared(model_config("A", corpus, SMALL), corpus, kept)
    (run,) = kept.iterdir()
    written = {file: file.stat().st_mtime_ns for file in (run / "vocabulary").iterdir()}
    again = prepared(model_config("B", corpus, SMALL), corpus, kept)
    assert list(kept.iterdir()) == [run]
    assert written == {file: file.stat().st_mtime_ns for file in (run / "vocabulary").iterdir()}
    np.testing.assert_array_equal(
        first.batches.pairs.target.values, again.batches.pairs.target.values
    )
    assert first.batches.shapes == again.batches.shapes

    for language in (SOURCE, TARGET):  # another corpus in the same place is prepared anew
        file = corpus.file(TRAIN, language)
        file.write_text("".join(file.read_text().splitlines(keepends=True)[:-10]))
    fewer = prepared(model_config("A", corpus, SMALL), corpus, kept)
    assert len(fewer.batches.pairs) < len(first.batches.pairs)
