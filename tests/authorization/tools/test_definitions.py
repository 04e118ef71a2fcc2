from proxy.authorization.tools.definitions import Unchecked
from proxy.mcp import Definition


async def test_nothing_stands_against_a_tool_that_nobody_asks_a_server_about() -> None:
    found = await Unchecked().find("github", "get_me")

    assert isinstance(found, Definition)
    assert found.trusted
