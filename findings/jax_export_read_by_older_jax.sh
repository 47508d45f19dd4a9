#!/usr/bin/env bash
# jax.export: jax 0.8.0 reads a file of jax 0.10.2 as one for 0 devices instead of refusing it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/write.py" <<'PYTHON'
import sys
from pathlib import Path

import jax
from jax import export

shape = jax.ShapeDtypeStruct((4,), "float32")
exported = export.export(jax.jit(lambda x: 2 * x))(shape)
Path(sys.argv[1]).write_bytes(exported.serialize())
print(
    f"\nwritten by jax {jax.__version__}: calling convention"
    f" {exported.calling_convention_version}, {exported.nr_devices} device(s)"
)
PYTHON
cat > "$folder/read.py" <<'PYTHON'
import sys
from importlib.metadata import version
from pathlib import Path

import jax
import numpy as np
from jax import export

exported = export.deserialize(bytearray(Path(sys.argv[1]).read_bytes()))
print(
    f"read by jax {jax.__version__} (jaxlib {version('jaxlib')}), which states conventions"
    f" {export.minimum_supported_calling_convention_version} to"
    f" {export.maximum_supported_calling_convention_version}: deserialize raises nothing, convention"
    f" {exported.calling_convention_version}, {exported.nr_devices} device(s)"
)
try:
    said = f"the result {exported.call(np.arange(4, dtype=np.float32))}"
except ValueError as error:
    said = str(error)
print(f"  its call gives: {said}")
sys.exit(0 if exported.nr_devices == 0 and "exported for 0 devices" in said else 1)
PYTHON
for release in 0.10.2 0.8.0; do
  "${PYTHON:-python3}" -m venv "$folder/$release"
  "$folder/$release/bin/pip" install --quiet --disable-pip-version-check \
    "jax==$release" "jaxlib==$release" flatbuffers==25.12.19 numpy==2.3.5
done

echo "Expected: a file that is too new is refused when it is deserialized, by a message that names"
echo "the versions, or it runs."
echo "Seen: jax 0.8.0 deserializes it, finds 0 devices where 1 was written, and its call complains"
echo "of the devices. Whoever gets the file looks for a fault in their devices."
JAX_PLATFORMS=cpu "$folder/0.10.2/bin/python" "$folder/write.py" "$folder/double.bin"
JAX_PLATFORMS=cpu "$folder/0.8.0/bin/python" "$folder/read.py" "$folder/double.bin"
