from softswitch.process.chance import POOL_BYTES, Chance


def test_bits_are_within_bounds_and_differ_over_several_pools():
    chance = Chance()
    seen = {chance.bits(64) for _ in range(POOL_BYTES)}
    assert len(seen) == POOL_BYTES
    assert max(seen) < 2**64 and max(seen) > 2**63
    assert {chance.bits(3) for _ in range(400)} == set(range(8))
    assert chance.bits(8 * POOL_BYTES + 8).bit_length() > 8 * POOL_BYTES - 64
