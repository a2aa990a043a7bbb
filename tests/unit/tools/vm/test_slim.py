# SPDX-License-Identifier: Apache-2.0
"""The slim kernel starts an image when it fits it, with /usr checked against the image's own root hash."""

import hashlib
import json
import struct
import uuid
from pathlib import Path

import pytest

from tests.unit.tools.disk_files import disk
from tools import slim_kernel
from tools.vm import slim
from tools.vm.image import Image
from tools.vm.slim import Start, command_line, kept, quickest_start

ROOT_HASH = hashlib.sha256(b"usr").hexdigest()
USR, HASHES = uuid.UUID(hex=ROOT_HASH[:32]), uuid.UUID(hex=ROOT_HASH[32:])
NAME = uuid.UUID(int=7)
SALT = bytes(range(32))
OWN = f"usrhash={ROOT_HASH} root=LABEL=jepa-root rw console=ttyS0"
BLOCKS = 5


def tree(magic: bytes = b"verity") -> bytes:
    """Hashes as veritysetup writes them: 4096-byte blocks, SHA-256."""
    fields = (magic, 1, 1, NAME.bytes, b"sha256", 4096, 4096, BLOCKS, len(SALT), SALT)
    head = struct.pack("<8sII16s32sIIQH6x256s", *fields).ljust(4096, b"\0")
    return head + hashlib.sha256(SALT + bytes(4096)).digest() * BLOCKS


@pytest.fixture
def image(tmp_path: Path) -> Image:
    """An image with its partitions and what lies beside it."""
    raw = tmp_path / "image/jepa-os.raw"
    raw.parent.mkdir()
    parts = (("jepa-os_1", HASHES, tree()), ("jepa-os_1", USR, bytes(4096 * BLOCKS)))
    raw.write_bytes(disk(*parts, ("jepa-root", uuid.UUID(int=3), b"")))
    raw.with_suffix(".cmdline").write_text(OWN + "\n")
    manifest = {"packages": [{"name": "linux-image-amd64", "version": "7.3.4-1"}]}
    raw.with_suffix(".manifest").write_text(json.dumps(manifest))
    return Image(raw, raw.with_suffix(".vmlinuz"), raw.with_suffix(".initrd"))


def test_the_kernel_is_told_to_check_usr_against_the_images_root_hash(image: Image) -> None:
    words = command_line(image.raw, OWN)
    table = (
        f"0 {BLOCKS * 8} verity 1 PARTUUID={USR} PARTUUID={HASHES} 4096 4096 {BLOCKS} 1 sha256 {ROOT_HASH}"
        f" {SALT.hex()}"
    )
    assert words.startswith(f'dm-mod.create="usr,CRYPT-VERITY-{HASHES.hex}-usr,0,ro,{table}" ')
    assert words.endswith(f" {OWN}")


def test_an_image_without_that_usr_is_refused(image: Image) -> None:
    with pytest.raises(ValueError, match="names no usrhash="):
        command_line(image.raw, "root=LABEL=jepa-root")
    with pytest.raises(ValueError, match="has no /usr with the root hash"):
        command_line(image.raw, f"usrhash={hashlib.sha256(b'other').hexdigest()}")
    image.raw.write_bytes(disk(("a", HASHES, tree(b"other")), ("a", USR, b"")))
    with pytest.raises(ValueError, match="no hashes of dm-verity"):
        command_line(image.raw, OWN)


def test_a_kernel_is_used_only_while_it_is_what_would_be_built(
    image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slim, "NATIVE", "x86-64")
    kernels = tmp_path / "kernel"
    assert kept(image, kernels) is None
    (kernels / "0123").mkdir(parents=True)
    (kernels / "0123/vmlinuz").touch()
    assert kept(image, kernels) is None, "another kernel"
    fits = kernels / slim_kernel.key("7.3.4-1")
    (kernels / "0123").rename(fits)
    assert kept(image, kernels) == fits / "vmlinuz"
    image.raw.with_suffix(".manifest").unlink()
    assert kept(image, kernels) is None


def test_the_quickest_start_has_its_command_line_beside_it(
    image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slim, "kept", lambda image: None)
    assert quickest_start(image) == Start(image.kernel, image.initrd)
    kernel = tmp_path / "vmlinuz"
    monkeypatch.setattr(slim, "kept", lambda image: kernel)
    assert quickest_start(image) == Start(kernel, None)
    assert kernel.with_suffix(".cmdline").read_text() == command_line(image.raw, OWN) + "\n"
