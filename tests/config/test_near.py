from proxy.config.near import did_you_mean


def test_hint_needs_a_near_word() -> None:
    assert did_you_mean("prot", ["port", "host"]) == " (did you mean 'port'?)"
    assert did_you_mean("PORT", ["port"]) == " (did you mean 'port'?)"
    assert did_you_mean("zzz", ["port"]) == ""
    assert did_you_mean("pxxt", ["port"], likeness=0.8) == ""
