# SPDX-License-Identifier: Apache-2.0
"""`jepa completion`: a script that completes verbs and options in bash, zsh or fish."""

import argparse
from collections.abc import Iterator

from jepa.shell import candidates
from jepa.shell.parser import build_parser
from jepa.shell.request import Request

BARE_ZSH = """\
if [[ ${zsh_eval_context[-1]} != loadautofunc && -z ${functions[compdef]-} ]]; then
  autoload -Uz compinit && compinit -i -D
fi
"""
"""Starts zsh's completion where no startup file did; -D leaves the person's cache file alone."""
EVALUATED, LOADED = "$zsh_eval_context[-1] == eval ]]", "${zsh_eval_context[-1]} != loadautofunc ]]"
"""How shtab tells its script from one that zsh loads by itself, and how that works with `source` too, and
with the options of ksh."""
COMPLETES = "_shtab_jepa() {\n"
USUAL_IFS = "  local IFS=$' \\t\\n'\n"
"""For bash's compgen, which splits words by what a person set."""


LIVE = {
    "bash": "_jepa_words",
    "zsh": "_jepa_words",
    "fish": "(_jepa_words)",
    "preamble": {
        "bash": """\
_jepa_words() {
  compgen -W "$(jepa completion bash --words "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)" -- "$1"
}""",
        "zsh": """\
_jepa_words() {
  local -a found
  found=("${(@f)$(jepa completion zsh --words "${(@)words[1,CURRENT]}" 2>/dev/null)}")
  compadd -a found
}""",
        "fish": """\
function _jepa_words
  set -l before (commandline -opc)
  set -l begun (commandline -ct)
  jepa completion fish --words $before[2..] "$begun" 2>/dev/null
end""",
    },
}
"""How each shell asks for what only a look at the machine tells: live targets, values, changes."""


def run(request: Request) -> int:
    """Print the script, or what the last of --words may become."""
    if request.args.words is not None:
        for word in _words(request):
            request.out.line_raw(word)
        return 0
    import shtab

    shell: str = request.args.shell
    parser = build_parser()
    for argument in _live_arguments(parser):
        argument.complete = LIVE  # type: ignore[attr-defined]
    script = shtab.complete(parser, shell=shell)
    if shell == "zsh":
        header, _, rest = script.partition("\n")  # "#compdef jepa" has to stay the first line
        script = f"{header}\n{BARE_ZSH}{rest.replace(EVALUATED, LOADED)}"
    if shell == "bash":
        script = script.replace(COMPLETES, COMPLETES + USUAL_IFS)
    if request.out.json:
        request.out.data({"shell": shell, "script": script})
    else:
        request.out.line_raw(script)
    return 0


def _words(request: Request) -> list[str]:
    words: list[str] = request.args.words
    local = "--local" in words
    while words and words[0] not in candidates.VERBS:
        words = words[1:]
    return candidates.candidates(words, lambda: request.reach(local)) if len(words) > 1 else []


def _live_arguments(parser: argparse.ArgumentParser, verb: str = "") -> Iterator[argparse.Action]:
    """Arguments of the verbs whose words are looked up when Tab is pressed."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                yield from _live_arguments(below, verb or name)
        elif verb in candidates.VERBS and (
            "--limit" in action.option_strings if verb == "run" else not action.option_strings
        ):
            yield action
