"""The words of the embedded corpus: each English word has one French counterpart in its place.

Nouns that do not change in the English plural (fish) and verbs whose past equals their base (read)
are left out: their sentences would have two translations.
"""

from nmt.data.embedded.morphology import (
    Adjective,
    Noun,
    Verb,
    add_english_ed,
    add_english_s,
    french_feminine,
    french_plural,
    regular_present,
)


def _both_numbers(entry: str, plural) -> tuple[str, str]:
    """'man/men' -> ('man', 'men'); 'boy' -> ('boy', plural('boy'))."""
    singular, _, irregular = entry.partition("/")
    return singular, irregular or plural(singular)


def _nouns(kind: str, masculine: str, feminine: str) -> list[Noun]:
    """Reads 'english french' entries separated by commas; an irregular plural follows a slash."""
    return [
        Noun(
            _both_numbers(english, add_english_s),
            _both_numbers(french, french_plural),
            is_feminine,
            kind,
        )
        for is_feminine, entries in ((False, masculine), (True, feminine))
        for english, french in (entry.split() for entry in entries.split(","))
    ]


NOUNS = [
    *_nouns(
        "person",
        "man/men homme, boy garçon, child/children enfant, friend ami, teacher professeur, "
        "doctor médecin, king roi, hero héros, student étudiant",
        "woman/women femme, girl fille, queen reine, actress actrice",
    ),
    *_nouns("kin", "brother frère, father père", "sister sœur, mother mère"),
    *_nouns(
        "animal",
        "dog chien, cat chat, horse cheval, bird oiseau, owl hibou/hiboux, wolf/wolves loup",
        "cow vache, mouse/mice souris, bee abeille",
    ),
    *_nouns(
        "thing",
        "book livre, hat chapeau, newspaper journal, tool outil, gift cadeau",
        "letter lettre, key clé, car voiture, axe hache, clock horloge, flower fleur",
    ),
    *_nouns("food", "egg œuf, cake gâteau", "apple pomme, carrot carotte"),
    *_nouns(
        "place",
        "garden jardin, park parc, hotel hôtel, castle château, museum musée",
        "house maison, school école, church église, city ville",
    ),
    *_nouns("furniture", "bed lit, bench banc, bridge pont", "table table, chair chaise"),
]
ANIMATE = ("person", "kin", "animal")
PEOPLE = ("person", "kin")
OBJECTS = ("thing", "food")

# English, French, feminine. They take no article.
NAMES = (
    ("paul", "paul", False),
    ("john", "jean", False),
    ("henry", "henri", False),
    ("mary", "marie", True),
    ("alice", "alice", True),
    ("helen", "hélène", True),
)


def _adjectives(kinds: str, entries: str, *, before=False, more=False) -> list[Adjective]:
    """Reads 'english masculine[/feminine[/masculine before a vowel]]' entries."""
    adjectives = []
    for entry in entries.split(","):
        english, forms = entry.split()
        masculine, feminine, liaison = (forms.split("/") + ["", ""])[:3]
        adjectives.append(
            Adjective(
                english,
                masculine,
                feminine or french_feminine(masculine),
                liaison or masculine,
                before,
                frozenset(kinds.split()),
                more,
            )
        )
    return adjectives


# Which nouns an adjective describes also keeps set phrases of another meaning away: "petit ami",
# "belle mère", "grand homme".
ADJECTIVES = [
    *_adjectives("animal thing food place furniture", "small petit, big grand", before=True),
    *_adjectives(
        "person animal thing place furniture",
        "beautiful beau/belle/bel",
        before=True,
        more=True,
    ),
    *_adjectives("person kin animal place furniture thing", "old vieux/vieille/vieil", before=True),
    *_adjectives("person thing place furniture", "new nouveau/nouvelle/nouvel", before=True),
    *_adjectives("person kin animal", "young jeune", before=True),
    *_adjectives("person thing food place", "good bon/bonne, bad mauvais", before=True),
    *_adjectives("person kin animal", "sad triste, tired fatigué, strong fort"),
    *_adjectives(
        "person kin animal",
        "clever intelligent, jealous jaloux/jalouse, happy heureux, loyal loyal",
    ),
    *_adjectives("person kin", "rich riche, polite poli"),
    *_adjectives("person animal", "dangerous dangereux", more=True),
    *_adjectives("person place", "famous célèbre", more=True),
    *_adjectives("animal thing furniture", "black noir, white blanc/blanche"),
    *_adjectives("thing food furniture", "red rouge, green vert, heavy lourd"),
    *_adjectives("thing place furniture", "blue bleu, clean propre"),
    *_adjectives("thing food", "expensive cher", more=True),
    *_adjectives("place", "quiet tranquille, empty vide"),
]


def _verb(
    base: str,
    infinitive: str,
    present: str = "",
    participle: str = "",
    future: str = "",
    *,
    third: str = "",
    past: str = "",
    particles: str = "",
    objects: tuple[str, ...] = (),
    etre: bool = False,
    reflexive: bool = False,
    state: bool = False,
    animals: bool = False,
) -> Verb:
    """A verb; what is left out is regular (in French: as the verbs in -er)."""
    return Verb(
        base=base,
        third=third or add_english_s(base),
        past=past or add_english_ed(base),
        particles=tuple(particles.split()),
        infinitive=infinitive,
        present=tuple(present.split()) or regular_present(infinitive),
        participle=participle or infinitive.removesuffix("er") + "é",
        future=future or infinitive.removesuffix("e"),
        with_etre=etre or reflexive,
        reflexive=reflexive,
        state=state,
        objects=objects,
        animals=animals,
    )


BE = _verb(
    "be", "être", "suis est sommes êtes sont", "été", "ser", third="is", past="was", state=True
)
HAVE = _verb(
    "have",
    "avoir",
    "ai a avons avez ont",
    "eu",
    "aur",
    third="has",
    past="had",
    state=True,
    objects=("thing", "animal"),
)

TRANSITIVE = (
    HAVE,
    _verb(
        "see",
        "voir",
        "vois voit voyons voyez voient",
        "vu",
        "verr",
        past="saw",
        objects=("person", "kin", "animal", "thing", "place"),
        animals=True,
    ),
    _verb("find", "trouver", past="found", objects=("animal", "thing", "food"), animals=True),
    _verb(
        "look",
        "chercher",
        particles="for",
        objects=("person", "kin", "animal", "thing"),
        animals=True,
    ),
    _verb(
        "hear",
        "entendre",
        "entends entend entendons entendez entendent",
        "entendu",
        past="heard",
        objects=("person", "kin", "animal"),
        animals=True,
    ),
    _verb("love", "aimer", state=True, objects=("person", "kin", "animal"), animals=True),
    _verb(
        "wait",
        "attendre",
        "attends attend attendons attendez attendent",
        "attendu",
        particles="for",
        objects=("person", "kin"),
        animals=True,
    ),
    _verb("help", "aider", objects=("person", "kin", "animal")),
    _verb(
        "follow",
        "suivre",
        "suis suit suivons suivez suivent",
        "suivi",
        objects=("person", "kin", "animal"),
        animals=True,
    ),
    _verb(
        "know",
        "connaître",
        "connais connaît connaissons connaissez connaissent",
        "connu",
        past="knew",
        state=True,
        objects=("person", "kin", "place"),
    ),
    _verb("listen", "écouter", particles="to", objects=("person", "kin", "animal")),
    _verb(
        "buy",
        "acheter",
        "achète achète achetons achetez achètent",
        "acheté",
        "achèter",
        past="bought",
        objects=("thing", "food", "animal"),
    ),
    _verb(
        "sell",
        "vendre",
        "vends vend vendons vendez vendent",
        "vendu",
        past="sold",
        objects=("thing", "food", "animal", "furniture"),
    ),
    _verb(
        "lose",
        "perdre",
        "perds perd perdons perdez perdent",
        "perdu",
        past="lost",
        objects=("thing", "animal"),
    ),
    _verb("eat", "manger", past="ate", objects=("food",), animals=True),
    _verb(
        "paint",
        "peindre",
        "peins peint peignons peignez peignent",
        "peint",
        objects=("person", "animal", "place", "furniture", "thing"),
    ),
)
# They may be done slowly and quickly.
ACTIVITIES = (
    _verb("work", "travailler"),
    _verb("dance", "danser"),
    _verb("walk", "marcher", animals=True),
    _verb(
        "run",
        "courir",
        "cours court courons courez courent",
        "couru",
        "courr",
        past="ran",
        animals=True,
    ),
)
INTRANSITIVE = (
    _verb(
        "sleep",
        "dormir",
        "dors dort dormons dormez dorment",
        "dormi",
        past="slept",
        animals=True,
    ),
    _verb("sing", "chanter", past="sang", animals=True),
    _verb("cry", "pleurer"),
    _verb("laugh", "rire", "ris rit rions riez rient", "ri"),
    _verb("arrive", "arriver", etre=True, animals=True),
    _verb("leave", "partir", "pars part partons partez partent", "parti", past="left", etre=True),
    _verb("fall", "tomber", past="fell", etre=True, animals=True),
    _verb("stay", "rester", etre=True, animals=True),
    _verb(
        "come",
        "revenir",
        "reviens revient revenons revenez reviennent",
        "revenu",
        "reviendr",
        past="came",
        particles="back",
        etre=True,
        animals=True,
    ),
    _verb("rest", "reposer", reflexive=True, animals=True),
    _verb("hurry", "dépêcher", reflexive=True),
    _verb("wake", "réveiller", past="woke", particles="up", reflexive=True, animals=True),
)
GO = _verb(
    "go", "aller", "vais va allons allez vont", "allé", "ir", past="went", etre=True, animals=True
)
SPEAK = _verb("speak", "parler", past="spoke")
DATIVE = (
    _verb("give", "donner", past="gave", objects=OBJECTS),
    _verb("show", "montrer", objects=("thing", "animal", "place")),
    _verb(
        "send",
        "envoyer",
        "envoie envoie envoyons envoyez envoient",
        "envoyé",
        "enverr",
        past="sent",
        objects=OBJECTS,
    ),
)
SAYING = (
    _verb("say", "dire", "dis dit disons dites disent", "dit", past="said"),
    _verb("think", "penser", past="thought"),
    _verb("believe", "croire", "crois croit croyons croyez croient", "cru"),
    _verb(
        "hope",
        "espérer",
        "espère espère espérons espérez espèrent",
        "espéré",
    ),
)
CAN = _verb("can", "pouvoir", "peux peut pouvons pouvez peuvent", "pu", "pourr", third="can")
MUST = _verb("must", "devoir", "dois doit devons devez doivent", "dû", "devr", third="must")
WANT = _verb("want", "vouloir", "veux veut voulons voulez veulent", "voulu", "voudr", state=True)
# They are used in the present only.
MODALS = (CAN, MUST, WANT)
RAIN = _verb("rain", "pleuvoir", "- pleut - - -", "plu", "pleuvr")
SNOW = _verb("snow", "neiger")
WEATHER = (RAIN, SNOW)
