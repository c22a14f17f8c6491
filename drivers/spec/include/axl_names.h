/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Generated from drivers/spec/formats.yaml and axl_bar0.rdl by `make gen`; do not edit. */
/* Names of codes: AXL_STATUS_NAMES(X) expands X(value, "name") for every status. */
#ifndef AXL_NAMES_H
#define AXL_NAMES_H

#define AXL_OPCODE_NAMES(X) \
	X(0, "nop") \
	X(1, "copy") \
	X(2, "copy_strided") \
	X(3, "fill") \
	X(4, "cast") \
	X(5, "unary") \
	X(6, "binary") \
	X(7, "ternary") \
	X(8, "reduce") \
	X(9, "matmul") \
	X(10, "gather") \
	X(11, "scatter") \
	X(12, "random") \
	X(13, "fence_wait") \
	X(14, "fence_signal") \
	X(15, "timestamp") \
	X(16, "fused")

#define AXL_COMMAND_FLAG_NAMES(X) \
	X(1, "interrupt") \
	X(2, "checksum")

#define AXL_OPERAND_FLAG_NAMES(X) \
	X(1, "immediate")

#define AXL_DTYPE_NAMES(X) \
	X(0, "u8") \
	X(1, "i8") \
	X(2, "i16") \
	X(3, "i32") \
	X(4, "i64") \
	X(5, "f16") \
	X(6, "bf16") \
	X(7, "f32") \
	X(8, "f64") \
	X(9, "bool")

#define AXL_UNARY_NAMES(X) \
	X(0, "neg") \
	X(1, "abs") \
	X(2, "sign") \
	X(3, "square") \
	X(4, "sqrt") \
	X(5, "rsqrt") \
	X(6, "reciprocal") \
	X(7, "exp") \
	X(8, "exp2") \
	X(9, "expm1") \
	X(10, "log") \
	X(11, "log2") \
	X(12, "log10") \
	X(13, "log1p") \
	X(14, "sin") \
	X(15, "cos") \
	X(16, "tan") \
	X(17, "asin") \
	X(18, "acos") \
	X(19, "atan") \
	X(20, "sinh") \
	X(21, "cosh") \
	X(22, "tanh") \
	X(23, "asinh") \
	X(24, "acosh") \
	X(25, "atanh") \
	X(26, "erf") \
	X(27, "erfc") \
	X(28, "erfinv") \
	X(29, "lgamma") \
	X(30, "digamma") \
	X(31, "sigmoid") \
	X(32, "relu") \
	X(33, "gelu") \
	X(34, "gelu_tanh") \
	X(35, "silu") \
	X(36, "floor") \
	X(37, "ceil") \
	X(38, "round") \
	X(39, "trunc") \
	X(40, "frac") \
	X(41, "bitwise_not") \
	X(42, "logical_not") \
	X(43, "isnan") \
	X(44, "isinf") \
	X(45, "isfinite")

#define AXL_BINARY_NAMES(X) \
	X(0, "add") \
	X(1, "sub") \
	X(2, "mul") \
	X(3, "div") \
	X(4, "floor_div") \
	X(5, "trunc_div") \
	X(6, "remainder") \
	X(7, "fmod") \
	X(8, "pow") \
	X(9, "maximum") \
	X(10, "minimum") \
	X(11, "fmax") \
	X(12, "fmin") \
	X(13, "atan2") \
	X(14, "hypot") \
	X(15, "copysign") \
	X(16, "eq") \
	X(17, "ne") \
	X(18, "lt") \
	X(19, "le") \
	X(20, "gt") \
	X(21, "ge") \
	X(22, "logical_and") \
	X(23, "logical_or") \
	X(24, "logical_xor") \
	X(25, "bitwise_and") \
	X(26, "bitwise_or") \
	X(27, "bitwise_xor") \
	X(28, "shift_left") \
	X(29, "shift_right") \
	X(30, "relu_backward") \
	X(31, "sigmoid_backward") \
	X(32, "tanh_backward") \
	X(33, "gelu_backward") \
	X(34, "gelu_tanh_backward") \
	X(35, "silu_backward")

#define AXL_TERNARY_NAMES(X) \
	X(0, "where") \
	X(1, "fma") \
	X(2, "addcmul") \
	X(3, "addcdiv") \
	X(4, "lerp") \
	X(5, "clamp")

#define AXL_REDUCE_NAMES(X) \
	X(0, "sum") \
	X(1, "mean") \
	X(2, "prod") \
	X(3, "max") \
	X(4, "min") \
	X(5, "any") \
	X(6, "all") \
	X(7, "argmax") \
	X(8, "argmin") \
	X(9, "sum_squares")

#define AXL_SCATTER_NAMES(X) \
	X(0, "set") \
	X(1, "add") \
	X(2, "multiply") \
	X(3, "maximum") \
	X(4, "minimum")

#define AXL_RANDOM_NAMES(X) \
	X(0, "bits") \
	X(1, "uniform") \
	X(2, "normal") \
	X(3, "bernoulli")

#define AXL_SPACE_NAMES(X) \
	X(0, "host") \
	X(1, "device") \
	X(2, "peer")

#define AXL_STATUS_NAMES(X) \
	X(0, "ok") \
	X(1, "invalid_opcode") \
	X(2, "invalid_field") \
	X(3, "invalid_context") \
	X(4, "context_faulted") \
	X(5, "page_fault") \
	X(6, "protection_fault") \
	X(7, "address_stale") \
	X(8, "unsupported_request") \
	X(9, "completion_timeout") \
	X(10, "poisoned") \
	X(11, "memory_error") \
	X(12, "index_out_of_range") \
	X(13, "unsupported_dtype") \
	X(14, "aborted") \
	X(15, "fence_timeout") \
	X(16, "internal") \
	X(17, "lost")

#define AXL_COMPLETION_FLAG_NAMES(X) \
	X(1, "phase") \
	X(2, "error_recorded")

#define AXL_STAGE_NAMES(X) \
	X(0, "submit") \
	X(1, "doorbell") \
	X(2, "fetch") \
	X(3, "start") \
	X(4, "finish") \
	X(5, "complete") \
	X(6, "irq") \
	X(7, "wake") \
	X(16, "dma_map") \
	X(17, "dma_unmap") \
	X(18, "queue_create") \
	X(19, "queue_destroy") \
	X(20, "reset_begin") \
	X(21, "reset_end") \
	X(22, "error") \
	X(23, "aer") \
	X(24, "topology")

#define AXL_ORIGIN_NAMES(X) \
	X(0, "wire") \
	X(1, "driver") \
	X(2, "library") \
	X(3, "reconstructed")

#define AXL_DIRECTION_NAMES(X) \
	X(0, "none") \
	X(1, "host_to_device") \
	X(2, "device_to_host") \
	X(3, "device_to_device") \
	X(4, "peer") \
	X(5, "host_to_host")

#define AXL_RESET_KIND_NAMES(X) \
	X(0, "queue") \
	X(1, "function") \
	X(2, "bus") \
	X(3, "os")

#define AXL_OUTCOME_NAMES(X) \
	X(0, "ok") \
	X(1, "inval") \
	X(2, "nomem") \
	X(3, "gone") \
	X(4, "version") \
	X(5, "device") \
	X(6, "busy") \
	X(7, "again") \
	X(8, "timeout") \
	X(9, "nospace") \
	X(10, "exists") \
	X(11, "not_found") \
	X(12, "address") \
	X(13, "unsupported")

#define AXL_AER_SEVERITY_NAMES(X) \
	X(0, "correctable") \
	X(1, "nonfatal") \
	X(2, "fatal")

#define AXL_TOPOLOGY_CHANGE_NAMES(X) \
	X(0, "appeared") \
	X(1, "addressed") \
	X(2, "lost") \
	X(3, "removed")

#define AXL_TLP_KIND_NAMES(X) \
	X(0, "mrd") \
	X(1, "mwr") \
	X(2, "cpl") \
	X(3, "cpld") \
	X(4, "cfgrd0") \
	X(5, "cfgwr0") \
	X(6, "msi")

#define AXL_RESET_CAUSE_NAMES(X) \
	X(0, "power_on") \
	X(1, "queue") \
	X(2, "function") \
	X(3, "secondary_bus")

#define AXL_ADDRESS_STATE_NAMES(X) \
	X(0, "stale") \
	X(1, "committed") \
	X(2, "rejected")

#define AXL_ADDRESS_REASON_NAMES(X) \
	X(0, "none") \
	X(1, "bdf_mismatch") \
	X(2, "card_mismatch") \
	X(3, "self_peer_missing") \
	X(4, "self_bar_mismatch") \
	X(5, "path_invalid") \
	X(6, "peer_invalid")

#define AXL_ERROR_CODE_NAMES(X) \
	X(0, "none") \
	X(1, "page_fault") \
	X(2, "protection_fault") \
	X(3, "dma_unsupported") \
	X(4, "dma_timeout") \
	X(5, "dma_poisoned") \
	X(6, "memory_uncorrected") \
	X(7, "ring_invalid") \
	X(8, "command_invalid") \
	X(9, "address_stale") \
	X(10, "firmware") \
	X(11, "queue_hung")

#define AXL_QUEUE_STATE_NAMES(X) \
	X(0, "disabled") \
	X(1, "ready") \
	X(2, "halted")

#endif
