// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * What the Python tests start under sanitizers and as other processes.
 *
 *	driver open URI        open and close; prints the code's number and the reason
 *	driver hold URI        open, print "ready", keep a copy running until killed
 *	driver threads URI     8 threads submit and wait on one queue; prints counts
 *	driver resets URI      threads submit while the function is reset again and again
 *	driver fork URI        use the device in a forked child
 *	driver tour URI        one call of most functions
 *	driver lost URI        destroy a buffer after a command was lost (armed by the caller)
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <axl.h>
#include <axl_cmd.h>

#define THREADS 8
#define ROUNDS 200
#define RESETS 10

struct rig {
	struct axl_device *device;
	struct axl_context *context;
	struct axl_queue *queue;
	atomic_ulong done;
	atomic_ulong refused;
	atomic_int stop;
};

static void check(int status, const char *what)
{
	if (status >= 0)
		return;
	printf("%s: %d %s\n", what, -status, axl_last_error());
	exit(1);
}

static void set_up(struct rig *rig, const char *uri)
{
	struct axl_queue_attr attr = { .index = AXL_QUEUE_ANY, .slots_log2 = 5 };

	memset(rig, 0, sizeof(*rig));
	check(axl_device_open(uri, 0, &rig->device), "open");
	check(axl_context_create(rig->device, &rig->context), "context");
	check(axl_queue_create(rig->context, &attr, sizeof(attr), &rig->queue), "queue");
}

static void tear_down(struct rig *rig)
{
	axl_queue_destroy(rig->queue);
	axl_context_destroy(rig->context);
	axl_device_close(rig->device);
}

static int do_open(const char *uri)
{
	struct axl_device *device;
	int status = axl_device_open(uri, 0, &device);

	printf("%d %s\n", -status, status ? axl_last_error() : "opened");
	if (!status)
		axl_device_close(device);
	return 0;
}

static int do_hold(const char *uri)
{
	struct axl_buffer *host, *memory;
	struct axl_slot slot;
	struct rig rig;

	set_up(&rig, uri);
	check(axl_buffer_create(rig.context, 8u << 20, AXL_MEMORY_HOST, 0, &host), "host");
	check(axl_buffer_create(rig.context, 8u << 20, AXL_MEMORY_DEVICE, 0, &memory), "device");
	axl_cmd_copy(&slot, axl_buffer_va(memory), axl_buffer_va(host), 8u << 20);
	printf("ready\n");
	fflush(stdout);
	while (axl_queue_submit(rig.queue, &slot, 1, 0, NULL) == 0)
		;
	return 1;
}

/* Batches of one to three nops; every third asks for no interrupt. */
static void *submit_and_wait(void *argument)
{
	struct rig *rig = argument;
	struct axl_slot slots[3];

	for (int i = 0; i < 3; i++)
		axl_cmd_nop(&slots[i]);
	for (int i = 0; i < ROUNDS; i++) {
		size_t count = (size_t)(i % 3) + 1;
		uint64_t last = 0;

		check(axl_queue_submit(rig->queue, slots, count,
				       i % 3 ? 0 : AXL_SUBMIT_NO_INTERRUPT, &last),
		      "submit");
		check(axl_queue_wait(rig->queue, last, 20000000000), "wait");
		atomic_fetch_add(&rig->done, count);
	}
	return NULL;
}

static int do_threads(const char *uri)
{
	struct axl_queue_stats stats;
	pthread_t threads[THREADS];
	struct rig rig;

	set_up(&rig, uri);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, submit_and_wait, &rig);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	check(axl_queue_stats(rig.queue, &stats, sizeof(stats)), "stats");
	printf("done=%lu submitted=%llu completed=%llu failed=%llu lost=%llu\n",
	       atomic_load(&rig.done), (unsigned long long)stats.submitted,
	       (unsigned long long)stats.completed, (unsigned long long)stats.failed,
	       (unsigned long long)stats.lost);
	tear_down(&rig);
	return 0;
}

/* Until told to stop: submit, wait; when the queue is stale, make another. */
static void *submit_over_resets(void *argument)
{
	struct rig *rig = argument;
	struct axl_context *context = NULL;
	struct axl_queue *queue = NULL;
	struct axl_slot slot;

	axl_cmd_nop(&slot);
	while (!atomic_load(&rig->stop)) {
		uint64_t last = 0;
		int status = 0;

		if (!queue) {
			status = axl_context_create(rig->device, &context);
			if (!status)
				status = axl_queue_create(context, NULL, 0, &queue);
		}
		if (!status)
			status = axl_queue_submit(queue, &slot, 1, 0, &last);
		if (!status)
			status = axl_queue_wait(queue, last, 20000000000);
		atomic_fetch_add(status ? &rig->refused : &rig->done, 1);
		if (!status)
			continue;
		if (status != -ESTALE && status != -ECANCELED)
			check(status, "over resets");
		axl_queue_destroy(queue);
		axl_context_destroy(context);
		queue = NULL;
		context = NULL;
	}
	axl_queue_destroy(queue);
	axl_context_destroy(context);
	return NULL;
}

static int do_resets(const char *uri)
{
	pthread_t threads[3];
	struct rig rig;

	memset(&rig, 0, sizeof(rig));
	check(axl_device_open(uri, 0, &rig.device), "open");
	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, submit_over_resets, &rig);
	for (int i = 0; i < RESETS; i++) {
		usleep(10000);
		check(axl_device_reset(rig.device,
				       i % 2 ? AXL_RESET_KIND_BUS : AXL_RESET_KIND_FUNCTION),
		      "reset");
	}
	atomic_store(&rig.stop, 1);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	printf("done=%d refused=%d generation=%u\n", atomic_load(&rig.done) > 0,
	       atomic_load(&rig.refused) > 0, axl_device_generation(rig.device));
	axl_device_close(rig.device);
	return 0;
}

static int do_fork(const char *uri)
{
	struct axl_slot slot;
	struct rig rig;
	int status = 0;
	pid_t child;

	set_up(&rig, uri);
	axl_cmd_nop(&slot);
	child = fork();
	if (child == 0) {
		int code = axl_queue_submit(rig.queue, &slot, 1, 0, NULL);

		printf("child: %d %s\n", -code, axl_last_error());
		fflush(stdout);
		tear_down(&rig);
		_exit(0);
	}
	waitpid(child, &status, 0);
	submit_and_wait(&rig);
	printf("parent: done=%lu child=%d\n", atomic_load(&rig.done), status);
	tear_down(&rig);
	return 0;
}

static int do_tour(const char *uri)
{
	struct axl_telemetry telemetry;
	struct axl_device_error error;
	struct axl_device_info info;
	struct axl_buffer *buffer;
	struct axl_result result;
	struct axl_slot slot;
	struct rig rig;
	uint64_t last;

	set_up(&rig, uri);
	check(axl_device_info(rig.device, &info, sizeof(info)), "info");
	check(axl_device_telemetry(rig.device, &telemetry, sizeof(telemetry)), "telemetry");
	check(axl_device_error(rig.device, 1, &error, sizeof(error)), "error");
	check(axl_device_check(rig.device), "check");
	check(axl_buffer_create(rig.context, 3u << 20, AXL_MEMORY_DEVICE, 0, &buffer), "buffer");
	axl_cmd_copy(&slot, axl_buffer_va(buffer), axl_buffer_va(buffer) + (1u << 20), 1u << 20);
	check(axl_queue_submit(rig.queue, &slot, 1, 0, &last), "submit");
	check(axl_queue_wait(rig.queue, last, -1), "wait");
	check(axl_queue_result(rig.queue, last, &result, sizeof(result)), "result");
	check(axl_queue_fd(rig.queue), "fd");
	check(axl_queue_reset(rig.queue), "queue reset");
	axl_buffer_destroy(buffer);
	check(axl_device_reset(rig.device, AXL_RESET_KIND_FUNCTION), "reset");
	printf("toured vectors=%u peers=%u\n", info.vectors, info.peer_count);
	tear_down(&rig);
	return 0;
}

static int do_lost(const char *uri)
{
	struct axl_buffer *buffer;
	struct axl_slot slots[2];
	struct rig rig;
	uint64_t last;

	set_up(&rig, uri);
	check(axl_buffer_create(rig.context, 1u << 20, AXL_MEMORY_HOST, 0, &buffer), "buffer");
	axl_cmd_nop(&slots[0]);
	axl_cmd_nop(&slots[1]);
	check(axl_queue_submit(rig.queue, slots, 2, 0, &last), "submit");
	printf("wait: %d\n", -axl_queue_wait(rig.queue, last, 20000000000));
	axl_buffer_destroy(buffer);
	tear_down(&rig);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(const char *uri);
	} commands[] = {
		{"open",	  do_open	  },
		 { "hold",	   do_hold   },
		      { "threads", do_threads},
		{ "resets",  do_resets },
		 { "fork",	   do_fork   },
		      { "tour",	do_tour	},
		{ "lost",	  do_lost	  },
	};

	for (size_t i = 0; argc == 3 && i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argv[2]);
	}
	fprintf(stderr, "usage: driver COMMAND URI\n");
	return 2;
}
