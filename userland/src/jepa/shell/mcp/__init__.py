# SPDX-License-Identifier: Apache-2.0
"""What other programs, such as assistants, may ask through the Model Context Protocol (MCP)."""
