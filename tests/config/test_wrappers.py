import pytest

from proxy.config.wrappers import is_wrapper


@pytest.mark.parametrize(
    "name",
    [
        *("tool_call", "hangar_call", "call_tool", "use_tool", "execute_tool", "mcp_call"),
        *("execute_code", "run_code", "python", "code_mode", "batch"),
        # as servers spell them
        *("mcp.call_tool", "mcp.call-tool", "x.callTool", "X.CallTool", "x.CALL_TOOL", "x.Python"),
        *("calltool", "mcp__call_tool", "runcode", "MCPCallTool", "callMCPTool", "tools_call"),
        *("do_tool_call", "multi_tool_use_parallel", "multi_tool_use.parallel", "mcp__x__batch"),
        *("code_execution_tool", "mcp-call-tool", "_call_tool", "call_tool__", "call_tool_v2"),
        *("python3", "python_tool", "mcp_tool", "x.mcp_run_code"),
    ],
)
def test_known_wrappers_are_known_however_they_are_spelled(name: str) -> None:
    assert is_wrapper(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "shell",
        "file_read",
        "call_tool.x",
        "tool_call_list",
        "pythonic",
        "github.get_me",
        "mcp",
        "tool",
        "_",
        "v2",
    ],
)
def test_other_tools_are_none(name: str) -> None:
    assert not is_wrapper(name)
