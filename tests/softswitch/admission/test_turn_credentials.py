"""Credentials for TURN servers: as other programs make them of the same secret."""

from softswitch.admission.turn_credentials import turn_credentials


def test_the_password_is_the_hmac_of_the_username():
    # printf 1433895918:ana | openssl dgst -sha1 -hmac north -binary | base64
    made = turn_credentials("north", "ana", 1_433_895_918)
    assert made == ("1433895918:ana", "UEvMTxR/7RpRQbjI1FG7VnVqzWs=")


def test_another_name_time_or_secret_has_another_password():
    made = {
        turn_credentials(secret, name, ends_at).password
        for secret in ("north", "south")
        for name in ("ana", "beka")
        for ends_at in (1_433_895_918, 1_433_895_919)
    }
    assert len(made) == 8
