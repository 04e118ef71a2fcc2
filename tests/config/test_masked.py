import yaml

from proxy.config.masked import MASK, effective
from proxy.config.model import Config


def test_every_key_is_shown_with_the_value_that_counts() -> None:
    config = Config.model_validate({"gateway": {"port": 80, "allow_peers": ["10.0.0.0/8"]}})

    assert yaml.safe_load(effective(config)) == config.model_dump(mode="json")


def test_secrets_are_masked() -> None:
    config = Config.model_validate({"upstream": {"headers": {"X-Key": "s3cret"}}})
    shown = effective(config)

    assert "s3cret" not in shown
    assert yaml.safe_load(shown)["upstream"]["headers"] == {"X-Key": MASK}


def test_order_is_that_of_the_documentation() -> None:
    assert list(yaml.safe_load(effective(Config()))) == list(Config.model_fields)
