/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Builders of commands for axl_queue_submit(). Each writes whole slots and returns how
 * many; a batch is an array of slots filled by one builder after the other:
 *
 *	struct axl_slot batch[8];
 *	size_t n = 0;
 *	n += axl_cmd_copy(batch + n, dst_va, src_va, bytes);
 *	n += axl_cmd_nop(batch + n);
 *	axl_queue_submit(queue, batch, n, 0, &sequence);
 *
 * Nothing is checked here: axl_queue_submit() does, and names what is wrong.
 */
#ifndef AXL_CMD_BUILD_H
#define AXL_CMD_BUILD_H

#include <string.h>

#include "axl.h"

/* Most slots that one builder writes. */
#define AXL_CMD_SLOTS AXL_MAX_COMMAND_SLOTS

/* A tensor in device memory or an immediate, as a tensor command sees it. */
struct axl_operand {
	uint64_t va; /* address of element 0, or the bits of an immediate */
	int32_t strides[AXL_MAX_DIMS]; /* in elements; 0 broadcasts */
	uint32_t dtype; /* enum axl_dtype */
	uint32_t flags; /* enum axl_operand_flag */
};

/* What all tensor commands share. */
struct axl_tensor {
	uint32_t opcode; /* enum axl_opcode */
	uint32_t op; /* operation within the opcode */
	uint32_t dtype; /* compute type */
	uint32_t shape[AXL_MAX_DIMS]; /* outermost first; unused leading ones are 1 */
	uint64_t params[2]; /* raw bits, see the opcode */
};

/* What a FUSED command computes; registers are numbered: inputs, constants, results. */
struct axl_fused {
	uint32_t outputs; /* so many of the operands, the last ones, are written */
	uint32_t instructions;
	uint32_t constants;
	uint8_t stored[AXL_FUSED_OUTPUTS]; /* register of the result that each output gets */
	uint8_t reduce[AXL_FUSED_OUTPUTS]; /* 0, or 1 + enum axl_reduce */
	uint8_t dims[AXL_FUSED_OUTPUTS]; /* mask of the dimensions that are reduced */
	uint64_t values[AXL_FUSED_CONSTANTS]; /* float64 bits, int64 for integer compute types */
	uint8_t code[AXL_FUSED_INSTRUCTIONS][4]; /* op, a, b, c */
};

/* --- parts ------------------------------------------------------------------ */

static inline uint64_t axl_cmd_double_bits(double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

/* Bytes into a slot. Slots are words, so that they are aligned; the copy is the cast. */
static inline void axl_cmd_put(struct axl_slot *slot, size_t offset, const void *data, size_t bytes)
{
	memcpy((unsigned char *)slot->words + offset, data, bytes);
}

static inline void axl_cmd_put_header(struct axl_slot *slot, uint32_t opcode, uint32_t flags,
				      uint32_t slots, uint32_t op, uint32_t dtype)
{
	struct axl_cmd_header header;

	memset(slot, 0, sizeof(*slot));
	memset(&header, 0, sizeof(header));
	header.opcode = (uint8_t)opcode;
	header.flags = (uint8_t)flags;
	header.slots = (uint8_t)slots;
	header.op = (uint8_t)op;
	header.dtype = (uint8_t)dtype;
	axl_cmd_put(slot, 0, &header, sizeof(header));
}

/* Slots that follow the operands count as well. */
static inline void axl_cmd_put_slots(struct axl_slot *slots, size_t count)
{
	((unsigned char *)slots[0].words)[offsetof(struct axl_cmd_header, slots)] =
		(unsigned char)count;
}

static inline void axl_cmd_put_operand(struct axl_slot *slot, const struct axl_operand *operand)
{
	struct axl_cmd_operand raw;
	int i;

	memset(&raw, 0, sizeof(raw));
	raw.va = axl_cpu_to_le64(operand->va);
	for (i = 0; i < (int)AXL_MAX_DIMS; i++)
		raw.strides[i] = axl_cpu_to_le32((uint32_t)operand->strides[i]);
	raw.dtype = (uint8_t)operand->dtype;
	raw.flags = (uint8_t)operand->flags;
	memcpy(slot->words, &raw, sizeof(raw));
}

/* --- simple commands --------------------------------------------------------- */

static inline size_t axl_cmd_nop(struct axl_slot *slots)
{
	axl_cmd_put_header(slots, AXL_OPCODE_NOP, 0, 1, 0, 0);
	return 1;
}

/* flags: 0 or AXL_COMMAND_FLAG_CHECKSUM. */
static inline size_t axl_cmd_copy_flags(struct axl_slot *slots, uint64_t dst_va, uint64_t src_va,
					uint64_t bytes, uint32_t flags)
{
	struct axl_cmd_copy raw;

	memset(&raw, 0, sizeof(raw));
	raw.src_va = axl_cpu_to_le64(src_va);
	raw.dst_va = axl_cpu_to_le64(dst_va);
	raw.length_bytes = axl_cpu_to_le64(bytes);
	axl_cmd_put_header(slots, AXL_OPCODE_COPY, flags, 1, 0, 0);
	axl_cmd_put(slots, sizeof(struct axl_cmd_header), &raw, sizeof(raw));
	return 1;
}

static inline size_t axl_cmd_copy(struct axl_slot *slots, uint64_t dst_va, uint64_t src_va,
				  uint64_t bytes)
{
	return axl_cmd_copy_flags(slots, dst_va, src_va, bytes, 0);
}

static inline size_t axl_cmd_fence(struct axl_slot *slots, uint32_t opcode, uint64_t va,
				   uint64_t value, uint32_t timeout_us)
{
	struct axl_cmd_fence raw;

	memset(&raw, 0, sizeof(raw));
	raw.va = axl_cpu_to_le64(va);
	raw.value = axl_cpu_to_le64(value);
	raw.timeout_us = axl_cpu_to_le32(timeout_us);
	axl_cmd_put_header(slots, opcode, 0, 1, 0, 0);
	axl_cmd_put(slots, sizeof(struct axl_cmd_header), &raw, sizeof(raw));
	return 1;
}

/* Hold the queue until the word at va is >= value; timeout_us 0 waits for ever. */
static inline size_t axl_cmd_fence_wait(struct axl_slot *slots, uint64_t va, uint64_t value,
					uint32_t timeout_us)
{
	return axl_cmd_fence(slots, AXL_OPCODE_FENCE_WAIT, va, value, timeout_us);
}

/* After all earlier commands of the queue: the word at va becomes max(old, value). */
static inline size_t axl_cmd_fence_signal(struct axl_slot *slots, uint64_t va, uint64_t value)
{
	return axl_cmd_fence(slots, AXL_OPCODE_FENCE_SIGNAL, va, value, 0);
}

/* Write the device clock in ticks to va. */
static inline size_t axl_cmd_timestamp(struct axl_slot *slots, uint64_t va)
{
	return axl_cmd_fence(slots, AXL_OPCODE_TIMESTAMP, va, 0, 0);
}

/* --- tensor commands ------------------------------------------------------------ */

/* A row-major operand: strides of a dense tensor of this shape. */
static inline struct axl_operand axl_operand_dense(uint64_t va, uint32_t dtype,
						   const uint32_t shape[AXL_MAX_DIMS])
{
	struct axl_operand operand;
	uint32_t stride = 1;
	int i;

	memset(&operand, 0, sizeof(operand));
	operand.va = va;
	operand.dtype = dtype;
	for (i = (int)AXL_MAX_DIMS - 1; i >= 0; i--) {
		operand.strides[i] = shape[i] == 1 ? 0 : (int32_t)stride;
		stride *= shape[i];
	}
	return operand;
}

/* A scalar that every element of the shape sees. dtype is a floating type. */
static inline struct axl_operand axl_operand_double(double value, uint32_t dtype)
{
	struct axl_operand operand;

	memset(&operand, 0, sizeof(operand));
	operand.va = axl_cmd_double_bits(value);
	operand.dtype = dtype;
	operand.flags = AXL_OPERAND_FLAG_IMMEDIATE;
	return operand;
}

/* As above for an integer type or bool. */
static inline struct axl_operand axl_operand_int(int64_t value, uint32_t dtype)
{
	struct axl_operand operand;

	memset(&operand, 0, sizeof(operand));
	operand.va = (uint64_t)value;
	operand.dtype = dtype;
	operand.flags = AXL_OPERAND_FLAG_IMMEDIATE;
	return operand;
}

/* One dimension of count elements: all leading ones are 1. */
static inline void axl_shape_1d(uint32_t shape[AXL_MAX_DIMS], uint32_t count)
{
	int i;

	for (i = 0; i < (int)AXL_MAX_DIMS - 1; i++)
		shape[i] = 1;
	shape[AXL_MAX_DIMS - 1] = count;
}

/* Any tensor command: operands in the opcode's order, at most 15. */
static inline size_t axl_cmd_tensor(struct axl_slot *slots, const struct axl_tensor *tensor,
				    const struct axl_operand *operands, size_t count)
{
	struct axl_cmd_tensor raw;
	size_t i;

	memset(&raw, 0, sizeof(raw));
	for (i = 0; i < AXL_MAX_DIMS; i++)
		raw.shape[i] = axl_cpu_to_le32(tensor->shape[i]);
	raw.params[0] = axl_cpu_to_le64(tensor->params[0]);
	raw.params[1] = axl_cpu_to_le64(tensor->params[1]);
	axl_cmd_put_header(slots, tensor->opcode, 0, (uint32_t)count + 1, tensor->op,
			   tensor->dtype);
	axl_cmd_put(slots, sizeof(struct axl_cmd_header), &raw, sizeof(raw));
	for (i = 0; i < count; i++)
		axl_cmd_put_operand(&slots[i + 1], &operands[i]);
	return count + 1;
}

static inline struct axl_tensor axl_tensor_init(uint32_t opcode, uint32_t op, uint32_t dtype,
						const uint32_t shape[AXL_MAX_DIMS])
{
	struct axl_tensor tensor;

	memset(&tensor, 0, sizeof(tensor));
	tensor.opcode = opcode;
	tensor.op = op;
	tensor.dtype = dtype;
	memcpy(tensor.shape, shape, sizeof(tensor.shape));
	return tensor;
}

/* pattern: the raw bits of one element, in the low bytes. */
static inline size_t axl_cmd_fill(struct axl_slot *slots, const struct axl_operand *out,
				  const uint32_t shape[AXL_MAX_DIMS], uint64_t pattern)
{
	struct axl_tensor tensor = axl_tensor_init(AXL_OPCODE_FILL, 0, out->dtype, shape);

	tensor.params[0] = pattern;
	return axl_cmd_tensor(slots, &tensor, out, 1);
}

/* Move elements unchanged between two layouts. */
static inline size_t axl_cmd_copy_strided(struct axl_slot *slots, const struct axl_operand *out,
					  const struct axl_operand *in,
					  const uint32_t shape[AXL_MAX_DIMS])
{
	struct axl_tensor tensor = axl_tensor_init(AXL_OPCODE_COPY_STRIDED, 0, in->dtype, shape);
	struct axl_operand operands[2];

	operands[0] = *in;
	operands[1] = *out;
	return axl_cmd_tensor(slots, &tensor, operands, 2);
}

/* Convert in's type to out's. */
static inline size_t axl_cmd_cast(struct axl_slot *slots, const struct axl_operand *out,
				  const struct axl_operand *in, const uint32_t shape[AXL_MAX_DIMS])
{
	struct axl_tensor tensor = axl_tensor_init(AXL_OPCODE_CAST, 0, in->dtype, shape);
	struct axl_operand operands[2];

	operands[0] = *in;
	operands[1] = *out;
	return axl_cmd_tensor(slots, &tensor, operands, 2);
}

/* op: enum axl_unary; dtype: the type to compute in. */
static inline size_t axl_cmd_unary(struct axl_slot *slots, uint32_t op, uint32_t dtype,
				   const struct axl_operand *out, const struct axl_operand *a,
				   const uint32_t shape[AXL_MAX_DIMS])
{
	struct axl_tensor tensor = axl_tensor_init(AXL_OPCODE_UNARY, op, dtype, shape);
	struct axl_operand operands[2];

	operands[0] = *a;
	operands[1] = *out;
	return axl_cmd_tensor(slots, &tensor, operands, 2);
}

/* op: enum axl_binary; scale_bits: float64 bits, int64 for integer compute types. */
static inline size_t axl_cmd_binary(struct axl_slot *slots, uint32_t op, uint32_t dtype,
				    const struct axl_operand *out, const struct axl_operand *a,
				    const struct axl_operand *b, const uint32_t shape[AXL_MAX_DIMS],
				    uint64_t scale_bits)
{
	struct axl_tensor tensor = axl_tensor_init(AXL_OPCODE_BINARY, op, dtype, shape);
	struct axl_operand operands[3];

	tensor.params[0] = scale_bits;
	operands[0] = *a;
	operands[1] = *b;
	operands[2] = *out;
	return axl_cmd_tensor(slots, &tensor, operands, 3);
}

/* operands: a, b, c, out. op: enum axl_ternary. */
static inline size_t axl_cmd_ternary(struct axl_slot *slots, uint32_t op, uint32_t dtype,
				     const struct axl_operand operands[4],
				     const uint32_t shape[AXL_MAX_DIMS], double scale)
{
	struct axl_tensor tensor = axl_tensor_init(AXL_OPCODE_TERNARY, op, dtype, shape);

	tensor.params[0] = axl_cmd_double_bits(scale);
	return axl_cmd_tensor(slots, &tensor, operands, 4);
}

/* op: enum axl_reduce; shape is a's; dims: bit i reduces dimension i of the 8. */
static inline size_t axl_cmd_reduce(struct axl_slot *slots, uint32_t op, uint32_t dtype,
				    const struct axl_operand *out, const struct axl_operand *a,
				    const uint32_t shape[AXL_MAX_DIMS], uint32_t dims)
{
	struct axl_tensor tensor = axl_tensor_init(AXL_OPCODE_REDUCE, op, dtype, shape);
	struct axl_operand operands[2];

	tensor.params[0] = dims;
	operands[0] = *a;
	operands[1] = *out;
	return axl_cmd_tensor(slots, &tensor, operands, 2);
}

/*
 * out = alpha * a @ b + beta * c. shape: [0..4] batch, [5] m, [6] n, [7] k; operands: a,
 * b, out and, if count is 4, c.
 */
static inline size_t axl_cmd_matmul(struct axl_slot *slots, uint32_t dtype,
				    const struct axl_operand *operands, size_t count,
				    const uint32_t shape[AXL_MAX_DIMS], double alpha, double beta)
{
	struct axl_tensor tensor = axl_tensor_init(AXL_OPCODE_MATMUL, 0, dtype, shape);

	tensor.params[0] = axl_cmd_double_bits(alpha);
	tensor.params[1] = axl_cmd_double_bits(beta);
	return axl_cmd_tensor(slots, &tensor, operands, count);
}

/* operands: src, index, out; shape is out's; extent of src in dimension dim. */
static inline size_t axl_cmd_gather(struct axl_slot *slots, uint32_t dtype,
				    const struct axl_operand operands[3],
				    const uint32_t shape[AXL_MAX_DIMS], uint32_t dim,
				    uint64_t extent)
{
	struct axl_tensor tensor = axl_tensor_init(AXL_OPCODE_GATHER, 0, dtype, shape);

	tensor.params[0] = dim;
	tensor.params[1] = extent;
	return axl_cmd_tensor(slots, &tensor, operands, 3);
}

/* op: enum axl_scatter; operands: src, index, out; shape is src's. */
static inline size_t axl_cmd_scatter(struct axl_slot *slots, uint32_t op, uint32_t dtype,
				     const struct axl_operand operands[3],
				     const uint32_t shape[AXL_MAX_DIMS], uint32_t dim,
				     uint64_t extent)
{
	struct axl_tensor tensor = axl_tensor_init(AXL_OPCODE_SCATTER, op, dtype, shape);

	tensor.params[0] = dim;
	tensor.params[1] = extent;
	return axl_cmd_tensor(slots, &tensor, operands, 3);
}

/* The stream of numbers that a RANDOM command continues. */
struct axl_philox {
	uint64_t seed;
	uint64_t offset; /* first block */
	uint64_t subsequence;
};

/* op: enum axl_random; a and b: its two parameters. */
static inline size_t axl_cmd_random(struct axl_slot *slots, uint32_t op,
				    const struct axl_operand *out,
				    const uint32_t shape[AXL_MAX_DIMS], double a, double b,
				    const struct axl_philox *stream)
{
	struct axl_tensor tensor = axl_tensor_init(AXL_OPCODE_RANDOM, op, out->dtype, shape);
	struct axl_cmd_random raw;
	size_t used;

	tensor.params[0] = axl_cmd_double_bits(a);
	tensor.params[1] = axl_cmd_double_bits(b);
	used = axl_cmd_tensor(slots, &tensor, out, 1);
	memset(&raw, 0, sizeof(raw));
	raw.seed = axl_cpu_to_le64(stream->seed);
	raw.offset = axl_cpu_to_le64(stream->offset);
	raw.subsequence = axl_cpu_to_le64(stream->subsequence);
	memcpy(slots[used].words, &raw, sizeof(raw));
	axl_cmd_put_slots(slots, used + 1);
	return used + 1;
}

/* operands: inputs, then outputs; at most 13. Unused members of 'fused' are 0. */
static inline size_t axl_cmd_fused(struct axl_slot *slots, uint32_t dtype,
				   const struct axl_operand *operands, size_t count,
				   const uint32_t shape[AXL_MAX_DIMS],
				   const struct axl_fused *fused)
{
	struct axl_tensor tensor = axl_tensor_init(AXL_OPCODE_FUSED, 0, dtype, shape);
	struct axl_cmd_fused raw;
	size_t i, used = axl_cmd_tensor(slots, &tensor, operands, count);

	memset(&raw, 0, sizeof(raw));
	raw.outputs = (uint8_t)fused->outputs;
	raw.instructions = (uint8_t)fused->instructions;
	raw.constants = (uint8_t)fused->constants;
	memcpy(raw.stored, fused->stored, sizeof(raw.stored));
	memcpy(raw.reduce, fused->reduce, sizeof(raw.reduce));
	memcpy(raw.dims, fused->dims, sizeof(raw.dims));
	for (i = 0; i < AXL_FUSED_CONSTANTS; i++)
		raw.values[i] = axl_cpu_to_le64(fused->values[i]);
	memcpy(slots[used].words, &raw, sizeof(raw));
	memcpy(slots[used + 1].words, fused->code, sizeof(struct axl_cmd_fused_code));
	axl_cmd_put_slots(slots, used + 2);
	return used + 2;
}

#endif
