"""The closed word classes of the embedded corpus: determiners, numbers, pronouns, adverbs ..."""

# English, then French: masculine, masculine before a vowel, feminine, feminine before a vowel.
SINGULAR_DETERMINERS = {
    "the": ("the", "le", "le", "la", "la"),
    "a": ("a", "un", "un", "une", "une"),
    "this": ("this", "ce", "cet", "cette", "cette"),
    "every": ("every", "chaque", "chaque", "chaque", "chaque"),
    "my": ("my", "mon", "mon", "ma", "mon"),
    "your": ("your", "votre", "votre", "votre", "votre"),
    "his": ("his", "son", "son", "sa", "son"),
    "her": ("her", "son", "son", "sa", "son"),
    "our": ("our", "notre", "notre", "notre", "notre"),
    "their": ("their", "leur", "leur", "leur", "leur"),
}
PLURAL_DETERMINERS = {
    "the": ("the", "les"),
    "a": ("some", "des"),  # "de" before an adjective
    "this": ("these", "ces"),
    "several": ("several", "plusieurs"),
    "many": ("many", "beaucoup de"),
    "my": ("my", "mes"),
    "your": ("your", "vos"),
    "his": ("his", "ses"),
    "her": ("her", "ses"),
    "our": ("our", "nos"),
    "their": ("their", "leurs"),
}
POSSESSIVES = ("my", "your", "his", "her", "our", "their")

_UNITS = (
    "two deux, three trois, four quatre, five cinq, six six, seven sept, eight huit, nine neuf, "
    "ten dix, eleven onze, twelve douze, thirteen treize, fourteen quatorze, fifteen quinze, "
    "sixteen seize, seventeen dix-sept, eighteen dix-huit, nineteen dix-neuf, twenty vingt"
)
NUMBERS = tuple(tuple(entry.split()) for entry in _UNITS.split(","))

# English: French, person, plural, feminine. "I", "we", "you" and "they" stand for men or for mixed
# company; "you" are several.
SUBJECT_PRONOUNS = {
    "i": ("je", 1, False, False),
    "you": ("vous", 2, True, False),
    "he": ("il", 3, False, False),
    "she": ("elle", 3, False, True),
    "we": ("nous", 1, True, False),
    "they": ("ils", 3, True, False),
}
# English: French direct object, French indirect object, person, plural, feminine.
OBJECT_PRONOUNS = {
    "me": ("me", "me", 1, False, False),
    "you": ("vous", "vous", 2, True, False),
    "him": ("le", "lui", 3, False, False),
    "her": ("la", "lui", 3, False, True),
    "us": ("nous", "nous", 1, True, False),
    "them": ("les", "leur", 3, True, False),
}
REFLEXIVES = ("me", "se", "nous", "vous", "se")  # by Agreement.ending

FREQUENCIES = (
    ("often", "souvent"),
    ("always", "toujours"),
    ("sometimes", "parfois"),
    ("already", "déjà"),
)
NEGATABLE_FREQUENCIES = FREQUENCIES[:2]  # "not often", "not always"
MANNERS = (("slowly", "lentement"), ("quickly", "rapidement"))
TIMES = (
    (("today", "aujourd'hui"), ("now", "maintenant")),  # of the present
    (("yesterday", "hier"), ("today", "aujourd'hui")),  # of the past
    (("tomorrow", "demain"), ("today", "aujourd'hui")),  # of the future
)

# Each preposition as linked parts, "English=French" (a part of several words links them all).
PREPOSITIONS = {
    "in": "in=dans",
    "on": "on=sur",
    "under": "under=sous",
    "behind": "behind=derrière",
    "near": "near=près de",
    "in front of": "in front of=devant",
    "next to": "next=à côté|to=de",
    "with": "with=avec",
    "without": "without=sans",
    "of": "of=de",
    "to": "to=à",
}
# Where something may be, by the kind of the place.
LOCATIONS = {
    "place": ("in", "in", "in", "behind", "near", "in front of", "next to"),
    "furniture": ("on", "on", "under", "behind", "near", "in front of", "next to"),
}
CONJUNCTIONS = {
    "and": "et",
    "but": "mais",
    "because": "parce que",
    "when": "quand",
    "while": "pendant que",
    "if": "si",
    "that": "que",
}
