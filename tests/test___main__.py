from serving import finished


async def test_the_module_is_the_command() -> None:
    code, out, err = await finished("--help")

    assert (code, err) == (0, "")
    assert out.startswith("Usage: sidegate [OPTIONS] COMMAND")


async def test_its_exit_codes_are_those_of_the_command() -> None:
    code, out, err = await finished("check", "-c", "/nowhere.yaml")

    assert (code, out) == (78, "")
    assert err == "sidegate: /nowhere.yaml: cannot be read: No such file or directory\n"
