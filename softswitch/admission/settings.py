"""The number plan and the trunk order, made from the configuration."""

from __future__ import annotations

from softswitch.admission.least_cost import LeastCost
from softswitch.admission.numbering import NumberPlan
from softswitch.config.calls import TrunksSection
from softswitch.config.config import Config, ConfigError


def number_plan(config: Config) -> NumberPlan:
    """The number plan of the switch's country.

    Raises:
        ConfigError: the country has no numbers.
    """
    try:
        return NumberPlan(
            config.switch.country,
            area_code=config.numbers.area_code,
            emergency=config.numbers.emergency,
            codes=config.codes.by_code(),
        )
    except ValueError as error:
        raise ConfigError(f"{config.path}: [switch] country: {error}") from None


def least_cost(settings: TrunksSection) -> LeastCost:
    """The policy of least-cost routing."""
    return LeastCost(settings.at_a_loss, settings.compare_seconds)
