/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
#include "axl_cmd.h"

#include "axl_math.h"

#define VA_END ((uint64_t)1 << AXL_VA_BITS)

enum shape {
	SHAPE_EMPTY, /* nothing after the header */
	SHAPE_COPY,
	SHAPE_FENCE,
	SHAPE_TENSOR,
};

/* What a command of one opcode looks like. */
struct rule {
	uint8_t shape;
	uint8_t op_end; /* ops are below this; 1: op is 0 */
	uint8_t flags; /* that are allowed */
	uint8_t dtype_end; /* of the header; 1: it is 0 */
	uint8_t fewest_slots;
	uint8_t most_slots;
	uint8_t out; /* tensor: which operand is written */
	uint8_t tail; /* tensor: slots after the operands */
};

#define PLAIN(shape_, flags_) \
	{ \
		shape_, 1, flags_, 1, 1, 1, 0, 0 \
	}
/* So many operands of which one is written, and so many slots after them. */
#define TENSOR(ops, operands, out_, tail_) \
	{ \
		SHAPE_TENSOR, ops, ANY, AXL_DTYPE_END, 1 + (operands) + (tail_), \
			1 + (operands) + (tail_), out_, tail_ \
	}
/* The same with one operand more that may be left out. */
#define TENSOR_OR_MORE(ops, operands, out_) \
	{ \
		SHAPE_TENSOR, ops, ANY, AXL_DTYPE_END, 1 + (operands), 2 + (operands), out_, 0 \
	}

#define ANY AXL_COMMAND_FLAG_INTERRUPT
#define SUM (AXL_COMMAND_FLAG_INTERRUPT | AXL_COMMAND_FLAG_CHECKSUM)

static const struct rule rules[AXL_OPCODE_END] = {
	[AXL_OPCODE_NOP] = PLAIN(SHAPE_EMPTY, ANY),
	[AXL_OPCODE_COPY] = PLAIN(SHAPE_COPY, SUM),
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
	[AXL_OPCODE_FENCE_WAIT] = PLAIN(SHAPE_FENCE, ANY),
	[AXL_OPCODE_FENCE_SIGNAL] = PLAIN(SHAPE_FENCE, ANY),
	[AXL_OPCODE_TIMESTAMP] = PLAIN(SHAPE_FENCE, ANY),
};

#undef PLAIN
#undef TENSOR
#undef TENSOR_OR_MORE
#undef ANY
#undef SUM

/* A command under examination. */
struct exam {
	const uint8_t *slots;
	struct axl_cmd_header header;
	const struct rule *rule;
	struct axl_cmd_summary *out;
};

static int bad(struct exam *exam, const char *problem)
{
	exam->out->problem = problem;
	return AXL_ERR_INVAL;
}

static bool is_zero(const void *bytes, size_t count)
{
	const uint8_t *p = bytes;
	uint64_t seen = 0, word;

	for (; count >= sizeof(word); count -= sizeof(word), p += sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		seen |= word;
	}
	while (count--)
		seen |= *p++;
	return seen == 0;
}

uint32_t axl_dtype_bytes(uint32_t dtype)
{
	static const uint8_t sizes[AXL_DTYPE_END] = {
		[AXL_DTYPE_U8] = 1,   [AXL_DTYPE_I8] = 1,  [AXL_DTYPE_I16] = 2,
		[AXL_DTYPE_I32] = 4,  [AXL_DTYPE_I64] = 8, [AXL_DTYPE_F16] = 2,
		[AXL_DTYPE_BF16] = 2, [AXL_DTYPE_F32] = 4, [AXL_DTYPE_F64] = 8,
		[AXL_DTYPE_BOOL] = 1,
	};

	return dtype < AXL_DTYPE_END ? sizes[dtype] : 0;
}

static void set_src(struct exam *exam, uint64_t va)
{
	exam->out->has_src = true;
	exam->out->src_va = va;
}

static void set_dst(struct exam *exam, uint64_t va)
{
	exam->out->has_dst = true;
	exam->out->dst_va = va;
}

static int check_header(struct exam *exam, size_t slot_count)
{
	const struct axl_cmd_header *header = &exam->header;
	const struct rule *rule;

	if (header->opcode >= AXL_OPCODE_END)
		return bad(exam, "opcode does not exist");
	rule = &rules[header->opcode];
	exam->rule = rule;
	if (header->slots < rule->fewest_slots || header->slots > rule->most_slots)
		return bad(exam, "slots is not what the opcode takes");
	if (header->slots > slot_count)
		return bad(exam, "command is cut off: fewer slots follow than it has");
	if (header->op >= rule->op_end)
		return bad(exam, "op does not exist for this opcode");
	if (header->flags & ~rule->flags)
		return bad(exam, "flags has a bit that this opcode does not take");
	if (header->reserved)
		return bad(exam, "reserved byte of the header is not zero");
	if (header->dtype >= rule->dtype_end)
		return bad(exam, "dtype does not exist, or the opcode takes none");
	return AXL_OK;
}

static int check_empty(struct exam *exam)
{
	uint64_t body[(AXL_SLOT_BYTES - sizeof(struct axl_cmd_header)) / 8];

	/* Without a loop: this is most of the check of a NOP, and of what it is measured by. */
	memcpy(body, exam->slots + sizeof(exam->header), sizeof(body));
	if (body[0] | body[1] | body[2] | body[3] | body[4] | body[5])
		return bad(exam, "bytes after the header are not zero");
	return AXL_OK;
}

static int check_copy(struct exam *exam)
{
	struct axl_cmd_copy copy;
	uint64_t src, dst, length;

	memcpy(&copy, exam->slots + sizeof(exam->header), sizeof(copy));
	src = axl_le64_to_cpu(copy.src_va);
	dst = axl_le64_to_cpu(copy.dst_va);
	length = axl_le64_to_cpu(copy.length_bytes);
	if (!is_zero(copy.reserved, sizeof(copy.reserved)))
		return bad(exam, "reserved bytes of a copy are not zero");
	if (length > VA_END || src > VA_END - length || dst > VA_END - length)
		return bad(exam, "copy reaches beyond the device virtual address space");
	set_src(exam, src);
	set_dst(exam, dst);
	exam->out->bytes = length;
	return AXL_OK;
}

static int check_fence(struct exam *exam)
{
	struct axl_cmd_fence fence;
	uint64_t va;

	memcpy(&fence, exam->slots + sizeof(exam->header), sizeof(fence));
	va = axl_le64_to_cpu(fence.va);
	if (!is_zero(&fence.reserved0, sizeof(fence.reserved0)) ||
	    !is_zero(fence.reserved, sizeof(fence.reserved)))
		return bad(exam, "reserved bytes of a fence are not zero");
	if (va >= VA_END || va % 8)
		return bad(exam, "fence address is no multiple of 8 inside the address space");
	if (exam->header.opcode == AXL_OPCODE_FENCE_WAIT) {
		set_src(exam, va);
		return AXL_OK;
	}
	if (fence.timeout_us)
		return bad(exam, "timeout_us is for FENCE_WAIT only");
	if (exam->header.opcode == AXL_OPCODE_TIMESTAMP && fence.value)
		return bad(exam, "value of a TIMESTAMP is not zero");
	set_dst(exam, va);
	exam->out->bytes = 8;
	return AXL_OK;
}

static int check_operand(struct exam *exam, uint32_t index, struct axl_cmd_operand *operand)
{
	memcpy(operand, exam->slots + (size_t)(1u + index) * AXL_SLOT_BYTES, sizeof(*operand));
	if (operand->dtype >= AXL_DTYPE_END)
		return bad(exam, "dtype of an operand does not exist");
	if (operand->flags & ~AXL_OPERAND_FLAG_IMMEDIATE)
		return bad(exam, "flags of an operand has an unknown bit");
	if (!is_zero(&operand->reserved0, sizeof(operand->reserved0)) ||
	    !is_zero(&operand->reserved1, sizeof(operand->reserved1)) ||
	    !is_zero(operand->reserved, sizeof(operand->reserved)))
		return bad(exam, "reserved bytes of an operand are not zero");
	if (operand->flags & AXL_OPERAND_FLAG_IMMEDIATE)
		return index == exam->rule->out ? bad(exam, "output operand is immediate") : AXL_OK;
	if (axl_le64_to_cpu(operand->va) >= VA_END)
		return bad(exam, "operand starts beyond the device virtual address space");
	if (index == exam->rule->out)
		set_dst(exam, axl_le64_to_cpu(operand->va));
	else if (!exam->out->has_src)
		set_src(exam, axl_le64_to_cpu(operand->va));
	return AXL_OK;
}

/* Dimensions that do not exist in the output: reduced ones, and k of a MATMUL. */
static uint32_t missing_dims(const struct exam *exam, const struct axl_cmd_tensor *tensor)
{
	if (exam->header.opcode == AXL_OPCODE_REDUCE)
		return (uint32_t)axl_le64_to_cpu(tensor->params[0]) & 0xff;
	return exam->header.opcode == AXL_OPCODE_MATMUL ? 1u << 7 : 0;
}

static void count_bytes(struct exam *exam, const struct axl_cmd_tensor *tensor, uint32_t dtype)
{
	uint32_t missing = missing_dims(exam, tensor);
	uint64_t bytes = axl_dtype_bytes(dtype);
	uint32_t i;

	for (i = 0; i < AXL_MAX_DIMS; i++) {
		uint32_t extent = axl_le32_to_cpu(tensor->shape[i]);

		if (!extent) {
			exam->out->bytes = 0;
			return;
		}
		if (!(missing >> i & 1))
			bytes = axl_mul_saturate(bytes, extent);
	}
	exam->out->bytes = bytes;
}

static int check_params(struct exam *exam, const struct axl_cmd_tensor *tensor)
{
	uint64_t param = axl_le64_to_cpu(tensor->params[0]);

	switch (exam->header.opcode) {
	case AXL_OPCODE_REDUCE:
		if (param >> AXL_MAX_DIMS)
			return bad(exam, "mask of reduced dimensions has more than 8 bits");
		return AXL_OK;
	case AXL_OPCODE_GATHER:
	case AXL_OPCODE_SCATTER:
		if (param >= AXL_MAX_DIMS)
			return bad(exam, "dimension is not below 8");
		return AXL_OK;
	default:
		return AXL_OK;
	}
}

static int check_random_tail(struct exam *exam)
{
	struct axl_cmd_random random;

	memcpy(&random, exam->slots + (size_t)2 * AXL_SLOT_BYTES, sizeof(random));
	if (!is_zero(random.reserved, sizeof(random.reserved)))
		return bad(exam, "reserved bytes of the random slot are not zero");
	return AXL_OK;
}

static int check_tensor(struct exam *exam)
{
	uint32_t operands = exam->header.slots - 1u - exam->rule->tail;
	uint32_t first_dtype = 0, out_dtype = 0;
	struct axl_cmd_operand operand;
	struct axl_cmd_tensor tensor;
	uint32_t i;
	int err;

	memcpy(&tensor, exam->slots + sizeof(exam->header), sizeof(tensor));
	err = check_params(exam, &tensor);
	for (i = 0; !err && i < operands; i++) {
		err = check_operand(exam, i, &operand);
		if (i == 0)
			first_dtype = operand.dtype;
		if (i == exam->rule->out)
			out_dtype = operand.dtype;
	}
	if (!err && exam->rule->tail)
		err = check_random_tail(exam);
	if (err)
		return err;
	if (exam->header.opcode == AXL_OPCODE_COPY_STRIDED &&
	    axl_dtype_bytes(first_dtype) != axl_dtype_bytes(out_dtype))
		return bad(exam, "operands of COPY_STRIDED differ in element size");
	count_bytes(exam, &tensor, out_dtype);
	return AXL_OK;
}

static int check_body(struct exam *exam)
{
	switch (exam->rule->shape) {
	case SHAPE_COPY:
		return check_copy(exam);
	case SHAPE_FENCE:
		return check_fence(exam);
	case SHAPE_TENSOR:
		return check_tensor(exam);
	default:
		return check_empty(exam);
	}
}

int axl_cmd_check(const void *slots, size_t slot_count, struct axl_cmd_summary *summary_out)
{
	struct exam exam = { .slots = slots, .out = summary_out };
	int err;

	summary_out->slots = 0;
	summary_out->has_src = false;
	summary_out->has_dst = false;
	summary_out->bytes = 0;
	summary_out->problem = NULL;
	if (!slot_count)
		return bad(&exam, "there is no slot");
	memcpy(&exam.header, slots, sizeof(exam.header));
	err = check_header(&exam, slot_count);
	if (err)
		return err;
	err = check_body(&exam);
	if (err)
		return err;
	summary_out->slots = exam.header.slots;
	summary_out->opcode = exam.header.opcode;
	summary_out->op = exam.header.op;
	summary_out->dtype = exam.header.dtype;
	return AXL_OK;
}
