"""What every command has in its environment, wherever it runs, lest it be turned on its user.

A folder that looks like a repository tells git which programs to run, and an agent may make one
file by file: only a repository's own .git counts, which tools do not write.
"""

from collections.abc import Mapping

# As git-config(1) reads settings from the environment.
GIT: Mapping[str, str] = {
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "safe.bareRepository",
    "GIT_CONFIG_VALUE_0": "explicit",
}
