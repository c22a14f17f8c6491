/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Checking commands: shape, parameters and operands of tensor commands. */
#include "axl_cmd_priv.h"
#include "axl_math.h"
#include "axl_va.h"

/* A command whose header is good. */
struct exam {
	const struct axl_cmd_place *place;
	const struct axl_cmd_rule *rule;
	struct axl_cmd_summary *out;
};

/* Copy whole words out of memory that others may change. */
static void take(void *to, const axl_le64 *from, size_t bytes)
{
	uint8_t *out = to;
	size_t i;

	for (i = 0; i < bytes / sizeof(*from); i++) {
		axl_le64 word = axl_load_once_le64(&from[i]);

		memcpy(out + i * sizeof(word), &word, sizeof(word));
	}
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

/* The operands of a tensor command, as far as they were looked at. */
struct operands {
	uint64_t src_va; /* of the first that is read from memory */
	uint64_t dst_va;
	uint8_t first_dtype;
	uint8_t out_dtype;
};

static const char *check_operand(const struct exam *exam, uint32_t index, struct operands *seen)
{
	bool is_out = index == exam->rule->out;
	struct axl_cmd_operand operand;
	uint64_t va;

	take(&operand, axl_cmd_slot(exam->place, 1 + index), sizeof(operand));
	va = axl_le64_to_cpu(operand.va);
	if (operand.dtype >= AXL_DTYPE_END)
		return "dtype of an operand does not exist";
	if (operand.flags & ~AXL_OPERAND_FLAG_IMMEDIATE)
		return "flags of an operand has an unknown bit";
	if (!is_zero(&operand.reserved0, sizeof(operand.reserved0)) ||
	    !is_zero(&operand.reserved1, sizeof(operand.reserved1)) ||
	    !is_zero(operand.reserved, sizeof(operand.reserved)))
		return "reserved bytes of an operand are not zero";
	if (index == 0)
		seen->first_dtype = operand.dtype;
	if (is_out)
		seen->out_dtype = operand.dtype;
	if (operand.flags & AXL_OPERAND_FLAG_IMMEDIATE)
		return is_out ? "output operand is immediate" : NULL;
	if (va >= AXL_CMD_VA_END)
		return "operand starts beyond the device virtual address space";
	if (is_out)
		seen->dst_va = va;
	else if (!seen->src_va)
		seen->src_va = va;
	return NULL;
}

/* Dimensions that do not exist in the output: reduced ones, and k of a MATMUL. */
static uint32_t missing_dims(const struct exam *exam, const struct axl_cmd_tensor *tensor)
{
	if (exam->out->header.opcode == AXL_OPCODE_REDUCE)
		return (uint32_t)axl_le64_to_cpu(tensor->params[0]) & 0xff;
	return exam->out->header.opcode == AXL_OPCODE_MATMUL ? 1u << 7 : 0;
}

static uint64_t count_bytes(const struct exam *exam, const struct axl_cmd_tensor *tensor,
			    uint32_t dtype)
{
	uint32_t missing = missing_dims(exam, tensor);
	uint64_t bytes = axl_dtype_bytes(dtype);
	uint32_t i;

	for (i = 0; i < AXL_MAX_DIMS; i++) {
		uint32_t extent = axl_le32_to_cpu(tensor->shape[i]);

		if (!extent)
			return 0;
		if (!(missing >> i & 1))
			bytes = axl_mul_saturate(bytes, extent);
	}
	return bytes;
}

static const char *check_params(const struct exam *exam, const struct axl_cmd_tensor *tensor)
{
	uint64_t param = axl_le64_to_cpu(tensor->params[0]);

	switch (exam->out->header.opcode) {
	case AXL_OPCODE_REDUCE:
		if (param >> AXL_MAX_DIMS)
			return "mask of reduced dimensions has more than 8 bits";
		return NULL;
	case AXL_OPCODE_GATHER:
	case AXL_OPCODE_SCATTER:
		if (param >= AXL_MAX_DIMS)
			return "dimension is not below 8";
		return NULL;
	default:
		return NULL;
	}
}

static const char *check_random_tail(const struct exam *exam)
{
	struct axl_cmd_random random;

	take(&random, axl_cmd_slot(exam->place, 2), sizeof(random));
	if (!is_zero(random.reserved, sizeof(random.reserved)))
		return "reserved bytes of the random slot are not zero";
	return NULL;
}

const char *axl_cmd_check_tensor(const struct axl_cmd_place *place, const struct axl_cmd_rule *rule,
				 struct axl_cmd_summary *out)
{
	uint32_t i, count = out->header.slots - 1u - rule->tail;
	struct exam exam = { .place = place, .rule = rule, .out = out };
	struct operands operands = { 0 };
	struct axl_cmd_tensor tensor;
	const char *problem;

	take(&tensor, axl_cmd_slot(place, 0) + AXL_CMD_HEADER_WORDS, sizeof(tensor));
	problem = check_params(&exam, &tensor);
	for (i = 0; !problem && i < count; i++)
		problem = check_operand(&exam, i, &operands);
	if (!problem && rule->tail)
		problem = check_random_tail(&exam);
	if (problem)
		return problem;
	if (out->header.opcode == AXL_OPCODE_COPY_STRIDED &&
	    axl_dtype_bytes(operands.first_dtype) != axl_dtype_bytes(operands.out_dtype))
		return "operands of COPY_STRIDED differ in element size";
	out->direction = axl_va_direction(operands.src_va, operands.dst_va);
	out->bytes = count_bytes(&exam, &tensor, operands.out_dtype);
	return NULL;
}
