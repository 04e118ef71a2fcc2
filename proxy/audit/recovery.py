"""Where a log ends at a start: after which row it goes on, and what is there beside it.

A crash leaves rows that nobody waited for, whole or torn, behind the row that the head names. That
is told and gone on from. Whatever else differs from the head was done by somebody, and the chain
ends there.
"""

import os
from dataclasses import dataclass

from proxy.audit import files, head
from proxy.audit.chain import NOTHING, Link, Stray, Walk, lines
from proxy.seal import Seal


@dataclass(frozen=True, slots=True)
class Found:
    """`link` is the last row that holds, after which the next one goes.

    `stray`: what a crash left behind it. `unconfirmed`: how many rows stand behind the head.
    `ended`: the file ends in a newline. `broken`: why the chain cannot go on; empty where it can.
    `highest`: the number of the last row that ever was, as far as is known.
    """

    link: Link = NOTHING
    stray: Stray | None = None
    unconfirmed: int = 0
    ended: bool = True
    broken: str = ""
    highest: int = -1


def find(path: str, seal: Seal | None) -> Found:
    """What is at `path`, an open log of nobody else; without a key there is no head to ask.

    Raises OSError.
    """
    try:
        known = head.read(head.name_of(path), seal) if seal else None
        wrong = ""
    except ValueError as error:
        known, wrong = None, str(error)
    walk, agreed, ended = _walked(path, known)
    link = walk.link or NOTHING
    broken = wrong or _broken(link, known, agreed=agreed, keyed=seal is not None)
    beyond = link.seq - known.seq if known and not broken else 0
    highest = max(link.seq, known.seq if known else -1)
    return Found(link, walk.stray, beyond, ended, broken, highest)


def _walked(path: str, known: Link | None) -> tuple[Walk, bool, bool]:
    """The walk to the end; whether the row of the head is as it says; whether the file is ended."""
    size = os.path.getsize(path)
    walk = Walk(_before(path, empty=size == 0))
    agreed, ended, place = _agree(walk.link, known), True, 0
    with open(path, "rb") as file:
        for line in lines(file):
            place += len(line)
            ended = line.endswith(b"\n")
            if walk.passes(line if ended or place < size else line + b"\n"):
                agreed = agreed and _agree(walk.link, known)
    return walk, agreed, ended


def _agree(link: Link | None, known: Link | None) -> bool:
    return link is None or known is None or link.seq != known.seq or link == known


def _before(path: str, *, empty: bool) -> Link | None:
    """What stands before the first line of the file at `path`, None where nobody knows."""
    older = files.older(path)
    if older:
        return files.last_link(older[-1])
    return NOTHING if empty else None


def _broken(link: Link, known: Link | None, *, agreed: bool, keyed: bool) -> str:
    if known is None:
        return "its head is missing" if keyed and link.seq > 0 else ""
    if link.seq < known.seq:
        return f"rows {link.seq + 1} to {known.seq} are missing or changed"
    return "" if agreed else f"row {known.seq} is not the one that was written"
