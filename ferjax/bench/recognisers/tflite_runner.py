"""Runs a TFLite classifier through `ai-edge-litert`."""

from collections.abc import Callable

import numpy as np

from ferjax.errors import UserError
from ferjax.runtime.optional_packages import require_package


def tflite_runner(model: bytes, source: str) -> Callable[[np.ndarray], np.ndarray]:
    """Returns float32 [N, H, W, C] → float32 [N, K], N at least 1, computed one by one.

    So fer does, and it is the fastest: batches of 4 to 256 take 0 to 20 % longer.

    Args:
      model: the content of the file.
      source: its name, for messages.

    Raises:
      UserError: `ai-edge-litert` is not installed, or the file is damaged.
    """
    purpose = f"{source} is a TFLite file; running it"
    litert = require_package("ai_edge_litert.interpreter", "bench", purpose)
    try:
        interpreter = litert.Interpreter(model_content=model)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise UserError(f"{source} is damaged: no TFLite model ({error}).") from None
    taken, given = interpreter.get_input_details()[0], interpreter.get_output_details()[0]

    def answer(image: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(taken["index"], image[None])
        interpreter.invoke()
        return interpreter.get_tensor(given["index"])

    return lambda images: np.concatenate([*map(answer, images)])
