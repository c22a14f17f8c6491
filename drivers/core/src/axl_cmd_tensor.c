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
	uint32_t first_out; /* operands that are written start here */
	uint32_t end_out; /* and end before this one */
	uint8_t missing; /* FUSED: dimensions that the first of them does not have */
};

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
	bool is_out = index >= exam->first_out && index < exam->end_out;
	struct axl_cmd_operand operand;
	uint64_t va;

	axl_cmd_take(&operand, axl_cmd_slot(exam->place, 1 + index), sizeof(operand));
	va = axl_le64_to_cpu(operand.va);
	if (operand.dtype >= AXL_DTYPE_END)
		return "dtype of an operand does not exist";
	if (operand.flags & ~AXL_OPERAND_FLAG_IMMEDIATE)
		return "flags of an operand has an unknown bit";
	if (!axl_cmd_is_zero(&operand.reserved0, sizeof(operand.reserved0)) ||
	    !axl_cmd_is_zero(&operand.reserved1, sizeof(operand.reserved1)) ||
	    !axl_cmd_is_zero(operand.reserved, sizeof(operand.reserved)))
		return "reserved bytes of an operand are not zero";
	if (index == 0)
		seen->first_dtype = operand.dtype;
	if (index == exam->first_out)
		seen->out_dtype = operand.dtype;
	if (operand.flags & AXL_OPERAND_FLAG_IMMEDIATE)
		return is_out ? "output operand is immediate" : NULL;
	if (va >= AXL_CMD_VA_END)
		return "operand starts beyond the device virtual address space";
	if (index == exam->first_out)
		seen->dst_va = va;
	else if (!is_out && !seen->src_va)
		seen->src_va = va;
	return NULL;
}

/* Dimensions that the output does not have: reduced ones, and k of a MATMUL. */
static uint32_t missing_dims(const struct exam *exam, const struct axl_cmd_tensor *tensor)
{
	if (exam->out->header.opcode == AXL_OPCODE_FUSED)
		return exam->missing;
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

	axl_cmd_take(&random, axl_cmd_slot(exam->place, 2), sizeof(random));
	if (!axl_cmd_is_zero(random.reserved, sizeof(random.reserved)))
		return "reserved bytes of the random slot are not zero";
	return NULL;
}

/* The slots after the operands; says as well which of these are written. */
static const char *check_tail(struct exam *exam, uint32_t count)
{
	const char *problem;
	uint32_t outputs;

	exam->first_out = exam->rule->out;
	exam->end_out = exam->first_out + 1;
	if (exam->out->header.opcode == AXL_OPCODE_RANDOM)
		return check_random_tail(exam);
	if (exam->out->header.opcode != AXL_OPCODE_FUSED)
		return NULL;
	problem = axl_cmd_check_fused(exam->place, count, &outputs, &exam->missing);
	if (problem)
		return problem;
	exam->first_out = count - outputs;
	exam->end_out = count;
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

	axl_cmd_take(&tensor, axl_cmd_slot(place, 0) + AXL_CMD_HEADER_WORDS, sizeof(tensor));
	problem = check_tail(&exam, count);
	if (!problem)
		problem = check_params(&exam, &tensor);
	for (i = 0; !problem && i < count; i++)
		problem = check_operand(&exam, i, &operands);
	if (problem)
		return problem;
	if (out->header.opcode == AXL_OPCODE_COPY_STRIDED &&
	    axl_dtype_bytes(operands.first_dtype) != axl_dtype_bytes(operands.out_dtype))
		return "operands of COPY_STRIDED differ in element size";
	out->direction = axl_va_direction(operands.src_va, operands.dst_va);
	out->bytes = count_bytes(&exam, &tensor, operands.out_dtype);
	return NULL;
}
