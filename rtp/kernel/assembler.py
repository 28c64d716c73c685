"""An assembler of eBPF: from a list of instructions and labels to the octets for bpf(2).

The names are those of the kernel's instruction set document (RFC 9669), in which an instruction has
an opcode, two registers, an offset and an immediate (section 3)::

    | opcode 8 | dst 4 | src 4 | offset 16 | imm 32 |

Only the instructions of :mod:`rtp.kernel.program` are here.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

INSTRUCTION = struct.Struct("<BBhi")
"""Little-endian machines only: on others the registers are the other way round."""

R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10 = range(11)
"""R0 has results, R1 to R5 arguments (a call spoils them), R6 to R9 are kept, R10 is the frame."""

# Section 3.1 and 4.1: class, source and operation.
_LDX, _ST, _STX, _ALU32, _JMP, _ALU64 = 0x01, 0x02, 0x03, 0x04, 0x05, 0x07
_IMM, _REG = 0x00, 0x08
_MEM, _ATOMIC = 0x60, 0xC0
_ADD, _SUB, _MUL, _AND, _LSH, _RSH, _NEG, _MOV, _ARSH, _END = (
    *(0x00, 0x10, 0x20, 0x50, 0x60, 0x70, 0x80, 0xB0, 0xC0, 0xD0),
)
_JA, _JEQ, _JGT, _JNE, _JSGE, _CALL, _EXIT, _JLT = 0x00, 0x10, 0x20, 0x50, 0x70, 0x80, 0x90, 0xA0
_TO_BIG_ENDIAN = 0x08
_LOAD_64 = 0x18
_PSEUDO_MAP_FD = 1

# Section 5.1: sizes.
W, H, B, DW = 0x00, 0x08, 0x10, 0x18


class Instruction(NamedTuple):
    """`offset` is a label's name where it is a jump."""

    opcode: int
    dst: int = 0
    src: int = 0
    offset: int | str = 0
    immediate: int = 0


class Label(NamedTuple):
    """A place to jump to."""

    name: str


Line = Instruction | Label


class AssemblyError(ValueError):
    """A program that can't be: a label that isn't there, or twice, or too far away."""


def assemble(lines: Sequence[Line]) -> bytes:
    """The program as bpf(2) takes it.

    Raises:
        AssemblyError: the labels don't fit.
    """
    places: dict[str, int] = {}
    instructions: list[Instruction] = []
    for line in lines:
        if isinstance(line, Label):
            if line.name in places:
                raise AssemblyError(f"label {line.name} is there twice")
            places[line.name] = len(instructions)
        else:
            instructions.append(line)
    return b"".join(_packed(at, line, places) for at, line in enumerate(instructions))


def _packed(at: int, line: Instruction, places: dict[str, int]) -> bytes:
    offset = line.offset
    if isinstance(offset, str):
        if offset not in places:
            raise AssemblyError(f"there is no label {offset}")
        offset = places[offset] - at - 1
    immediate = line.immediate
    if 0x80000000 <= immediate <= 0xFFFFFFFF:
        immediate -= 1 << 32
    try:
        return INSTRUCTION.pack(line.opcode, line.src << 4 | line.dst, offset, immediate)
    except struct.error as error:
        raise AssemblyError(f"{line}: {error}") from None


# Moving


def move(dst: int, src: int) -> Instruction:
    """Copy register `src` to `dst`."""
    return Instruction(_ALU64 | _REG | _MOV, dst, src)


def move_value(dst: int, value: int) -> Instruction:
    """Signed 32 bits, extended to 64."""
    return Instruction(_ALU64 | _IMM | _MOV, dst, immediate=value)


def load(size: int, dst: int, base: int, offset: int) -> Instruction:
    """Load `size` octets at `base` + `offset` into `dst`."""
    return Instruction(_LDX | _MEM | size, dst, base, offset)


def store(size: int, base: int, offset: int, src: int) -> Instruction:
    """Store `size` octets of `src` at `base` + `offset`."""
    return Instruction(_STX | _MEM | size, base, src, offset)


def store_value(size: int, base: int, offset: int, value: int) -> Instruction:
    """Store a constant of `size` octets at `base` + `offset`."""
    return Instruction(_ST | _MEM | size, base, 0, offset, value)


def load_map(dst: int, fd: int) -> list[Line]:
    """The address of a map, for a helper; two slots long."""
    return [Instruction(_LOAD_64, dst, _PSEUDO_MAP_FD, 0, fd), Instruction(0)]


def atomic_add(base: int, offset: int, src: int) -> Instruction:
    """64 bits."""
    return Instruction(_STX | _ATOMIC | DW, base, src, offset, _ADD)


# Reckoning, in 64 bits


def add(dst: int, src: int) -> Instruction:
    """Add register `src` to `dst`, in 64 bits."""
    return Instruction(_ALU64 | _REG | _ADD, dst, src)


def add_value(dst: int, value: int) -> Instruction:
    """Add a constant to `dst`, in 64 bits."""
    return Instruction(_ALU64 | _IMM | _ADD, dst, immediate=value)


def subtract(dst: int, src: int) -> Instruction:
    """Subtract register `src` from `dst`, in 64 bits."""
    return Instruction(_ALU64 | _REG | _SUB, dst, src)


def subtract32(dst: int, src: int) -> Instruction:
    """A subtraction in 32 bits; the upper half becomes 0."""
    return Instruction(_ALU32 | _REG | _SUB, dst, src)


def multiply(dst: int, src: int) -> Instruction:
    """Multiply `dst` by register `src`, in 64 bits."""
    return Instruction(_ALU64 | _REG | _MUL, dst, src)


def negate(dst: int) -> Instruction:
    """Change the sign of `dst`."""
    return Instruction(_ALU64 | _NEG, dst)


def and_value(dst: int, value: int) -> Instruction:
    """Keep the bits of `dst` that are set in a constant."""
    return Instruction(_ALU64 | _IMM | _AND, dst, immediate=value)


def shift_left(dst: int, bits: int) -> Instruction:
    """Shift `dst` to the left."""
    return Instruction(_ALU64 | _IMM | _LSH, dst, immediate=bits)


def shift_right(dst: int, bits: int) -> Instruction:
    """Shift `dst` to the right, filling with zeros."""
    return Instruction(_ALU64 | _IMM | _RSH, dst, immediate=bits)


def shift_right_signed(dst: int, bits: int) -> Instruction:
    """Shift `dst` to the right, filling with its sign."""
    return Instruction(_ALU64 | _IMM | _ARSH, dst, immediate=bits)


def from_network(dst: int, bits: int) -> Instruction:
    """A number as it was on the wire, of 16 or 32 bits."""
    return Instruction(_ALU32 | _TO_BIG_ENDIAN | _END, dst, immediate=bits)


# Jumping


def jump(label: str) -> Instruction:
    """Go on at a label."""
    return Instruction(_JMP | _JA, offset=label)


def jump_equal(dst: int, src: int, label: str) -> Instruction:
    """Go on at a label if two registers are equal."""
    return Instruction(_JMP | _REG | _JEQ, dst, src, label)


def jump_unequal(dst: int, src: int, label: str) -> Instruction:
    """Go on at a label if two registers differ."""
    return Instruction(_JMP | _REG | _JNE, dst, src, label)


def jump_above(dst: int, src: int, label: str) -> Instruction:
    """Unsigned."""
    return Instruction(_JMP | _REG | _JGT, dst, src, label)


def jump_if(dst: int, value: int, label: str) -> Instruction:
    """Go on at a label if a register equals a constant."""
    return Instruction(_JMP | _IMM | _JEQ, dst, 0, label, value)


def jump_if_not(dst: int, value: int, label: str) -> Instruction:
    """Go on at a label if a register differs from a constant."""
    return Instruction(_JMP | _IMM | _JNE, dst, 0, label, value)


def jump_if_above(dst: int, value: int, label: str) -> Instruction:
    """Unsigned."""
    return Instruction(_JMP | _IMM | _JGT, dst, 0, label, value)


def jump_if_below(dst: int, value: int, label: str) -> Instruction:
    """Unsigned."""
    return Instruction(_JMP | _IMM | _JLT, dst, 0, label, value)


def jump_if_not_negative(dst: int, label: str) -> Instruction:
    """Go on at a label if a register is 0 or more, as a signed number."""
    return Instruction(_JMP | _IMM | _JSGE, dst, 0, label, 0)


def call(helper: int) -> Instruction:
    """Call a helper of the kernel by its number; R0 gets its result."""
    return Instruction(_JMP | _CALL, immediate=helper)


def leave() -> Instruction:
    """Return R0 to the kernel."""
    return Instruction(_JMP | _EXIT)
