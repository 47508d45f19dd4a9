"""Sentences on a model card: forbidden uses of a network, and limits that its training causes."""

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
# Data set → a sentence on the origin of its faces.
_ORIGINS: dict[str, str] = {
    **dict.fromkeys(("affectnet", "expw", "fer2013", "ferplus", "rafdb"), _WEB),
    **dict.fromkeys(("ckplus", "jaffe", "kdef"), _POSED),
    "sfew": _FILMS,
    "synthetic": _DRAWN,
}


def limits_of(train_config: TrainConfig) -> list[str]:
    """Returns sentences: the forbidden uses of a network, and the limits of its training.

    Args:
      train_config: the config that the network was trained with.
    """
    limited = [sentence] if (sentence := limited_training(train_config)) else []
    return [*limited, *FORBIDDEN_USES, _ORIGINS.get(train_config.dataset, _UNKNOWN)]


def limited_training(train_config: TrainConfig, images: int | None = None) -> str:
    """Returns a sentence about a network trained with `--smoke` or `--limit`, else an empty text.

    Args:
      train_config: the config that the network was trained with.
      images: number of training images, or None if it is not known.
    """
    limit = train_config.limit
    if not train_config.smoke and limit is None:
        return ""
    count = f"at most {limit:,}" if images is None and limit else f"{images or 'few'}"
    if train_config.smoke:
        return (
            f"It was trained on {count} images by --smoke, which only checks that everything works:"
            " its answers mean nothing."
        )
    return (
        f"It was trained on {count} images by --limit={limit}, a part of the data set: its"
        " scores say nothing about a network of all of them."
    )
