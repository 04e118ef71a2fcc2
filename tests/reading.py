"""What the parser makes of a line, for the tests of its parts."""

from proxy.authorization.shell.parser import CommandParser, find_parser
from proxy.authorization.shell.script import Call, Script
from proxy.decision import Allow, Deny
from proxy.reasons import Reason

PARSER = CommandParser(find_parser())


async def script(line: str, *, bash: bool = False) -> Script:
    """What a line would do; fails where it is refused."""
    decision = await PARSER.parse(line, bash=bash)
    assert isinstance(decision, Allow), decision
    return decision.value


async def vectors(line: str, *, bash: bool = False) -> list[tuple[str, ...]]:
    """The words of every call of a line."""
    return [call.argv for call in (await script(line, bash=bash)).calls]


async def refusal(line: str, *, bash: bool = False) -> Reason | None:
    """Why a line is refused; None where it is not."""
    decision = await PARSER.parse(line, bash=bash)
    return decision.reason if isinstance(decision, Deny) else None


def call(*argv: str, fed: bool = False, folder: str = ".") -> Call:
    return Call(argv, fed=fed, folder=folder)
