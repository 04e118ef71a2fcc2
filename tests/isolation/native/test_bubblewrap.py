"""The arguments, as text. What they do is in test_runtime."""

from proxy.isolation.native.bubblewrap import Descriptors, arguments, command, users

NUMBERS = Descriptors(10, 11, 12, 13, 14)


def options(**more: bool) -> str:
    data = arguments(NUMBERS, {"TOKEN": "a b"}, ("/srv/work", 7), **{"writes": True, **more})
    assert data.endswith(b"\0")
    return data.decode().replace("\0", " ")


def test_only_the_number_of_the_arguments_is_on_the_command_line() -> None:
    assert command("/usr/bin/bwrap", NUMBERS) == ("/usr/bin/bwrap", "--args", "10", "--")


def test_the_workspace_is_bound_by_its_descriptor_under_its_own_path() -> None:
    assert " --bind-fd 7 /srv/work --chdir /srv/work " in options()
    assert " --ro-bind-fd 7 /srv/work --chdir /srv/work " in options(writes=False)


def test_without_a_workspace_nothing_is_bound() -> None:
    data = arguments(NUMBERS, {}, None, writes=True).decode()

    assert "bind-fd" not in data
    assert "--chdir\0/tmp\0" in data


def test_the_root_is_made_read_only_last() -> None:
    assert options().endswith("--remount-ro / ")


def test_nothing_writable_but_the_workspace_is_bound() -> None:
    assert " --bind " not in options(writes=False)
    assert "--dev-bind" not in options()
    assert "--share-net" not in options()


def test_there_is_one_user() -> None:
    assert users(1000, 1001) == (
        b"sandbox:x:1000:1001::/tmp:/bin/sh\n",
        b"sandbox:x:1001:\n",
    )
