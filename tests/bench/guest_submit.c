// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * What the kernel driver costs, measured in the guest on its bare ioctls: submission beside
 * an empty DRM ioctl, interrupts and processor time per command, copies beside memcpy of
 * the same bytes. Prints one JSON object.
 *
 *	guest_submit /dev/accel/accelN BDF [instructions]
 *
 * Submission is timed on a queue whose first command holds it, so that neither completions
 * nor interrupts fall into the time. What the doorbell costs is taken away from it: here it
 * leaves the guest for the simulated device, which no hardware does. ftrace's function_graph
 * tracer times that one function while the batches are submitted; its own cost stays in.
 *
 * With `instructions` only submission is measured, in a guest whose clock goes on one
 * nanosecond per instruction and stands still while the device answers: nothing is taken
 * away, and the figures are the same on any machine.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <axl_accel.h>
#include <axl_cmd.h>

#define BATCH 16
#define BATCHES 32 /* half a ring of 1024 slots */
#define ROUNDS 15
#define CALLS (ROUNDS * BATCHES)
#define COPY_BYTES (16u << 20)
#define COPY_ROUNDS 5
#define LOAD_BATCHES 400
#define FOREVER_NS INT64_MAX

struct bench {
	int fd;
	const char *bdf;
	uint32_t context;
};

struct queue {
	uint32_t id;
	uint32_t index;
	uint32_t slots;
	uint64_t sequence; /* last submitted */
};

struct memory {
	uint64_t va;
	void *cpu;
};

static void fail(const char *what)
{
	fprintf(stderr, "guest_submit: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void call(struct bench *bench, unsigned long request, void *argument, const char *what)
{
	if (ioctl(bench->fd, request, argument))
		fail(what);
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

static double median(double *values, int count)
{
	qsort(values, (size_t)count, sizeof(*values), compare);
	return values[count / 2];
}

/* --- objects ------------------------------------------------------------------------ */

static struct queue make_queue(struct bench *bench, uint32_t coalesce_count, uint32_t coalesce_us)
{
	struct drm_axl_queue_create made = {
		.context_id = bench->context,
		.coalesce_count = coalesce_count,
		.coalesce_us = coalesce_us,
	};

	call(bench, DRM_IOCTL_AXL_QUEUE_CREATE, &made, "queue");
	return (struct queue){ made.queue_id, made.queue_index, made.slot_count, 0 };
}

static struct memory make_memory(struct bench *bench, uint64_t bytes, uint32_t kind)
{
	struct drm_axl_bo_create made = { .bytes = bytes, .memory = kind };
	struct drm_axl_bo_map mapped = { .context_id = bench->context };
	struct memory memory;

	call(bench, DRM_IOCTL_AXL_BO_CREATE, &made, "buffer");
	mapped.handle = made.handle;
	call(bench, DRM_IOCTL_AXL_BO_MAP, &mapped, "mapping");
	memory.va = mapped.va;
	memory.cpu = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, bench->fd,
			  (off_t)made.mmap_offset);
	if (memory.cpu == MAP_FAILED)
		fail("mmap");
	return memory;
}

/* Pages of the program's own, pinned. */
static struct memory make_pinned(struct bench *bench, uint64_t bytes)
{
	void *cpu = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	struct drm_axl_bo_create made = { .bytes = bytes, .memory = DRM_AXL_MEMORY_USER };
	struct drm_axl_bo_map mapped = { .context_id = bench->context };

	if (cpu == MAP_FAILED)
		fail("mmap");
	made.user_address = (uintptr_t)cpu;
	call(bench, DRM_IOCTL_AXL_BO_CREATE, &made, "pinned buffer");
	mapped.handle = made.handle;
	call(bench, DRM_IOCTL_AXL_BO_MAP, &mapped, "mapping");
	return (struct memory){ mapped.va, cpu };
}

static void submit(struct bench *bench, struct queue *queue, const struct axl_slot *slots,
		   uint32_t count)
{
	struct drm_axl_submit args = {
		.queue_id = queue->id,
		.slots = (uintptr_t)slots,
		.slot_count = count,
	};

	call(bench, DRM_IOCTL_AXL_SUBMIT, &args, "submit");
	queue->sequence = args.sequence;
}

static void wait_for(struct bench *bench, struct queue *queue)
{
	struct drm_axl_wait args = {
		.queue_id = queue->id,
		.sequence = queue->sequence,
		.timeout_ns = FOREVER_NS,
	};

	call(bench, DRM_IOCTL_AXL_WAIT, &args, "wait");
	if (args.failed_sequence) {
		fprintf(stderr, "guest_submit: command %llu: status %u\n",
			(unsigned long long)args.failed_sequence, args.failed_status);
		exit(1);
	}
}

/* --- submission --------------------------------------------------------------------- */

static void write_file(const char *name, const char *text)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/kernel/tracing/%s", name);
	file = fopen(path, "w");
	if (!file || fputs(text, file) < 0 || fclose(file))
		fail(path);
}

/* Time the doorbell from now on. */
static void watch_doorbell(void)
{
	write_file("set_ftrace_filter", "axl_os_sq_doorbell");
	write_file("current_tracer", "function_graph");
}

/*
 * The time of each doorbell since watch_doorbell(). Lines look like this:
 *	 1) ! 123.456 us  |  axl_os_sq_doorbell [axl]();
 */
static void read_doorbells(double *times)
{
	FILE *file = fopen("/sys/kernel/tracing/trace", "r");
	char line[256];
	int count = 0;

	if (!file)
		fail("trace");
	while (fgets(line, sizeof(line), file)) {
		char *unit = strstr(line, " us ");
		char *number = unit;

		if (!unit || !strstr(line, "axl_os_sq_doorbell"))
			continue;
		while (number > line && number[-1] != ' ')
			number--;
		if (count < BATCHES)
			times[count] = strtod(number, NULL);
		count++;
	}
	fclose(file);
	write_file("current_tracer", "nop");
	if (count != BATCHES) {
		fprintf(stderr, "guest_submit: %d doorbells were seen, not %d\n", count, BATCHES);
		exit(1);
	}
}

static void time_empty(struct bench *bench, double *times)
{
	struct drm_version version = { 0 };

	for (int i = 0; i < BATCHES; i++) {
		double start = now_us();

		call(bench, DRM_IOCTL_VERSION, &version, "version");
		times[i] = now_us() - start;
	}
}

static void time_submit(struct bench *bench, struct queue *queue, double *times)
{
	struct axl_slot slots[BATCH];

	for (int i = 0; i < BATCH; i++)
		axl_cmd_nop(&slots[i]);
	for (int i = 0; i < BATCHES; i++) {
		double start = now_us();

		submit(bench, queue, slots, BATCH);
		times[i] = now_us() - start;
	}
}

/* Medians of single calls: the machine that runs the guest interrupts some of them. */
static void submission(struct bench *bench)
{
	static double empty[CALLS], whole[CALLS], bell[CALLS], net[CALLS];
	struct queue queue = make_queue(bench, 0, 0);
	struct memory word = make_memory(bench, 4096, DRM_AXL_MEMORY_HOST);
	struct axl_slot held;

	for (uint64_t i = 0; i < ROUNDS; i++) {
		axl_cmd_fence_wait(&held, word.va, i + 1, 0);
		submit(bench, &queue, &held, 1);
		time_empty(bench, empty + i * BATCHES);
		watch_doorbell();
		time_submit(bench, &queue, whole + i * BATCHES);
		read_doorbells(bell + i * BATCHES);
		__atomic_store_n((uint64_t *)word.cpu, i + 1, __ATOMIC_RELEASE);
		wait_for(bench, &queue);
	}
	for (int i = 0; i < CALLS; i++)
		net[i] = whole[i] - bell[i];
	printf("\"empty_ioctl_us\": %.2f, \"submit_16_us\": %.2f, \"doorbell_us\": %.2f, "
	       "\"submit_16_net_us\": %.2f, ",
	       median(empty, CALLS), median(whole, CALLS), median(bell, CALLS), median(net, CALLS));
}

static void count_instructions(struct bench *bench)
{
	static double empty[CALLS], whole[CALLS];
	struct queue queue = make_queue(bench, 0, 0);
	struct memory word = make_memory(bench, 4096, DRM_AXL_MEMORY_HOST);
	struct axl_slot held;

	for (uint64_t i = 0; i < ROUNDS; i++) {
		axl_cmd_fence_wait(&held, word.va, i + 1, 0);
		submit(bench, &queue, &held, 1);
		time_empty(bench, empty + i * BATCHES);
		time_submit(bench, &queue, whole + i * BATCHES);
		__atomic_store_n((uint64_t *)word.cpu, i + 1, __ATOMIC_RELEASE);
		wait_for(bench, &queue);
	}
	printf("\"empty_ioctl_instructions\": %.0f, \"submit_16_instructions\": %.0f",
	       median(empty, CALLS) * 1e3, median(whole, CALLS) * 1e3);
}

/* --- interrupts and processor time ---------------------------------------------------- */

/* Interrupts of the endpoint so far, of all processors, as /proc/interrupts counts them. */
static double count_interrupts(const char *bdf)
{
	FILE *file = fopen("/proc/interrupts", "r");
	char line[1024];
	double total = 0;

	if (!file)
		fail("/proc/interrupts");
	while (fgets(line, sizeof(line), file)) {
		char *at = strchr(line, ':');
		char *end = at;

		if (!at || !strstr(line, bdf))
			continue;
		for (at++;; at = end) {
			double value = strtod(at, &end);

			if (end == at || *end != ' ')
				break;
			total += value;
		}
	}
	fclose(file);
	return total;
}

/* Time that any processor of the guest was not idle, in us. */
static double busy_us(void)
{
	unsigned long long user, nice, system, idle, iowait, irq, softirq;
	FILE *file = fopen("/proc/stat", "r");

	if (!file || fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system,
			    &idle, &iowait, &irq, &softirq) != 7)
		fail("/proc/stat");
	fclose(file);
	return (double)(user + nice + system + irq + softirq) * 1e6 / (double)sysconf(_SC_CLK_TCK);
}

/* Batches one after the other, each submitted while the one before runs. */
static void run_load(struct bench *bench, struct queue *queue, const char *name)
{
	double interrupts = count_interrupts(bench->bdf), busy = busy_us();
	struct axl_slot slots[BATCH];

	for (int i = 0; i < BATCH; i++)
		axl_cmd_nop(&slots[i]);
	for (int i = 0; i < LOAD_BATCHES; i++) {
		submit(bench, queue, slots, BATCH);
		if (i % 4 == 3)
			wait_for(bench, queue);
	}
	wait_for(bench, queue);
	interrupts = count_interrupts(bench->bdf) - interrupts;
	printf("\"interrupts_per_batch%s\": %.3f, \"cpu_us_per_command%s\": %.2f, ", name,
	       interrupts / LOAD_BATCHES, name, (busy_us() - busy) / (LOAD_BATCHES * BATCH));
}

static void load(struct bench *bench)
{
	struct queue plain = make_queue(bench, 0, 0);
	struct queue coalesced = make_queue(bench, 4, 1000);

	run_load(bench, &plain, "");
	run_load(bench, &coalesced, "_coalesced");
}

/* --- copies ------------------------------------------------------------------------- */

static double gb_per_s(double start_us)
{
	return COPY_BYTES / (now_us() - start_us) / 1e3;
}

static double time_copy(struct bench *bench, struct queue *queue, uint64_t to, uint64_t from)
{
	struct axl_slot slot;
	double start;

	axl_cmd_copy(&slot, to, from, COPY_BYTES);
	start = now_us();
	submit(bench, queue, &slot, 1);
	wait_for(bench, queue);
	return gb_per_s(start);
}

static void copies(struct bench *bench)
{
	double plain[COPY_ROUNDS], there[COPY_ROUNDS], back[COPY_ROUNDS];
	struct queue queue = make_queue(bench, 0, 0);
	struct memory pinned = make_pinned(bench, COPY_BYTES);
	struct memory device = make_memory(bench, COPY_BYTES, DRM_AXL_MEMORY_DEVICE);
	void *other = malloc(COPY_BYTES);

	if (!other)
		fail("malloc");
	memset(pinned.cpu, 1, COPY_BYTES);
	memset(other, 2, COPY_BYTES);
	time_copy(bench, &queue, device.va, pinned.va);
	for (int i = 0; i < COPY_ROUNDS; i++) {
		double start = now_us();

		memcpy(other, pinned.cpu, COPY_BYTES);
		plain[i] = gb_per_s(start);
		there[i] = time_copy(bench, &queue, device.va, pinned.va);
		back[i] = time_copy(bench, &queue, pinned.va, device.va);
	}
	printf("\"memcpy_gb_s\": %.3f, \"host_to_device_gb_s\": %.3f, "
	       "\"device_to_host_gb_s\": %.3f",
	       median(plain, COPY_ROUNDS), median(there, COPY_ROUNDS), median(back, COPY_ROUNDS));
}

int main(int argc, char **argv)
{
	struct drm_axl_context_create context = { 0 };
	struct bench bench;

	bool counted = argc == 4 && strcmp(argv[3], "instructions") == 0;

	if (argc != 3 && !counted) {
		fprintf(stderr, "usage: guest_submit /dev/accel/accelN BDF [instructions]\n");
		return 2;
	}
	bench.bdf = argv[2];
	bench.fd = open(argv[1], O_RDWR | O_CLOEXEC);
	if (bench.fd < 0)
		fail(argv[1]);
	call(&bench, DRM_IOCTL_AXL_CONTEXT_CREATE, &context, "context");
	bench.context = context.context_id;
	printf("{");
	if (counted) {
		count_instructions(&bench);
	} else {
		submission(&bench);
		load(&bench);
		copies(&bench);
	}
	printf("}\n");
	return 0;
}
