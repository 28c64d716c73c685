"""Passes of browser phones: whose they are, and when they end."""

from sip.digest import Algorithm, ha1
from softswitch.admission.browser_passes import PASS_SECONDS, BrowserPasses

PASSES = BrowserPasses(b"secret", "example.org")


def test_a_pass_proves_its_line_until_it_ends():
    made = PASSES.issue("ana", 1_800_000_000.5, bytes(8))
    assert made.username == "ana~6b49d908~0000000000000000"
    assert made.ends_at == 1_800_000_000 + PASS_SECONDS == 0x6B49D908
    login, secrets = PASSES.proof(made.username, made.ends_at - 0.1)
    assert login == "ana" and set(secrets) == set(Algorithm)
    assert secrets[Algorithm.MD5] == ha1(Algorithm.MD5, made.username, "example.org", made.password)
    assert PASSES.proof(made.username, made.ends_at) is None


def test_another_line_or_a_later_end_makes_another_password():
    made = PASSES.issue("ana", 1_800_000_000.0, bytes(8))
    for changed in ("beka" + made.username[3:], made.username.replace("6b49d908", "7b49d908")):
        _, secrets = PASSES.proof(changed, 1_800_000_000.0)
        stolen = ha1(Algorithm.SHA_256, changed, "example.org", made.password)
        assert secrets[Algorithm.SHA_256] != stolen


def test_other_usernames_and_other_switches_have_no_pass():
    for username in ("ana", "ana~", "ana~6b49d908", "~6b49d908~0000000000000000", "ana~x~y"):
        assert PASSES.proof(username, 0.0) is None
    made = PASSES.issue("a~b", 0.0, bytes(8))
    assert PASSES.proof(made.username, 1.0)[0] == "a~b"
    assert BrowserPasses(b"other", "example.org").issue("a~b", 0.0, bytes(8)) != made
