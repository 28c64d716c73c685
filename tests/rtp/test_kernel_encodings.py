"""What the kernel is given, octet by octet: instructions, flows, netlink messages."""

import struct

import pytest

from rtp.kernel import flows, netlink
from rtp.kernel.assembler import (
    DW,
    R0,
    R1,
    R2,
    R6,
    R10,
    AssemblyError,
    B,
    Label,
    W,
    add,
    assemble,
    atomic_add,
    call,
    from_network,
    jump,
    jump_if,
    leave,
    load,
    load_map,
    move,
    move_value,
    store,
    store_value,
)
from rtp.kernel.flows import AWAY, Flow, Way
from rtp.source import Counted

FLOW = Flow(
    ("192.0.2.1", 20_000),
    ("198.51.100.9", 4000),
    ("203.0.113.1", 20_002),
    ("203.0.113.9", 6000),
    101,
    8000,
)


# The instruction set (RFC 9669), as a disassembler shows it.
@pytest.mark.parametrize(
    ("line", "octets"),
    [
        (move(R6, R1), "bf16000000000000"),
        (move_value(R0, -1), "b7000000ffffffff"),
        (add(R1, R2), "0f21000000000000"),
        (load(W, R2, R6, 40), "6162280000000000"),
        (load(B, R2, R10, -80), "71a2b0ff00000000"),
        (store(DW, R10, -8, R2), "7b2af8ff00000000"),
        (store_value(W, R10, -8, -65536), "620af8ff0000ffff"),
        (atomic_add(R1, 8, R2), "db21080000000000"),
        (from_network(R2, 16), "dc02000010000000"),
        (call(152), "8500000098000000"),
        (leave(), "9500000000000000"),
    ],
)
def test_an_instruction(line, octets):
    assert assemble([line]).hex() == octets


def test_a_map_takes_two_slots():
    assert assemble(load_map(R1, 5)).hex() == "1811000005000000" + "00" * 8


def test_jumps_count_from_the_next_instruction():
    code = assemble([Label("back"), jump_if(R1, 0xDD86, "on"), jump("back"), Label("on"), leave()])
    assert code.hex() == "150101" + "0086dd0000" + "0500feff00000000" + "9500000000000000"


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([jump("nowhere")], "no label nowhere"),
        ([Label("here"), Label("here"), leave()], "here is there twice"),
        ([jump("far"), *[leave()] * 40_000, Label("far"), leave()], "far"),
        ([move_value(R1, 1 << 40)], "Instruction"),
    ],
)
def test_a_program_that_can_not_be(lines, why):
    with pytest.raises(AssemblyError, match=why):
        assemble(lines)


# Flows


def test_a_flow_as_the_program_finds_it():
    assert flows.key_of(FLOW.local).hex() == "00" * 10 + "ffff" + "c0000201" + "4e20" + "0000"
    value = flows.value_of(FLOW, Way(2, 3, AWAY), 17)
    assert value.hex() == (
        "c6336409" + "00" * 12  # the source
        + "cb007101" + "cb007109" + "4e22" + "1770" + "00" * 24  # the new addresses and ports
        + "0fa0" + "65" + "01"  # source port, telephone events, away
        + "02000000" + "03000000" + "11000000" + "48e80100"
    )  # fmt: skip
    assert len(value) == flows.VALUE.size == 72
    assert struct.unpack_from("<I", value, flows.UNIT_AT) == (125_000,)


def test_a_flow_of_ipv6():
    assert flows.key_of(("2001:db8::1", 20_000)).hex() == (
        "20010db8000000000000000000000001" + "4e20" + "0000"
    )


def test_a_slot_gives_back_what_was_put_in():
    so_far = Counted(0, 0, 1234.5, 333, 0xFFFFFF00, 0x11223344, 65_535)
    slot = flows.slot_of(so_far, 8000)
    assert len(slot) == flows.SLOT.size == 64
    assert flows.counted(memoryview(slot), 0, 8000) == so_far


@pytest.mark.parametrize(
    ("hosts", "can"),
    [
        (("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"), True),
        (("2001:db8::1", "2001:db8::2", "2001:db8::1", "2001:db8::3"), True),
        (("192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::3"), False),
        (("2001:db8::1", "fe80::2", "2001:db8::1", "2001:db8::3"), False),
        (("2001:db8::1", "fe80::2%eth0", "2001:db8::1", "2001:db8::3"), False),
    ],
)
def test_which_addresses_the_program_knows(hosts, can):
    flow = Flow(*[(host, 4000) for host in hosts], None, 8000)
    assert flows.can_be_told(flow) is can


# Netlink, as a kernel of a PC speaks it.


def test_asking_for_a_route():
    message = netlink.ask_route(7, "192.0.2.9", "192.0.2.1")
    assert message.hex() == (
        "2c000000" + "1a00" + "0100" + "07000000" + "00000000"
        + "02" + "20" + "20" + "0000000000" + "00000000"
        + "0800" + "0100" + "c0000209" + "0800" + "0200" + "c0000201"
    )  # fmt: skip
    assert not netlink.is_dump(message)
    assert netlink.is_dump(netlink.ask_links(8))
    assert not netlink.is_dump(netlink.add_filter(9, 2, 5, "relay"))


def answer(kind, body, sequence=7):
    return struct.pack("=IHHII", 16 + len(body), kind, 0, sequence, 0) + body


def test_a_route():
    body = bytes.fromhex("02202000fe000201" + "00000000") + bytes.fromhex("0800040003000000")
    (message,) = netlink.messages(answer(netlink.NEW_ROUTE, body))
    assert netlink.route(message.body) == (netlink.UNICAST, 3)


def test_an_interface():
    body = bytes.fromhex("0000" + "0100" + "05000000" + "43100100" + "00000000")
    body += bytes.fromhex("0900" + "0300") + b"eth0\0" + bytes(3)
    (message,) = netlink.messages(answer(netlink.NEW_LINK, body))
    assert netlink.link(message.body) == (5, netlink.ETHERNET, "eth0")


def test_a_refusal_is_told_as_the_error_it_is():
    with pytest.raises(netlink.NetlinkError, match="No such device") as refused:
        list(netlink.messages(answer(netlink.ERROR, struct.pack("=i", -19))))
    assert refused.value.errno == 19


@pytest.mark.parametrize("data", [b"", b"\x10", bytes(16), bytes.fromhex("ff000000") + bytes(12)])
def test_rubbish_ends_the_reading(data):
    assert len(list(netlink.messages(data))) <= 1
