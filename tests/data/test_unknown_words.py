import unicodedata

from nmt.data.unknown_words import count_unknown
from nmt.data.vocabulary import Vocabularies
from nmt.data.word_splitting import WhiteSpace
from nmt.data.word_vocabulary import WordVocabulary, count_words


def test_words_are_counted_as_training_saw_them():
    both = WordVocabulary(count_words(["a b été"], 9, WhiteSpace()))
    apart = unicodedata.normalize("NFD", "été a")
    texts = ["a x x b", "", apart]
    counts = count_unknown(texts, ["a", "z", "b"], Vocabularies(both, both), nfc=True)
    assert counts.has_none.tolist() == [False, False, True]
    assert (counts.summary.source, counts.summary.target) == (2 / 6, 1 / 3)
    as_is = count_unknown(texts, ["a", "z", "b"], Vocabularies(both, both), nfc=False)
    assert as_is.summary.source == 3 / 6
