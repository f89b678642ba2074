"""Codes of languages, as `data.source_language` and `data.target_language` give them."""


def base_language(code: str) -> str:
    """'pt' of 'pt-BR', 'pt_BR' and 'PT'."""
    return code.replace("_", "-").split("-")[0].lower()
