# SPDX-License-Identifier: Apache-2.0
"""The virtual machine as a library: QEMU's command, the machine, its root shell, console and screen."""
