# SPDX-License-Identifier: Apache-2.0
"""A shell over SSH: none as shipped; where credentials ask for it, for whoever has the key, and no other."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tools.vm.emulator import HOST, TOOLS_TREE
from tools.vm.image import Image
from tools.vm.machine import Machine

pytestmark = pytest.mark.vm

HOST_KEY = "/etc/ssh/ssh_host_ed25519_key"
PATIENCE_S = 120
"""For one command: an emulated machine takes its time to agree on keys and to open a session."""


def make_key(path: Path) -> str:
    """Make a key in the file ``path``; returns the public one, as a line."""
    key = Ed25519PrivateKey.generate()
    path.touch(0o600)
    path.write_bytes(key.private_bytes(form.Encoding.PEM, form.PrivateFormat.OpenSSH, form.NoEncryption()))
    return key.public_key().public_bytes(form.Encoding.OpenSSH, form.PublicFormat.OpenSSH).decode()


def client() -> list[str]:
    """The beginning of OpenSSH's command, of the tools tree or the host."""
    if not (TOOLS_TREE / "usr/bin/ssh").exists():
        return [str(HOST / "usr/bin/ssh")]
    loader = next(TOOLS_TREE.glob("usr/lib/*-linux-gnu*/ld-linux*.so.*"))
    return [str(loader), "--library-path", str(loader.parent), str(TOOLS_TREE / "usr/bin/ssh")]


def ask(place: str, key: Path, known: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run ``command`` as root of the machine at ``place`` (HOST:PORT), with ``key`` and no password."""
    host, port = place.split(":")
    options = ["BatchMode=yes", "IdentitiesOnly=yes", "StrictHostKeyChecking=accept-new"]
    options += [f"UserKnownHostsFile={known}", f"ConnectTimeout={PATIENCE_S}"]
    words = [word for option in options for word in ("-o", option)]
    whole = [*client(), "-F", "none", *words, "-i", str(key), "-p", port, f"root@{host}", command]
    return subprocess.run(whole, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def lets_in_by_key_alone(machine: Machine, mine: Path, folder: Path) -> None:
    """Assert that ``machine`` opens a shell of root for the key ``mine``, and for no other."""
    strange, known = folder / "strange", folder / "known"
    make_key(strange)
    machine.wait_until_succeeds("ip route | grep default")
    place = machine.forward(22)
    said = ask(place, mine, known, "cat /etc/hostname; id -un")
    assert (said.returncode, said.stdout.split()) == (0, ["jepa", "root"]), said.stderr
    assert machine.succeed(f"cat {HOST_KEY}.pub").split()[1] in known.read_text(), "it is this machine's"
    refused = ask(place, strange, known, "true")
    assert refused.returncode == 255
    assert "Permission denied (publickey" in refused.stderr
    assert "password" not in refused.stderr


def test_as_shipped_it_neither_listens_nor_has_a_key(machine: Machine) -> None:
    machine.succeed("test -x /usr/sbin/sshd")
    assert machine.succeed("systemctl list-units --all --no-legend --plain 'ssh*.s*'") == ""
    machine.fail("ls /etc/ssh/ssh_host_*")
    machine.fail("ls /usr/share/factory/etc/ssh/ssh_host_*")
    machine.fail("pgrep -x sshd")


def test_root_may_enable_it(machine: Machine, tmp_path: Path) -> None:
    public = make_key(tmp_path / "mine")
    machine.succeed(f"install -m 700 -d /root/.ssh; echo {public} >/root/.ssh/authorized_keys")
    machine.succeed("systemctl enable --now ssh.socket")
    lets_in_by_key_alone(machine, tmp_path / "mine", tmp_path)


@pytest.mark.slow
def test_credentials_have_it_listen_and_name_who_may_come_in(
    new_machine: Callable[..., Machine], image: Image, directory: Path, tmp_path: Path
) -> None:
    public = make_key(tmp_path / "mine")
    machine = new_machine(
        "reached",
        image.overlay(directory / "reached.qcow2"),
        kernel=image.kernel,
        initrd=image.initrd,
        credentials={"ssh.listen": "0.0.0.0:22", "ssh.authorized_keys.root": public},
    )
    machine.start()
    machine.wait_for_shell()
    machine.wait_for_unit("ssh-access.target")
    lets_in_by_key_alone(machine, tmp_path / "mine", tmp_path)
    machine.shutdown()
