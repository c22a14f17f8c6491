/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Generated from drivers/spec/formats.yaml by `make gen`; do not edit. */
#ifndef AXL_FORMATS_H
#define AXL_FORMATS_H

#include "axl_types.h"

/* Vendor id (range documented for experiments). */
#define AXL_PCI_VENDOR_ID 0x1af4u
/* Device id. */
#define AXL_PCI_DEVICE_ID 0x10f0u
/* Processing accelerator (PCI Code and ID Assignment, base class 12h). */
#define AXL_PCI_CLASS_CODE 0x120000u
/* Subsystem vendor id. */
#define AXL_PCI_SUBSYSTEM_VENDOR_ID 0x1af4u
/* Subsystem id of the reference card. */
#define AXL_PCI_SUBSYSTEM_ID 0xa301u
/* Value of IDENT.MAGIC. */
#define AXL_MAGIC 0x314c5841u
/* Newest contract version described here. */
#define AXL_SPEC_VERSION 1u
/* Bytes of one submission slot. */
#define AXL_SLOT_BYTES 64u
/* Bytes of one completion. */
#define AXL_COMPLETION_BYTES 32u
/* Most slots of one command. */
#define AXL_MAX_COMMAND_SLOTS 16u
/* Dimensions of a tensor command. */
#define AXL_MAX_DIMS 8u
/* Most instructions of a FUSED command. */
#define AXL_FUSED_INSTRUCTIONS 16u
/* Most numbers that they share. */
#define AXL_FUSED_CONSTANTS 6u
/* Most results that are stored. */
#define AXL_FUSED_OUTPUTS 4u
/* Bit of an instruction's op: enum binary; without this and the next: enum unary. */
#define AXL_FUSED_BINARY 64u
/* Bit of an instruction's op: enum ternary. */
#define AXL_FUSED_TERNARY 128u
/* Queue pairs of an endpoint. */
#define AXL_MAX_QUEUES 16u
/* Contexts of an endpoint. */
#define AXL_MAX_CONTEXTS 64u
/* Rows of the peer table. */
#define AXL_MAX_PEERS 64u
/* log2 of the fewest entries of a ring. */
#define AXL_MIN_RING_LOG2 4u
/* log2 of the most entries of a ring. */
#define AXL_MAX_RING_LOG2 14u
/* Vector 0 for events, 1 + q for queue q when all are granted. */
#define AXL_MSIX_VECTORS 17u
/* Bits of a device virtual address. */
#define AXL_VA_BITS 48u
/* Small page: 4 KiB. */
#define AXL_PAGE_SHIFT 12u
/* Large page: 2 MiB, a leaf at level 1. */
#define AXL_LARGE_PAGE_SHIFT 21u
/* Levels of a page table; level 0 holds 4 KiB leaves. */
#define AXL_PT_LEVELS 4u
/* Entries of one table (4 KiB). */
#define AXL_PT_ENTRIES 0x200u
/* A completion's time delta that did not fit: unknown, not a time. */
#define AXL_DELTA_SATURATED 0xffffffffu
/* BAR0: control registers and doorbells. */
#define AXL_BAR_REGISTERS 0u
/* BAR2: device memory aperture, 64-bit prefetchable. */
#define AXL_BAR_MEMORY 2u
/* BAR4: MSI-X table at 0 and PBA at 0x800. */
#define AXL_BAR_MSIX 4u
/* Size of BAR0. */
#define AXL_BAR0_BYTES 0x20000u
/* Size of BAR4. */
#define AXL_BAR4_BYTES 0x1000u
/* MSI-X table in BAR4. */
#define AXL_MSIX_TABLE_OFFSET 0u
/* Pending bit array in BAR4. */
#define AXL_MSIX_PBA_OFFSET 0x800u
/* The bytes "AXLRING1" as a little-endian number. */
#define AXL_EVENT_RING_MAGIC 0x31474e49524c5841ull

/* Page table entry (64 bits). Not valid: all other bits are ignored. */
#define AXL_PTE_VALID_MASK 0x1ull /* The entry may be used. */
#define AXL_PTE_VALID_SHIFT 0
#define AXL_PTE_WRITABLE_MASK 0x2ull /* Leaf only: commands may write. */
#define AXL_PTE_WRITABLE_SHIFT 1
#define AXL_PTE_LEAF_MASK 0x4ull /* Level 1: a 2 MiB page. Level 0: always set. */
#define AXL_PTE_LEAF_SHIFT 2
#define AXL_PTE_SPACE_MASK 0x30ull /* Leaf only: address space of ADDRESS (enum space). */
#define AXL_PTE_SPACE_SHIFT 4
#define AXL_PTE_ADDRESS_MASK 0xffffffffff000ull /* Bits 51:12 of the next table or of the page. */
#define AXL_PTE_ADDRESS_SHIFT 12

/* Commands. Elementwise, reduce, matmul, gather, scatter and random are tensor commands: slot 0 has cmd_tensor, every further slot one cmd_operand. */
enum axl_opcode {
	AXL_OPCODE_NOP = 0, /* Does nothing and completes. */
	AXL_OPCODE_COPY = 1, /* Linear copy (cmd_copy). Overlap: as if through a buffer. */
	AXL_OPCODE_COPY_STRIDED = 2, /* Tensor: operands in, out of the same type size; moves bytes unchanged. */
	AXL_OPCODE_FILL = 3, /* Tensor: operand out; params[0] holds the element's raw bits. */
	AXL_OPCODE_CAST = 4, /* Tensor: operands in, out; values converted, float to integer truncates toward zero and saturates. */
	AXL_OPCODE_UNARY = 5, /* Tensor: operands a, out; op from enum unary. */
	AXL_OPCODE_BINARY = 6, /* Tensor: operands a, b, out; op from enum binary. */
	AXL_OPCODE_TERNARY = 7, /* Tensor: operands a, b, c, out; op from enum ternary. */
	AXL_OPCODE_REDUCE = 8, /* Tensor: operands a, out; shape is a's; params[0] is the bit mask of reduced dimensions (bit i: dimension i of the 8); out has stride 0 there. */
	AXL_OPCODE_MATMUL = 9, /* Tensor: operands a, b, out and optionally c; shape[0..4] batch, [5] m, [6] n, [7] k; out = alpha*a@b + beta*c with alpha, beta = params[0], params[1] as float64. bf16 and f16 inputs accumulate in float32. */
	AXL_OPCODE_GATHER = 10, /* Tensor: operands src, index, out; shape is out's; params[0] dimension d, params[1] extent of src in d; out[i..] = src[i.. with d replaced by index[i..]]. src has strides for all of shape. */
	AXL_OPCODE_SCATTER = 11, /* Tensor: operands src, index, out; shape is src's; params as GATHER for out; combines with op (enum scatter). */
	AXL_OPCODE_RANDOM = 12, /* Tensor: operand out, then a cmd_random slot; Philox4x32-10; op from enum random. */
	AXL_OPCODE_FENCE_WAIT = 13, /* cmd_fence: hold the queue until the 64-bit word at va is >= value. */
	AXL_OPCODE_FENCE_SIGNAL = 14, /* cmd_fence: after all earlier commands of the queue, set the 64-bit word at va to max(old, value). */
	AXL_OPCODE_TIMESTAMP = 15, /* cmd_fence: write the device clock in ticks to va. */
	AXL_OPCODE_FUSED = 16, /* Tensor: operands inputs, then outputs, then a cmd_fused and a cmd_fused_code slot: elementwise instructions whose results stay in the device until they are stored, some of them reduced. */
};
#define AXL_OPCODE_END 17

/* Bits of cmd_header.flags. */
enum axl_command_flag {
	AXL_COMMAND_FLAG_INTERRUPT = 1, /* Raise the queue's interrupt when this completes, subject to coalescing. */
	AXL_COMMAND_FLAG_CHECKSUM = 2, /* COPY only: result is the CRC-32 (IEEE 802.3) of the bytes read. */
};
#define AXL_COMMAND_FLAG_END 3

/* Bits of cmd_operand.flags. */
enum axl_operand_flag {
	AXL_OPERAND_FLAG_IMMEDIATE = 1, /* va holds the element itself: float64 bits if dtype is a float, else int64; strides are ignored. */
};
#define AXL_OPERAND_FLAG_END 2

/* Element types. */
enum axl_dtype {
	AXL_DTYPE_U8 = 0, /* uint8 */
	AXL_DTYPE_I8 = 1, /* int8 */
	AXL_DTYPE_I16 = 2, /* int16 */
	AXL_DTYPE_I32 = 3, /* int32 */
	AXL_DTYPE_I64 = 4, /* int64 */
	AXL_DTYPE_F16 = 5, /* IEEE 754 binary16 */
	AXL_DTYPE_BF16 = 6, /* bfloat16, rounded to nearest even */
	AXL_DTYPE_F32 = 7, /* IEEE 754 binary32 */
	AXL_DTYPE_F64 = 8, /* IEEE 754 binary64 */
	AXL_DTYPE_BOOL = 9, /* one byte, 0 or 1 */
};
#define AXL_DTYPE_END 10

/* op of UNARY. Compute happens in cmd_header.dtype (bf16 and f16 in float32, rounded once), the result is converted to out's type. */
enum axl_unary {
	AXL_UNARY_NEG = 0, /* -a */
	AXL_UNARY_ABS = 1, /* |a| */
	AXL_UNARY_SIGN = 2, /* -1, 0, 1; NaN stays NaN */
	AXL_UNARY_SQUARE = 3, /* a*a */
	AXL_UNARY_SQRT = 4, /* square root */
	AXL_UNARY_RSQRT = 5, /* 1/sqrt(a) */
	AXL_UNARY_RECIPROCAL = 6, /* 1/a */
	AXL_UNARY_EXP = 7, /* e**a */
	AXL_UNARY_EXP2 = 8, /* 2**a */
	AXL_UNARY_EXPM1 = 9, /* e**a - 1 */
	AXL_UNARY_LOG = 10, /* natural logarithm */
	AXL_UNARY_LOG2 = 11, /* base 2 */
	AXL_UNARY_LOG10 = 12, /* base 10 */
	AXL_UNARY_LOG1P = 13, /* log(1+a) */
	AXL_UNARY_SIN = 14, /* sine, radians */
	AXL_UNARY_COS = 15, /* cosine */
	AXL_UNARY_TAN = 16, /* tangent */
	AXL_UNARY_ASIN = 17, /* inverse sine */
	AXL_UNARY_ACOS = 18, /* inverse cosine */
	AXL_UNARY_ATAN = 19, /* inverse tangent */
	AXL_UNARY_SINH = 20, /* hyperbolic sine */
	AXL_UNARY_COSH = 21, /* hyperbolic cosine */
	AXL_UNARY_TANH = 22, /* hyperbolic tangent */
	AXL_UNARY_ASINH = 23, /* inverse hyperbolic sine */
	AXL_UNARY_ACOSH = 24, /* inverse hyperbolic cosine */
	AXL_UNARY_ATANH = 25, /* inverse hyperbolic tangent */
	AXL_UNARY_ERF = 26, /* error function */
	AXL_UNARY_ERFC = 27, /* complementary error function */
	AXL_UNARY_ERFINV = 28, /* inverse error function */
	AXL_UNARY_LGAMMA = 29, /* log of |gamma(a)| */
	AXL_UNARY_DIGAMMA = 30, /* derivative of lgamma */
	AXL_UNARY_SIGMOID = 31, /* 1/(1+exp(-a)) */
	AXL_UNARY_RELU = 32, /* max(a, 0); NaN stays NaN */
	AXL_UNARY_GELU = 33, /* a*Phi(a), exact */
	AXL_UNARY_GELU_TANH = 34, /* tanh approximation */
	AXL_UNARY_SILU = 35, /* a*sigmoid(a) */
	AXL_UNARY_FLOOR = 36, /* toward minus infinity */
	AXL_UNARY_CEIL = 37, /* toward plus infinity */
	AXL_UNARY_ROUND = 38, /* half to even */
	AXL_UNARY_TRUNC = 39, /* toward zero */
	AXL_UNARY_FRAC = 40, /* a - trunc(a) */
	AXL_UNARY_BITWISE_NOT = 41, /* integers and bool */
	AXL_UNARY_LOGICAL_NOT = 42, /* a == 0, as bool */
	AXL_UNARY_ISNAN = 43, /* as bool */
	AXL_UNARY_ISINF = 44, /* as bool */
	AXL_UNARY_ISFINITE = 45, /* as bool */
};
#define AXL_UNARY_END 46

/* op of BINARY; scale is params[0] as float64 (int64 bits for integer compute types). */
enum axl_binary {
	AXL_BINARY_ADD = 0, /* a + scale*b */
	AXL_BINARY_SUB = 1, /* a - scale*b */
	AXL_BINARY_MUL = 2, /* a*b */
	AXL_BINARY_DIV = 3, /* a/b; integers give float32 */
	AXL_BINARY_FLOOR_DIV = 4, /* floor(a/b); integer division by zero gives 0 */
	AXL_BINARY_TRUNC_DIV = 5, /* trunc(a/b); integer division by zero gives 0 */
	AXL_BINARY_REMAINDER = 6, /* sign of b; integer by zero gives 0 */
	AXL_BINARY_FMOD = 7, /* sign of a; integer by zero gives 0 */
	AXL_BINARY_POW = 8, /* a**b */
	AXL_BINARY_MAXIMUM = 9, /* NaN wins */
	AXL_BINARY_MINIMUM = 10, /* NaN wins */
	AXL_BINARY_FMAX = 11, /* NaN loses */
	AXL_BINARY_FMIN = 12, /* NaN loses */
	AXL_BINARY_ATAN2 = 13, /* atan2(a, b) */
	AXL_BINARY_HYPOT = 14, /* sqrt(a*a+b*b) */
	AXL_BINARY_COPYSIGN = 15, /* |a| with the sign of b */
	AXL_BINARY_EQ = 16, /* as bool */
	AXL_BINARY_NE = 17, /* as bool */
	AXL_BINARY_LT = 18, /* as bool */
	AXL_BINARY_LE = 19, /* as bool */
	AXL_BINARY_GT = 20, /* as bool */
	AXL_BINARY_GE = 21, /* as bool */
	AXL_BINARY_LOGICAL_AND = 22, /* as bool */
	AXL_BINARY_LOGICAL_OR = 23, /* as bool */
	AXL_BINARY_LOGICAL_XOR = 24, /* as bool */
	AXL_BINARY_BITWISE_AND = 25, /* integers and bool */
	AXL_BINARY_BITWISE_OR = 26, /* integers and bool */
	AXL_BINARY_BITWISE_XOR = 27, /* integers and bool */
	AXL_BINARY_SHIFT_LEFT = 28, /* a << b; b outside the width gives 0 */
	AXL_BINARY_SHIFT_RIGHT = 29, /* arithmetic for signed types; b outside the width gives 0 or -1 */
	AXL_BINARY_RELU_BACKWARD = 30, /* a (gradient) where b > scale, else 0 */
	AXL_BINARY_SIGMOID_BACKWARD = 31, /* a*(1-b)*b with b the output */
	AXL_BINARY_TANH_BACKWARD = 32, /* a*(1-b*b) with b the output */
	AXL_BINARY_GELU_BACKWARD = 33, /* gradient a, input b, exact */
	AXL_BINARY_GELU_TANH_BACKWARD = 34, /* gradient a, input b, tanh approximation */
	AXL_BINARY_SILU_BACKWARD = 35, /* gradient a, input b */
};
#define AXL_BINARY_END 36

/* op of TERNARY; scale is params[0] as float64. */
enum axl_ternary {
	AXL_TERNARY_WHERE = 0, /* b where a != 0, else c */
	AXL_TERNARY_FMA = 1, /* a*b + c, rounded once per operation */
	AXL_TERNARY_ADDCMUL = 2, /* a + scale*b*c */
	AXL_TERNARY_ADDCDIV = 3, /* a + scale*b/c */
	AXL_TERNARY_LERP = 4, /* a + c*(b-a) */
	AXL_TERNARY_CLAMP = 5, /* min(max(a, b), c) */
};
#define AXL_TERNARY_END 6

/* op of REDUCE. */
enum axl_reduce {
	AXL_REDUCE_SUM = 0, /* f16, bf16 and f32 accumulate in float32 pairwise */
	AXL_REDUCE_MEAN = 1, /* sum divided by the number of elements */
	AXL_REDUCE_PROD = 2, /* product */
	AXL_REDUCE_MAX = 3, /* NaN wins */
	AXL_REDUCE_MIN = 4, /* NaN wins */
	AXL_REDUCE_ANY = 5, /* as bool */
	AXL_REDUCE_ALL = 6, /* as bool */
	AXL_REDUCE_ARGMAX = 7, /* row-major index within the reduced dimensions, first of equals, NaN wins; out I64 */
	AXL_REDUCE_ARGMIN = 8, /* as ARGMAX for the minimum */
	AXL_REDUCE_SUM_SQUARES = 9, /* sum of a*a */
};
#define AXL_REDUCE_END 10

/* op of SCATTER: how values that meet at one place combine, in row-major order of shape. */
enum axl_scatter {
	AXL_SCATTER_SET = 0, /* the last one stays */
	AXL_SCATTER_ADD = 1, /* sum with what is there */
	AXL_SCATTER_MULTIPLY = 2, /* product with what is there */
	AXL_SCATTER_MAXIMUM = 3, /* maximum with what is there */
	AXL_SCATTER_MINIMUM = 4, /* minimum with what is there */
};
#define AXL_SCATTER_END 5

/* op of RANDOM. Element i takes word i%4 of Philox block offset + i/4 (NORMAL: words i%4 and its pair of the block, Box-Muller). */
enum axl_random {
	AXL_RANDOM_BITS = 0, /* 32 random bits, truncated or zero-extended to the type */
	AXL_RANDOM_UNIFORM = 1, /* params[0] + u*(params[1]-params[0]), u = (word >> 8) * 2**-24 in [0, 1) */
	AXL_RANDOM_NORMAL = 2, /* mean params[0], standard deviation params[1] */
	AXL_RANDOM_BERNOULLI = 3, /* 1 where u < params[0] */
};
#define AXL_RANDOM_END 4

/* Address space of a page table leaf. */
enum axl_space {
	AXL_SPACE_HOST = 0, /* Bus address of host memory. */
	AXL_SPACE_DEVICE = 1, /* Offset in this endpoint's device memory. */
	AXL_SPACE_PEER = 2, /* Bus address inside a peer's BAR2; needs a committed device address. */
};
#define AXL_SPACE_END 3

/* Completion status. 0 is success. */
enum axl_status {
	AXL_STATUS_OK = 0, /* Done. */
	AXL_STATUS_INVALID_OPCODE = 1, /* Unknown opcode or op. */
	AXL_STATUS_INVALID_FIELD = 2, /* A field is out of range or a reserved one is not zero. */
	AXL_STATUS_INVALID_CONTEXT = 3, /* The context is not enabled. */
	AXL_STATUS_CONTEXT_FAULTED = 4, /* An earlier command of the context faulted. */
	AXL_STATUS_PAGE_FAULT = 5, /* An address is not mapped. */
	AXL_STATUS_PROTECTION_FAULT = 6, /* Write to a read-only page. */
	AXL_STATUS_ADDRESS_STALE = 7, /* Peer-to-peer refused: the device address is not committed. */
	AXL_STATUS_UNSUPPORTED_REQUEST = 8, /* The fabric refused a DMA request. */
	AXL_STATUS_COMPLETION_TIMEOUT = 9, /* A DMA read got no answer. */
	AXL_STATUS_POISONED = 10, /* A DMA read returned poisoned data. */
	AXL_STATUS_MEMORY_ERROR = 11, /* Uncorrected device memory error. */
	AXL_STATUS_INDEX_OUT_OF_RANGE = 12, /* GATHER or SCATTER index outside the extent; result is the low 32 bits of the first bad index. */
	AXL_STATUS_UNSUPPORTED_DTYPE = 13, /* The op does not take this type. */
	AXL_STATUS_ABORTED = 14, /* Given up by a queue reset. Written by the host side, never by the device. */
	AXL_STATUS_FENCE_TIMEOUT = 15, /* A FENCE_WAIT ran into its timeout. */
	AXL_STATUS_INTERNAL = 16, /* The device failed to execute the command. */
	AXL_STATUS_LOST = 17, /* Its completion never came although a later one of the queue did. Written by the host side, never by the device. */
};
#define AXL_STATUS_END 18

/* Bits of completion.flags. */
enum axl_completion_flag {
	AXL_COMPLETION_FLAG_PHASE = 1, /* Toggles with every pass over the ring; the first pass writes 1. */
	AXL_COMPLETION_FLAG_ERROR_RECORDED = 2, /* The error block was written for this command. */
};
#define AXL_COMPLETION_FLAG_END 3

/* Where a command is, in order; then what else happens. */
enum axl_stage {
	AXL_STAGE_SUBMIT = 0, /* Accepted by the host side. */
	AXL_STAGE_DOORBELL = 1, /* Tail written to the device. */
	AXL_STAGE_FETCH = 2, /* Read from the ring by the device. */
	AXL_STAGE_START = 3, /* Execution began. */
	AXL_STAGE_FINISH = 4, /* Execution ended. */
	AXL_STAGE_COMPLETE = 5, /* Completion consumed by the host side. */
	AXL_STAGE_IRQ = 6, /* Interrupt seen; sequence is 0. */
	AXL_STAGE_WAKE = 7, /* The waiter runs again. */
	AXL_STAGE_DMA_MAP = 16, /* Memory made reachable for the device. */
	AXL_STAGE_DMA_UNMAP = 17, /* Memory taken away. */
	AXL_STAGE_QUEUE_CREATE = 18, /* A queue was set up. */
	AXL_STAGE_QUEUE_DESTROY = 19, /* A queue was torn down. */
	AXL_STAGE_RESET_BEGIN = 20, /* A reset starts; value is the reset kind. */
	AXL_STAGE_RESET_END = 21, /* A reset ended; value is the reset kind, status tells how (enum outcome). */
	AXL_STAGE_ERROR = 22, /* The error block was read; status is its code, value how many errors it stands for. */
	AXL_STAGE_AER = 23, /* PCIe Advanced Error Reporting; status is the severity (enum aer_severity), value the status register. */
	AXL_STAGE_TOPOLOGY = 24, /* An endpoint appeared, moved or vanished; status tells which (enum topology_change), value is the address state. */
};
#define AXL_STAGE_END 25

/* Who saw the event. */
enum axl_origin {
	AXL_ORIGIN_WIRE = 0, /* Observed on the wire. */
	AXL_ORIGIN_DRIVER = 1, /* Reported by the kernel driver. */
	AXL_ORIGIN_LIBRARY = 2, /* Reported by libaxl. */
	AXL_ORIGIN_RECONSTRUCTED = 3, /* Computed from the device's timestamps. */
};
#define AXL_ORIGIN_END 4

/* Where bytes went. */
enum axl_direction {
	AXL_DIRECTION_NONE = 0, /* No bytes. */
	AXL_DIRECTION_HOST_TO_DEVICE = 1, /* Host memory to device memory. */
	AXL_DIRECTION_DEVICE_TO_HOST = 2, /* Device memory to host memory. */
	AXL_DIRECTION_DEVICE_TO_DEVICE = 3, /* Inside one endpoint. */
	AXL_DIRECTION_PEER = 4, /* Between endpoints. */
	AXL_DIRECTION_HOST_TO_HOST = 5, /* Host memory to host memory. */
};
#define AXL_DIRECTION_END 6

/* Reset kinds, in the order of escalation. */
enum axl_reset_kind {
	AXL_RESET_KIND_QUEUE = 0, /* One queue. */
	AXL_RESET_KIND_FUNCTION = 1, /* Function-level reset. */
	AXL_RESET_KIND_BUS = 2, /* Secondary bus reset. */
	AXL_RESET_KIND_OS = 3, /* By the operating system, which does not say whether of the function or of the bus. */
};
#define AXL_RESET_KIND_END 4

/* How something ended: what the core returns (axl_err.h), negated. */
enum axl_outcome {
	AXL_OUTCOME_OK = 0, /* Well. */
	AXL_OUTCOME_INVAL = 1, /* An argument cannot be right. */
	AXL_OUTCOME_NOMEM = 2, /* The OS has no memory left. */
	AXL_OUTCOME_GONE = 3, /* Reads give all-ones: the endpoint left the bus. */
	AXL_OUTCOME_VERSION = 4, /* Another contract version, or no AXL. */
	AXL_OUTCOME_DEVICE = 5, /* The endpoint answered nonsense or did not do as told. */
	AXL_OUTCOME_BUSY = 6, /* In use, or in the wrong state. */
	AXL_OUTCOME_AGAIN = 7, /* No room right now. */
	AXL_OUTCOME_TIMEOUT = 8, /* Did not happen in time. */
	AXL_OUTCOME_NOSPACE = 9, /* No range of that size is free. */
	AXL_OUTCOME_EXISTS = 10, /* Something is mapped there already. */
	AXL_OUTCOME_NOT_FOUND = 11, /* Nothing is there. */
	AXL_OUTCOME_ADDRESS = 12, /* The endpoint rejected its device address. */
	AXL_OUTCOME_UNSUPPORTED = 13, /* The endpoint or the OS cannot do that. */
};
#define AXL_OUTCOME_END 14

/* Severity of a PCIe error (PCIe 6.0 s6.2.2). */
enum axl_aer_severity {
	AXL_AER_SEVERITY_CORRECTABLE = 0, /* Hardware has corrected it. */
	AXL_AER_SEVERITY_NONFATAL = 1, /* One transaction was lost, the link works. */
	AXL_AER_SEVERITY_FATAL = 2, /* The link has to be reset. */
};
#define AXL_AER_SEVERITY_END 3

/* What happened to an endpoint's place. */
enum axl_topology_change {
	AXL_TOPOLOGY_CHANGE_APPEARED = 0, /* The driver took it into use. */
	AXL_TOPOLOGY_CHANGE_ADDRESSED = 1, /* It was given its device address: at first, after a reset, or because another one came or went. */
	AXL_TOPOLOGY_CHANGE_LOST = 2, /* It no longer answers. */
	AXL_TOPOLOGY_CHANGE_REMOVED = 3, /* The driver let go of it. */
};
#define AXL_TOPOLOGY_CHANGE_END 4

/* Transaction kinds of the tap (PCIe 6.0 s2.2.1, Table 2-3). */
enum axl_tlp_kind {
	AXL_TLP_KIND_MRD = 0, /* Memory Read Request. */
	AXL_TLP_KIND_MWR = 1, /* Memory Write Request. */
	AXL_TLP_KIND_CPL = 2, /* Completion without data. */
	AXL_TLP_KIND_CPLD = 3, /* Completion with data. */
	AXL_TLP_KIND_CFGRD0 = 4, /* Configuration Read, Type 0. */
	AXL_TLP_KIND_CFGWR0 = 5, /* Configuration Write, Type 0. */
	AXL_TLP_KIND_MSI = 6, /* Memory Write that signals an interrupt. */
};
#define AXL_TLP_KIND_END 7

/* First 16 bytes of slot 0 of every command. */
struct axl_cmd_header {
	uint8_t opcode; /* enum opcode */
	uint8_t flags; /* enum command_flag */
	uint8_t slots; /* Slots of the command, this one included: 1 to 16. */
	uint8_t op; /* Operation within the opcode, else 0. */
	axl_le16 context; /* Context whose page table translates every address. */
	uint8_t dtype; /* Compute type of tensor commands (enum dtype), else 0. */
	uint8_t reserved; /* Zero. */
	axl_le64 sequence; /* Chosen by the host, one higher with each command of the queue. */
};
AXL_STATIC_ASSERT(sizeof(struct axl_cmd_header) == 16, "axl_cmd_header size");

/* COPY, after the header. */
struct axl_cmd_copy {
	axl_le64 src_va; /* Source, device virtual address. */
	axl_le64 dst_va; /* Destination. */
	axl_le64 length_bytes; /* Bytes to move; 0 is legal. */
	axl_le64 reserved[3]; /* Zero. */
};
AXL_STATIC_ASSERT(sizeof(struct axl_cmd_copy) == 48, "axl_cmd_copy size");

/* FENCE_WAIT, FENCE_SIGNAL and TIMESTAMP, after the header. */
struct axl_cmd_fence {
	axl_le64 va; /* 64-bit word, 8-byte aligned. */
	axl_le64 value; /* Value to wait for or to set; 0 for TIMESTAMP. */
	axl_le32 timeout_us; /* FENCE_WAIT: give up after this many microseconds; 0 waits for ever. */
	axl_le32 reserved0; /* Zero. */
	axl_le64 reserved[3]; /* Zero. */
};
AXL_STATIC_ASSERT(sizeof(struct axl_cmd_fence) == 48, "axl_cmd_fence size");

/* Tensor commands, after the header. Unused leading dimensions are 1. */
struct axl_cmd_tensor {
	axl_le32 shape[8]; /* Iteration space, outermost first; 0 makes the command a nop. */
	axl_le64 params[2]; /* Scalars as raw bits, see the opcode. */
};
AXL_STATIC_ASSERT(sizeof(struct axl_cmd_tensor) == 48, "axl_cmd_tensor size");

/* One operand, one slot. */
struct axl_cmd_operand {
	axl_le64 va; /* Address of element 0, or the element itself (IMMEDIATE). */
	axl_le32 strides[8]; /* In elements, per dimension of shape; 0 broadcasts, negative is legal. */
	uint8_t dtype; /* enum dtype */
	uint8_t flags; /* enum operand_flag */
	axl_le16 reserved0; /* Zero. */
	axl_le32 reserved1; /* Zero. */
	axl_le64 reserved[2]; /* Zero. */
};
AXL_STATIC_ASSERT(sizeof(struct axl_cmd_operand) == 64, "axl_cmd_operand size");

/* Last slot of RANDOM. */
struct axl_cmd_random {
	axl_le64 seed; /* Philox key, low word first. */
	axl_le64 offset; /* First block of the 64-bit low part of the counter. */
	axl_le64 subsequence; /* 64-bit high part of the counter. */
	axl_le64 reserved[5]; /* Zero. */
};
AXL_STATIC_ASSERT(sizeof(struct axl_cmd_random) == 64, "axl_cmd_random size");

/* Last slot but one of FUSED. Registers are numbered: inputs, constants, then the result of each instruction. Every value has the compute type of the header, rounded to it after each instruction; inputs are converted to it, outputs from it. The scale of an instruction is 1, the threshold of RELU_BACKWARD 0, and the condition of WHERE is a register that is not 0. */
struct axl_cmd_fused {
	uint8_t outputs; /* How many of the operands, the last ones, are written: 1 to 4. */
	uint8_t instructions; /* 1 to 16. */
	uint8_t constants; /* 0 to 6. */
	uint8_t reserved; /* Zero. */
	uint8_t stored[4]; /* Register that each output gets: a result, or any register if it is reduced; 0 for outputs that are not there. */
	uint8_t reduce[4]; /* How each output is reduced first: 0 not at all, else 1 + enum reduce, but for ARGMAX and ARGMIN. */
	uint8_t dims[4]; /* Mask of the dimensions that are reduced, as params[0] of REDUCE; the output has stride 0 there. 0 if it is not reduced. */
	axl_le64 values[6]; /* The constants, as an IMMEDIATE operand of the compute type holds them; 0 for those that are not there. */
};
AXL_STATIC_ASSERT(sizeof(struct axl_cmd_fused) == 64, "axl_cmd_fused size");

/* Last slot of FUSED: instructions of four bytes: op, then registers a, b, c. op is from enum unary; with FUSED_BINARY from enum binary, with FUSED_TERNARY from enum ternary. Registers that the op does not take, and bytes after the last instruction, are 0. */
struct axl_cmd_fused_code {
	uint8_t code[64]; /* The instructions. */
};
AXL_STATIC_ASSERT(sizeof(struct axl_cmd_fused_code) == 64, "axl_cmd_fused_code size");

/* Written by the device in one piece; the last 8 bytes, which hold the phase, become visible last. Commands of one queue start, finish and complete in the order of submission, so a gap in sequence is a lost completion. */
struct axl_completion {
	axl_le64 sequence; /* Sequence number of the command. */
	axl_le64 fetch_ticks; /* Device clock when the command was fetched. */
	axl_le32 start_delta; /* Ticks from fetch to start of execution, DELTA_SATURATED if it does not fit. */
	axl_le32 finish_delta; /* Ticks from fetch to end of execution, DELTA_SATURATED if it does not fit. */
	axl_le32 result; /* See opcode and status, else 0. */
	axl_le16 status; /* enum status */
	uint8_t queue; /* Queue that ran the command. */
	uint8_t flags; /* enum completion_flag */
};
AXL_STATIC_ASSERT(sizeof(struct axl_completion) == 32, "axl_completion size");

/* One event of any source: kernel tracepoint, library ring, ETW, reconstruction. */
struct axl_event {
	axl_le64 time_ns; /* CLOCK_MONOTONIC. */
	axl_le64 sequence; /* Command; for DOORBELL the last one covered; 0 if none. */
	axl_le64 bytes; /* Bytes the command moves or the mapping covers. */
	axl_le64 address; /* Device virtual or bus address, 0 if none. */
	axl_le32 endpoint; /* Row of the capture's endpoint table. */
	axl_le32 pid; /* Process. */
	axl_le32 tid; /* Thread. */
	axl_le32 value; /* See stage, else 0; COMPLETE: the completion's result. */
	axl_le16 queue; /* Queue. */
	axl_le16 context; /* Context. */
	axl_le16 status; /* enum status, or see stage. */
	uint8_t stage; /* enum stage */
	uint8_t origin; /* enum origin */
	uint8_t opcode; /* enum opcode */
	uint8_t direction; /* enum direction */
	uint8_t op; /* Operation within the opcode. */
	uint8_t reserved[5]; /* Zero. */
};
AXL_STATIC_ASSERT(sizeof(struct axl_event) == 64, "axl_event size");

/* First 128 bytes of a library event ring: a shared file with capacity event records after the header. One writer process, one reader. head and tail are free-running; the writer drops and counts when head - tail == capacity. */
struct axl_event_ring_header {
	axl_le64 magic; /* EVENT_RING_MAGIC, written last when the ring is made. */
	axl_le32 version; /* 1 */
	axl_le32 record_bytes; /* 64 */
	axl_le64 capacity; /* Records; a power of two. */
	axl_le64 board_serial; /* Endpoint: board serial. */
	axl_le32 endpoint_index; /* Endpoint: index on the card. */
	axl_le32 pid; /* Writer. */
	axl_le64 start_ns; /* CLOCK_MONOTONIC when the ring was made. */
	axl_le64 reserved0[2]; /* Zero; ends the first cache line. */
	axl_le64 head; /* Written by the writer: records written. */
	axl_le64 dropped; /* Written by the writer: records that found no room. */
	axl_le64 closed; /* Written by the writer: 1 when it has finished. */
	axl_le64 reserved1[3]; /* Zero. */
	axl_le64 tail; /* Written by the reader: records taken. */
	axl_le64 reserved2; /* Zero. */
};
AXL_STATIC_ASSERT(sizeof(struct axl_event_ring_header) == 128, "axl_event_ring_header size");

/* One transaction-layer packet of the tap (PCIe 6.0 s2.2). Of the payload only the first DW is kept, where data_bytes says so. */
struct axl_tlp {
	axl_le64 time_ns; /* CLOCK_MONOTONIC. */
	axl_le64 address; /* Memory address, or register offset for configuration requests; all ones if unknown (an MSI delivered through an eventfd). */
	axl_le32 length_bytes; /* Payload, or bytes asked for. */
	axl_le32 header[4]; /* Header DW 0 to 3 as on the wire (big-endian bytes read as numbers); DW 3 is 0 for 3 DW headers. */
	axl_le32 endpoint; /* Row of the rack's endpoint table. */
	axl_le16 requester_id; /* bus:device.function of the requester. */
	axl_le16 completer_id; /* bus:device.function of the completer, completions and configuration only. */
	axl_le16 tag; /* Transaction tag. */
	uint8_t kind; /* enum tlp_kind */
	uint8_t from_endpoint; /* 1: sent by the endpoint; 0: received. */
	uint8_t bar; /* BAR hit by a received memory request, 0xff if none. */
	uint8_t status; /* Completion Status (PCIe 6.0 s2.2.9): 0 SC, 1 UR, 4 CA. */
	uint8_t data_bytes; /* Payload bytes kept in data: 1 to 4, 0 if none. */
	uint8_t reserved0; /* Zero. */
	axl_le32 data; /* First payload bytes, little-endian. */
	axl_le64 reserved; /* Zero. */
};
AXL_STATIC_ASSERT(sizeof(struct axl_tlp) == 64, "axl_tlp size");

#endif
