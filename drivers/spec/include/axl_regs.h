/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Generated from drivers/spec/axl_bar0.rdl by `make gen`; do not edit. */
#ifndef AXL_REGS_H
#define AXL_REGS_H


/* reset_cause */
enum axl_reset_cause {
	/* First start. */
	AXL_RESET_CAUSE_POWER_ON = 0,
	/* One queue was reset. */
	AXL_RESET_CAUSE_QUEUE = 1,
	/* Function-level reset (PCIe 6.0 s6.6.2). */
	AXL_RESET_CAUSE_FUNCTION = 2,
	/* Hot reset through the port above. */
	AXL_RESET_CAUSE_SECONDARY_BUS = 3,
};

/* address_state */
enum axl_address_state {
	/* No address since the last reset or renumbering; peer-to-peer is refused. */
	AXL_ADDRESS_STATE_STALE = 0,
	/* The address and the peer table are in force. */
	AXL_ADDRESS_STATE_COMMITTED = 1,
	/* The last commit disagreed with where the endpoint sits; see REASON. */
	AXL_ADDRESS_STATE_REJECTED = 2,
};

/* address_reason */
enum axl_address_reason {
	/* Nothing to report. */
	AXL_ADDRESS_REASON_NONE = 0,
	/* PLACE differs from the bus:device.function captured from configuration writes. */
	AXL_ADDRESS_REASON_BDF_MISMATCH = 1,
	/* CARD names another board serial or endpoint index. */
	AXL_ADDRESS_REASON_CARD_MISMATCH = 2,
	/* The peer table has no row for this endpoint. */
	AXL_ADDRESS_REASON_SELF_PEER_MISSING = 3,
	/* This endpoint's own peer row disagrees with its BAR2. */
	AXL_ADDRESS_REASON_SELF_BAR_MISMATCH = 4,
	/* The upstream path is longer than the path table or has an unset port. */
	AXL_ADDRESS_REASON_PATH_INVALID = 5,
	/* A peer row overlaps another, or PEER_COUNT exceeds the table. */
	AXL_ADDRESS_REASON_PEER_INVALID = 6,
};

/* error_code */
enum axl_error_code {
	/* No error recorded. */
	AXL_ERROR_CODE_NONE = 0,
	/* A command touched an address that its context does not map. */
	AXL_ERROR_CODE_PAGE_FAULT = 1,
	/* A command wrote to a read-only page. */
	AXL_ERROR_CODE_PROTECTION_FAULT = 2,
	/* A DMA request ended with Unsupported Request. */
	AXL_ERROR_CODE_DMA_UNSUPPORTED = 3,
	/* A DMA read got no completion. */
	AXL_ERROR_CODE_DMA_TIMEOUT = 4,
	/* A DMA read returned poisoned data. */
	AXL_ERROR_CODE_DMA_POISONED = 5,
	/* Device memory reported an uncorrected error. */
	AXL_ERROR_CODE_MEMORY_UNCORRECTED = 6,
	/* A ring base, size or doorbell value cannot be right. */
	AXL_ERROR_CODE_RING_INVALID = 7,
	/* A command cannot be decoded. */
	AXL_ERROR_CODE_COMMAND_INVALID = 8,
	/* Peer-to-peer was asked for while the device address was not committed. */
	AXL_ERROR_CODE_ADDRESS_STALE = 9,
	/* The firmware stopped. */
	AXL_ERROR_CODE_FIRMWARE = 10,
	/* A queue makes no progress although it has work. */
	AXL_ERROR_CODE_QUEUE_HUNG = 11,
};

/* queue_state */
enum axl_queue_state {
	/* The rings may be programmed. */
	AXL_QUEUE_STATE_DISABLED = 0,
	/* Fetching is allowed. */
	AXL_QUEUE_STATE_READY = 1,
	/* Stopped by an error; a queue reset is needed. */
	AXL_QUEUE_STATE_HALTED = 2,
};


/*
 * IDENT: Identity block
 */

/* Magic (32 bits) */
#define AXL_REG_IDENT_MAGIC 0x0000u
#define AXL_IDENT_MAGIC_RESET 0x314c5841u
#define AXL_IDENT_MAGIC_VALUE_MASK 0xffffffffu /* ro */
#define AXL_IDENT_MAGIC_VALUE_SHIFT 0

/* Hardware version (32 bits) */
#define AXL_REG_IDENT_HW_VERSION 0x0004u
#define AXL_IDENT_HW_VERSION_RESET 0x1000000u
#define AXL_IDENT_HW_VERSION_MAJOR_MASK 0xff000000u /* ro */
#define AXL_IDENT_HW_VERSION_MAJOR_SHIFT 24
#define AXL_IDENT_HW_VERSION_MINOR_MASK 0xff0000u /* ro */
#define AXL_IDENT_HW_VERSION_MINOR_SHIFT 16
#define AXL_IDENT_HW_VERSION_PATCH_MASK 0xffffu /* ro */
#define AXL_IDENT_HW_VERSION_PATCH_SHIFT 0

/* Firmware version (32 bits) */
#define AXL_REG_IDENT_FW_VERSION 0x0008u
#define AXL_IDENT_FW_VERSION_RESET 0x1000000u
#define AXL_IDENT_FW_VERSION_MAJOR_MASK 0xff000000u /* ro */
#define AXL_IDENT_FW_VERSION_MAJOR_SHIFT 24
#define AXL_IDENT_FW_VERSION_MINOR_MASK 0xff0000u /* ro */
#define AXL_IDENT_FW_VERSION_MINOR_SHIFT 16
#define AXL_IDENT_FW_VERSION_PATCH_MASK 0xffffu /* ro */
#define AXL_IDENT_FW_VERSION_PATCH_SHIFT 0

/* Contract version (32 bits) */
#define AXL_REG_IDENT_SPEC_VERSION 0x000cu
#define AXL_IDENT_SPEC_VERSION_RESET 0x1u
#define AXL_IDENT_SPEC_VERSION_VALUE_MASK 0xffffffffu /* ro */
#define AXL_IDENT_SPEC_VERSION_VALUE_SHIFT 0

/* Board serial (64 bits) */
#define AXL_REG_IDENT_BOARD_SERIAL 0x0010u
#define AXL_IDENT_BOARD_SERIAL_RESET 0x0ull
#define AXL_IDENT_BOARD_SERIAL_VALUE_MASK 0xffffffffffffffffull /* ro */
#define AXL_IDENT_BOARD_SERIAL_VALUE_SHIFT 0

/* Endpoint on the card (32 bits) */
#define AXL_REG_IDENT_ENDPOINT 0x0018u
#define AXL_IDENT_ENDPOINT_RESET 0x100u
#define AXL_IDENT_ENDPOINT_COUNT_MASK 0xff00u /* ro */
#define AXL_IDENT_ENDPOINT_COUNT_SHIFT 8
#define AXL_IDENT_ENDPOINT_INDEX_MASK 0xffu /* ro */
#define AXL_IDENT_ENDPOINT_INDEX_SHIFT 0

/* Features (32 bits) */
#define AXL_REG_IDENT_FEATURES 0x001cu
#define AXL_IDENT_FEATURES_RESET 0x3fu
#define AXL_IDENT_FEATURES_COALESCING_MASK 0x20u /* ro */
#define AXL_IDENT_FEATURES_COALESCING_SHIFT 5
#define AXL_IDENT_FEATURES_CHECKSUM_MASK 0x10u /* ro */
#define AXL_IDENT_FEATURES_CHECKSUM_SHIFT 4
#define AXL_IDENT_FEATURES_LARGE_PAGES_MASK 0x8u /* ro */
#define AXL_IDENT_FEATURES_LARGE_PAGES_SHIFT 3
#define AXL_IDENT_FEATURES_F64_MASK 0x4u /* ro */
#define AXL_IDENT_FEATURES_F64_SHIFT 2
#define AXL_IDENT_FEATURES_BF16_MASK 0x2u /* ro */
#define AXL_IDENT_FEATURES_BF16_SHIFT 1
#define AXL_IDENT_FEATURES_PEER_TO_PEER_MASK 0x1u /* ro */
#define AXL_IDENT_FEATURES_PEER_TO_PEER_SHIFT 0

/* Limits (32 bits) */
#define AXL_REG_IDENT_LIMITS 0x0020u
#define AXL_IDENT_LIMITS_RESET 0x400e10u
#define AXL_IDENT_LIMITS_CONTEXT_COUNT_MASK 0xffff0000u /* ro */
#define AXL_IDENT_LIMITS_CONTEXT_COUNT_SHIFT 16
#define AXL_IDENT_LIMITS_RING_SIZE_LOG2_MASK 0xff00u /* ro */
#define AXL_IDENT_LIMITS_RING_SIZE_LOG2_SHIFT 8
#define AXL_IDENT_LIMITS_QUEUE_COUNT_MASK 0xffu /* ro */
#define AXL_IDENT_LIMITS_QUEUE_COUNT_SHIFT 0

/* Peer rows (32 bits) */
#define AXL_REG_IDENT_PEER_LIMIT 0x0024u
#define AXL_IDENT_PEER_LIMIT_RESET 0x40u
#define AXL_IDENT_PEER_LIMIT_COUNT_MASK 0xffffu /* ro */
#define AXL_IDENT_PEER_LIMIT_COUNT_SHIFT 0

/* Device memory (64 bits) */
#define AXL_REG_IDENT_MEMORY_BYTES 0x0028u
#define AXL_IDENT_MEMORY_BYTES_RESET 0x0ull
#define AXL_IDENT_MEMORY_BYTES_BYTES_MASK 0xffffffffffffffffull /* ro */
#define AXL_IDENT_MEMORY_BYTES_BYTES_SHIFT 0

/*
 * CTRL: Control block
 */

/* Device control (32 bits) */
#define AXL_REG_CTRL_CONTROL 0x0100u
#define AXL_CTRL_CONTROL_RESET 0x0u
#define AXL_CTRL_CONTROL_ENABLE_MASK 0x1u /* rw */
#define AXL_CTRL_CONTROL_ENABLE_SHIFT 0

/* Device status (32 bits) */
#define AXL_REG_CTRL_STATUS 0x0104u
#define AXL_CTRL_STATUS_RESET 0x1u
#define AXL_CTRL_STATUS_ERROR_MASK 0x4u /* ro */
#define AXL_CTRL_STATUS_ERROR_SHIFT 2
#define AXL_CTRL_STATUS_HALTED_MASK 0x2u /* ro */
#define AXL_CTRL_STATUS_HALTED_SHIFT 1
#define AXL_CTRL_STATUS_READY_MASK 0x1u /* ro */
#define AXL_CTRL_STATUS_READY_SHIFT 0

/* Generation (32 bits) */
#define AXL_REG_CTRL_GENERATION 0x0108u
#define AXL_CTRL_GENERATION_RESET 0x0u
#define AXL_CTRL_GENERATION_COUNT_MASK 0xffffffffu /* ro */
#define AXL_CTRL_GENERATION_COUNT_SHIFT 0

/* Cause of the last reset (32 bits) */
#define AXL_REG_CTRL_RESET_CAUSE 0x010cu
#define AXL_CTRL_RESET_CAUSE_RESET 0x0u
#define AXL_CTRL_RESET_CAUSE_CAUSE_MASK 0x7u /* ro */
#define AXL_CTRL_RESET_CAUSE_CAUSE_SHIFT 0

/* Queue reset (32 bits) */
#define AXL_REG_CTRL_QUEUE_RESET 0x0110u
#define AXL_CTRL_QUEUE_RESET_RESET 0x0u
#define AXL_CTRL_QUEUE_RESET_MASK_MASK 0xffffu /* wo */
#define AXL_CTRL_QUEUE_RESET_MASK_SHIFT 0

/* Scratch (32 bits) */
#define AXL_REG_CTRL_SCRATCH 0x0114u
#define AXL_CTRL_SCRATCH_RESET 0x0u
#define AXL_CTRL_SCRATCH_VALUE_MASK 0xffffffffu /* rw */
#define AXL_CTRL_SCRATCH_VALUE_SHIFT 0

/* Event vector (32 bits) */
#define AXL_REG_CTRL_EVENT_VECTOR 0x0118u
#define AXL_CTRL_EVENT_VECTOR_RESET 0x0u
#define AXL_CTRL_EVENT_VECTOR_VECTOR_MASK 0x1fu /* rw */
#define AXL_CTRL_EVENT_VECTOR_VECTOR_SHIFT 0

/*
 * ADDR: Device-address block
 */

/* Place (32 bits) */
#define AXL_REG_ADDR_PLACE 0x0200u
#define AXL_ADDR_PLACE_RESET 0x0u
#define AXL_ADDR_PLACE_SEGMENT_MASK 0xffff0000u /* rw */
#define AXL_ADDR_PLACE_SEGMENT_SHIFT 16
#define AXL_ADDR_PLACE_BUS_MASK 0xff00u /* rw */
#define AXL_ADDR_PLACE_BUS_SHIFT 8
#define AXL_ADDR_PLACE_DEVICE_MASK 0xf8u /* rw */
#define AXL_ADDR_PLACE_DEVICE_SHIFT 3
#define AXL_ADDR_PLACE_FUNCTION_MASK 0x7u /* rw */
#define AXL_ADDR_PLACE_FUNCTION_SHIFT 0

/* Place in the card (32 bits) */
#define AXL_REG_ADDR_CARD 0x0204u
#define AXL_ADDR_CARD_RESET 0x0u
#define AXL_ADDR_CARD_SLOT_MASK 0xffff0000u /* rw */
#define AXL_ADDR_CARD_SLOT_SHIFT 16
#define AXL_ADDR_CARD_INDEX_MASK 0xffu /* rw */
#define AXL_ADDR_CARD_INDEX_SHIFT 0

/* Card serial (64 bits) */
#define AXL_REG_ADDR_CARD_SERIAL 0x0208u
#define AXL_ADDR_CARD_SERIAL_RESET 0x0ull
#define AXL_ADDR_CARD_SERIAL_VALUE_MASK 0xffffffffffffffffull /* rw */
#define AXL_ADDR_CARD_SERIAL_VALUE_SHIFT 0

/* Upstream path length (32 bits) */
#define AXL_REG_ADDR_PATH_DEPTH 0x0210u
#define AXL_ADDR_PATH_DEPTH_RESET 0x0u
#define AXL_ADDR_PATH_DEPTH_DEPTH_MASK 0xffu /* rw */
#define AXL_ADDR_PATH_DEPTH_DEPTH_SHIFT 0

/* Peer rows in use (32 bits) */
#define AXL_REG_ADDR_PEER_COUNT 0x0214u
#define AXL_ADDR_PEER_COUNT_RESET 0x0u
#define AXL_ADDR_PEER_COUNT_COUNT_MASK 0xffffu /* rw */
#define AXL_ADDR_PEER_COUNT_COUNT_SHIFT 0

/* Commit (32 bits) */
#define AXL_REG_ADDR_COMMIT 0x0218u
#define AXL_ADDR_COMMIT_RESET 0x0u
#define AXL_ADDR_COMMIT_COMMIT_MASK 0x1u /* wo */
#define AXL_ADDR_COMMIT_COMMIT_SHIFT 0

/* Address status (32 bits) */
#define AXL_REG_ADDR_STATUS 0x021cu
#define AXL_ADDR_STATUS_RESET 0x0u
#define AXL_ADDR_STATUS_CAPTURED_VALID_MASK 0x100u /* ro */
#define AXL_ADDR_STATUS_CAPTURED_VALID_SHIFT 8
#define AXL_ADDR_STATUS_REASON_MASK 0xf0u /* ro */
#define AXL_ADDR_STATUS_REASON_SHIFT 4
#define AXL_ADDR_STATUS_STATE_MASK 0x3u /* ro */
#define AXL_ADDR_STATUS_STATE_SHIFT 0

/* Captured place (32 bits) */
#define AXL_REG_ADDR_CAPTURED 0x0220u
#define AXL_ADDR_CAPTURED_RESET 0x0u
#define AXL_ADDR_CAPTURED_BUS_MASK 0xff00u /* ro */
#define AXL_ADDR_CAPTURED_BUS_SHIFT 8
#define AXL_ADDR_CAPTURED_DEVICE_MASK 0xf8u /* ro */
#define AXL_ADDR_CAPTURED_DEVICE_SHIFT 3
#define AXL_ADDR_CAPTURED_FUNCTION_MASK 0x7u /* ro */
#define AXL_ADDR_CAPTURED_FUNCTION_SHIFT 0

/* Generation of the address (32 bits) */
#define AXL_REG_ADDR_GENERATION 0x0224u
#define AXL_ADDR_GENERATION_RESET 0x0u
#define AXL_ADDR_GENERATION_COUNT_MASK 0xffffffffu /* ro */
#define AXL_ADDR_GENERATION_COUNT_SHIFT 0

/* Upstream path (32 bits, 16 of them) */
#define AXL_REG_ADDR_PATH(n) (0x0240u + (n) * 0x4u)
#define AXL_ADDR_PATH_RESET 0x0u
#define AXL_ADDR_PATH_VALID_MASK 0x80000000u /* rw */
#define AXL_ADDR_PATH_VALID_SHIFT 31
#define AXL_ADDR_PATH_BUS_MASK 0xff00u /* rw */
#define AXL_ADDR_PATH_BUS_SHIFT 8
#define AXL_ADDR_PATH_DEVICE_MASK 0xf8u /* rw */
#define AXL_ADDR_PATH_DEVICE_SHIFT 3
#define AXL_ADDR_PATH_FUNCTION_MASK 0x7u /* rw */
#define AXL_ADDR_PATH_FUNCTION_SHIFT 0

/*
 * TELEMETRY: Telemetry block
 */

/* Valid sensors (32 bits) */
#define AXL_REG_TELEMETRY_VALID 0x0400u
#define AXL_TELEMETRY_VALID_RESET 0xfu
#define AXL_TELEMETRY_VALID_UTILISATION_MASK 0x8u /* ro */
#define AXL_TELEMETRY_VALID_UTILISATION_SHIFT 3
#define AXL_TELEMETRY_VALID_CLOCK_MASK 0x4u /* ro */
#define AXL_TELEMETRY_VALID_CLOCK_SHIFT 2
#define AXL_TELEMETRY_VALID_POWER_MASK 0x2u /* ro */
#define AXL_TELEMETRY_VALID_POWER_SHIFT 1
#define AXL_TELEMETRY_VALID_TEMPERATURE_MASK 0x1u /* ro */
#define AXL_TELEMETRY_VALID_TEMPERATURE_SHIFT 0

/* Temperature (32 bits) */
#define AXL_REG_TELEMETRY_TEMPERATURE 0x0404u
#define AXL_TELEMETRY_TEMPERATURE_RESET 0x9c40u
#define AXL_TELEMETRY_TEMPERATURE_MILLICELSIUS_MASK 0xffffffffu /* ro */
#define AXL_TELEMETRY_TEMPERATURE_MILLICELSIUS_SHIFT 0

/* Power (32 bits) */
#define AXL_REG_TELEMETRY_POWER 0x0408u
#define AXL_TELEMETRY_POWER_RESET 0x2ee0u
#define AXL_TELEMETRY_POWER_MILLIWATT_MASK 0xffffffffu /* ro */
#define AXL_TELEMETRY_POWER_MILLIWATT_SHIFT 0

/* Core clock (32 bits) */
#define AXL_REG_TELEMETRY_CLOCK 0x040cu
#define AXL_TELEMETRY_CLOCK_RESET 0xf4240u
#define AXL_TELEMETRY_CLOCK_KHZ_MASK 0xffffffffu /* ro */
#define AXL_TELEMETRY_CLOCK_KHZ_SHIFT 0

/* Utilisation (32 bits) */
#define AXL_REG_TELEMETRY_UTILISATION 0x0410u
#define AXL_TELEMETRY_UTILISATION_RESET 0x0u
#define AXL_TELEMETRY_UTILISATION_PERMILLE_MASK 0xffffu /* ro */
#define AXL_TELEMETRY_UTILISATION_PERMILLE_SHIFT 0

/* Link (32 bits) */
#define AXL_REG_TELEMETRY_LINK 0x0414u
#define AXL_TELEMETRY_LINK_RESET 0x0u
#define AXL_TELEMETRY_LINK_WIDTH_MASK 0x3f0u /* ro */
#define AXL_TELEMETRY_LINK_WIDTH_SHIFT 4
#define AXL_TELEMETRY_LINK_SPEED_MASK 0xfu /* ro */
#define AXL_TELEMETRY_LINK_SPEED_SHIFT 0

/* Corrected memory errors (32 bits) */
#define AXL_REG_TELEMETRY_MEMORY_CORRECTED 0x0418u
#define AXL_TELEMETRY_MEMORY_CORRECTED_RESET 0x0u
#define AXL_TELEMETRY_MEMORY_CORRECTED_COUNT_MASK 0xffffffffu /* ro */
#define AXL_TELEMETRY_MEMORY_CORRECTED_COUNT_SHIFT 0

/* Uncorrected memory errors (32 bits) */
#define AXL_REG_TELEMETRY_MEMORY_UNCORRECTED 0x041cu
#define AXL_TELEMETRY_MEMORY_UNCORRECTED_RESET 0x0u
#define AXL_TELEMETRY_MEMORY_UNCORRECTED_COUNT_MASK 0xffffffffu /* ro */
#define AXL_TELEMETRY_MEMORY_UNCORRECTED_COUNT_SHIFT 0

/* Bytes read from the host (64 bits) */
#define AXL_REG_TELEMETRY_BYTES_HOST_TO_DEVICE 0x0420u
#define AXL_TELEMETRY_BYTES_HOST_TO_DEVICE_RESET 0x0ull
#define AXL_TELEMETRY_BYTES_HOST_TO_DEVICE_BYTES_MASK 0xffffffffffffffffull /* ro */
#define AXL_TELEMETRY_BYTES_HOST_TO_DEVICE_BYTES_SHIFT 0

/* Bytes written to the host (64 bits) */
#define AXL_REG_TELEMETRY_BYTES_DEVICE_TO_HOST 0x0428u
#define AXL_TELEMETRY_BYTES_DEVICE_TO_HOST_RESET 0x0ull
#define AXL_TELEMETRY_BYTES_DEVICE_TO_HOST_BYTES_MASK 0xffffffffffffffffull /* ro */
#define AXL_TELEMETRY_BYTES_DEVICE_TO_HOST_BYTES_SHIFT 0

/* Bytes moved inside (64 bits) */
#define AXL_REG_TELEMETRY_BYTES_DEVICE_TO_DEVICE 0x0430u
#define AXL_TELEMETRY_BYTES_DEVICE_TO_DEVICE_RESET 0x0ull
#define AXL_TELEMETRY_BYTES_DEVICE_TO_DEVICE_BYTES_MASK 0xffffffffffffffffull /* ro */
#define AXL_TELEMETRY_BYTES_DEVICE_TO_DEVICE_BYTES_SHIFT 0

/* Bytes moved to and from peers (64 bits) */
#define AXL_REG_TELEMETRY_BYTES_PEER 0x0438u
#define AXL_TELEMETRY_BYTES_PEER_RESET 0x0ull
#define AXL_TELEMETRY_BYTES_PEER_BYTES_MASK 0xffffffffffffffffull /* ro */
#define AXL_TELEMETRY_BYTES_PEER_BYTES_SHIFT 0

/* Heartbeat (32 bits) */
#define AXL_REG_TELEMETRY_HEARTBEAT 0x0440u
#define AXL_TELEMETRY_HEARTBEAT_RESET 0x0u
#define AXL_TELEMETRY_HEARTBEAT_COUNT_MASK 0xffffffffu /* ro */
#define AXL_TELEMETRY_HEARTBEAT_COUNT_SHIFT 0

/* Commands finished (64 bits) */
#define AXL_REG_TELEMETRY_PROGRESS 0x0448u
#define AXL_TELEMETRY_PROGRESS_RESET 0x0ull
#define AXL_TELEMETRY_PROGRESS_COUNT_MASK 0xffffffffffffffffull /* ro */
#define AXL_TELEMETRY_PROGRESS_COUNT_SHIFT 0

/*
 * CLOCK: Clock correlation
 */

/* Frequency (64 bits) */
#define AXL_REG_CLOCK_FREQUENCY 0x0500u
#define AXL_CLOCK_FREQUENCY_RESET 0x5f5e100ull
#define AXL_CLOCK_FREQUENCY_HZ_MASK 0xffffffffffffffffull /* ro */
#define AXL_CLOCK_FREQUENCY_HZ_SHIFT 0

/* Latch (32 bits) */
#define AXL_REG_CLOCK_LATCH 0x0508u
#define AXL_CLOCK_LATCH_RESET 0x0u
#define AXL_CLOCK_LATCH_LATCH_MASK 0x1u /* wo */
#define AXL_CLOCK_LATCH_LATCH_SHIFT 0

/* Latched ticks (64 bits) */
#define AXL_REG_CLOCK_TICKS 0x0510u
#define AXL_CLOCK_TICKS_RESET 0x0ull
#define AXL_CLOCK_TICKS_COUNT_MASK 0xffffffffffffffffull /* ro */
#define AXL_CLOCK_TICKS_COUNT_SHIFT 0

/*
 * ERROR: Error block
 */

/* Error status (32 bits) */
#define AXL_REG_ERROR_STATUS 0x0600u
#define AXL_ERROR_STATUS_RESET 0x0u
#define AXL_ERROR_STATUS_CODE_MASK 0xff00u /* ro */
#define AXL_ERROR_STATUS_CODE_SHIFT 8
#define AXL_ERROR_STATUS_HAS_ADDRESS_MASK 0x4u /* ro */
#define AXL_ERROR_STATUS_HAS_ADDRESS_SHIFT 2
#define AXL_ERROR_STATUS_HAS_COMMAND_MASK 0x2u /* ro */
#define AXL_ERROR_STATUS_HAS_COMMAND_SHIFT 1
#define AXL_ERROR_STATUS_VALID_MASK 0x1u /* rw1c */
#define AXL_ERROR_STATUS_VALID_SHIFT 0

/* Errors since cleared (32 bits) */
#define AXL_REG_ERROR_COUNT 0x0604u
#define AXL_ERROR_COUNT_RESET 0x0u
#define AXL_ERROR_COUNT_COUNT_MASK 0xffffffffu /* ro */
#define AXL_ERROR_COUNT_COUNT_SHIFT 0

/* Place of the error (32 bits) */
#define AXL_REG_ERROR_WHERE 0x0608u
#define AXL_ERROR_WHERE_RESET 0x0u
#define AXL_ERROR_WHERE_CONTEXT_MASK 0xffff0000u /* ro */
#define AXL_ERROR_WHERE_CONTEXT_SHIFT 16
#define AXL_ERROR_WHERE_OPCODE_MASK 0xff00u /* ro */
#define AXL_ERROR_WHERE_OPCODE_SHIFT 8
#define AXL_ERROR_WHERE_QUEUE_MASK 0xffu /* ro */
#define AXL_ERROR_WHERE_QUEUE_SHIFT 0

/* Sequence (64 bits) */
#define AXL_REG_ERROR_SEQUENCE 0x0610u
#define AXL_ERROR_SEQUENCE_RESET 0x0ull
#define AXL_ERROR_SEQUENCE_VALUE_MASK 0xffffffffffffffffull /* ro */
#define AXL_ERROR_SEQUENCE_VALUE_SHIFT 0

/* Address (64 bits) */
#define AXL_REG_ERROR_ADDRESS 0x0618u
#define AXL_ERROR_ADDRESS_RESET 0x0ull
#define AXL_ERROR_ADDRESS_VALUE_MASK 0xffffffffffffffffull /* ro */
#define AXL_ERROR_ADDRESS_VALUE_SHIFT 0

/* Time (64 bits) */
#define AXL_REG_ERROR_TIME 0x0620u
#define AXL_ERROR_TIME_RESET 0x0ull
#define AXL_ERROR_TIME_TICKS_MASK 0xffffffffffffffffull /* ro */
#define AXL_ERROR_TIME_TICKS_SHIFT 0

/*
 * CONTEXT: Context, 64 of them
 */
#define AXL_CONTEXT_COUNT 64u

/* Page table root (64 bits) */
#define AXL_REG_CONTEXT_ROOT(b) (0x1000u + (b) * 0x20u)
#define AXL_CONTEXT_ROOT_RESET 0x0ull
#define AXL_CONTEXT_ROOT_ADDRESS_MASK 0xffffffffffffffffull /* rw */
#define AXL_CONTEXT_ROOT_ADDRESS_SHIFT 0

/* Context control (32 bits) */
#define AXL_REG_CONTEXT_CONTROL(b) (0x1008u + (b) * 0x20u)
#define AXL_CONTEXT_CONTROL_RESET 0x0u
#define AXL_CONTEXT_CONTROL_INVALIDATE_MASK 0x2u /* wo */
#define AXL_CONTEXT_CONTROL_INVALIDATE_SHIFT 1
#define AXL_CONTEXT_CONTROL_ENABLE_MASK 0x1u /* rw */
#define AXL_CONTEXT_CONTROL_ENABLE_SHIFT 0

/* Context status (32 bits) */
#define AXL_REG_CONTEXT_STATUS(b) (0x100cu + (b) * 0x20u)
#define AXL_CONTEXT_STATUS_RESET 0x0u
#define AXL_CONTEXT_STATUS_FAULTED_MASK 0x1u /* rw1c */
#define AXL_CONTEXT_STATUS_FAULTED_SHIFT 0

/*
 * PEER: Peer row, 64 of them
 */
#define AXL_PEER_COUNT 64u

/* Bus address (64 bits) */
#define AXL_REG_PEER_ADDRESS(b) (0x2000u + (b) * 0x20u)
#define AXL_PEER_ADDRESS_RESET 0x0ull
#define AXL_PEER_ADDRESS_ADDRESS_MASK 0xffffffffffffffffull /* rw */
#define AXL_PEER_ADDRESS_ADDRESS_SHIFT 0

/* Size (64 bits) */
#define AXL_REG_PEER_SIZE(b) (0x2008u + (b) * 0x20u)
#define AXL_PEER_SIZE_RESET 0x0ull
#define AXL_PEER_SIZE_BYTES_MASK 0xffffffffffffffffull /* rw */
#define AXL_PEER_SIZE_BYTES_SHIFT 0

/* Peer serial (64 bits) */
#define AXL_REG_PEER_SERIAL(b) (0x2010u + (b) * 0x20u)
#define AXL_PEER_SERIAL_RESET 0x0ull
#define AXL_PEER_SERIAL_VALUE_MASK 0xffffffffffffffffull /* rw */
#define AXL_PEER_SERIAL_VALUE_SHIFT 0

/* Peer info (32 bits) */
#define AXL_REG_PEER_INFO(b) (0x2018u + (b) * 0x20u)
#define AXL_PEER_INFO_RESET 0x0u
#define AXL_PEER_INFO_VALID_MASK 0x80000000u /* rw */
#define AXL_PEER_INFO_VALID_SHIFT 31
#define AXL_PEER_INFO_INDEX_MASK 0xffu /* rw */
#define AXL_PEER_INFO_INDEX_SHIFT 0

/*
 * QUEUE: Queue pair, 16 of them
 */
#define AXL_QUEUE_COUNT 16u

/* Submission ring (64 bits) */
#define AXL_REG_QUEUE_SQ_BASE(b) (0x4000u + (b) * 0x100u)
#define AXL_QUEUE_SQ_BASE_RESET 0x0ull
#define AXL_QUEUE_SQ_BASE_ADDRESS_MASK 0xffffffffffffffffull /* rw */
#define AXL_QUEUE_SQ_BASE_ADDRESS_SHIFT 0

/* Completion ring (64 bits) */
#define AXL_REG_QUEUE_CQ_BASE(b) (0x4008u + (b) * 0x100u)
#define AXL_QUEUE_CQ_BASE_RESET 0x0ull
#define AXL_QUEUE_CQ_BASE_ADDRESS_MASK 0xffffffffffffffffull /* rw */
#define AXL_QUEUE_CQ_BASE_ADDRESS_SHIFT 0

/* Ring sizes (32 bits) */
#define AXL_REG_QUEUE_SIZE(b) (0x4010u + (b) * 0x100u)
#define AXL_QUEUE_SIZE_RESET 0x0u
#define AXL_QUEUE_SIZE_CQ_LOG2_MASK 0xff00u /* rw */
#define AXL_QUEUE_SIZE_CQ_LOG2_SHIFT 8
#define AXL_QUEUE_SIZE_SQ_LOG2_MASK 0xffu /* rw */
#define AXL_QUEUE_SIZE_SQ_LOG2_SHIFT 0

/* Queue control (32 bits) */
#define AXL_REG_QUEUE_CONTROL(b) (0x4014u + (b) * 0x100u)
#define AXL_QUEUE_CONTROL_RESET 0x0u
#define AXL_QUEUE_CONTROL_ENABLE_MASK 0x1u /* rw */
#define AXL_QUEUE_CONTROL_ENABLE_SHIFT 0

/* Interrupt (32 bits) */
#define AXL_REG_QUEUE_INTERRUPT(b) (0x4018u + (b) * 0x100u)
#define AXL_QUEUE_INTERRUPT_RESET 0x0u
#define AXL_QUEUE_INTERRUPT_ENABLE_MASK 0x100u /* rw */
#define AXL_QUEUE_INTERRUPT_ENABLE_SHIFT 8
#define AXL_QUEUE_INTERRUPT_VECTOR_MASK 0x1fu /* rw */
#define AXL_QUEUE_INTERRUPT_VECTOR_SHIFT 0

/* Coalescing (32 bits) */
#define AXL_REG_QUEUE_COALESCE(b) (0x401cu + (b) * 0x100u)
#define AXL_QUEUE_COALESCE_RESET 0x0u
#define AXL_QUEUE_COALESCE_MICROSECONDS_MASK 0xffff0000u /* rw */
#define AXL_QUEUE_COALESCE_MICROSECONDS_SHIFT 16
#define AXL_QUEUE_COALESCE_COUNT_MASK 0xffffu /* rw */
#define AXL_QUEUE_COALESCE_COUNT_SHIFT 0

/* Queue status (32 bits) */
#define AXL_REG_QUEUE_STATUS(b) (0x4020u + (b) * 0x100u)
#define AXL_QUEUE_STATUS_RESET 0x0u
#define AXL_QUEUE_STATUS_WAITING_MASK 0x4u /* ro */
#define AXL_QUEUE_STATUS_WAITING_SHIFT 2
#define AXL_QUEUE_STATUS_STATE_MASK 0x3u /* ro */
#define AXL_QUEUE_STATUS_STATE_SHIFT 0

/* Fetched (32 bits) */
#define AXL_REG_QUEUE_SQ_HEAD(b) (0x4024u + (b) * 0x100u)
#define AXL_QUEUE_SQ_HEAD_RESET 0x0u
#define AXL_QUEUE_SQ_HEAD_INDEX_MASK 0xffffffffu /* ro */
#define AXL_QUEUE_SQ_HEAD_INDEX_SHIFT 0

/* Completed (32 bits) */
#define AXL_REG_QUEUE_CQ_TAIL(b) (0x4028u + (b) * 0x100u)
#define AXL_QUEUE_CQ_TAIL_RESET 0x0u
#define AXL_QUEUE_CQ_TAIL_INDEX_MASK 0xffffffffu /* ro */
#define AXL_QUEUE_CQ_TAIL_INDEX_SHIFT 0

/* Interrupts raised (32 bits) */
#define AXL_REG_QUEUE_INTERRUPTS(b) (0x402cu + (b) * 0x100u)
#define AXL_QUEUE_INTERRUPTS_RESET 0x0u
#define AXL_QUEUE_INTERRUPTS_COUNT_MASK 0xffffffffu /* ro */
#define AXL_QUEUE_INTERRUPTS_COUNT_SHIFT 0

/*
 * DOORBELL: Doorbell page, 16 of them
 */
#define AXL_DOORBELL_COUNT 16u

/* Submission tail (32 bits) */
#define AXL_REG_DOORBELL_SQ_TAIL(b) (0x10000u + (b) * 0x1000u)
#define AXL_DOORBELL_SQ_TAIL_RESET 0x0u
#define AXL_DOORBELL_SQ_TAIL_INDEX_MASK 0xffffffffu /* wo */
#define AXL_DOORBELL_SQ_TAIL_INDEX_SHIFT 0

/* Completion head (32 bits) */
#define AXL_REG_DOORBELL_CQ_HEAD(b) (0x10004u + (b) * 0x1000u)
#define AXL_DOORBELL_CQ_HEAD_RESET 0x0u
#define AXL_DOORBELL_CQ_HEAD_INDEX_MASK 0xffffffffu /* wo */
#define AXL_DOORBELL_CQ_HEAD_INDEX_SHIFT 0

#endif
