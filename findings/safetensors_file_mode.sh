#!/usr/bin/env bash
# safetensors 0.8.0 gives every file it saves to its owner alone, whatever the umask is.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/check.py" <<'PYTHON'
import os
import sys
from pathlib import Path

import numpy as np
import safetensors
from safetensors.numpy import save, save_file

folder = Path(sys.argv[1])
arrays = {"kernel": np.zeros((3, 3), np.float32)}
os.umask(0o022)


def mode(path):
    return oct(path.stat().st_mode & 0o777)


new = folder / "new.safetensors"
save_file(arrays, new)
written = folder / "written.safetensors"
written.write_bytes(save(arrays))
shared = folder / "shared.safetensors"
shared.write_bytes(save(arrays))
shared.chmod(0o664)
save_file(arrays, shared)
disk, link = folder / "disk.safetensors", folder / "link.safetensors"
disk.write_bytes(b"old")
link.symlink_to(disk.name)
save_file(arrays, link)
print(f"  safetensors {safetensors.__version__}, numpy {np.__version__}, umask 022")
print(f"    save_file, a new file:                     {mode(new)}")
print(f"    save_file over a file of mode 0o664:       {mode(shared)}")
print(f"    write_bytes(save(...)):                    {mode(written)}")
print(f"    save_file over a symbolic link keeps it:   {link.is_symlink()}")
found = (mode(new), mode(shared), mode(written), link.is_symlink())
expected = {
    "0.7.0": ("0o644", "0o664", "0o644", True),
    "0.8.0": ("0o600", "0o600", "0o644", False),
}[safetensors.__version__]
sys.exit(found != expected)
PYTHON
echo "Expected: a new file has the mode that the umask allows (0o644), a file that exists keeps its own,"
echo "and a link to another disk stays a link, so that a shared folder of weights stays readable."
echo "Seen:"
status=0
for version in 0.7.0 0.8.0; do
  python3 -m venv "$folder/$version"
  "$folder/$version/bin/pip" install --quiet --disable-pip-version-check "safetensors==$version" numpy==2.4.6
  mkdir "$folder/files-$version"
  "$folder/$version/bin/python" "$folder/check.py" "$folder/files-$version" || status=1
done
if [ "$status" = 0 ]; then
  echo "Since 0.8.0 colleagues cannot read weights that one of them saved into a shared cache."
else
  echo "This has changed."
fi
exit "$status"
