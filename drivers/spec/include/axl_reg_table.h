/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Generated from drivers/spec/axl_bar0.rdl by `make gen`; do not edit. */
/* Every register that can be read, in order of offset: for dumps. */
#ifndef AXL_REG_TABLE_H
#define AXL_REG_TABLE_H

#include "axl_types.h"

struct axl_reg_row {
	const char *name;
	uint32_t offset;
	uint32_t width; /* bits */
	uint32_t count; /* elements, or elements of its block */
	uint32_t stride; /* bytes between them */
	uint64_t reset;
};

static const struct axl_reg_row axl_reg_table[] = {
	{ "IDENT.MAGIC", 0x0000u, 32u, 1u, 0u, 0x314c5841u },
	{ "IDENT.HW_VERSION", 0x0004u, 32u, 1u, 0u, 0x1000000u },
	{ "IDENT.FW_VERSION", 0x0008u, 32u, 1u, 0u, 0x1000000u },
	{ "IDENT.SPEC_VERSION", 0x000cu, 32u, 1u, 0u, 0x1u },
	{ "IDENT.BOARD_SERIAL", 0x0010u, 64u, 1u, 0u, 0x0ull },
	{ "IDENT.ENDPOINT", 0x0018u, 32u, 1u, 0u, 0x100u },
	{ "IDENT.FEATURES", 0x001cu, 32u, 1u, 0u, 0x3fu },
	{ "IDENT.LIMITS", 0x0020u, 32u, 1u, 0u, 0x400e10u },
	{ "IDENT.PEER_LIMIT", 0x0024u, 32u, 1u, 0u, 0x40u },
	{ "IDENT.MEMORY_BYTES", 0x0028u, 64u, 1u, 0u, 0x0ull },
	{ "CTRL.CONTROL", 0x0100u, 32u, 1u, 0u, 0x0u },
	{ "CTRL.STATUS", 0x0104u, 32u, 1u, 0u, 0x1u },
	{ "CTRL.GENERATION", 0x0108u, 32u, 1u, 0u, 0x0u },
	{ "CTRL.RESET_CAUSE", 0x010cu, 32u, 1u, 0u, 0x0u },
	{ "CTRL.SCRATCH", 0x0114u, 32u, 1u, 0u, 0x0u },
	{ "CTRL.EVENT_VECTOR", 0x0118u, 32u, 1u, 0u, 0x0u },
	{ "ADDR.PLACE", 0x0200u, 32u, 1u, 0u, 0x0u },
	{ "ADDR.CARD", 0x0204u, 32u, 1u, 0u, 0x0u },
	{ "ADDR.CARD_SERIAL", 0x0208u, 64u, 1u, 0u, 0x0ull },
	{ "ADDR.PATH_DEPTH", 0x0210u, 32u, 1u, 0u, 0x0u },
	{ "ADDR.PEER_COUNT", 0x0214u, 32u, 1u, 0u, 0x0u },
	{ "ADDR.STATUS", 0x021cu, 32u, 1u, 0u, 0x0u },
	{ "ADDR.CAPTURED", 0x0220u, 32u, 1u, 0u, 0x0u },
	{ "ADDR.GENERATION", 0x0224u, 32u, 1u, 0u, 0x0u },
	{ "ADDR.PATH", 0x0240u, 32u, 16u, 0x4u, 0x0u },
	{ "TELEMETRY.VALID", 0x0400u, 32u, 1u, 0u, 0xfu },
	{ "TELEMETRY.TEMPERATURE", 0x0404u, 32u, 1u, 0u, 0x9c40u },
	{ "TELEMETRY.POWER", 0x0408u, 32u, 1u, 0u, 0x2ee0u },
	{ "TELEMETRY.CLOCK", 0x040cu, 32u, 1u, 0u, 0xf4240u },
	{ "TELEMETRY.UTILISATION", 0x0410u, 32u, 1u, 0u, 0x0u },
	{ "TELEMETRY.LINK", 0x0414u, 32u, 1u, 0u, 0x0u },
	{ "TELEMETRY.MEMORY_CORRECTED", 0x0418u, 32u, 1u, 0u, 0x0u },
	{ "TELEMETRY.MEMORY_UNCORRECTED", 0x041cu, 32u, 1u, 0u, 0x0u },
	{ "TELEMETRY.BYTES_HOST_TO_DEVICE", 0x0420u, 64u, 1u, 0u, 0x0ull },
	{ "TELEMETRY.BYTES_DEVICE_TO_HOST", 0x0428u, 64u, 1u, 0u, 0x0ull },
	{ "TELEMETRY.BYTES_DEVICE_TO_DEVICE", 0x0430u, 64u, 1u, 0u, 0x0ull },
	{ "TELEMETRY.BYTES_PEER", 0x0438u, 64u, 1u, 0u, 0x0ull },
	{ "TELEMETRY.HEARTBEAT", 0x0440u, 32u, 1u, 0u, 0x0u },
	{ "TELEMETRY.PROGRESS", 0x0448u, 64u, 1u, 0u, 0x0ull },
	{ "CLOCK.FREQUENCY", 0x0500u, 64u, 1u, 0u, 0x5f5e100ull },
	{ "CLOCK.TICKS", 0x0510u, 64u, 1u, 0u, 0x0ull },
	{ "ERROR.STATUS", 0x0600u, 32u, 1u, 0u, 0x0u },
	{ "ERROR.COUNT", 0x0604u, 32u, 1u, 0u, 0x0u },
	{ "ERROR.WHERE", 0x0608u, 32u, 1u, 0u, 0x0u },
	{ "ERROR.SEQUENCE", 0x0610u, 64u, 1u, 0u, 0x0ull },
	{ "ERROR.ADDRESS", 0x0618u, 64u, 1u, 0u, 0x0ull },
	{ "ERROR.TIME", 0x0620u, 64u, 1u, 0u, 0x0ull },
	{ "CONTEXT.ROOT", 0x1000u, 64u, 64u, 0x20u, 0x0ull },
	{ "CONTEXT.CONTROL", 0x1008u, 32u, 64u, 0x20u, 0x0u },
	{ "CONTEXT.STATUS", 0x100cu, 32u, 64u, 0x20u, 0x0u },
	{ "PEER.ADDRESS", 0x2000u, 64u, 64u, 0x20u, 0x0ull },
	{ "PEER.SIZE", 0x2008u, 64u, 64u, 0x20u, 0x0ull },
	{ "PEER.SERIAL", 0x2010u, 64u, 64u, 0x20u, 0x0ull },
	{ "PEER.INFO", 0x2018u, 32u, 64u, 0x20u, 0x0u },
	{ "QUEUE.SQ_BASE", 0x4000u, 64u, 16u, 0x100u, 0x0ull },
	{ "QUEUE.CQ_BASE", 0x4008u, 64u, 16u, 0x100u, 0x0ull },
	{ "QUEUE.SIZE", 0x4010u, 32u, 16u, 0x100u, 0x0u },
	{ "QUEUE.CONTROL", 0x4014u, 32u, 16u, 0x100u, 0x0u },
	{ "QUEUE.INTERRUPT", 0x4018u, 32u, 16u, 0x100u, 0x0u },
	{ "QUEUE.COALESCE", 0x401cu, 32u, 16u, 0x100u, 0x0u },
	{ "QUEUE.STATUS", 0x4020u, 32u, 16u, 0x100u, 0x0u },
	{ "QUEUE.SQ_HEAD", 0x4024u, 32u, 16u, 0x100u, 0x0u },
	{ "QUEUE.CQ_TAIL", 0x4028u, 32u, 16u, 0x100u, 0x0u },
	{ "QUEUE.INTERRUPTS", 0x402cu, 32u, 16u, 0x100u, 0x0u },
};

#endif
