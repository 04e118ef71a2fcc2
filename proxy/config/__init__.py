"""The configuration: one YAML file and the environment, read once into frozen values.

    draft          what is being read: plain data, the position of every key, the problems so far
    source         YAML text to a draft
    environment    SIDEGATE_… variables over it
    interpolation  ${…} in the values of the file
    secret_files   NAME_file beside a secret NAME
    text, address, web, signing   single values, each valid if it exists
    section, listening, tunnel, channels, principals, tools, model
                   the keys that exist, with their defaults
    keys           the same keys seen as paths
    messages       what is wrong, in plain words
    loader         all of it in order: find, load, parse, overlay
    masked         the effective configuration, to show
    schema         the JSON Schema, to export

Whoever only uses the configuration needs `loader` and the types of `model`.
"""
