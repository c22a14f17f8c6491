// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* What an endpoint says of itself, and whether it is well. */
#include <errno.h>

#include "../error.h"
#include "axl_addr.h"
#include "axl_ctrl.h"
#include "axl_errblk.h"
#include "axl_regs.h"
#include "axl_telemetry.h"
#include "rack.h"

/* --- description ------------------------------------------------------------------------ */

static void axl_rack_describe_link(struct axl_rack_device *device, struct axl_device_info *info)
{
	struct axl_telemetry_sample sample;
	struct axl_addr_status address;

	info->link_speed = device->place.link_speed;
	info->link_width = device->place.link_width;
	if (atomic_load(&device->state) == AXL_DEVICE_GONE)
		return;
	if (!axl_telemetry_read(&device->os, &sample) && sample.link_speed) {
		info->link_speed = sample.link_speed;
		info->link_width = sample.link_width;
	}
	if (!axl_addr_status(&device->os, &address)) {
		info->address_state = address.state;
		info->address_reason = address.reason;
	}
}

int axl_rack_device_info(struct axl_device *base, struct axl_device_info *info)
{
	struct axl_rack_device *device = axl_rack_device(base);
	const struct axl_ident *ident = &device->ident;

	pthread_mutex_lock(&device->lock);
	*info = (struct axl_device_info){
		.endpoint = device->endpoint,
		.hw_version = ident->hw_version,
		.fw_version = ident->fw_version,
		.spec_version = ident->spec_version,
		.features = ident->features,
		.queue_count = ident->queue_count,
		.context_count = ident->context_count,
		.max_ring_entries = 1u << ident->max_ring_log2,
		.generation = atomic_load(&device->generation),
		.vectors = device->irq.count,
		.peer_count = device->topology.endpoint_count < ident->peer_limit ?
				      device->topology.endpoint_count :
				      ident->peer_limit,
		.memory_bytes = ident->memory_bytes,
		.memory_free_bytes = axl_range_free_bytes(&device->memory_range),
	};
	axl_rack_describe_link(device, info);
	info->state = atomic_load(&device->state);
	pthread_mutex_unlock(&device->lock);
	return 0;
}

uint32_t axl_rack_device_generation(struct axl_device *base)
{
	return atomic_load(&axl_rack_device(base)->generation);
}

int axl_rack_device_event_fd(struct axl_device *base)
{
	return axl_rack_device(base)->event_fd;
}

/* --- telemetry and errors ----------------------------------------------------------------- */

static void axl_rack_copy_telemetry(const struct axl_telemetry_sample *sample,
				    struct axl_telemetry *out)
{
	*out = (struct axl_telemetry){
		.valid = sample->valid,
		.temperature_millicelsius = sample->temperature_millicelsius,
		.power_milliwatt = sample->power_milliwatt,
		.clock_khz = sample->clock_khz,
		.utilisation_permille = sample->utilisation_permille,
		.memory_corrected = sample->memory_corrected,
		.memory_uncorrected = sample->memory_uncorrected,
		.heartbeat = sample->heartbeat,
		.progress = sample->progress,
		.bytes_host_to_device = sample->bytes_host_to_device,
		.bytes_device_to_host = sample->bytes_device_to_host,
		.bytes_device_to_device = sample->bytes_device_to_device,
		.bytes_peer = sample->bytes_peer,
	};
}

/* A pair of readings of now; the line for conversions may keep an older, better one. */
static int axl_rack_read_clock(struct axl_rack_device *device, struct axl_telemetry *out)
{
	struct axl_clock_sample now = { 0 };
	int err = axl_clock_read(&device->os, &now);

	out->device_ticks = now.ticks;
	out->host_ns = now.ns;
	out->clock_uncertainty_ns = now.uncertainty_ns;
	return err;
}

int axl_rack_device_telemetry(struct axl_device *base, struct axl_telemetry *telemetry)
{
	struct axl_rack_device *device = axl_rack_device(base);
	struct axl_telemetry_sample sample;
	int status, err;

	pthread_mutex_lock(&device->lock);
	status = axl_rack_usable(device);
	if (!status) {
		err = axl_telemetry_read(&device->os, &sample);
		axl_rack_copy_telemetry(&sample, telemetry);
		if (!err)
			err = axl_rack_read_clock(device, telemetry);
		if (!err && axl_clock_sample(&device->clock, &device->os) == AXL_ERR_GONE)
			err = AXL_ERR_GONE;
		if (err)
			status = axl_rack_fail(device, err, "telemetry");
	}
	pthread_mutex_unlock(&device->lock);
	return status;
}

static void axl_rack_copy_error(struct axl_rack_device *device, const struct axl_errblk *block,
				struct axl_device_error *out)
{
	*out = (struct axl_device_error){ 0 };
	if (!block->valid)
		return;
	*out = (struct axl_device_error){
		.code = block->code,
		.count = block->count,
		.has_command = block->has_command,
		.has_address = block->has_address,
		.queue = block->queue,
		.opcode = block->opcode,
		.context = block->context,
		.sequence = block->sequence,
		.address = block->address,
	};
	axl_clock_to_ns(&device->clock.line, block->ticks, &out->time_ns);
}

/* The event descriptor says that something happened; whoever looks makes it quiet. */
static void axl_rack_quiet_events(struct axl_rack_device *device)
{
	if (!axl_rack_irq_is_shared(&device->irq, 0))
		axl_eventfd_drain(device->irq.fds[0]);
	axl_eventfd_drain(device->event_kick);
}

int axl_rack_device_error(struct axl_device *base, bool clear, struct axl_device_error *error)
{
	struct axl_rack_device *device = axl_rack_device(base);
	struct axl_errblk block;
	int status, err;

	pthread_mutex_lock(&device->lock);
	status = axl_rack_usable(device);
	if (!status) {
		axl_rack_quiet_events(device);
		err = axl_errblk_read(&device->os, &block);
		if (!err && clear)
			err = axl_errblk_clear(&device->os);
		if (err)
			status = axl_rack_fail(device, err, "error block");
		else
			axl_rack_copy_error(device, &block, error);
	}
	pthread_mutex_unlock(&device->lock);
	return status;
}

/* --- health --------------------------------------------------------------------------------- */

static void axl_rack_survey(struct axl_rack_device *device, struct axl_health_queue *queues)
{
	for (uint32_t i = 0; i < AXL_MAX_QUEUES; i++) {
		struct axl_rack_queue *queue = device->queues[i];

		queues[i] = (struct axl_health_queue){ 0 };
		if (!queue)
			continue;
		pthread_mutex_lock(&queue->lock);
		axl_rack_queue_reap(queue);
		axl_qp_set_clock(&queue->qp, &device->clock.line);
		queues[i].completed = queue->qp.stats.completed;
		queues[i].in_flight = axl_qp_in_flight(&queue->qp);
		pthread_mutex_unlock(&queue->lock);
	}
}

/* A reset or a renumbering that somebody else did: set up again what it took away. */
static int axl_rack_reconcile(struct axl_rack_device *device)
{
	struct axl_addr_status address;
	uint32_t generation;
	int err = axl_ctrl_generation(&device->os, &generation);

	if (!err && generation != device->function_generation)
		return axl_rack_recover(device, AXL_RESET_EVENT_OS_BEGIN, NULL);
	if (!err)
		err = axl_addr_status(&device->os, &address);
	if (!err &&
	    (address.state != AXL_ADDRESS_STATE_COMMITTED || address.generation != device->commits))
		err = axl_rack_commit_address(device);
	if (!err && axl_clock_sample(&device->clock, &device->os) == AXL_ERR_GONE)
		err = AXL_ERR_GONE;
	return err;
}

static int axl_rack_diagnose(struct axl_rack_device *device)
{
	struct axl_health_queue queues[AXL_MAX_QUEUES];
	uint32_t hung = 0;
	int err;

	axl_rack_survey(device, queues);
	switch (axl_health_check(&device->health, &device->os, axl_now_ns(), queues, AXL_MAX_QUEUES,
				 &hung)) {
	case AXL_HEALTH_GONE:
		return axl_rack_fail(device, AXL_ERR_GONE, "check");
	case AXL_HEALTH_FIRMWARE:
		return axl_fail(-EREMOTEIO,
				"%s: the firmware stopped; axl_device_reset() is "
				"needed",
				device->endpoint.id);
	case AXL_HEALTH_QUEUE_HUNG:
		return axl_fail(-EIO,
				"%s: queue %u hangs: it has work and makes no progress; "
				"axl_queue_reset() is the mildest way out",
				device->endpoint.id, hung);
	default:
		break;
	}
	err = axl_rack_reconcile(device);
	return err ? axl_rack_fail(device, err, "check") : 0;
}

int axl_rack_device_check(struct axl_device *base)
{
	struct axl_rack_device *device = axl_rack_device(base);
	int status;

	pthread_mutex_lock(&device->lock);
	if (axl_vfu_check(&device->vfu))
		axl_rack_mark_gone(device);
	status = axl_rack_usable(device);
	if (!status) {
		axl_rack_quiet_events(device);
		status = axl_rack_diagnose(device);
	}
	pthread_mutex_unlock(&device->lock);
	return status;
}
