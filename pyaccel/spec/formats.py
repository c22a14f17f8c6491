# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Byte layouts and codes. Generated from drivers/spec/formats.yaml by `make gen`; do not edit."""

from __future__ import annotations

import struct
from enum import IntEnum, IntFlag
from typing import Final, NamedTuple, Self

from pyaccel.spec.types import Buffer, DtypeSpec, Packed

PCI_VENDOR_ID: Final = 0x1af4
"""Vendor id (range documented for experiments)."""
PCI_DEVICE_ID: Final = 0x10f0
"""Device id."""
PCI_CLASS_CODE: Final = 0x120000
"""Processing accelerator (PCI Code and ID Assignment, base class 12h)."""
PCI_SUBSYSTEM_VENDOR_ID: Final = 0x1af4
"""Subsystem vendor id."""
PCI_SUBSYSTEM_ID: Final = 0xa301
"""Subsystem id of the reference card."""
MAGIC: Final = 0x314c5841
"""Value of IDENT.MAGIC."""
SPEC_VERSION: Final = 1
"""Newest contract version described here."""
SLOT_BYTES: Final = 64
"""Bytes of one submission slot."""
COMPLETION_BYTES: Final = 32
"""Bytes of one completion."""
MAX_COMMAND_SLOTS: Final = 16
"""Most slots of one command."""
MAX_DIMS: Final = 8
"""Dimensions of a tensor command."""
FUSED_INSTRUCTIONS: Final = 16
"""Most instructions of a FUSED command."""
FUSED_CONSTANTS: Final = 6
"""Most numbers that they share."""
FUSED_OUTPUTS: Final = 4
"""Most results that are stored."""
FUSED_BINARY: Final = 64
"""Bit of an instruction's op: enum binary; without this and the next: enum unary."""
FUSED_TERNARY: Final = 128
"""Bit of an instruction's op: enum ternary."""
MAX_QUEUES: Final = 16
"""Queue pairs of an endpoint."""
MAX_CONTEXTS: Final = 64
"""Contexts of an endpoint."""
MAX_PEERS: Final = 64
"""Rows of the peer table."""
MIN_RING_LOG2: Final = 4
"""log2 of the fewest entries of a ring."""
MAX_RING_LOG2: Final = 14
"""log2 of the most entries of a ring."""
MSIX_VECTORS: Final = 17
"""Vector 0 for events, 1 + q for queue q when all are granted."""
VA_BITS: Final = 48
"""Bits of a device virtual address."""
PAGE_SHIFT: Final = 12
"""Small page: 4 KiB."""
LARGE_PAGE_SHIFT: Final = 21
"""Large page: 2 MiB, a leaf at level 1."""
PT_LEVELS: Final = 4
"""Levels of a page table; level 0 holds 4 KiB leaves."""
PT_ENTRIES: Final = 0x200
"""Entries of one table (4 KiB)."""
DELTA_SATURATED: Final = 0xffffffff
"""A completion's time delta that did not fit: unknown, not a time."""
BAR_REGISTERS: Final = 0
"""BAR0: control registers and doorbells."""
BAR_MEMORY: Final = 2
"""BAR2: device memory aperture, 64-bit prefetchable."""
BAR_MSIX: Final = 4
"""BAR4: MSI-X table at 0 and PBA at 0x800."""
BAR0_BYTES: Final = 0x20000
"""Size of BAR0."""
BAR4_BYTES: Final = 0x1000
"""Size of BAR4."""
MSIX_TABLE_OFFSET: Final = 0
"""MSI-X table in BAR4."""
MSIX_PBA_OFFSET: Final = 0x800
"""Pending bit array in BAR4."""
EVENT_RING_MAGIC: Final = 0x31474e49524c5841
"""The bytes "AXLRING1" as a little-endian number."""

PTE_VALID_MASK: Final = 0x1
PTE_VALID_SHIFT: Final = 0
"""The entry may be used."""
PTE_WRITABLE_MASK: Final = 0x2
PTE_WRITABLE_SHIFT: Final = 1
"""Leaf only: commands may write."""
PTE_LEAF_MASK: Final = 0x4
PTE_LEAF_SHIFT: Final = 2
"""Level 1: a 2 MiB page. Level 0: always set."""
PTE_SPACE_MASK: Final = 0x30
PTE_SPACE_SHIFT: Final = 4
"""Leaf only: address space of ADDRESS (enum space)."""
PTE_ADDRESS_MASK: Final = 0xffffffffff000
PTE_ADDRESS_SHIFT: Final = 12
"""Bits 51:12 of the next table or of the page."""


class Opcode(IntEnum):
    """Commands. Elementwise, reduce, matmul, gather, scatter and random are tensor commands: slot 0 has cmd_tensor, every further slot one cmd_operand."""

    NOP = 0
    """Does nothing and completes."""
    COPY = 1
    """Linear copy (cmd_copy). Overlap: as if through a buffer."""
    COPY_STRIDED = 2
    """Tensor: operands in, out of the same type size; moves bytes unchanged."""
    FILL = 3
    """Tensor: operand out; params[0] holds the element's raw bits."""
    CAST = 4
    """Tensor: operands in, out; values converted, float to integer truncates toward zero and saturates."""
    UNARY = 5
    """Tensor: operands a, out; op from enum unary."""
    BINARY = 6
    """Tensor: operands a, b, out; op from enum binary."""
    TERNARY = 7
    """Tensor: operands a, b, c, out; op from enum ternary."""
    REDUCE = 8
    """Tensor: operands a, out; shape is a's; params[0] is the bit mask of reduced dimensions (bit i: dimension i of the 8); out has stride 0 there."""
    MATMUL = 9
    """Tensor: operands a, b, out and optionally c; shape[0..4] batch, [5] m, [6] n, [7] k; out = alpha*a@b + beta*c with alpha, beta = params[0], params[1] as float64. bf16 and f16 inputs accumulate in float32."""
    GATHER = 10
    """Tensor: operands src, index, out; shape is out's; params[0] dimension d, params[1] extent of src in d; out[i..] = src[i.. with d replaced by index[i..]]. src has strides for all of shape."""
    SCATTER = 11
    """Tensor: operands src, index, out; shape is src's; params as GATHER for out; combines with op (enum scatter)."""
    RANDOM = 12
    """Tensor: operand out, then a cmd_random slot; Philox4x32-10; op from enum random."""
    FENCE_WAIT = 13
    """cmd_fence: hold the queue until the 64-bit word at va is >= value."""
    FENCE_SIGNAL = 14
    """cmd_fence: after all earlier commands of the queue, set the 64-bit word at va to max(old, value)."""
    TIMESTAMP = 15
    """cmd_fence: write the device clock in ticks to va."""
    FUSED = 16
    """Tensor: operands inputs, then outputs, then a cmd_fused and a cmd_fused_code slot: elementwise instructions whose results stay in the device until they are stored, some of them reduced."""



class CommandFlag(IntFlag):
    """Bits of cmd_header.flags."""

    INTERRUPT = 1
    """Raise the queue's interrupt when this completes, subject to coalescing."""
    CHECKSUM = 2
    """COPY only: result is the CRC-32 (IEEE 802.3) of the bytes read."""



class OperandFlag(IntFlag):
    """Bits of cmd_operand.flags."""

    IMMEDIATE = 1
    """va holds the element itself: float64 bits if dtype is a float, else int64; strides are ignored."""



class Dtype(IntEnum):
    """Element types."""

    U8 = 0
    """uint8"""
    I8 = 1
    """int8"""
    I16 = 2
    """int16"""
    I32 = 3
    """int32"""
    I64 = 4
    """int64"""
    F16 = 5
    """IEEE 754 binary16"""
    BF16 = 6
    """bfloat16, rounded to nearest even"""
    F32 = 7
    """IEEE 754 binary32"""
    F64 = 8
    """IEEE 754 binary64"""
    BOOL = 9
    """one byte, 0 or 1"""



class Unary(IntEnum):
    """op of UNARY. Compute happens in cmd_header.dtype (bf16 and f16 in float32, rounded once), the result is converted to out's type."""

    NEG = 0
    """-a"""
    ABS = 1
    """|a|"""
    SIGN = 2
    """-1, 0, 1; NaN stays NaN"""
    SQUARE = 3
    """a*a"""
    SQRT = 4
    """square root"""
    RSQRT = 5
    """1/sqrt(a)"""
    RECIPROCAL = 6
    """1/a"""
    EXP = 7
    """e**a"""
    EXP2 = 8
    """2**a"""
    EXPM1 = 9
    """e**a - 1"""
    LOG = 10
    """natural logarithm"""
    LOG2 = 11
    """base 2"""
    LOG10 = 12
    """base 10"""
    LOG1P = 13
    """log(1+a)"""
    SIN = 14
    """sine, radians"""
    COS = 15
    """cosine"""
    TAN = 16
    """tangent"""
    ASIN = 17
    """inverse sine"""
    ACOS = 18
    """inverse cosine"""
    ATAN = 19
    """inverse tangent"""
    SINH = 20
    """hyperbolic sine"""
    COSH = 21
    """hyperbolic cosine"""
    TANH = 22
    """hyperbolic tangent"""
    ASINH = 23
    """inverse hyperbolic sine"""
    ACOSH = 24
    """inverse hyperbolic cosine"""
    ATANH = 25
    """inverse hyperbolic tangent"""
    ERF = 26
    """error function"""
    ERFC = 27
    """complementary error function"""
    ERFINV = 28
    """inverse error function"""
    LGAMMA = 29
    """log of |gamma(a)|"""
    DIGAMMA = 30
    """derivative of lgamma"""
    SIGMOID = 31
    """1/(1+exp(-a))"""
    RELU = 32
    """max(a, 0); NaN stays NaN"""
    GELU = 33
    """a*Phi(a), exact"""
    GELU_TANH = 34
    """tanh approximation"""
    SILU = 35
    """a*sigmoid(a)"""
    FLOOR = 36
    """toward minus infinity"""
    CEIL = 37
    """toward plus infinity"""
    ROUND = 38
    """half to even"""
    TRUNC = 39
    """toward zero"""
    FRAC = 40
    """a - trunc(a)"""
    BITWISE_NOT = 41
    """integers and bool"""
    LOGICAL_NOT = 42
    """a == 0, as bool"""
    ISNAN = 43
    """as bool"""
    ISINF = 44
    """as bool"""
    ISFINITE = 45
    """as bool"""



class Binary(IntEnum):
    """op of BINARY; scale is params[0] as float64 (int64 bits for integer compute types)."""

    ADD = 0
    """a + scale*b"""
    SUB = 1
    """a - scale*b"""
    MUL = 2
    """a*b"""
    DIV = 3
    """a/b; integers give float32"""
    FLOOR_DIV = 4
    """floor(a/b); integer division by zero gives 0"""
    TRUNC_DIV = 5
    """trunc(a/b); integer division by zero gives 0"""
    REMAINDER = 6
    """sign of b; integer by zero gives 0"""
    FMOD = 7
    """sign of a; integer by zero gives 0"""
    POW = 8
    """a**b"""
    MAXIMUM = 9
    """NaN wins"""
    MINIMUM = 10
    """NaN wins"""
    FMAX = 11
    """NaN loses"""
    FMIN = 12
    """NaN loses"""
    ATAN2 = 13
    """atan2(a, b)"""
    HYPOT = 14
    """sqrt(a*a+b*b)"""
    COPYSIGN = 15
    """|a| with the sign of b"""
    EQ = 16
    """as bool"""
    NE = 17
    """as bool"""
    LT = 18
    """as bool"""
    LE = 19
    """as bool"""
    GT = 20
    """as bool"""
    GE = 21
    """as bool"""
    LOGICAL_AND = 22
    """as bool"""
    LOGICAL_OR = 23
    """as bool"""
    LOGICAL_XOR = 24
    """as bool"""
    BITWISE_AND = 25
    """integers and bool"""
    BITWISE_OR = 26
    """integers and bool"""
    BITWISE_XOR = 27
    """integers and bool"""
    SHIFT_LEFT = 28
    """a << b; b outside the width gives 0"""
    SHIFT_RIGHT = 29
    """arithmetic for signed types; b outside the width gives 0 or -1"""
    RELU_BACKWARD = 30
    """a (gradient) where b > scale, else 0"""
    SIGMOID_BACKWARD = 31
    """a*(1-b)*b with b the output"""
    TANH_BACKWARD = 32
    """a*(1-b*b) with b the output"""
    GELU_BACKWARD = 33
    """gradient a, input b, exact"""
    GELU_TANH_BACKWARD = 34
    """gradient a, input b, tanh approximation"""
    SILU_BACKWARD = 35
    """gradient a, input b"""



class Ternary(IntEnum):
    """op of TERNARY; scale is params[0] as float64."""

    WHERE = 0
    """b where a != 0, else c"""
    FMA = 1
    """a*b + c, rounded once per operation"""
    ADDCMUL = 2
    """a + scale*b*c"""
    ADDCDIV = 3
    """a + scale*b/c"""
    LERP = 4
    """a + c*(b-a)"""
    CLAMP = 5
    """min(max(a, b), c)"""



class Reduce(IntEnum):
    """op of REDUCE."""

    SUM = 0
    """f16, bf16 and f32 accumulate in float32 pairwise"""
    MEAN = 1
    """sum divided by the number of elements"""
    PROD = 2
    """product"""
    MAX = 3
    """NaN wins"""
    MIN = 4
    """NaN wins"""
    ANY = 5
    """as bool"""
    ALL = 6
    """as bool"""
    ARGMAX = 7
    """row-major index within the reduced dimensions, first of equals, NaN wins; out I64"""
    ARGMIN = 8
    """as ARGMAX for the minimum"""
    SUM_SQUARES = 9
    """sum of a*a"""



class Scatter(IntEnum):
    """op of SCATTER: how values that meet at one place combine, in row-major order of shape."""

    SET = 0
    """the last one stays"""
    ADD = 1
    """sum with what is there"""
    MULTIPLY = 2
    """product with what is there"""
    MAXIMUM = 3
    """maximum with what is there"""
    MINIMUM = 4
    """minimum with what is there"""



class Random(IntEnum):
    """op of RANDOM. Element i takes word i%4 of Philox block offset + i/4 (NORMAL: words i%4 and its pair of the block, Box-Muller)."""

    BITS = 0
    """32 random bits, truncated or zero-extended to the type"""
    UNIFORM = 1
    """params[0] + u*(params[1]-params[0]), u = (word >> 8) * 2**-24 in [0, 1)"""
    NORMAL = 2
    """mean params[0], standard deviation params[1]"""
    BERNOULLI = 3
    """1 where u < params[0]"""



class Space(IntEnum):
    """Address space of a page table leaf."""

    HOST = 0
    """Bus address of host memory."""
    DEVICE = 1
    """Offset in this endpoint's device memory."""
    PEER = 2
    """Bus address inside a peer's BAR2; needs a committed device address."""



class Status(IntEnum):
    """Completion status. 0 is success."""

    OK = 0
    """Done."""
    INVALID_OPCODE = 1
    """Unknown opcode or op."""
    INVALID_FIELD = 2
    """A field is out of range or a reserved one is not zero."""
    INVALID_CONTEXT = 3
    """The context is not enabled."""
    CONTEXT_FAULTED = 4
    """An earlier command of the context faulted."""
    PAGE_FAULT = 5
    """An address is not mapped."""
    PROTECTION_FAULT = 6
    """Write to a read-only page."""
    ADDRESS_STALE = 7
    """Peer-to-peer refused: the device address is not committed."""
    UNSUPPORTED_REQUEST = 8
    """The fabric refused a DMA request."""
    COMPLETION_TIMEOUT = 9
    """A DMA read got no answer."""
    POISONED = 10
    """A DMA read returned poisoned data."""
    MEMORY_ERROR = 11
    """Uncorrected device memory error."""
    INDEX_OUT_OF_RANGE = 12
    """GATHER or SCATTER index outside the extent; result is the low 32 bits of the first bad index."""
    UNSUPPORTED_DTYPE = 13
    """The op does not take this type."""
    ABORTED = 14
    """Given up by a queue reset. Written by the host side, never by the device."""
    FENCE_TIMEOUT = 15
    """A FENCE_WAIT ran into its timeout."""
    INTERNAL = 16
    """The device failed to execute the command."""
    LOST = 17
    """Its completion never came although a later one of the queue did. Written by the host side, never by the device."""



class CompletionFlag(IntFlag):
    """Bits of completion.flags."""

    PHASE = 1
    """Toggles with every pass over the ring; the first pass writes 1."""
    ERROR_RECORDED = 2
    """The error block was written for this command."""



class Stage(IntEnum):
    """Where a command is, in order; then what else happens."""

    SUBMIT = 0
    """Accepted by the host side."""
    DOORBELL = 1
    """Tail written to the device."""
    FETCH = 2
    """Read from the ring by the device."""
    START = 3
    """Execution began."""
    FINISH = 4
    """Execution ended."""
    COMPLETE = 5
    """Completion consumed by the host side."""
    IRQ = 6
    """Interrupt seen; sequence is 0."""
    WAKE = 7
    """The waiter runs again."""
    DMA_MAP = 16
    """Memory made reachable for the device."""
    DMA_UNMAP = 17
    """Memory taken away."""
    QUEUE_CREATE = 18
    """A queue was set up."""
    QUEUE_DESTROY = 19
    """A queue was torn down."""
    RESET_BEGIN = 20
    """A reset starts; value is the reset kind."""
    RESET_END = 21
    """A reset ended; value is the reset kind, status tells how (enum outcome)."""
    ERROR = 22
    """The error block was read; status is its code, value how many errors it stands for."""
    AER = 23
    """PCIe Advanced Error Reporting; status is the severity (enum aer_severity), value the status register."""
    TOPOLOGY = 24
    """An endpoint appeared, moved or vanished; status tells which (enum topology_change), value is the address state."""



class Origin(IntEnum):
    """Who saw the event."""

    WIRE = 0
    """Observed on the wire."""
    DRIVER = 1
    """Reported by the kernel driver."""
    LIBRARY = 2
    """Reported by libaxl."""
    RECONSTRUCTED = 3
    """Computed from the device's timestamps."""



class Direction(IntEnum):
    """Where bytes went."""

    NONE = 0
    """No bytes."""
    HOST_TO_DEVICE = 1
    """Host memory to device memory."""
    DEVICE_TO_HOST = 2
    """Device memory to host memory."""
    DEVICE_TO_DEVICE = 3
    """Inside one endpoint."""
    PEER = 4
    """Between endpoints."""
    HOST_TO_HOST = 5
    """Host memory to host memory."""



class ResetKind(IntEnum):
    """Reset kinds, in the order of escalation."""

    QUEUE = 0
    """One queue."""
    FUNCTION = 1
    """Function-level reset."""
    BUS = 2
    """Secondary bus reset."""
    OS = 3
    """By the operating system, which does not say whether of the function or of the bus."""



class Outcome(IntEnum):
    """How something ended: what the core returns (axl_err.h), negated."""

    OK = 0
    """Well."""
    INVAL = 1
    """An argument cannot be right."""
    NOMEM = 2
    """The OS has no memory left."""
    GONE = 3
    """Reads give all-ones: the endpoint left the bus."""
    VERSION = 4
    """Another contract version, or no AXL."""
    DEVICE = 5
    """The endpoint answered nonsense or did not do as told."""
    BUSY = 6
    """In use, or in the wrong state."""
    AGAIN = 7
    """No room right now."""
    TIMEOUT = 8
    """Did not happen in time."""
    NOSPACE = 9
    """No range of that size is free."""
    EXISTS = 10
    """Something is mapped there already."""
    NOT_FOUND = 11
    """Nothing is there."""
    ADDRESS = 12
    """The endpoint rejected its device address."""
    UNSUPPORTED = 13
    """The endpoint or the OS cannot do that."""



class AerSeverity(IntEnum):
    """Severity of a PCIe error (PCIe 6.0 s6.2.2)."""

    CORRECTABLE = 0
    """Hardware has corrected it."""
    NONFATAL = 1
    """One transaction was lost, the link works."""
    FATAL = 2
    """The link has to be reset."""



class TopologyChange(IntEnum):
    """What happened to an endpoint's place."""

    APPEARED = 0
    """The driver took it into use."""
    ADDRESSED = 1
    """It was given its device address: at first, after a reset, or because another one came or went."""
    LOST = 2
    """It no longer answers."""
    REMOVED = 3
    """The driver let go of it."""



class TlpKind(IntEnum):
    """Transaction kinds of the tap (PCIe 6.0 s2.2.1, Table 2-3)."""

    MRD = 0
    """Memory Read Request."""
    MWR = 1
    """Memory Write Request."""
    CPL = 2
    """Completion without data."""
    CPLD = 3
    """Completion with data."""
    CFGRD0 = 4
    """Configuration Read, Type 0."""
    CFGWR0 = 5
    """Configuration Write, Type 0."""
    MSI = 6
    """Memory Write that signals an interrupt."""


DTYPE_BYTES: Final[dict[int, int]] = {
    Dtype.U8: 1,
    Dtype.I8: 1,
    Dtype.I16: 2,
    Dtype.I32: 4,
    Dtype.I64: 8,
    Dtype.F16: 2,
    Dtype.BF16: 2,
    Dtype.F32: 4,
    Dtype.F64: 8,
    Dtype.BOOL: 1,
}
"""Bytes of one element of each dtype."""


class CmdHeader(NamedTuple):
    """First 16 bytes of slot 0 of every command."""

    opcode: int = 0
    """enum opcode"""
    flags: int = 0
    """enum command_flag"""
    slots: int = 0
    """Slots of the command, this one included: 1 to 16."""
    op: int = 0
    """Operation within the opcode, else 0."""
    context: int = 0
    """Context whose page table translates every address."""
    dtype: int = 0
    """Compute type of tensor commands (enum dtype), else 0."""
    reserved: int = 0
    """Zero."""
    sequence: int = 0
    """Chosen by the host, one higher with each command of the queue."""

    def pack(self) -> Packed:
        """The 16 bytes of this record."""
        return CMD_HEADER_STRUCT.pack(self.opcode, self.flags, self.slots, self.op, self.context, self.dtype, self.reserved, self.sequence)

    @classmethod
    def unpack_from(cls, data: Buffer, offset: int = 0) -> Self:
        """Read one record at `offset`; struct.error if `data` is too short."""
        v = CMD_HEADER_STRUCT.unpack_from(data, offset)
        return cls(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7])


CMD_HEADER_STRUCT: Final = struct.Struct("<BBBBHBBQ")
CMD_HEADER_BYTES: Final = 16
CMD_HEADER_DTYPE: Final[DtypeSpec] = [
    ("opcode", "u1"),
    ("flags", "u1"),
    ("slots", "u1"),
    ("op", "u1"),
    ("context", "<u2"),
    ("dtype", "u1"),
    ("reserved", "u1"),
    ("sequence", "<u8"),
]
"""For numpy.dtype()."""


class CmdCopy(NamedTuple):
    """COPY, after the header."""

    src_va: int = 0
    """Source, device virtual address."""
    dst_va: int = 0
    """Destination."""
    length_bytes: int = 0
    """Bytes to move; 0 is legal."""
    reserved: tuple[int, ...] = (0,) * 3
    """Zero."""

    def pack(self) -> Packed:
        """The 48 bytes of this record."""
        return CMD_COPY_STRUCT.pack(self.src_va, self.dst_va, self.length_bytes, *self.reserved)

    @classmethod
    def unpack_from(cls, data: Buffer, offset: int = 0) -> Self:
        """Read one record at `offset`; struct.error if `data` is too short."""
        v = CMD_COPY_STRUCT.unpack_from(data, offset)
        return cls(v[0], v[1], v[2], v[3:6])


CMD_COPY_STRUCT: Final = struct.Struct("<QQQ3Q")
CMD_COPY_BYTES: Final = 48
CMD_COPY_DTYPE: Final[DtypeSpec] = [
    ("src_va", "<u8"),
    ("dst_va", "<u8"),
    ("length_bytes", "<u8"),
    ("reserved", "<u8", (3,)),
]
"""For numpy.dtype()."""


class CmdFence(NamedTuple):
    """FENCE_WAIT, FENCE_SIGNAL and TIMESTAMP, after the header."""

    va: int = 0
    """64-bit word, 8-byte aligned."""
    value: int = 0
    """Value to wait for or to set; 0 for TIMESTAMP."""
    timeout_us: int = 0
    """FENCE_WAIT: give up after this many microseconds; 0 waits for ever."""
    reserved0: int = 0
    """Zero."""
    reserved: tuple[int, ...] = (0,) * 3
    """Zero."""

    def pack(self) -> Packed:
        """The 48 bytes of this record."""
        return CMD_FENCE_STRUCT.pack(self.va, self.value, self.timeout_us, self.reserved0, *self.reserved)

    @classmethod
    def unpack_from(cls, data: Buffer, offset: int = 0) -> Self:
        """Read one record at `offset`; struct.error if `data` is too short."""
        v = CMD_FENCE_STRUCT.unpack_from(data, offset)
        return cls(v[0], v[1], v[2], v[3], v[4:7])


CMD_FENCE_STRUCT: Final = struct.Struct("<QQII3Q")
CMD_FENCE_BYTES: Final = 48
CMD_FENCE_DTYPE: Final[DtypeSpec] = [
    ("va", "<u8"),
    ("value", "<u8"),
    ("timeout_us", "<u4"),
    ("reserved0", "<u4"),
    ("reserved", "<u8", (3,)),
]
"""For numpy.dtype()."""


class CmdTensor(NamedTuple):
    """Tensor commands, after the header. Unused leading dimensions are 1."""

    shape: tuple[int, ...] = (0,) * 8
    """Iteration space, outermost first; 0 makes the command a nop."""
    params: tuple[int, ...] = (0,) * 2
    """Scalars as raw bits, see the opcode."""

    def pack(self) -> Packed:
        """The 48 bytes of this record."""
        return CMD_TENSOR_STRUCT.pack(*self.shape, *self.params)

    @classmethod
    def unpack_from(cls, data: Buffer, offset: int = 0) -> Self:
        """Read one record at `offset`; struct.error if `data` is too short."""
        v = CMD_TENSOR_STRUCT.unpack_from(data, offset)
        return cls(v[0:8], v[8:10])


CMD_TENSOR_STRUCT: Final = struct.Struct("<8I2Q")
CMD_TENSOR_BYTES: Final = 48
CMD_TENSOR_DTYPE: Final[DtypeSpec] = [
    ("shape", "<u4", (8,)),
    ("params", "<u8", (2,)),
]
"""For numpy.dtype()."""


class CmdOperand(NamedTuple):
    """One operand, one slot."""

    va: int = 0
    """Address of element 0, or the element itself (IMMEDIATE)."""
    strides: tuple[int, ...] = (0,) * 8
    """In elements, per dimension of shape; 0 broadcasts, negative is legal."""
    dtype: int = 0
    """enum dtype"""
    flags: int = 0
    """enum operand_flag"""
    reserved0: int = 0
    """Zero."""
    reserved1: int = 0
    """Zero."""
    reserved: tuple[int, ...] = (0,) * 2
    """Zero."""

    def pack(self) -> Packed:
        """The 64 bytes of this record."""
        return CMD_OPERAND_STRUCT.pack(self.va, *self.strides, self.dtype, self.flags, self.reserved0, self.reserved1, *self.reserved)

    @classmethod
    def unpack_from(cls, data: Buffer, offset: int = 0) -> Self:
        """Read one record at `offset`; struct.error if `data` is too short."""
        v = CMD_OPERAND_STRUCT.unpack_from(data, offset)
        return cls(v[0], v[1:9], v[9], v[10], v[11], v[12], v[13:15])


CMD_OPERAND_STRUCT: Final = struct.Struct("<Q8iBBHI2Q")
CMD_OPERAND_BYTES: Final = 64
CMD_OPERAND_DTYPE: Final[DtypeSpec] = [
    ("va", "<u8"),
    ("strides", "<i4", (8,)),
    ("dtype", "u1"),
    ("flags", "u1"),
    ("reserved0", "<u2"),
    ("reserved1", "<u4"),
    ("reserved", "<u8", (2,)),
]
"""For numpy.dtype()."""


class CmdRandom(NamedTuple):
    """Last slot of RANDOM."""

    seed: int = 0
    """Philox key, low word first."""
    offset: int = 0
    """First block of the 64-bit low part of the counter."""
    subsequence: int = 0
    """64-bit high part of the counter."""
    reserved: tuple[int, ...] = (0,) * 5
    """Zero."""

    def pack(self) -> Packed:
        """The 64 bytes of this record."""
        return CMD_RANDOM_STRUCT.pack(self.seed, self.offset, self.subsequence, *self.reserved)

    @classmethod
    def unpack_from(cls, data: Buffer, offset: int = 0) -> Self:
        """Read one record at `offset`; struct.error if `data` is too short."""
        v = CMD_RANDOM_STRUCT.unpack_from(data, offset)
        return cls(v[0], v[1], v[2], v[3:8])


CMD_RANDOM_STRUCT: Final = struct.Struct("<QQQ5Q")
CMD_RANDOM_BYTES: Final = 64
CMD_RANDOM_DTYPE: Final[DtypeSpec] = [
    ("seed", "<u8"),
    ("offset", "<u8"),
    ("subsequence", "<u8"),
    ("reserved", "<u8", (5,)),
]
"""For numpy.dtype()."""


class CmdFused(NamedTuple):
    """Last slot but one of FUSED. Registers are numbered: inputs, constants, then the result of each instruction. Every value has the compute type of the header, rounded to it after each instruction; inputs are converted to it, outputs from it. The scale of an instruction is 1, the threshold of RELU_BACKWARD 0, and the condition of WHERE is a register that is not 0."""

    outputs: int = 0
    """How many of the operands, the last ones, are written: 1 to 4."""
    instructions: int = 0
    """1 to 16."""
    constants: int = 0
    """0 to 6."""
    reserved: int = 0
    """Zero."""
    stored: tuple[int, ...] = (0,) * 4
    """Register that each output gets: a result, or any register if it is reduced; 0 for outputs that are not there."""
    reduce: tuple[int, ...] = (0,) * 4
    """How each output is reduced first: 0 not at all, else 1 + enum reduce, but for ARGMAX and ARGMIN."""
    dims: tuple[int, ...] = (0,) * 4
    """Mask of the dimensions that are reduced, as params[0] of REDUCE; the output has stride 0 there. 0 if it is not reduced."""
    values: tuple[int, ...] = (0,) * 6
    """The constants, as an IMMEDIATE operand of the compute type holds them; 0 for those that are not there."""

    def pack(self) -> Packed:
        """The 64 bytes of this record."""
        return CMD_FUSED_STRUCT.pack(self.outputs, self.instructions, self.constants, self.reserved, *self.stored, *self.reduce, *self.dims, *self.values)

    @classmethod
    def unpack_from(cls, data: Buffer, offset: int = 0) -> Self:
        """Read one record at `offset`; struct.error if `data` is too short."""
        v = CMD_FUSED_STRUCT.unpack_from(data, offset)
        return cls(v[0], v[1], v[2], v[3], v[4:8], v[8:12], v[12:16], v[16:22])


CMD_FUSED_STRUCT: Final = struct.Struct("<BBBB4B4B4B6Q")
CMD_FUSED_BYTES: Final = 64
CMD_FUSED_DTYPE: Final[DtypeSpec] = [
    ("outputs", "u1"),
    ("instructions", "u1"),
    ("constants", "u1"),
    ("reserved", "u1"),
    ("stored", "u1", (4,)),
    ("reduce", "u1", (4,)),
    ("dims", "u1", (4,)),
    ("values", "<u8", (6,)),
]
"""For numpy.dtype()."""


class CmdFusedCode(NamedTuple):
    """Last slot of FUSED: instructions of four bytes: op, then registers a, b, c. op is from enum unary; with FUSED_BINARY from enum binary, with FUSED_TERNARY from enum ternary. Registers that the op does not take, and bytes after the last instruction, are 0."""

    code: tuple[int, ...] = (0,) * 64
    """The instructions."""

    def pack(self) -> Packed:
        """The 64 bytes of this record."""
        return CMD_FUSED_CODE_STRUCT.pack(*self.code)

    @classmethod
    def unpack_from(cls, data: Buffer, offset: int = 0) -> Self:
        """Read one record at `offset`; struct.error if `data` is too short."""
        v = CMD_FUSED_CODE_STRUCT.unpack_from(data, offset)
        return cls(v[0:64])


CMD_FUSED_CODE_STRUCT: Final = struct.Struct("<64B")
CMD_FUSED_CODE_BYTES: Final = 64
CMD_FUSED_CODE_DTYPE: Final[DtypeSpec] = [
    ("code", "u1", (64,)),
]
"""For numpy.dtype()."""


class Completion(NamedTuple):
    """Written by the device in one piece; the last 8 bytes, which hold the phase, become visible last. Commands of one queue start, finish and complete in the order of submission, so a gap in sequence is a lost completion."""

    sequence: int = 0
    """Sequence number of the command."""
    fetch_ticks: int = 0
    """Device clock when the command was fetched."""
    start_delta: int = 0
    """Ticks from fetch to start of execution, DELTA_SATURATED if it does not fit."""
    finish_delta: int = 0
    """Ticks from fetch to end of execution, DELTA_SATURATED if it does not fit."""
    result: int = 0
    """See opcode and status, else 0."""
    status: int = 0
    """enum status"""
    queue: int = 0
    """Queue that ran the command."""
    flags: int = 0
    """enum completion_flag"""

    def pack(self) -> Packed:
        """The 32 bytes of this record."""
        return COMPLETION_STRUCT.pack(self.sequence, self.fetch_ticks, self.start_delta, self.finish_delta, self.result, self.status, self.queue, self.flags)

    @classmethod
    def unpack_from(cls, data: Buffer, offset: int = 0) -> Self:
        """Read one record at `offset`; struct.error if `data` is too short."""
        v = COMPLETION_STRUCT.unpack_from(data, offset)
        return cls(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7])


COMPLETION_STRUCT: Final = struct.Struct("<QQIIIHBB")
COMPLETION_DTYPE: Final[DtypeSpec] = [
    ("sequence", "<u8"),
    ("fetch_ticks", "<u8"),
    ("start_delta", "<u4"),
    ("finish_delta", "<u4"),
    ("result", "<u4"),
    ("status", "<u2"),
    ("queue", "u1"),
    ("flags", "u1"),
]
"""For numpy.dtype()."""


class Event(NamedTuple):
    """One event of any source: kernel tracepoint, library ring, ETW, reconstruction."""

    time_ns: int = 0
    """CLOCK_MONOTONIC."""
    sequence: int = 0
    """Command; for DOORBELL the last one covered; 0 if none."""
    bytes: int = 0
    """Bytes the command moves or the mapping covers."""
    address: int = 0
    """Device virtual or bus address, 0 if none."""
    endpoint: int = 0
    """Row of the capture's endpoint table."""
    pid: int = 0
    """Process."""
    tid: int = 0
    """Thread."""
    value: int = 0
    """See stage, else 0; COMPLETE: the completion's result."""
    queue: int = 0
    """Queue."""
    context: int = 0
    """Context."""
    status: int = 0
    """enum status, or see stage."""
    stage: int = 0
    """enum stage"""
    origin: int = 0
    """enum origin"""
    opcode: int = 0
    """enum opcode"""
    direction: int = 0
    """enum direction"""
    op: int = 0
    """Operation within the opcode."""
    reserved: tuple[int, ...] = (0,) * 5
    """Zero."""

    def pack(self) -> Packed:
        """The 64 bytes of this record."""
        return EVENT_STRUCT.pack(self.time_ns, self.sequence, self.bytes, self.address, self.endpoint, self.pid, self.tid, self.value, self.queue, self.context, self.status, self.stage, self.origin, self.opcode, self.direction, self.op, *self.reserved)

    @classmethod
    def unpack_from(cls, data: Buffer, offset: int = 0) -> Self:
        """Read one record at `offset`; struct.error if `data` is too short."""
        v = EVENT_STRUCT.unpack_from(data, offset)
        return cls(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8], v[9], v[10], v[11], v[12], v[13], v[14], v[15], v[16:21])


EVENT_STRUCT: Final = struct.Struct("<QQQQIIIIHHHBBBBB5B")
EVENT_BYTES: Final = 64
EVENT_DTYPE: Final[DtypeSpec] = [
    ("time_ns", "<u8"),
    ("sequence", "<u8"),
    ("bytes", "<u8"),
    ("address", "<u8"),
    ("endpoint", "<u4"),
    ("pid", "<u4"),
    ("tid", "<u4"),
    ("value", "<u4"),
    ("queue", "<u2"),
    ("context", "<u2"),
    ("status", "<u2"),
    ("stage", "u1"),
    ("origin", "u1"),
    ("opcode", "u1"),
    ("direction", "u1"),
    ("op", "u1"),
    ("reserved", "u1", (5,)),
]
"""For numpy.dtype()."""


class EventRingHeader(NamedTuple):
    """First 128 bytes of a library event ring: a shared file with capacity event records after the header. One writer process, one reader. head and tail are free-running; the writer drops and counts when head - tail == capacity."""

    magic: int = 0
    """EVENT_RING_MAGIC, written last when the ring is made."""
    version: int = 0
    """1"""
    record_bytes: int = 0
    """64"""
    capacity: int = 0
    """Records; a power of two."""
    board_serial: int = 0
    """Endpoint: board serial."""
    endpoint_index: int = 0
    """Endpoint: index on the card."""
    pid: int = 0
    """Writer."""
    start_ns: int = 0
    """CLOCK_MONOTONIC when the ring was made."""
    reserved0: tuple[int, ...] = (0,) * 2
    """Zero; ends the first cache line."""
    head: int = 0
    """Written by the writer: records written."""
    dropped: int = 0
    """Written by the writer: records that found no room."""
    closed: int = 0
    """Written by the writer: 1 when it has finished."""
    reserved1: tuple[int, ...] = (0,) * 3
    """Zero."""
    tail: int = 0
    """Written by the reader: records taken."""
    reserved2: int = 0
    """Zero."""

    def pack(self) -> Packed:
        """The 128 bytes of this record."""
        return EVENT_RING_HEADER_STRUCT.pack(self.magic, self.version, self.record_bytes, self.capacity, self.board_serial, self.endpoint_index, self.pid, self.start_ns, *self.reserved0, self.head, self.dropped, self.closed, *self.reserved1, self.tail, self.reserved2)

    @classmethod
    def unpack_from(cls, data: Buffer, offset: int = 0) -> Self:
        """Read one record at `offset`; struct.error if `data` is too short."""
        v = EVENT_RING_HEADER_STRUCT.unpack_from(data, offset)
        return cls(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8:10], v[10], v[11], v[12], v[13:16], v[16], v[17])


EVENT_RING_HEADER_STRUCT: Final = struct.Struct("<QIIQQIIQ2QQQQ3QQQ")
EVENT_RING_HEADER_BYTES: Final = 128
EVENT_RING_HEADER_DTYPE: Final[DtypeSpec] = [
    ("magic", "<u8"),
    ("version", "<u4"),
    ("record_bytes", "<u4"),
    ("capacity", "<u8"),
    ("board_serial", "<u8"),
    ("endpoint_index", "<u4"),
    ("pid", "<u4"),
    ("start_ns", "<u8"),
    ("reserved0", "<u8", (2,)),
    ("head", "<u8"),
    ("dropped", "<u8"),
    ("closed", "<u8"),
    ("reserved1", "<u8", (3,)),
    ("tail", "<u8"),
    ("reserved2", "<u8"),
]
"""For numpy.dtype()."""


class Tlp(NamedTuple):
    """One transaction-layer packet of the tap (PCIe 6.0 s2.2). Of the payload only the first DW is kept, where data_bytes says so."""

    time_ns: int = 0
    """CLOCK_MONOTONIC."""
    address: int = 0
    """Memory address, or register offset for configuration requests; all ones if unknown (an MSI delivered through an eventfd)."""
    length_bytes: int = 0
    """Payload, or bytes asked for."""
    header: tuple[int, ...] = (0,) * 4
    """Header DW 0 to 3 as on the wire (big-endian bytes read as numbers); DW 3 is 0 for 3 DW headers."""
    endpoint: int = 0
    """Row of the rack's endpoint table."""
    requester_id: int = 0
    """bus:device.function of the requester."""
    completer_id: int = 0
    """bus:device.function of the completer, completions and configuration only."""
    tag: int = 0
    """Transaction tag."""
    kind: int = 0
    """enum tlp_kind"""
    from_endpoint: int = 0
    """1: sent by the endpoint; 0: received."""
    bar: int = 0
    """BAR hit by a received memory request, 0xff if none."""
    status: int = 0
    """Completion Status (PCIe 6.0 s2.2.9): 0 SC, 1 UR, 4 CA."""
    data_bytes: int = 0
    """Payload bytes kept in data: 1 to 4, 0 if none."""
    reserved0: int = 0
    """Zero."""
    data: int = 0
    """First payload bytes, little-endian."""
    reserved: int = 0
    """Zero."""

    def pack(self) -> Packed:
        """The 64 bytes of this record."""
        return TLP_STRUCT.pack(self.time_ns, self.address, self.length_bytes, *self.header, self.endpoint, self.requester_id, self.completer_id, self.tag, self.kind, self.from_endpoint, self.bar, self.status, self.data_bytes, self.reserved0, self.data, self.reserved)

    @classmethod
    def unpack_from(cls, data: Buffer, offset: int = 0) -> Self:
        """Read one record at `offset`; struct.error if `data` is too short."""
        v = TLP_STRUCT.unpack_from(data, offset)
        return cls(v[0], v[1], v[2], v[3:7], v[7], v[8], v[9], v[10], v[11], v[12], v[13], v[14], v[15], v[16], v[17], v[18])


TLP_STRUCT: Final = struct.Struct("<QQI4IIHHHBBBBBBIQ")
TLP_BYTES: Final = 64
TLP_DTYPE: Final[DtypeSpec] = [
    ("time_ns", "<u8"),
    ("address", "<u8"),
    ("length_bytes", "<u4"),
    ("header", "<u4", (4,)),
    ("endpoint", "<u4"),
    ("requester_id", "<u2"),
    ("completer_id", "<u2"),
    ("tag", "<u2"),
    ("kind", "u1"),
    ("from_endpoint", "u1"),
    ("bar", "u1"),
    ("status", "u1"),
    ("data_bytes", "u1"),
    ("reserved0", "u1"),
    ("data", "<u4"),
    ("reserved", "<u8"),
]
"""For numpy.dtype()."""

