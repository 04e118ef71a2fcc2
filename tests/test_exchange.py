import os
from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields, is_dataclass
from pathlib import Path

import pytest
from doubles import CLIENT, frames, grant, inbound

from proxy import exchange
from proxy.actions import Command, FileList, FilePlan, FileRead, FileWrite, OpenPath
from proxy.exchange import Clean, Document, Peer, Principal, Raw, Role, Stream
from proxy.values import Headers

SECRET = "zc_5ecre7"


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(inbound(), id="inbound"),
        pytest.param(Peer("10.0.0.1"), id="peer"),
        pytest.param(CLIENT, id="principal"),
        pytest.param(grant(), id="grant"),
        pytest.param(Raw(grant(), Document(1)), id="raw"),
        pytest.param(Clean(Document(1)), id="clean"),
    ],
)
def test_what_passes_between_layers_cannot_be_changed(value: object) -> None:
    assert is_dataclass(value)
    for each in fields(value):
        with pytest.raises(FrozenInstanceError):
            setattr(value, each.name, None)


def test_values_hold_no_type_of_an_http_library() -> None:
    assert "aiohttp" not in Path(exchange.__file__).read_text()


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(Principal("client-1", Role.CLIENT, issued=SECRET), id="issued to a principal"),
        pytest.param(Principal("client-1", Role.CLIENT, presented=SECRET), id="presented by one"),
        pytest.param(Clean(Document({}), issued=SECRET), id="issued in an answer"),
        pytest.param(
            grant(principal=Principal("client-1", Role.CLIENT, presented=SECRET)), id="in a grant"
        ),
    ],
)
def test_credential_is_in_no_representation(value: object) -> None:
    assert SECRET not in repr(value)


@pytest.mark.parametrize(
    "plan_of",
    [
        pytest.param(FileRead, id="read"),
        pytest.param(lambda file: FileWrite(file, "text"), id="write"),
        pytest.param(FileList, id="list"),
    ],
)
def test_closed_grant_gives_the_open_file_back(
    plan_of: Callable[[OpenPath], FilePlan], tmp_path: Path
) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)

    grant(plan_of(OpenPath(descriptor, "leaf"))).close()

    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_grant_without_a_file_closes_as_well() -> None:
    grant(Command(("ls",), 1.0, writes=False)).close()


def test_stream_that_holds_nothing_may_be_released_twice() -> None:
    stream = Stream(200, Headers(), frames(b"a"))

    stream.release()
    stream.release()


def test_tallies_are_not_shared_between_answers() -> None:
    first, second = Clean(Document(1)), Clean(Document(2))
    first.tally["rule"] += 1

    assert not second.tally
