// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Adds two vectors on an accelerator and shows where the time went.
 *
 *	accel-rack up
 *	cc vector_add.c $(pkg-config --cflags --libs axl) && ./a.out [URI]
 */
#include <stdio.h>
#include <stdlib.h>

#include <axl.h>
#include <axl_cmd.h>

#define COUNT 262144u /* elements */
#define BYTES (COUNT * sizeof(float))
#define COMMANDS 4 /* two copies in, one add, one copy out */

struct example {
	struct axl_device *device;
	struct axl_context *context;
	struct axl_queue *queue;
	struct axl_buffer *host[2]; /* inputs; the result comes back into [0] */
	struct axl_buffer *memory[3]; /* a, b, sum on the device */
};

static void check(int status, const char *what)
{
	if (status >= 0)
		return;
	fprintf(stderr, "%s: %s\n", what, axl_last_error());
	exit(1);
}

static void list_endpoints(void)
{
	struct axl_endpoint_info infos[64];
	size_t count = 0;

	check(axl_enumerate(NULL, infos, sizeof(infos[0]), 64, &count), "axl_enumerate");
	for (size_t i = 0; i < count && i < 64; i++)
		printf("%2u  %s  %llu MiB\n", infos[i].ordinal, infos[i].uri,
		       (unsigned long long)(infos[i].memory_bytes >> 20));
}

static void set_up(struct example *example, const char *uri)
{
	check(axl_device_open(uri, 0, &example->device), "axl_device_open");
	check(axl_context_create(example->device, &example->context), "axl_context_create");
	check(axl_queue_create(example->context, NULL, 0, &example->queue), "axl_queue_create");
	for (int i = 0; i < 2; i++)
		check(axl_buffer_create(example->context, BYTES, AXL_MEMORY_HOST, 0,
					&example->host[i]),
		      "axl_buffer_create");
	for (int i = 0; i < 3; i++)
		check(axl_buffer_create(example->context, BYTES, AXL_MEMORY_DEVICE, 0,
					&example->memory[i]),
		      "axl_buffer_create");
}

static void tear_down(struct example *example)
{
	for (int i = 0; i < 3; i++)
		axl_buffer_destroy(example->memory[i]);
	for (int i = 0; i < 2; i++)
		axl_buffer_destroy(example->host[i]);
	axl_queue_destroy(example->queue);
	axl_context_destroy(example->context);
	axl_device_close(example->device);
}

/* All four commands in one batch: one doorbell, one interrupt. */
static uint64_t submit(struct example *example)
{
	struct axl_slot batch[COMMANDS * AXL_CMD_SLOTS];
	struct axl_operand operands[3];
	uint32_t shape[AXL_MAX_DIMS];
	uint64_t last = 0;
	size_t n = 0;

	axl_shape_1d(shape, COUNT);
	for (int i = 0; i < 3; i++)
		operands[i] =
			axl_operand_dense(axl_buffer_va(example->memory[i]), AXL_DTYPE_F32, shape);
	for (int i = 0; i < 2; i++)
		n += axl_cmd_copy(batch + n, operands[i].va, axl_buffer_va(example->host[i]),
				  BYTES);
	n += axl_cmd_binary(batch + n, AXL_BINARY_ADD, AXL_DTYPE_F32, &operands[2], &operands[0],
			    &operands[1], shape, axl_cmd_double_bits(1.0));
	n += axl_cmd_copy(batch + n, axl_buffer_va(example->host[0]), operands[2].va, BYTES);
	check(axl_queue_submit(example->queue, batch, n, 0, &last), "axl_queue_submit");
	return last;
}

static void print_times(struct example *example, uint64_t last)
{
	for (uint64_t sequence = last - COMMANDS + 1; sequence <= last; sequence++) {
		struct axl_result result;

		check(axl_queue_result(example->queue, sequence, &result, sizeof(result)),
		      "axl_queue_result");
		printf("command %llu %-7s %s", (unsigned long long)sequence,
		       axl_opcode_name(result.opcode), axl_status_name(result.status));
		if (result.timing_valid)
			printf("  waited %8.1f us, ran %8.1f us",
			       (double)(int64_t)(result.start_ns - result.submit_ns) / 1e3,
			       (double)(int64_t)(result.finish_ns - result.start_ns) / 1e3);
		printf("\n");
	}
}

int main(int argc, char **argv)
{
	struct example example = { 0 };
	float *a, *b;
	uint64_t last;
	unsigned int wrong = 0;

	list_endpoints();
	set_up(&example, argc > 1 ? argv[1] : NULL);
	a = axl_buffer_map(example.host[0]);
	b = axl_buffer_map(example.host[1]);
	for (unsigned int i = 0; i < COUNT; i++) {
		a[i] = (float)i;
		b[i] = 0.5f;
	}
	last = submit(&example);
	check(axl_queue_wait(example.queue, last, -1), "axl_queue_wait");
	for (unsigned int i = 0; i < COUNT; i++)
		wrong += a[i] != (float)i + 0.5f;
	print_times(&example, last);
	printf("%u elements, %u wrong\n", COUNT, wrong);
	tear_down(&example);
	return wrong != 0;
}
