// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * What the embedded rack costs: nop round trips, batched nops, copies beside memcpy of the
 * same bytes in the same run. Prints one JSON object.
 *
 *	nop_latency [URI] [ROUNDS]
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <axl.h>
#include <axl_cmd.h>

#define WARM_UP 200
#define BATCH 64ull
#define BATCHES 400
#define COPY_BYTES (16u << 20)
#define COPY_ROUNDS 7

struct bench {
	struct axl_device *device;
	struct axl_context *context;
	struct axl_queue *queue;
};

static void check(int status, const char *what)
{
	if (status >= 0)
		return;
	fprintf(stderr, "%s: %s\n", what, axl_last_error());
	exit(1);
}

static double now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int compare(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

static double percentile(double *sorted, int count, double fraction)
{
	return sorted[(int)(fraction * (count - 1))];
}

static void run(struct bench *bench, const struct axl_slot *slots, size_t count, uint32_t flags)
{
	uint64_t sequence = 0;

	check(axl_queue_submit(bench->queue, slots, count, flags, &sequence), "submit");
	check(axl_queue_wait(bench->queue, sequence, -1), "wait");
}

static void nop_round_trips(struct bench *bench, int rounds)
{
	double *times = calloc((size_t)rounds, sizeof(*times));
	struct axl_slot slot;

	if (!times)
		exit(1);
	axl_cmd_nop(&slot);
	for (int i = 0; i < WARM_UP; i++)
		run(bench, &slot, 1, 0);
	for (int i = 0; i < rounds; i++) {
		double start = now_us();

		run(bench, &slot, 1, 0);
		times[i] = now_us() - start;
	}
	qsort(times, (size_t)rounds, sizeof(*times), compare);
	printf("\"nop_p50_us\": %.1f, \"nop_p99_us\": %.1f, ", percentile(times, rounds, 0.5),
	       percentile(times, rounds, 0.99));
	free(times);
}

/* Keeps a few batches in flight, as a runtime does. */
static void nops_batched(struct bench *bench)
{
	struct axl_slot batch[BATCH];
	uint64_t sequence = 0;
	double start;

	for (size_t i = 0; i < BATCH; i++)
		axl_cmd_nop(&batch[i]);
	start = now_us();
	for (int i = 0; i < BATCHES; i++) {
		check(axl_queue_submit(bench->queue, batch, BATCH, 0, &sequence), "submit");
		if (sequence > 8 * BATCH)
			check(axl_queue_wait(bench->queue, sequence - 8 * BATCH, -1), "wait");
	}
	check(axl_queue_wait(bench->queue, sequence, -1), "wait");
	printf("\"nops_per_s\": %.0f, ", (double)(BATCH * BATCHES) / (now_us() - start) * 1e6);
}

static double median(double *values, int count)
{
	qsort(values, (size_t)count, sizeof(*values), compare);
	return values[count / 2];
}

/* GB/s, medians of interleaved rounds: memcpy, a copy command, a copy through BAR2. */
static void copies(struct bench *bench)
{
	double plain[COPY_ROUNDS], command[COPY_ROUNDS], back[COPY_ROUNDS], mapped[COPY_ROUNDS];
	struct axl_buffer *host, *memory;
	char *other = malloc(COPY_BYTES);
	struct axl_slot in, out;

	check(axl_buffer_create(bench->context, COPY_BYTES, AXL_MEMORY_HOST, 0, &host), "buffer");
	check(axl_buffer_create(bench->context, COPY_BYTES, AXL_MEMORY_DEVICE, 0, &memory),
	      "buffer");
	if (!other)
		exit(1);
	memset(axl_buffer_map(host), 1, COPY_BYTES);
	memset(axl_buffer_map(memory), 2, COPY_BYTES);
	memset(other, 3, COPY_BYTES);
	axl_cmd_copy(&in, axl_buffer_va(memory), axl_buffer_va(host), COPY_BYTES);
	axl_cmd_copy(&out, axl_buffer_va(host), axl_buffer_va(memory), COPY_BYTES);
	run(bench, &in, 1, 0);
	for (int i = 0; i < COPY_ROUNDS; i++) {
		double t[5];

		t[0] = now_us();
		memcpy(other, axl_buffer_map(host), COPY_BYTES);
		t[1] = now_us();
		run(bench, &in, 1, 0);
		t[2] = now_us();
		run(bench, &out, 1, 0);
		t[3] = now_us();
		memcpy(axl_buffer_map(memory), axl_buffer_map(host), COPY_BYTES);
		t[4] = now_us();
		plain[i] = COPY_BYTES / (t[1] - t[0]) / 1e3;
		command[i] = COPY_BYTES / (t[2] - t[1]) / 1e3;
		back[i] = COPY_BYTES / (t[3] - t[2]) / 1e3;
		mapped[i] = COPY_BYTES / (t[4] - t[3]) / 1e3;
	}
	printf("\"copy_bytes\": %u, \"memcpy_gb_s\": %.2f, \"host_to_device_gb_s\": %.2f, "
	       "\"device_to_host_gb_s\": %.2f, \"bar2_gb_s\": %.2f",
	       COPY_BYTES, median(plain, COPY_ROUNDS), median(command, COPY_ROUNDS),
	       median(back, COPY_ROUNDS), median(mapped, COPY_ROUNDS));
	axl_buffer_destroy(memory);
	axl_buffer_destroy(host);
	free(other);
}

int main(int argc, char **argv)
{
	long rounds = argc > 2 ? strtol(argv[2], NULL, 10) : 3000;
	struct bench bench;

	if (rounds < 1 || rounds > 10000000) {
		fprintf(stderr, "usage: nop_latency [URI] [ROUNDS]\n");
		return 2;
	}
	check(axl_device_open(argc > 1 ? argv[1] : NULL, 0, &bench.device), "open");
	check(axl_context_create(bench.device, &bench.context), "context");
	check(axl_queue_create(bench.context, NULL, 0, &bench.queue), "queue");
	printf("{\"schema\": 1, \"rounds\": %ld, ", rounds);
	nop_round_trips(&bench, (int)rounds);
	nops_batched(&bench);
	copies(&bench);
	printf("}\n");
	axl_queue_destroy(bench.queue);
	axl_context_destroy(bench.context);
	axl_device_close(bench.device);
	return 0;
}
