# SPDX-License-Identifier: Apache-2.0
"""One module a verb, each with ``run(request) -> exit status``; imported only when its verb is used."""
