from proxy.authorization.tools.tool import BUILT_IN, Place, Served
from proxy.mcp import Group


def test_built_in_tools_are_no_server_s() -> None:
    assert all(not tool.server and tool.place is not Place.MCP for tool in BUILT_IN.values())


def test_a_server_is_used_for_its_tools_unless_more_is_said() -> None:
    assert Served().allow == {Group.TOOLS}
