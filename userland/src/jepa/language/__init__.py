# SPDX-License-Identifier: Apache-2.0
"""From a sentence to a task spec: templates and typed slots, with no model and no guess."""
