"""Runs a TFLite classifier through `ai-edge-litert`."""

from collections.abc import Callable

import numpy as np

from ferjax.errors import UserError
from ferjax.runtime.optional_packages import require_package


def tflite_runner(model: bytes, source: str) -> Callable[[np.ndarray], np.ndarray]:
    """Returns a function float32 [N, H, W, C] → float32 [N, K], N at least 1, image by image.

    fer also runs one image at a time. It is the fastest way: batches of 4 to 256 images take 0 to
    20 % longer.

    Args:
      model: the content of the file.
      source: the file's name, for messages.

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
    inputs, outputs = interpreter.get_input_details()[0], interpreter.get_output_details()[0]

    def run_image(image: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(inputs["index"], image[None])
        interpreter.invoke()
        return interpreter.get_tensor(outputs["index"])

    return lambda images: np.concatenate([*map(run_image, images)])
