# SPDX-License-Identifier: Apache-2.0
"""Build the image with mkosi and put it under build/image; the old one stays unless all went well.

An image for another architecture than this host's is put under build/image-ARCHITECTURE.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

from tools import apt_source, architecture, keys, mkosi_source, uki, userland
from tools.release import slots

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
SLOT = ROOT / "mkosi.extra/usr/lib/repart.d/41-usr-b.conf"
"""What makes room for a second /usr on a machine."""
ARTIFACTS = (
    "raw",
    "efi",
    "vmlinuz",
    "initrd",
    "cmdline",
    "config",
    "manifest",
    "spdx.json",
    "licences.tar.xz",
)


def publish(output: Path, image: Path) -> None:
    """Put the new image into `image`, under its stable name by renaming: a running machine keeps its own.

    The command line in its UKI, with the root hash of /usr, goes beside it for a start without firmware.
    """
    image.mkdir(parents=True, exist_ok=True)
    words = output / "jepa-os.cmdline"
    words.unlink(missing_ok=True)  # the last one is the same file as the one that was published
    words.write_text(uki.command_line(output / "jepa-os.efi") + "\n")
    for suffix in ARTIFACTS:
        source = output / f"jepa-os.{suffix}"
        new = image / f".jepa-os.{suffix}.new"
        new.unlink(missing_ok=True)
        new.hardlink_to(source)
        new.replace(image / f"jepa-os.{suffix}")
        new.unlink(missing_ok=True)  # rename(2) leaves both names where they are of one file


def lacking_room(output: Path, slot: Path = SLOT) -> str:
    """Say what does not fit where /usr in the directory `output` is larger than the slot of an update."""
    room = re.search(r"^SizeMaxBytes=(\d+)M$", slot.read_text(), re.MULTILINE)
    assert room is not None, f"{slot} says no size in MiB"
    size = next(size for kind, _, _, size in slots(output) if kind == "usr") / 2**20
    if size <= int(room[1]):
        return ""
    return (
        f"/usr takes {size:.0f} MiB and the slot for an update has {room[1]}: no machine could take it. "
        f"Leave something out (RemoveFiles=), or enlarge both slots: 11-usr.conf and {slot.name}."
    )


def project_version() -> str:
    """Return the version of the project."""
    project: dict[str, str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return project["version"]


def born() -> int:
    """Return the time that everything in the image bears at the latest, for two builds to be alike.

    $SOURCE_DATE_EPOCH, else the time of the last commit; outside of git that of the project's file.
    """
    if said := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(said)
    asked = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
    found = subprocess.run(asked, check=False, capture_output=True, text=True)
    return int(found.stdout) if found.returncode == 0 else int((ROOT / "pyproject.toml").stat().st_mtime)


def trust(libraries: Path, signing: Path) -> None:
    """Put what the image trusts below /usr/lib, which is `libraries`: the keys in `signing`.

    The public key of updates, or a list of none, takes the place of systemd's own list, by which other
    distributions could sign an update. Where there is a key for packs, its certificate goes to where systemd
    looks for those of extension images.
    """
    public, packs = keys.public_key(signing), keys.packs(signing)
    (libraries / "systemd").mkdir(parents=True)
    (libraries / "systemd" / public.name).write_bytes(public.read_bytes() if public.exists() else b"")
    if packs.made:
        (libraries / "verity.d").mkdir()
        shutil.copyfile(packs.certificate, libraries / "verity.d/jepa-packs.crt")


def signatures(signing: Path) -> list[str]:
    """Return mkosi's options to sign what the firmware starts with the keys in `signing`; none without them.

    The certificate then lies on the EFI system partition too, for the boot loader to hand it to firmware
    without an owner: in a virtual machine by itself, on a real one when a person chooses that in its menu.
    With the key for it, the values that a TPM has measured when the image runs are signed as well.
    """
    boot, pcr = keys.secure_boot(signing), keys.expected_pcr(signing)
    options: dict[str, str | Path] = {}
    if boot.made:
        options |= {"secure-boot": "yes", "secure-boot-auto-enroll": "yes"}
        options |= {"secure-boot-key": boot.key, "secure-boot-certificate": boot.certificate}
    if pcr.made:
        options["sign-expected-pcr"] = "yes"
        options |= {"sign-expected-pcr-key": pcr.key, "sign-expected-pcr-certificate": pcr.certificate}
    return [f"--{name}={value}" for name, value in options.items()]


def set_modes(tree: Path) -> None:
    """Give everything in `tree` the modes of a system's files: readable by all, writable by the owner alone.

    Whatever the umask of the clone: 0755 for directories and what its owner may execute, else 0644.
    """
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            runs = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if runs else 0o644)


def share_tools(build: Path) -> None:
    """Let mkosi's copy of the finished tools tree, its cache, take no room: the same files under two names.

    Nothing writes into either: mkosi mounts the tree read-only, and copies the cache when the tree is gone.
    """
    tree, cache = build / "mkosi.output/tools", build / "mkosi.cache/tools.cache"
    known = "usr/lib/os-release"
    if (tree / known).stat().st_ino == (cache / known).stat().st_ino:
        return
    linked = cache.with_name("tools.linked")
    if linked.exists():
        shutil.rmtree(linked)
    subprocess.run(["cp", "--archive", "--link", str(tree), str(linked)], check=True)
    shutil.rmtree(cache)
    linked.rename(cache)


def main() -> int:
    """Build for one architecture and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--architecture", choices=sorted(architecture.MACHINES), default=architecture.NATIVE)
    parser.add_argument("--version", default=project_version(), help="of the image (default: the project's)")
    parser.add_argument("--to", type=Path, help="directory (default: as said above)")
    parser.add_argument("--keys", type=Path, default=keys.KEYS, help="to sign with (default: keys)")
    parser.add_argument("--over", type=Path, help="a tree of files that is laid over those of the image")
    arguments = parser.parse_args()
    name: str = arguments.architecture
    os.umask(0o022)  # what is made here goes into the image
    BUILD.mkdir(exist_ok=True)
    # Held until this process ends; two builds would mix their trees.
    lock = (BUILD / "image.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("waiting for another build of the image to end", flush=True)
        fcntl.flock(lock, fcntl.LOCK_EX)
    started = time.monotonic()

    mirrors = apt_source.find()
    apt_source.write_sandbox(BUILD / "sandbox", mirrors)
    packages = userland.make_site(name)
    userland.make_userland()
    shutil.copytree(ROOT / "kernel-config", BUILD / "userland/usr/lib/jepa/kernel-config")
    trust(BUILD / "userland/usr/lib", arguments.keys)
    for tree in (BUILD / "site" / name, BUILD / "userland"):
        set_modes(tree)
    for kind in ("output", "cache", "pkgcache", "workspace"):
        (BUILD / f"mkosi.{kind}").mkdir(exist_ok=True)

    command, environment = mkosi_source.command(BUILD, mirrors.archive)
    options = ["--architecture", name, "--mirror", mirrors.archive, "--force"]
    options += ["--prepare-script", str(packages), "--image-version", arguments.version]
    options += ["--source-date-epoch", str(born())]
    options += signatures(arguments.keys.resolve())
    if arguments.over:
        options += ["--extra-tree", str(arguments.over.resolve())]
    log = BUILD / "image.log"
    print(f"building the image with mkosi; its messages go to {log.relative_to(ROOT)}", flush=True)
    with log.open("w") as messages:
        # the tools tree first, so that its second copy is gone before the image needs the room
        for verb in (["sandbox", "true"], ["build"]):
            asked = [*command, *options, *verb]
            done = subprocess.run(asked, cwd=ROOT, env=environment, stdout=messages, stderr=messages)
            if done.returncode:
                break
            share_tools(BUILD)
    if done.returncode:
        print("".join(log.read_text(errors="replace").splitlines(keepends=True)[-30:]), file=sys.stderr)
        print(f"The image was not built. The whole log is {log.relative_to(ROOT)}.", file=sys.stderr)
        return 1
    if said := lacking_room(BUILD / "mkosi.output"):
        print(said, file=sys.stderr)
        return 1
    image: Path = arguments.to or architecture.folder(BUILD, "image", name)
    publish(BUILD / "mkosi.output", image)
    shutil.rmtree(BUILD / "mkosi.workspace", ignore_errors=True)
    size = (image / "jepa-os.raw").stat().st_size / 2**20
    print(f"{image}/jepa-os.raw: {size:.0f} MiB, built in {time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
