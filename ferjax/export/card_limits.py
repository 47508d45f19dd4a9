"""What a network must not be used for, and the limits that follow from its training."""

from ferjax.config.train_config import TrainConfig
from ferjax.report.responsible_use import FORBIDDEN_USES

_UNBALANCED = (
    "age, skin colour, culture, pose and light are not balanced, and errors differ between groups"
    " of people. They were not measured here."
)
_WEB = f"The training faces were collected on the web: {_UNBALANCED}"
_FILMS = f"The training faces are frames of films, most of them of actors: {_UNBALANCED}"
_POSED = (
    "The training faces were posed in a laboratory, by few people who look into the camera in even"
    f" light: expressions of daily life are other ones. Besides, {_UNBALANCED}"
)
_DRAWN = (
    "The training faces were drawn by a program: on photographs of people the probabilities mean"
    " nothing."
)
_UNKNOWN = (
    "ferjax does not know where the training faces come from. As a rule, age, skin colour, culture,"
    " pose and light are not balanced, and errors differ between groups of people. They were not"
    " measured here."
)
# Data set → where its faces come from.
_ORIGINS: dict[str, str] = {
    **dict.fromkeys(("affectnet", "expw", "fer2013", "ferplus", "rafdb"), _WEB),
    **dict.fromkeys(("ckplus", "jaffe", "kdef"), _POSED),
    "sfew": _FILMS,
    "synthetic": _DRAWN,
}


def limits_of(own: TrainConfig) -> list[str]:
    """Returns sentences: what a network must not be used for, and what its training leaves out.

    Args:
      own: the config that it was trained with.
    """
    limited = [text] if (text := limited_training(own)) else []
    return [*limited, *FORBIDDEN_USES, _ORIGINS.get(own.dataset, _UNKNOWN)]


def limited_training(own: TrainConfig, images: int | None = None) -> str:
    """Returns a sentence about a network of `--smoke` or `--limit`; empty for any other.

    Args:
      own: the config that it was trained with.
      images: on which it was trained, where that is known.
    """
    if not own.smoke and own.limit is None:
        return ""
    count = f"at most {own.limit:,}" if images is None and own.limit else f"{images or 'few'}"
    if own.smoke:
        return (
            f"It was trained on {count} images by --smoke, which only checks that everything works:"
            " its answers mean nothing."
        )
    return (
        f"It was trained on {count} images by --limit={own.limit}, a part of the data set: its"
        " scores say nothing about a network of all of them."
    )
