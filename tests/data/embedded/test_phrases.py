import pytest

from nmt.data.embedded.phrases import EMPTY, French, Word, finish, link, links, spell


@pytest.mark.parametrize(
    "apart, together",
    [
        ("de le chien", "du chien"),
        ("de le homme", "de l' homme"),
        ("de le hibou", "du hibou"),
        ("de la amie", "de l' amie"),
        ("à les amis", "aux amis"),
        ("de les enfants", "des enfants"),
        ("près de des amis", "près d' amis"),
        ("près de de petits chats", "près de petits chats"),
        ("je ne aime pas", "je n' aime pas"),
        ("elle ne se est pas levée", "elle ne s' est pas levée"),
        ("je attends", "j' attends"),
        ("si il arrive", "s' il arrive"),
        ("si elle arrive", "si elle arrive"),
        ("parce que onze amis", "parce que onze amis"),
        ("parce que un ami", "parce qu' un ami"),
    ],
)
def test_neighbours_elide_and_contract(apart, together):
    spelt = spell([French(text, ()) for text in apart.split()])
    assert [word.text for word in spelt] == together.split()


def test_a_contracted_word_translates_both():
    of, the, dog = (Word(text) for text in ("of", "the", "dog"))
    spelt = spell([French("de", (of,)), French("le", (the,)), French("chien", (dog,))])
    assert spelt == [("du", (of, the), ()), ("chien", (dog,), ())]


def test_links_are_read_off_the_order_of_both_sides():
    white, house = link("white", "blanche"), link("house", "maison")
    phrase = type(EMPTY)(white.source + house.source, house.target + white.target)
    assert finish(phrase) == ("white house .", "maison blanche .", ((0, 1), (1, 0), (2, 2)), ())


def test_parts_are_linked_with_their_own():
    pair = finish(links("next=à côté|to=de"))
    assert pair.sure == ((0, 0), (0, 1), (1, 2), (2, 3))


def test_a_word_is_possible_only_where_it_is_not_sure():
    does, sees = Word("does"), Word("see")
    phrase = type(EMPTY)([does, sees], [French("voit", (sees,), (does, sees))])
    pair = finish(phrase)
    assert (pair.sure, pair.possible) == (((1, 0), (2, 1)), ((0, 0),))
