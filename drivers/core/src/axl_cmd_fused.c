/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Checking commands: the instructions of FUSED. */
#include "axl_cmd_priv.h"

/* Bytes of an instruction: op, a, b, c. */
#define INSTRUCTION ((size_t)4)
#define KIND_MASK (AXL_FUSED_BINARY | AXL_FUSED_TERNARY)
#define NUMBER_MASK 0x3fu

/* How many registers an op takes; 0: it does not exist. */
static uint32_t registers_of(uint8_t op)
{
	uint8_t number = op & NUMBER_MASK;

	switch (op & KIND_MASK) {
	case 0:
		return number < AXL_UNARY_END ? 1 : 0;
	case AXL_FUSED_BINARY:
		return number < AXL_BINARY_END ? 2 : 0;
	case AXL_FUSED_TERNARY:
		return number < AXL_TERNARY_END ? 3 : 0;
	default:
		return 0;
	}
}

/* 'written': registers that have a value before this instruction. */
static const char *check_instruction(const uint8_t *instruction, uint32_t written)
{
	uint32_t i, takes = registers_of(instruction[0]);

	if (!takes)
		return "op of an instruction does not exist";
	for (i = 1; i < INSTRUCTION; i++) {
		if (i > takes && instruction[i])
			return "an instruction has a register that its op does not take";
		if (instruction[i] >= written)
			return "an instruction takes a register that has no value yet";
	}
	return NULL;
}

static const char *check_counts(const struct axl_cmd_fused *fused, uint32_t operands)
{
	if (!fused->outputs || fused->outputs > AXL_FUSED_OUTPUTS || fused->outputs > operands)
		return "outputs is not 1 to 4, or more than there are operands";
	if (!fused->instructions || fused->instructions > AXL_FUSED_INSTRUCTIONS)
		return "instructions is not 1 to 16";
	if (fused->constants > AXL_FUSED_CONSTANTS)
		return "constants is more than 6";
	return NULL;
}

static bool is_reduction(uint8_t reduce)
{
	return reduce <= AXL_REDUCE_END && reduce != 1 + AXL_REDUCE_ARGMAX &&
	       reduce != 1 + AXL_REDUCE_ARGMIN;
}

/* 'first': register of the first result. */
static const char *check_stored(const struct axl_cmd_fused *fused, uint32_t first)
{
	uint32_t i, rest = AXL_FUSED_OUTPUTS - fused->outputs;

	for (i = 0; i < fused->outputs; i++) {
		if (fused->stored[i] >= first + fused->instructions ||
		    (fused->stored[i] < first && !fused->reduce[i]))
			return "an output stores a register that is no result";
		if (!is_reduction(fused->reduce[i]) || (fused->dims[i] && !fused->reduce[i]))
			return "an output is reduced in a way that does not exist";
	}
	if (fused->reserved || !axl_cmd_is_zero(&fused->stored[fused->outputs], rest) ||
	    !axl_cmd_is_zero(&fused->reduce[fused->outputs], rest) ||
	    !axl_cmd_is_zero(&fused->dims[fused->outputs], rest) ||
	    !axl_cmd_is_zero(&fused->values[fused->constants],
			     (AXL_FUSED_CONSTANTS - fused->constants) * sizeof(fused->values[0])))
		return "unused bytes of the fused slot are not zero";
	return NULL;
}

const char *axl_cmd_check_fused(const struct axl_cmd_place *place, uint32_t operands,
				uint32_t *outputs, uint8_t *missing)
{
	struct axl_cmd_fused_code code;
	struct axl_cmd_fused fused;
	const char *problem;
	uint32_t i, first;

	axl_cmd_take(&fused, axl_cmd_slot(place, 1 + operands), sizeof(fused));
	axl_cmd_take(&code, axl_cmd_slot(place, 2 + operands), sizeof(code));
	problem = check_counts(&fused, operands);
	if (problem)
		return problem;
	first = operands - fused.outputs + fused.constants;
	problem = check_stored(&fused, first);
	for (i = 0; !problem && i < fused.instructions; i++)
		problem = check_instruction(&code.code[INSTRUCTION * i], first + i);
	if (!problem &&
	    !axl_cmd_is_zero(&code.code[INSTRUCTION * i], sizeof(code) - INSTRUCTION * i))
		problem = "bytes after the last instruction are not zero";
	*outputs = fused.outputs;
	*missing = fused.dims[0];
	return problem;
}
