"""What the rules say of a path that was found: pure judgements on real paths."""

import pytest

from proxy.authorization.paths.bounds import Bounds
from proxy.authorization.paths.forbidden import Forbidden
from proxy.authorization.paths.ignored import Ignored
from proxy.reasons import Reason

WORKSPACE = "/srv/workspace"


def bounds(*roots: tuple[str, bool], ignore: tuple[str, ...] = ()) -> Bounds:
    """Rules over the workspace and these roots, the inner ones first."""
    forbidden = Forbidden.build(WORKSPACE, ["closed", "/data/closed"])
    return Bounds(forbidden, Ignored.build(ignore), (*roots, (WORKSPACE, True)))


def test_what_no_rule_names_may_be_read_and_written() -> None:
    for path in (WORKSPACE, f"{WORKSPACE}/a", "/opt/a"):
        assert bounds().refuses(path) is None
        assert bounds().refuses(path, writes=True) is None


def test_forbidden_wins_over_everything() -> None:
    rules = bounds(("/data", True), ignore=("closed", "!closed"))

    for path in (f"{WORKSPACE}/closed/a", "/data/closed/a", "/data/.ssh/id"):
        assert rules.refuses(path) is Reason.PATH_FORBIDDEN
        assert rules.refuses(path, writes=True) is Reason.PATH_FORBIDDEN


@pytest.mark.parametrize("path", ["/etc/data/a", "/var/lib/data", "/root/a"])
def test_a_root_in_a_system_folder_stays_closed(path: str) -> None:
    """The workspace is the one exception that an operator makes by naming a folder."""
    rules = bounds(("/etc/data", True), ("/var/lib/data", True), ("/root", True))

    assert rules.refuses(path) is Reason.PATH_FORBIDDEN


def test_ignored_names_are_refused_in_every_root_and_outside_of_all() -> None:
    rules = bounds(("/data", True), ignore=(".env", "/only"))

    for path in (
        f"{WORKSPACE}/.env",
        "/data/d/.env",
        "/opt/.env",
        f"{WORKSPACE}/only",
        "/data/only",
    ):
        assert rules.refuses(path) is Reason.PATH_IGNORED, path
    assert rules.refuses("/data/d/only") is None


def test_a_root_whose_own_name_would_be_ignored_is_not() -> None:
    assert bounds(("/data/.env", True), ignore=(".env",)).refuses("/data/.env/a") is None


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/data", Reason.PATH_READ_ONLY),
        ("/data/a", Reason.PATH_READ_ONLY),
        ("/data/open/a", None),
        ("/database", None),
        (f"{WORKSPACE}/vendor/a", Reason.PATH_READ_ONLY),
        (f"{WORKSPACE}/vendored", None),
    ],
)
def test_the_inner_root_says_whether_it_may_be_written(path: str, reason: Reason | None) -> None:
    rules = bounds(("/data/open", True), (f"{WORKSPACE}/vendor", False), ("/data", False))

    assert rules.refuses(path, writes=True) is reason
    assert rules.refuses(path) is None


@pytest.mark.parametrize(
    "path", [".git", ".git/config", ".git/hooks/pre-commit", "a/.git/config", ".GIT/config"]
)
def test_git_s_own_folder_may_be_read_and_not_written(path: str) -> None:
    for root in (WORKSPACE, "/data", "/opt"):
        rules = bounds(("/data", True))
        assert rules.refuses(f"{root}/{path}", writes=True) is Reason.PATH_READ_ONLY
        assert rules.refuses(f"{root}/{path}") is None


@pytest.mark.parametrize("path", [".gitignore", ".github/workflows/a.yml", "git/config", ".gitx/a"])
def test_what_is_only_called_like_it_may_be_written(path: str) -> None:
    assert bounds().refuses(f"{WORKSPACE}/{path}", writes=True) is None
