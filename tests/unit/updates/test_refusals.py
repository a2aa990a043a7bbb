# SPDX-License-Identifier: Apache-2.0
"""What systemd 257 writes becomes one sentence; its words here were taken from runs of it."""

import pytest

from jepa.updates.refusals import refusal

FILE = "http://10.0.2.2:8099/jepa-os_99.1_x86-64_5178d27a.usr.raw"


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        (
            'gpg: BAD signature from "JEPA OS releases" [unknown]\n'
            "DOWNLOAD INVALID: Signature verification failed.\nExiting.\n"
            "(sd-pull) failed with exit status 1.\n",
            "its list of sums was altered, or is signed with a key that is not trusted here",
        ),
        (
            f"DOWNLOAD INVALID: Checksum of {FILE} file did not check out, file has been tampered with.\n"
            "Exiting.\n(sd-pull-raw) failed with exit status 1: Bad message\n",
            "jepa-os_99.1_x86-64_5178d27a.usr.raw is not what its list of sums says: altered, or cut short",
        ),
        (
            "Selected update '99.1' for install.\nMaking room for 1 updates…\n"
            "Partition table has less than two partition slots of the right type 77ff5f63"
            " (usr-x86-64-verity) and matching the expected pattern 'jepa-os_@v', refusing.\n",
            "this disk has no second slot that it fits into",
        ),
        (
            f"HTTP request to {FILE} failed with code 404.\nExiting.\n",
            "5178d27a.usr.raw is not there (HTTP 404)",
        ),
        (
            "Transfer failed: SSL peer certificate or SSH remote key was not OK\nExiting.\n",
            "nobody who is trusted here vouches for its certificate",
        ),
        (f"HTTP request to {FILE} failed with code 502.\nExiting.\n", "it answers no more"),
        (
            "Transfer failed: Could not read a file:// file\nExiting.\n(sd-pull) failed with exit status 1.",
            "no release lies there",
        ),
        (
            "Failed to write file: No space left on device\n"
            "Transfer failed: Failed writing received data to disk/application\n",
            "the partition that the firmware starts from is full",
        ),
        (
            "Transfer failed: Transferred a partial file\nExiting.\n",
            "the connection broke off before all was here",
        ),
    ],
)
def test_a_known_reason_is_said_in_one_sentence(said: str, meaning: str) -> None:
    error = refusal(said, 1, "99.1 was not put in place")
    assert error.problem.startswith("99.1 was not put in place: ")
    assert error.problem.endswith(f"{meaning}.")
    assert "\n" not in str(error)


def test_an_unknown_reason_is_the_last_line() -> None:
    assert refusal("First.\nThe moon is full.\n\n", 1, "No").problem == "No: The moon is full."
    assert refusal("", 7, "No").problem == "No: exit status 7."
