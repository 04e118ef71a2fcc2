"""Tools that are known to call other tools, or to run code that does, by the usual names.

What such a tool does is decided by its arguments, so that a rule on its name says nothing. The
table is of names that agents, gateways and MCP servers give them, without the server's.
"""

import re

_WRAPPERS = frozenset(
    name.replace("_", "")
    for name in (
        # call another tool by its name
        *("tool_call", "call_tool", "tool_invoke", "invoke_tool", "use_tool", "run_tool"),
        *("execute_tool", "tool_execute", "exec_tool", "tool_exec", "tool_use", "dispatch_tool"),
        *("mcp_call", "call_mcp", "call_mcp_tool", "use_mcp_tool", "mcp_invoke", "mcp_execute"),
        *("mcp_tool", "hangar_call", "proxy_call", "proxy_tool", "call_action", "do_tool_call"),
        *("execute_action", "run_action", "call_function", "execute_function", "call_any_tool"),
        *("execute_dynamic_tool", "call_dynamic_tool", "tool_proxy", "tool_dispatch", "tools_call"),
        *("run_mcp_tool", "execute_mcp_tool", "invoke_mcp_tool", "function_call", "do_call"),
        # call several of them
        *("batch", "batch_call", "batch_tools", "batch_execute", "call_tools", "multi_call"),
        *("multi_tool_use", "multi_tool_use_parallel", "parallel", "tool_calls", "execute_tools"),
        *("run_tools", "run_workflow_steps", "batch_tool_call", "parallel_tool_calls"),
        # run code
        *("execute_code", "run_code", "exec_code", "code_execution", "code_mode", "codemode"),
        *("code_interpreter", "eval", "evaluate", "eval_code", "repl", "run_script", "code_exec"),
        *("execute_script", "python", "python_exec", "python_repl", "run_python", "code_run"),
        *("execute_python", "run_python_code", "javascript", "run_javascript", "run_js"),
        *("execute_javascript", "execute_typescript", "run_typescript", "node_repl", "ipython"),
        *("jupyter", "run_cell", "execute_cell", "sandbox_exec", "execute_python_code"),
    )
)
_VERSION = re.compile("v?[0-9]+$")


def is_wrapper(name: str) -> bool:
    """Whether a tool of this name calls others, however its server spells it."""
    parts = re.split(r"[./]|__", name.rstrip("_-./"))
    while len(parts) > 1 and _VERSION.fullmatch(parts[-1].lower()):
        parts.pop()
    plain = _VERSION.sub("", parts[-1].replace("-", "").replace("_", "").lower())
    short = plain.removeprefix("mcp")
    return not _WRAPPERS.isdisjoint({plain, short, short.removesuffix("tool")})
