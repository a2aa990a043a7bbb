# SPDX-License-Identifier: Apache-2.0
"""The full-screen shell: live strips with forecast bands, a transcript and a prompt."""
