"""Text: a sequence VAE that writes in a chosen style."""

from typing import Any


def write(**settings: Any) -> list[str]:
    """Write texts, as `python -m text.generate` does.

    Args:
        settings: the fields of `text.config.GenerateConfig` but for `out`, such as style="poem", n=3, seed=1.

    Raises:
        UserError: a setting, the weights or a given text are of no use.
        TypeError: there is no such setting.
    """
    from common.training.devices import pick_device
    from text.config import GenerateConfig
    from text.generation import make_texts
    from text.models import load_text_model

    if "out" in settings:
        raise TypeError("text.write returns texts and takes no out; save them, or use python -m text.generate")
    config = GenerateConfig(**settings)
    return [one.text for one in make_texts(load_text_model(config.weights, pick_device(config.device)), config)]
