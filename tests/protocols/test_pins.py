"""What an operator says of the definitions of tools."""

import pytest
from doubles import inbound

from proxy.actions import Acceptance, Operate
from proxy.decision import Malformed
from proxy.protocols.pins import AcceptCodec, PinCodec, named, segment_of
from proxy.reasons import Reason
from proxy.values import Json

DIGEST = "0123456789abcdef" * 4
GET, POST = PinCodec("mcp-tools.get"), AcceptCodec("mcp-tools.accept")


def test_exactly_one_definition_is_accepted() -> None:
    said = POST.operation("github.get_me", {"digest": DIGEST})

    assert said == Operate("mcp-tools.accept", "github.get_me", Acceptance(DIGEST))


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"digest": ""},
        {"digest": DIGEST[:-1]},
        {"digest": DIGEST + "0"},
        {"digest": DIGEST.upper()},
        {"digest": DIGEST + "\n"},
        {"digest": None},
        {"digest": [DIGEST]},
        {"digest": DIGEST, "all": True},
    ],
)
def test_nothing_else_is(body: dict[str, Json]) -> None:
    with pytest.raises(Malformed) as caught:
        POST.operation("github.get_me", body)

    assert caught.value.reason is Reason.ARGUMENTS_INVALID


async def test_what_is_accepted_has_to_be_said() -> None:
    with pytest.raises(Malformed):
        await POST.parse(inbound(capture="github.get_me"))


async def test_a_slash_of_a_name_is_a_colon_in_a_path() -> None:
    assert await GET.parse(inbound(capture="github.repos:get")) == Operate(
        "mcp-tools.get", "github.repos/get"
    )


@pytest.mark.parametrize("name", ["github.get_me", "github.repos/get", "a.b/c/d"])
def test_names_come_back_from_paths(name: str) -> None:
    assert "/" not in segment_of(name)
    assert named(segment_of(name)) == name
