# SPDX-License-Identifier: Apache-2.0
"""`jepa completion`: a script that completes verbs and options in bash, zsh or fish."""

import shtab

from jepa.shell.parser import build_parser
from jepa.shell.request import Request

BARE_ZSH = """\
if [[ $zsh_eval_context[-1] != loadautofunc ]] && (( ! $+functions[compdef] )); then
  autoload -Uz compinit && compinit -i -D
fi
"""
"""Starts zsh's completion where no startup file did; -D leaves the person's cache file alone."""
EVALUATED, LOADED = "== eval ]]", "!= loadautofunc ]]"
"""How shtab tells its script from one that zsh loads by itself, and how that works with `source` too."""


def run(request: Request) -> int:
    """Print the script."""
    shell: str = request.args.shell
    script = shtab.complete(build_parser(), shell=shell)
    if shell == "zsh":
        header, _, rest = script.partition("\n")  # "#compdef jepa" has to stay the first line
        script = f"{header}\n{BARE_ZSH}{rest.replace(EVALUATED, LOADED)}"
    if request.out.json:
        request.out.data({"shell": shell, "script": script})
    else:
        request.out.line_raw(script)
    return 0
