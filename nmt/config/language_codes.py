"""Codes of languages, as `data.source_language` and `data.target_language` give them."""

_UNSPACED = {  # by their codes in ISO 639-1, 639-2 and 639-3
    "zh": ("zh", "zho", "chi", "cmn", "gan", "hak", "lzh", "nan", "wuu", "yue"),  # Chinese
    "ja": ("ja", "jpn"),  # Japanese
    "th": ("th", "tha"),  # Thai
    "lo": ("lo", "lao"),  # Lao
    "km": ("km", "khm"),  # Khmer
    "my": ("my", "mya", "bur"),  # Burmese
    "bo": ("bo", "bod", "tib"),  # Tibetan
    "dz": ("dz", "dzo"),  # Dzongkha
}
_BASES = {code: base for base, codes in _UNSPACED.items() for code in codes}


def base_language(code: str) -> str:
    """'pt' of 'pt-BR', 'pt_BR' and 'PT'; of languages without spaces 'zh' of 'zho_Hans' too."""
    primary = code.replace("_", "-").split("-")[0].lower()
    return _BASES.get(primary, primary)


def is_unspaced(code: str) -> bool:
    """Whether a language is written without spaces between words."""
    return base_language(code) in _UNSPACED


def has_spaces(code: str, *, tokenized: bool) -> bool:
    """Whether text of a language has spaces between words, be it that a tokeniser put them."""
    return tokenized or not is_unspaced(code)
