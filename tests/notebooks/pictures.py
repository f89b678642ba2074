"""The pictures among what a notebook shows."""


def pictures(outputs):
    """How many outputs show a picture, by themselves or within HTML."""
    data = [one.get("data", {}) for one in outputs]
    return sum("image/png" in one or "data:image/png" in one.get("text/html", "") for one in data)
