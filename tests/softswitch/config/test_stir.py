"""[stir]: keys and authorities that can be used, and complaints about those that can't."""

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from softswitch.config.config import ConfigError, parse

BASE = '[switch]\ndomain = "sip.example.org"\ncountry = "GE"\ncurrency = "GEL"\n[stir]\n'


def configured(tmp_path, text: str):
    return parse(BASE + text, tmp_path / "softswitch.toml").stir


def test_a_key_needs_the_address_of_its_certificate(tmp_path):
    for text in ('key = "key.pem"\n', 'certificate_url = "https://a.example/x"\n'):
        with pytest.raises(ConfigError, match="key and certificate_url are needed together"):
            configured(tmp_path, text)
    with pytest.raises(ConfigError, match="certificate_url"):
        configured(tmp_path, 'key = "key.pem"\ncertificate_url = "http://a.example/x"\n')


@pytest.mark.parametrize(("curve", "works"), [(ec.SECP256R1(), True), (ec.SECP384R1(), False)])
def test_the_key_is_of_p_256(tmp_path, curve, works):
    (tmp_path / "key.pem").write_bytes(
        ec.generate_private_key(curve).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    stir = configured(tmp_path, 'key = "key.pem"\ncertificate_url = "https://a.example/x"\n')
    if works:
        assert stir.signing_key() is not None
    else:
        with pytest.raises(ValueError, match="has no key of P-256"):
            stir.signing_key()


def test_the_origin_follows_from_the_domain_or_is_given(tmp_path):
    stir = configured(tmp_path, "")
    assert stir.signing_key() is None and stir.trusted() == []
    assert stir.origin_of("sip.example.org") == stir.origin_of("sip.example.org")
    assert stir.origin_of("sip.example.org") != stir.origin_of("sip.example.net")
    given = "123e4567-e89b-12d3-a456-426655440000"
    assert configured(tmp_path, f'origin_id = "{given}"\n').origin_of("x") == given
    with pytest.raises(ConfigError, match="origin_id"):
        configured(tmp_path, 'origin_id = "nonsense"\n')
