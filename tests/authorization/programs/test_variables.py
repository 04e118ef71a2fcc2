"""Which variables a line may set, for a program and for itself."""

import pytest

from proxy.authorization.programs.variables import (
    is_harmless,
    is_own,
    is_plain,
    may_set,
    names_a_tool,
)


@pytest.mark.parametrize("name", ["LANG", "TZ", "NO_COLOR", "LC_ALL", "LC_TIME", "CI"])
def test_variable_that_changes_only_how_a_program_speaks_is_harmless(name: str) -> None:
    assert is_harmless(name)


@pytest.mark.parametrize(
    "name",
    [
        *("PATH", "LD_PRELOAD", "BASH_ENV", "ENV", "IFS", "HOME", "PAGER", "EDITOR", "LESSOPEN"),
        *("GIT_SSH_COMMAND", "GIT_PAGER", "NODE_OPTIONS", "PYTHONPATH", "PYTHONSTARTUP"),
        *("RUSTC_WRAPPER", "LC_", "LC_all", "LC_A1", "lang", "LANG ", "", "PERL5OPT", "MAKEFLAGS"),
    ],
)
def test_any_other_variable_is_not(name: str) -> None:
    assert not is_harmless(name)


@pytest.mark.parametrize("value", ["", "C", "en_US.UTF-8", "Europe/Berlin", "UTC+1", "1", "a:b"])
def test_a_harmless_variable_may_have_a_plain_value(value: str) -> None:
    assert is_plain(value)


@pytest.mark.parametrize(
    "value", ["/etc/x", ":/etc/x", "../x", "a/../b", "a b", "$x", "a\nb", "~", "é"]
)
def test_no_path_is_a_plain_value(value: str) -> None:
    assert not is_plain(value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("LANG", "C"), ("GIT_PAGER", "cat"), ("GIT_EDITOR", ":"), ("TERM", "dumb"), ("CI", "")],
)
def test_variable_may_be_set_to_what_is_known_to_do_no_harm(name: str, value: str) -> None:
    assert may_set(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LANG", "/etc/x"),
        ("GIT_PAGER", "id"),
        ("GIT_PAGER", "cat x"),
        ("GIT_PAGER", ""),
        ("GIT_EDITOR", "./true"),
        ("PAGER", "cat"),
        ("PATH", "cat"),
    ],
)
def test_variable_may_not_be_set_to_anything_else(name: str, value: str) -> None:
    assert not may_set(name, value)


@pytest.mark.parametrize("name", ["x", "file", "my_file2", "_x"])
def test_a_line_may_have_variables_of_its_own(name: str) -> None:
    assert is_own(name)


@pytest.mark.parametrize(
    "name",
    [
        *("", "PATH", "X", "xY", "1x", "x-y", "é", "x\n", "_", "ifs", "path", "fpath", "status"),
        *("http_proxy", "no_proxy", "npm_config_script_shell", "yarn_x", "pnpm_x", "histchars"),
    ],
)
def test_what_a_shell_or_a_program_reads_is_nobodys_own(name: str) -> None:
    assert not is_own(name)


@pytest.mark.parametrize(
    "name",
    [
        *("SHELL", "SHELL ", "SHELL:", "SHELL ::", ".SHELLFLAGS", "MAKEFLAGS", "CC", "path"),
        *("S$(X)HELL", "S${X}HELL", "LD_AUDIT", "BASH_ENV", "ENV", "RUBYOPT", "PERL5OPT"),
        *("NODE_OPTIONS", "PYTHONPATH", "RUSTC_WRAPPER", "GIT_SSH_COMMAND", "JAVA_TOOL_OPTIONS"),
    ],
)
def test_variable_that_changes_what_a_build_runs_names_a_tool(name: str) -> None:
    assert names_a_tool(name)


@pytest.mark.parametrize("name", ["V", "PREFIX", "DESTDIR", "VERSION", "CFLAGS", "ARGS", "TARGET"])
def test_variable_of_the_project_names_no_tool(name: str) -> None:
    assert not names_a_tool(name)
