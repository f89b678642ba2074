"""What several options must be: each check names the option, what is wanted and what came."""

from nmt.errors import ConfigError

NUM_SEEDS = 2**32  # what jax and numpy both take: from 0 on
MAX_COUNT = 2**31 - 1  # what is counted on a device is counted in int32


def at_least(section: str, minimum: float, **values: float | None) -> None:
    """Raises ConfigError for the first value, None aside, below a minimum or not countable."""
    for name, value in values.items():
        if value is not None and not value >= minimum:
            raise ConfigError(f"{section}.{name} must be {minimum} or more; got {value}")
    at_most(section, MAX_COUNT, **values)


def at_most(section: str, maximum: float, **values: float | None) -> None:
    """Raises ConfigError for the first value, None aside, above a maximum."""
    for name, value in values.items():
        if value is not None and not value <= maximum:
            raise ConfigError(f"{section}.{name} must be {maximum} or less; got {value}")


def check_seed(section: str, seed: int) -> None:
    """Raises ConfigError for a seed that jax and numpy do not both take."""
    if not 0 <= seed < NUM_SEEDS:
        raise ConfigError(f"{section}.seed must be from 0 to {NUM_SEEDS - 1}; got {seed}")


def check_fraction(section: str, **values: float | None) -> None:
    """Raises ConfigError for the first value, None aside, that is not in [0, 1)."""
    for name, value in values.items():
        if value is not None and not 0 <= value < 1:
            raise ConfigError(f"{section}.{name} must be at least 0 and below 1; got {value}")
