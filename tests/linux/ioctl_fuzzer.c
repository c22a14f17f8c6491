// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Fuzzes the ioctls of one device file for a bounded time:
 *
 *	ioctl_fuzzer DEVICE SEED SECONDS
 *
 * Two threads share one descriptor, which each of them now and then lets refer to a freshly
 * opened file: the old one closes under the other's feet. Structures lie right before a page
 * that cannot be touched. fuzz_table.h is made from the header (tests/linux/fuzz_table.py):
 * what an ioctl gives out under a field's name goes in again under that name. Memory of the
 * file is touched by the kernel (pwrite, read): where an access of our own would be a
 * SIGBUS, theirs is an errno.
 *
 * Prints "NAME ERRNO COUNT" for every way in which an ioctl ended.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "fuzz_table.h"

#define PAGE 4096
#define SLOT 64
#define SLOTS 16
#define ERRNOS 140
#define POOL 12
#define WAIT_NS 2000000
#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))
#define GEM_CLOSE 0x40086409
#define SYNCOBJ_CREATE 0xc00864bf

struct thread {
	uint64_t random;
	uint8_t *end; /* of an area, the page behind it cannot be touched */
	uint8_t *slots_end; /* likewise, for what structures point to */
	unsigned int counts[LENGTH(ioctls) + 1][ERRNOS];
};

static int device; /* the descriptor that all share */
static int memory; /* a file to write to, whose content nobody reads */
static int zero;
static const char *path;
static uint64_t pools[NAMES][POOL]; /* numbers that were given out, by the field's name */
static struct thread threads[2];

/* --- choices ------------------------------------------------------------------------ */

static uint64_t any(struct thread *self)
{
	self->random ^= self->random << 13;
	self->random ^= self->random >> 7;
	self->random ^= self->random << 17;
	return self->random * 0x2545f4914f6cdd1dULL;
}

static unsigned int below(struct thread *self, unsigned int limit)
{
	return (any(self) >> 32) % limit;
}

static bool rarely(struct thread *self, unsigned int permille)
{
	return below(self, 1000) < permille;
}

#define ONE_OF(self, ...) \
	((const uint64_t[]){ __VA_ARGS__ })[below( \
		self, sizeof((const uint64_t[]){ __VA_ARGS__ }) / sizeof(uint64_t))]

static uint64_t evil(struct thread *self)
{
	if (rarely(self, 200))
		return any(self);
	return ONE_OF(self, 1, 2, 3, 7, 15, 16, 17, 64, 65, PAGE - 1, PAGE, 1 << 20, 1ull << 31,
		      UINT32_MAX, 1ull << 32, 1ull << 40, 1ull << 63, UINT64_MAX,
		      UINT64_MAX - PAGE + 1);
}

static uint64_t known(struct thread *self, unsigned int name)
{
	unsigned int i = below(self, POOL), tries = POOL;
	uint64_t value;

	do {
		value = __atomic_load_n(&pools[name][i++ % POOL], __ATOMIC_RELAXED);
	} while (!value && --tries);
	return value;
}

static void learn(struct thread *self, unsigned int name, uint64_t value)
{
	__atomic_store_n(&pools[name][below(self, POOL)], value, __ATOMIC_RELAXED);
}

/* --- what fields hold ---------------------------------------------------------------- */

static void make_slot(struct thread *self, uint8_t *slot)
{
	uint64_t va[] = { known(self, NAME_va), known(self, NAME_va),
			  ONE_OF(self, 1, 64, PAGE, PAGE + 1, 1 << 20) };
	unsigned int i, kind = below(self, 100);

	memset(slot, 0, SLOT);
	if (rarely(self, 3)) {
		for (i = 0; i < SLOT; i++)
			slot[i] = any(self);
		return;
	}
	memcpy(slot, kind < 60 ? nop_slot : kind < 65 ? wait_slot : copy_slot, SLOT);
	if (kind >= 97)
		va[below(self, 2)] = evil(self);
	if (kind >= 65)
		memcpy(slot + PAYLOAD, va, sizeof(va));
	else if (kind >= 60)
		memcpy(slot + PAYLOAD, va, sizeof(va[0])); /* for a value that is there */
}

static uint64_t make_slots(struct thread *self)
{
	unsigned int i, count = rarely(self, 900) ? SLOTS : below(self, SLOTS) + 1;
	uint8_t *slots = self->slots_end - count * SLOT;

	for (i = 0; i < count; i++)
		make_slot(self, slots + i * SLOT);
	return (uintptr_t)slots;
}

static uint64_t make_handles(struct thread *self)
{
	uint32_t handles[3];
	unsigned int i;

	for (i = 0; i < 3; i++)
		handles[i] = known(self, NAME_out_sync);
	memcpy(self->slots_end - sizeof(handles), handles, sizeof(handles));
	return (uintptr_t)self->slots_end - sizeof(handles);
}

static uint64_t make_pointer(struct thread *self, unsigned int name)
{
	uintptr_t address;

	if (name == NAME_user_address)
		return ONE_OF(self, 0, 0, 0, 0, 0, 0, (uintptr_t)self->slots_end - PAGE,
			      (uintptr_t)self->slots_end - 2 * PAGE, (uintptr_t)self->slots_end);
	address = name == NAME_slots ? make_slots(self) : make_handles(self);
	if (rarely(self, 60))
		return address + below(self, 2 * PAGE); /* runs into the guard, or begins there */
	return rarely(self, 20) ? evil(self) : address;
}

static uint64_t make_timeout(struct thread *self)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec + ONE_OF(self, 0, 1, WAIT_NS);
}

static uint64_t make_value(struct thread *self, const struct field *field)
{
	if (field->kind == POINTER)
		return make_pointer(self, field->name);
	if (field->kind == TIMEOUT)
		return make_timeout(self); /* never a late one: the time is bounded */
	if (field->name == NAME_event_fd && rarely(self, 600))
		return 0;
	if (rarely(self, field->kind == ZERO ? 5 : 30))
		return evil(self);
	switch (field->kind) {
	case ZERO:
		return 0;
	case FEW:
		return ONE_OF(self, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3);
	case SMALL:
		return ONE_OF(self, 0, 1, 4, 4, 5, 6, 6, 16);
	case BYTES:
		return ONE_OF(self, PAGE, PAGE, 1, 4 * PAGE, PAGE + 1, 16 * PAGE);
	default:
		return known(self, field->name);
	}
}

/* --- doing --------------------------------------------------------------------------- */

static int status_of(long result)
{
	return result < 0 ? errno : 0;
}

/* What takes away is rarer: else nothing lives long. */
static unsigned int choose(struct thread *self)
{
	unsigned int which = below(self, LENGTH(ioctls));

	return ioctls[which].destroys && rarely(self, 700) ? choose(self) : which;
}

static void do_ioctl(struct thread *self)
{
	unsigned int which = choose(self), i;
	const struct call *call = &ioctls[which];
	bool odd = rarely(self, 30) && !call->forbidden;
	unsigned int size = odd ? below(self, 400) : call->size;
	uint8_t *data = self->end - (rarely(self, 10) ? below(self, size + 1) : size);
	uint8_t made[512] = { 0 };
	int status;

	for (i = 0; i < call->field_count; i++) {
		const struct field *field = &call->fields[i];
		uint64_t value = make_value(self, field);

		memcpy(made + field->offset, &value, field->size);
	}
	if (call->forbidden) /* a reset of everybody's work: refused for its flags */
		memset(made + call->fields[1].offset, 0xff, call->fields[1].size);
	memcpy(data, made, self->end - data);
	status = status_of(ioctl(device, call->request | (unsigned long)size << 16, data));
	self->counts[which][status < ERRNOS ? status : ERRNOS - 1]++;
	if (status || size != call->size)
		return;
	for (i = 0; i < call->field_count; i++) {
		const struct field *field = &call->fields[i];
		uint64_t value = 0;

		memcpy(&value, data + field->offset, field->size);
		if (field->kind == PLAIN && value)
			learn(self, field->name, value);
	}
}

static void do_mmap(struct thread *self)
{
	uint64_t offset = known(self, rarely(self, 300) ? NAME_results_offset : NAME_mmap_offset);
	size_t size = ONE_OF(self, PAGE, PAGE, 2 * PAGE, 1 << 20);
	int protection = ONE_OF(self, PROT_READ, PROT_READ | PROT_WRITE);
	void *made;

	if (rarely(self, 100))
		offset += ONE_OF(self, PAGE, -PAGE, 1ull << 40, 1ull << 62);
	made = mmap(NULL, size, protection, rarely(self, 200) ? MAP_PRIVATE : MAP_SHARED, device,
		    offset & -PAGE & INT64_MAX);
	self->counts[LENGTH(ioctls)][made == MAP_FAILED ? errno : 0]++;
	if (made == MAP_FAILED)
		return;
	if (pwrite(memory, made, PAGE, 0) < 0 || read(zero, made, size) < 0)
		errno = 0; /* as it may be: not ours any more, or read-only */
	mprotect(made, PAGE, ONE_OF(self, PROT_READ, PROT_READ | PROT_WRITE));
	if (read(zero, made, 1) < 0)
		errno = 0;
	munmap(made, size);
}

static void do_gem_close(struct thread *self)
{
	uint32_t data[2] = { below(self, 24), 0 };

	ioctl(device, GEM_CLOSE, data);
}

static void do_syncobj(struct thread *self)
{
	uint32_t data[2] = { 0, 0 };

	if (ioctl(device, SYNCOBJ_CREATE, data) == 0)
		learn(self, NAME_out_sync, data[0]);
}

static void do_poll(struct thread *self)
{
	struct pollfd what = { device, ONE_OF(self, POLLIN, POLLIN | POLLOUT), 0 };

	poll(&what, 1, 0);
}

static void do_reopen(void)
{
	int fresh = open(path, O_RDWR | O_CLOEXEC);

	if (fresh < 0 || dup2(fresh, device) < 0)
		return;
	close(fresh);
	memset(pools, 0, sizeof(pools[0]) * NAME_event_fd);
	memset(pools + NAME_event_fd + 1, 0, sizeof(pools[0]) * (NAMES - NAME_event_fd - 1));
}

static void *fuzz(void *data)
{
	struct thread *self = data;

	for (;;) {
		unsigned int kind = below(self, 1000);

		if (kind < 800)
			do_ioctl(self);
		else if (kind < 860)
			do_mmap(self);
		else if (kind < 950)
			do_gem_close(self);
		else if (kind < 975)
			do_syncobj(self);
		else if (kind < 990)
			do_poll(self);
		else if (kind < 991)
			do_reopen();
	}
	return NULL;
}

/* --- beginning and end ----------------------------------------------------------------- */

static uint8_t *guarded(size_t bytes)
{
	uint8_t *area = mmap(NULL, bytes + PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (area == MAP_FAILED || mprotect(area + bytes, PAGE, PROT_NONE))
		exit(1);
	return area + bytes;
}

static void report(void)
{
	unsigned int call, status;

	for (call = 0; call <= LENGTH(ioctls); call++) {
		const char *name = call < LENGTH(ioctls) ? ioctls[call].text : "mmap";

		for (status = 0; status < ERRNOS; status++) {
			unsigned int count =
				threads[0].counts[call][status] + threads[1].counts[call][status];

			if (count)
				printf("%s %u %u\n", name, status, count);
		}
	}
	fflush(stdout);
}

int main(int argc, char **argv)
{
	unsigned int i;

	if (argc != 4)
		return 2;
	path = argv[1];
	device = open(path, O_RDWR | O_CLOEXEC);
	memory = memfd_create("fuzz", 0);
	zero = open("/dev/zero", O_RDONLY);
	if (device < 0 || memory < 0 || zero < 0)
		return 1;
	for (i = 0; i < POOL; i++) /* some of what an event_fd may be, and what not */
		pools[NAME_event_fd][i] = i % 2 ? eventfd(0, 0) : i % 4 ? zero : -1;
	for (i = 0; i < LENGTH(threads); i++) {
		pthread_t thread;

		threads[i].random = (strtoull(argv[2], NULL, 0) + i) * 0x9e3779b97f4a7c15ULL | 1;
		threads[i].end = guarded(PAGE);
		threads[i].slots_end = guarded(4 * PAGE);
		if (pthread_create(&thread, NULL, fuzz, &threads[i]))
			return 1;
	}
	sleep(atoi(argv[3]));
	report();
	_exit(0); /* with what is in flight */
}
