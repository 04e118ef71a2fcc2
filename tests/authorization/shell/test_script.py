"""The values that say what a line would do."""

from proxy.authorization.shell.script import Call, Script


def test_two_readings_of_a_line_are_equal_where_every_word_is() -> None:
    assert Script((Call(("a", "b")),)) == Script((Call(("a", "b")),))
    assert Script((Call(("a", "b")),)) != Script((Call(("a b",)),))
    assert Script((Call(("a",)),)) != Script((Call(("a",), fed=True),))
    assert Script((Call(("a",)),)) != Script((Call(("a",), folder="b"),))
    assert Script((Call(("a",)),)) != Script((Call(("a",)),), written=("b",))
