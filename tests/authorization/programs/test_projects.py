import pytest

from proxy.authorization.programs import projects
from proxy.authorization.programs.spec import Bar, Reader


@pytest.mark.parametrize(
    ("reader", "word", "paths"),
    [
        (projects.PROJECT_FOLDER, ".", (".",)),
        (projects.PROJECT_FOLDER, "./web[dev,test]", ("./web",)),
        (projects.PACKAGES, "requirements.txt", ("requirements.txt",)),
        (projects.SETTING, "user.name", ()),
        (projects.SETTING, "^remote", ()),
        (projects.USUAL_TASK, "test", ()),
        (projects.COLLECTOR, "XPlat Code Coverage", ()),
    ],
)
def test_paths_that_a_word_names_are_told(
    reader: Reader, word: str, paths: tuple[str, ...]
) -> None:
    assert reader.read(word) == paths


@pytest.mark.parametrize(
    ("reader", "words"),
    [
        (
            projects.PROJECT_FOLDER,
            ("requests", "..", "./x.whl", "/x", "./a/../../b", ".[x]y", "-e"),
        ),
        (projects.PACKAGES, ("https://example.com/r.txt",)),
        (projects.SETTING, ("edit", "set", "rename-section", "")),
        (projects.USUAL_TASK, ("exec", "node", "id")),
        (projects.COLLECTOR, ("x", "Code Coverage;x")),
        (projects.SETS, ("x", "")),
        (projects.WAITS, ("x", "")),
    ],
)
def test_word_that_would_do_more_is_refused(reader: Reader, words: tuple[str, ...]) -> None:
    for word in words:
        assert isinstance(reader.read(word), Bar), word
