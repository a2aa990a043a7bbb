# SPDX-License-Identifier: Apache-2.0
"""What a person types into: the jepa command, its plain lines and its Textual shell."""
