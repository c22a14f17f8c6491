/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Checking commands: what the header of each opcode may say, and commands of one slot. */
#include "axl_cmd_priv.h"
#include "axl_va.h"

#define PLAIN(shape_, flags_) \
	{ \
		shape_, 1, flags_, 1, 1, 1, 0, 0 \
	}
/* So many operands of which one is written, and so many slots after them. */
#define TENSOR(ops, operands, out_, tail_) \
	{ \
		AXL_CMD_SHAPE_TENSOR, ops, ANY, AXL_DTYPE_END, 1 + (operands) + (tail_), \
			1 + (operands) + (tail_), out_, tail_ \
	}
/* Two operands or more of which the last ones are written, and two slots after them. */
#define FUSED \
	{ \
		AXL_CMD_SHAPE_TENSOR, 1, ANY, AXL_DTYPE_END, 1 + 2 + 2, AXL_MAX_COMMAND_SLOTS, 0, \
			2 \
	}
/* The same with one operand more that may be left out. */
#define TENSOR_OR_MORE(ops, operands, out_) \
	{ \
		AXL_CMD_SHAPE_TENSOR, ops, ANY, AXL_DTYPE_END, 1 + (operands), 2 + (operands), \
			out_, 0 \
	}

#define ANY AXL_COMMAND_FLAG_INTERRUPT
#define SUM (AXL_COMMAND_FLAG_INTERRUPT | AXL_COMMAND_FLAG_CHECKSUM)

static const struct axl_cmd_rule rules[AXL_OPCODE_END] = {
	[AXL_OPCODE_NOP] = PLAIN(AXL_CMD_SHAPE_EMPTY, ANY),
	[AXL_OPCODE_COPY] = PLAIN(AXL_CMD_SHAPE_COPY, SUM),
	[AXL_OPCODE_COPY_STRIDED] = TENSOR(1, 2, 1, 0),
	[AXL_OPCODE_FILL] = TENSOR(1, 1, 0, 0),
	[AXL_OPCODE_CAST] = TENSOR(1, 2, 1, 0),
	[AXL_OPCODE_UNARY] = TENSOR(AXL_UNARY_END, 2, 1, 0),
	[AXL_OPCODE_BINARY] = TENSOR(AXL_BINARY_END, 3, 2, 0),
	[AXL_OPCODE_TERNARY] = TENSOR(AXL_TERNARY_END, 4, 3, 0),
	[AXL_OPCODE_REDUCE] = TENSOR(AXL_REDUCE_END, 2, 1, 0),
	[AXL_OPCODE_MATMUL] = TENSOR_OR_MORE(1, 3, 2),
	[AXL_OPCODE_GATHER] = TENSOR(1, 3, 2, 0),
	[AXL_OPCODE_SCATTER] = TENSOR(AXL_SCATTER_END, 3, 2, 0),
	[AXL_OPCODE_RANDOM] = TENSOR(AXL_RANDOM_END, 1, 0, 1),
	[AXL_OPCODE_FENCE_WAIT] = PLAIN(AXL_CMD_SHAPE_FENCE, ANY),
	[AXL_OPCODE_FENCE_SIGNAL] = PLAIN(AXL_CMD_SHAPE_FENCE, ANY),
	[AXL_OPCODE_TIMESTAMP] = PLAIN(AXL_CMD_SHAPE_FENCE, ANY),
	[AXL_OPCODE_FUSED] = FUSED,
};

#undef PLAIN
#undef TENSOR
#undef TENSOR_OR_MORE
#undef FUSED
#undef ANY
#undef SUM

static const char *check_header(const struct axl_cmd_header *header,
				const struct axl_cmd_rule *rule, size_t slot_count)
{
	if (header->slots < rule->fewest_slots || header->slots > rule->most_slots)
		return "slots is not what the opcode takes";
	if (header->slots > slot_count)
		return "command is cut off: fewer slots follow than it has";
	if (header->op >= rule->op_end)
		return "op does not exist for this opcode";
	if (header->flags & ~rule->flags)
		return "flags has a bit that this opcode does not take";
	if (header->reserved)
		return "reserved byte of the header is not zero";
	if (header->dtype >= rule->dtype_end)
		return "dtype does not exist, or the opcode takes none";
	return NULL;
}

static const char *check_empty(const void *body)
{
	const axl_le64 *words = body;

	/* Without a loop: this is most of the check of a NOP, and of what it is measured by. */
	if (axl_load_once_le64(&words[0]) | axl_load_once_le64(&words[1]) |
	    axl_load_once_le64(&words[2]) | axl_load_once_le64(&words[3]) |
	    axl_load_once_le64(&words[4]) | axl_load_once_le64(&words[5]))
		return "bytes after the header are not zero";
	return NULL;
}

/* Three words that must be zero. */
static bool are_zero(const axl_le64 *words)
{
	return !(axl_load_once_le64(&words[0]) | axl_load_once_le64(&words[1]) |
		 axl_load_once_le64(&words[2]));
}

static const char *check_copy(const struct axl_cmd_copy *copy, struct axl_cmd_summary *out)
{
	uint64_t src = axl_le64_to_cpu(axl_load_once_le64(&copy->src_va));
	uint64_t dst = axl_le64_to_cpu(axl_load_once_le64(&copy->dst_va));
	uint64_t length = axl_le64_to_cpu(axl_load_once_le64(&copy->length_bytes));

	if (!are_zero(copy->reserved))
		return "reserved bytes of a copy are not zero";
	if (length > AXL_CMD_VA_END || src > AXL_CMD_VA_END - length ||
	    dst > AXL_CMD_VA_END - length)
		return "copy reaches beyond the device virtual address space";
	out->direction = axl_va_direction(src, dst);
	out->bytes = length;
	return NULL;
}

static const char *check_fence(const struct axl_cmd_fence *fence, struct axl_cmd_summary *out)
{
	uint64_t va = axl_le64_to_cpu(axl_load_once_le64(&fence->va));

	if (axl_load_once_le32(&fence->reserved0) || !are_zero(fence->reserved))
		return "reserved bytes of a fence are not zero";
	if (va >= AXL_CMD_VA_END || va % 8)
		return "fence address is no multiple of 8 inside the address space";
	if (out->header.opcode == AXL_OPCODE_FENCE_WAIT)
		return NULL; /* it writes nothing */
	if (axl_load_once_le32(&fence->timeout_us))
		return "timeout_us is for FENCE_WAIT only";
	if (out->header.opcode == AXL_OPCODE_TIMESTAMP && axl_load_once_le64(&fence->value))
		return "value of a TIMESTAMP is not zero";
	out->direction = axl_va_direction(0, va);
	out->bytes = 8;
	return NULL;
}

static const char *check(const struct axl_cmd_place *place, size_t slot_count,
			 struct axl_cmd_summary *out)
{
	const axl_le64 *slot = axl_cmd_slot(place, 0);
	const void *body = slot + AXL_CMD_HEADER_WORDS;
	const struct axl_cmd_rule *rule;
	const char *problem;
	axl_le64 word;

	if (!slot_count)
		return "there is no slot";
	word = axl_load_once_le64(slot);
	memcpy(&out->header, &word, sizeof(word));
	out->header.sequence = 0;
	if (out->header.opcode >= AXL_OPCODE_END)
		return "opcode does not exist";
	rule = &rules[out->header.opcode];
	problem = check_header(&out->header, rule, slot_count);
	if (problem)
		return problem;
	switch (rule->shape) {
	case AXL_CMD_SHAPE_COPY:
		return check_copy(body, out);
	case AXL_CMD_SHAPE_FENCE:
		return check_fence(body, out);
	case AXL_CMD_SHAPE_TENSOR:
		return axl_cmd_check_tensor(place, rule, out);
	default:
		return check_empty(body);
	}
}

int axl_cmd_check(const struct axl_cmd_place *place, size_t slot_count,
		  struct axl_cmd_summary *summary_out)
{
	summary_out->bytes = 0;
	summary_out->direction = AXL_DIRECTION_NONE;
	summary_out->problem = check(place, slot_count, summary_out);
	return summary_out->problem ? AXL_ERR_INVAL : AXL_OK;
}
