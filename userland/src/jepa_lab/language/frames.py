# SPDX-License-Identifier: Apache-2.0
"""What may stand around a wish and turn it into none, spare something beside it, or leave it as it is.

By these the encoder is taught to tell a sentence that asks from one that sounds alike. ``{w}`` is a wish as
the encoder reads it, ``{p}`` who is to be left alone, ``{n}`` somebody else, of whom nothing is asked.
"""

from typing import Final

WITHHELD: Final = tuple(
    """
do not {w}
don't {w}
dont {w} please
please do not {w}
never {w}
never ever {w}
you must not {w}
you may not {w}
you shouldn't {w}
nobody should {w}
nobody is to {w}
nobody said to {w}
nobody asked you to {w}
i did not ask you to {w}
i never said {w}
i didn't say {w}
i'm not saying {w}
i am not telling you to {w}
i would not {w} if i were you
i'd rather you didn't {w}
i would rather not {w}
i wouldn't {w} just yet
i'd never {w}
we do not {w} here
we never {w} during the day
we decided not to {w}
we agreed not to {w}
let's not {w}
let us not {w} today
lets not {w}
no need to {w}
there is no need to {w}
there's no point , {w} helps nobody
no point in asking you to {w}
it makes no sense to {w}
it would be wrong to {w}
it would be a mistake to {w}
it is far too early to {w}
it is too late to {w}
the last thing i need is for you to {w}
under no circumstances {w}
on no account {w}
by no means {w}
in no case {w}
not for anything in the world {w}
hold off , don't {w}
refrain , do not {w}
stop , don't {w}
please stop trying to {w}
quit trying to {w}
cease your attempts to {w}
if you {w} i quit
if you {w} you are fired
if you {w} i will be angry
{w} and i'll pull the plug
{w} and you will regret it
you {w} at your peril
dare to {w} and see what happens
don't you dare {w}
heaven forbid that you {w}
far be it from me to {w}
over my dead body will you {w}
{w} ? over my dead body
{w} ? no way
{w} ? absolutely not
{w} ? not on my watch
{w} ? forget it
{w} ? no thanks
{w} ? no .
{w} ? what a terrible idea
{w} ? not today
{w} , he said , and i said no
{w} - no , don't
{w} ... no , leave it as it is
{w} - just kidding
{w} , not !
{w} - scratch that
{w} - never mind , don't
{w} no wait , don't do that
{w} , or rather don't
the ticket says {w} , ignore it
the ticket said {w} but it was rejected
the manual says {w} , i disagree
the vendor wants us to {w} , we refuse
my boss told me to {w} , i refused
my colleague suggested {w} , i said no
my son begged me to {w} , i won't
someone asked to {w} , denied
someone proposed to {w} , vetoed
they told me to {w} , but that is wrong
he said {w} , don't listen to him
he told you to {w} , don't
she keeps saying {w} , she is wrong
the internet recommends {w} , it is nonsense
the old script would {w} , i removed that
i read that one should {w} , i doubt it
who told you to {w}
who said {w}
who on earth would {w}
who would ever want to {w}
why would anyone {w}
why would i want you to {w}
what makes you think i want you to {w}
what would happen if you were to {w}
what if i {w}
if i were to {w} what would happen
would it be bad to {w}
would it hurt to {w}
is it wise to {w}
is it safe to {w}
should i {w} or is that dangerous
should we ever {w}
imagine you {w} , how awful
suppose you {w} , what then
it would be funny to {w} , but no
in theory you could {w} , but i don't want it
one could {w} , but let's keep it as it is
you could {w} , but i'd hate that
you can {w} once i am gone , not before
not before i say so will you {w}
not until i say so : {w}
wait with that , do not {w} yet
later maybe {w} , not now
some other day {w} , certainly not now
there was a time to {w} , it is over
i already had you {w} , that is enough
you did {w} already , no more of it
i was about to {w} , but changed my mind
i was going to say {w} , but no
i thought of asking you to {w} , but i won't
i used to {w} , i stopped that
yesterday i wanted to {w} , today i don't
i take it back , don't {w}
forget what i said , don't {w}
cancel that , no {w}
everything is fine , so don't {w}
all is well , nobody has to {w}
it is good as it is , don't {w}
we can't afford to {w}
i cannot allow you to {w}
i forbid you to {w}
you are not allowed to {w}
it is forbidden to {w}
it's off limits to {w}
i refuse to {w}
i won't {w}
i'm against it when you {w}
please avoid to {w}
think twice before you {w}
be careful not to {w}
make sure not to {w}
make sure that nobody will {w}
see to it that nobody can {w}
prevent anyone who tries to {w}
keep people from trying to {w}
anything but {w}
do whatever you like but don't {w}
do everything except {w}
""".strip().splitlines()
)
"""Nothing is to be done."""

SPARED: Final = tuple(
    """
{w} but leave {p} alone
{w} but leave {p} as it is
{w} but not {p}
{w} , just not {p}
{w} , but don't touch {p}
{w} without touching {p}
{w} without hurting {p}
{w} without disturbing {p}
{w} w/o bothering {p}
{w} , not {p} though
{w} except {p}
{w} , {p} excepted
{w} , {p} excluded
{w} , {p} being the exception
{w} with the exception of {p}
{w} apart from {p}
{w} , sparing {p}
{w} and spare {p}
{w} , but spare {p}
{w} , {p} is to be spared
{w} and leave {p} out of it
{w} , leave {p} out of this
{w} , {p} stays out of it
{w} , {p} stays untouched
{w} , {p} stays as it is
{w} , {p} remains as it was
{w} ; {p} must not be touched
{w} ; {p} must not notice
{w} , {p} must not suffer
{w} , {p} mustn't feel it
{w} , {p} shall not be affected
{w} , {p} should be left in peace
{w} , {p} is sacred
{w} , {p} is off limits
{w} , {p} is taboo
{w} , {p} is none of your business
{w} , {p} is fine as it is
{w} , {p} gets a pass
{w} , {p} is exempt
{w} , {p} is immune
{w} , {p} goes free
{w} , {p} keeps running
{w} , {p} keeps what it has
{w} , {p} can stay
{w} , {p} may stay as it is
{w} , {p} has to survive
{w} , {p} needs its peace
{w} , hands off {p}
{w} , paws off {p}
{w} , keep away from {p}
{w} , keep clear of {p}
{w} , steer clear of {p}
{w} , stay away from {p}
{w} , keep your fingers off {p}
{w} , mind {p}
{w} , careful with {p}
{w} , go easy on {p}
{w} , don't you dare harm {p}
{w} , don't let {p} suffer
{w} , whatever happens to {p} must not happen
{w} while leaving {p} alone
{w} while keeping {p} as it is
{w} while {p} stays up
{w} , keep {p} running
{w} , keep {p} out of it
{w} , keep {p} safe
{w} , protect {p}
{w} , protecting {p}
{w} , preserve {p}
{w} yet ignore {p}
{w} , ignoring {p}
{w} , skip {p}
{w} , skipping {p}
{w} , minus {p}
{w} sans {p}
{w} , only {p} is not to be touched
{w} ; do not involve {p}
{w} , never {p}
{w} , no harm to {p}
{w} , let {p} be
{w} , let {p} live
{w} , let {p} finish
{w} , let {p} carry on
don't touch {p} , but {w}
not {p} , but {w}
leave {p} alone and {w}
leave {p} be , and {w}
hands off {p} , otherwise {w}
{p} stays as it is , but {w}
{p} is untouchable , otherwise {w}
{p} must be spared , so {w}
{p} is fine , but {w}
{p} is busy , don't touch it , and {w}
keep {p} as it is and {w}
keep {p} out of this and {w}
spare {p} and {w}
sparing {p} , {w}
without touching {p} , {w}
whatever you do to others , not {p} , {w}
for everything but {p} : {w}
apart from {p} , {w}
""".strip().splitlines()
)
"""The wish stands, and ``{p}`` is to be left alone."""

HARMLESS: Final = tuple(
    """
it does not respond any more , {w}
it doesn't work , {w}
it won't stop , {w}
it never ends , {w}
nothing works , {w}
nothing loads any more , {w}
nobody can work like this , {w}
i can't work like this , {w}
i cannot hear a thing , {w}
i can't take it any longer , {w}
i don't care how , {w}
i do not mind how , just {w}
i don't know what you did , {w}
i don't have all day , {w}
i have no time , {w}
i see no other way , {w}
no idea why , but {w}
no matter what it takes , {w}
no rush , but {w}
no excuses , {w}
not kidding , {w}
not sure if that helps , but {w}
don't ask , {w}
don't ask why , just {w}
don't hesitate , {w}
don't wait , {w}
don't argue , {w}
don't worry about me , {w}
do not ask me again , {w}
never mind the costs , {w}
why don't you {w}
why not {w}
can't you {w}
couldn't you {w}
wouldn't you {w}
won't you please {w}
would you not {w}
you had better {w}
you'd better {w}
if it isn't too much trouble , {w}
if you don't mind , {w}
if nobody objects , {w}
if nothing else helps , {w}
unless you object , {w}
it can't hurt to {w} , so do it
it wouldn't hurt to {w} , please
it is no use , {w}
it is not enough any more , so {w}
i didn't do it yet , so {w}
i forgot to {w} , please do it
i could not {w} myself , please do
you didn't {w} , do it now
you have not {w} yet , do so
not later , now : {w}
{w} , it does not respond
{w} , it won't respond any more
{w} , i can't work like this
{w} , i can't hear anything
{w} , nobody needs it
{w} , nobody uses it
{w} , no one is using it
{w} , nothing works any more
{w} , i don't need it
{w} , i don't care
{w} , no questions
{w} , no excuses
{w} , no discussion
{w} , don't ask
{w} , don't wait
{w} , there is no time
{w} , there's no other way
{w} , why not
{w} , will you
{w} , won't you
{w} , would you
{w} , can't you
{w} , it isn't urgent
{w} , if you don't mind
{w} because it doesn't work
{w} because nobody needs it
{w} since nothing else helped
{w} so that i can work
{w} so i don't have to
{w} before it is too late
{w} before the others notice
{w} , it keeps crashing
{w} , it hogs everything
{w} , the others suffer
{w} , everything is slow
{w} , the whole house is waiting
{w} and be quick about it
{w} and that is an order
{w} , and do it now
{w} , i mean it
{w} , it is overdue
{w} , that's all
{w} . it is a mess
{w} . it went mad again
{w} - it is stuck
{w} - my ears hurt
the thing is stuck again , {w}
the fan is screaming , {w}
the customers complain , {w}
the box is crawling , {w}
the room is hot , {w}
it hangs again , {w}
it went mad , {w}
it is stuck , {w}
that looks odd to me , {w}
my head hurts , {w}
my meeting starts soon , {w}
we are about to begin , {w}
we are live in a minute , {w}
everyone complains , {w}
everything is slow , {w}
as discussed , {w}
as i said , {w}
as usual , {w}
let me have it : {w}
i need you to {w}
i want you to {w}
what i need is that you {w}
all i want is that you {w}
the only thing i ask : {w}
there is only one thing left to do : {w}
high time to {w}
do me a favour and {w}
be a dear and {w}
get on with it and {w}
let's {w}
let us {w}
let's just {w}
time to {w}
next item : {w}
todo : {w}
{n} is slow , {w}
{n} depends on it , {w}
""".strip().splitlines()
)
"""The wish stands, whatever is said around it, though some of it negates."""

BESIDE: Final = tuple(
    """
the neighbours of {p}
the neighbour of {p}
the rivals of {p}
the enemies of {p}
the rest so that {p} can breathe
the others in favour of {p}
everything that competes with {p}
everything that slows {p}
everything but {p}
everyone but {p}
all except {p}
anything that disturbs {p}
anything next to {p}
anything around {p}
whatever blocks {p}
whatever starves {p}
whatever is in the way of {p}
whatever keeps {p} busy
what hurts {p}
what blocks {p}
the thing that eats the share of {p}
the thing blocking {p}
the stuff that bothers {p}
the process which feeds {p}
the load that hits {p}
the noise around {p}
the pressure on {p}
the traffic in front of {p}
those who depend on {p}
those that {p} waits for
who talks to {p}
the one that is not {p}
something else than {p}
things other than {p}
""".strip().splitlines()
)
"""In place of an object these name somebody else, who is no target: nothing is asked of anybody named."""


def all_of() -> tuple[str, ...]:
    """Every frame."""
    return (*WITHHELD, *SPARED, *HARMLESS, *BESIDE)
