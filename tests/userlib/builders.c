// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Prints what each builder of axl_cmd.h makes, as hexadecimal: name and bytes. */
#include <stdio.h>

#include <axl_cmd.h>

static void show(const char *name, const struct axl_slot *slots, size_t count)
{
	const unsigned char *bytes = (const unsigned char *)slots;

	printf("%s ", name);
	for (size_t i = 0; i < count * sizeof(*slots); i++)
		printf("%02x", bytes[i]);
	printf("\n");
}

int main(void)
{
	uint32_t shape[AXL_MAX_DIMS] = { 1, 1, 1, 1, 1, 2, 3, 4 };
	const struct axl_philox stream = { 1, 2, 3 };
	const struct axl_fused fused = {
		.outputs = 2,
		.instructions = 2,
		.constants = 1,
		.stored = {4,					    1		 },
		.reduce = { 0,					   1 + AXL_REDUCE_MAX},
		.dims = { 0,					   0x80		  },
		.values = { axl_cmd_double_bits(0.5)		     },
		.code = { { AXL_UNARY_EXP, 0 }, { AXL_FUSED_BINARY | AXL_BINARY_MUL, 3, 2 }		    },
	};
	struct axl_slot slots[AXL_CMD_SLOTS];
	struct axl_operand o[4];

	for (int i = 0; i < 4; i++)
		o[i] = axl_operand_dense(0x10000u * (unsigned int)(i + 1), AXL_DTYPE_F32, shape);
	show("nop", slots, axl_cmd_nop(slots));
	show("copy", slots, axl_cmd_copy(slots, 0x2000, 0x1000, 77));
	show("fence_wait", slots, axl_cmd_fence_wait(slots, 0x1000, 5, 9));
	show("fence_signal", slots, axl_cmd_fence_signal(slots, 0x1000, 5));
	show("timestamp", slots, axl_cmd_timestamp(slots, 0x1000));
	show("fill", slots, axl_cmd_fill(slots, &o[0], shape, 0x3f800000));
	show("cast", slots, axl_cmd_cast(slots, &o[1], &o[0], shape));
	show("unary", slots,
	     axl_cmd_unary(slots, AXL_UNARY_EXP, AXL_DTYPE_F32, &o[1], &o[0], shape));
	show("binary", slots,
	     axl_cmd_binary(slots, AXL_BINARY_ADD, AXL_DTYPE_F32, &o[2], &o[0], &o[1], shape,
			    axl_cmd_double_bits(2.0)));
	show("ternary", slots,
	     axl_cmd_ternary(slots, AXL_TERNARY_FMA, AXL_DTYPE_F32, o, shape, 1.0));
	o[1] = axl_operand_double(0.5, AXL_DTYPE_F32);
	show("immediate", slots,
	     axl_cmd_binary(slots, AXL_BINARY_MUL, AXL_DTYPE_F32, &o[2], &o[0], &o[1], shape, 0));
	show("random", slots,
	     axl_cmd_random(slots, AXL_RANDOM_UNIFORM, &o[0], shape, 0.0, 1.0, &stream));
	show("fused", slots, axl_cmd_fused(slots, AXL_DTYPE_F32, o, 4, shape, &fused));
	return 0;
}
