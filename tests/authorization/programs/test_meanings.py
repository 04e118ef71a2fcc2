import pytest

from proxy.authorization.programs import meanings
from proxy.authorization.programs.spec import Bar, Reader


@pytest.mark.parametrize(
    ("reader", "words"),
    [
        (meanings.PROCESS, ("e", "auxe", "eww")),
        (meanings.NUMBER, ("root", "", "-1", "1x")),
        (meanings.HOST, ("localhost", "u@127.0.0.1", "::1", "0", "-oProxyCommand=id")),
        (meanings.LOCATION, ("ssh://-oProxyCommand=id/x", "svn+ssh://u@-oX/y")),
        (meanings.YAML, ('.a = load("/x")', "env(HOME)", "strenv (HOME)", "$ENV")),
        (meanings.DIRECT, ("-c", "--upload-pack=id")),
        (meanings.SCRIPT_NAME, ("-", "node", "https://example.com/x")),
        (meanings.MAIN_CLASS, ("@arguments", "https://example.com/x")),
        (meanings.SETTING_OF_PYTHON, ("presite=x",)),
        (meanings.NATIVE, ("SHELL=./x", "--eval=x", "-f", "$(X)=y")),
        (meanings.TASK_OF_RAKE, ("PATH=.", "RUBYOPT=-rx", "BASH_ENV=x")),
        (meanings.REPORT, ("./x.js", "a.module.Class")),
        (meanings.FLAG_OF_RUSTC, ("-Clinker=x", "-C", "-Zx", "--extern")),
        (meanings.UPLOAD, ("{a,/x}", "[a-b]")),
        (meanings.KEY, ("pkcs11:module-path=x", "PKCS11:x")),
        (meanings.KEY_TYPE, ("ENG", "prov")),
        (meanings.DATABASE_FILE, ("file:%2fetc%2fx", "FILE:x?vfs=y")),
        (meanings.COMMAND_OF_REDIS, ("eval", "CONFIG", "replicaof")),
        (meanings.ADDRESS, ("@list", "file:///x")),
        (meanings.STRATEGY, ("./x", "../x")),
        (meanings.PAGING, ("always", "auto")),
    ],
)
def test_word_that_would_be_code_is_refused(reader: Reader, words: tuple[str, ...]) -> None:
    assert all(isinstance(reader.read(word), Bar) for word in words)


@pytest.mark.parametrize(
    ("reader", "words"),
    [
        (meanings.PROCESS, ("aux", "123", "axo", "pid,comm,etime")),
        (meanings.NUMBER, ("3",)),
        (meanings.HOST, ("git@example.com", "build-1")),
        (meanings.KEY_TYPE, ("PEM", "DER")),
        (meanings.COMMAND_OF_REDIS, ("get", "ping", "key")),
        (meanings.TASK_OF_RAKE, ("test", "spec:unit", "COVERAGE=1")),
        (meanings.NATIVE, ("-j4", "-k", "--silent")),
        (meanings.STRATEGY, ("ours", "ort")),
        (meanings.PAGING, ("never",)),
    ],
)
def test_word_that_names_nothing_is_no_path(reader: Reader, words: tuple[str, ...]) -> None:
    assert [reader.read(word) for word in words] == [()] * len(words)


@pytest.mark.parametrize(
    "reader",
    [
        *(meanings.LOCATION, meanings.YAML, meanings.DIRECT, meanings.SCRIPT_NAME, meanings.NATIVE),
        *(meanings.MAIN_CLASS, meanings.REPORT, meanings.FLAG_OF_RUSTC, meanings.UPLOAD),
        *(meanings.KEY, meanings.DATABASE_FILE, meanings.SETTING_OF_PYTHON),
    ],
)
def test_word_that_may_be_a_path_is_read_as_one(reader: Reader) -> None:
    assert reader.read("/etc/x") == ("/etc/x",)
