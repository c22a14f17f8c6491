// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// torch.profiler: commands of the device as kernels, beside the operators that they belong to.
//
// Kineto counts in nanoseconds since the epoch; libaxl, the driver's tracepoints and accel-trace
// in CLOCK_MONOTONIC. Each event keeps the latter too, as start_monotonic_ns.
#define FMT_HEADER_ONLY  // Kineto's headers format text; libtorch does not export what for
#include <IActivityProfiler.h>
#include <libkineto.h>
#include <output_base.h>
#include <time.h>
#include <torch/csrc/profiler/standalone/privateuse1_profiler.h>

#include "runtime/recorder.h"
#include "runtime/session.h"

namespace axl {
namespace {

using libkineto::ActivityType;

int64_t now_ns(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

bool is_copy(uint32_t opcode) {
  return opcode == AXL_OPCODE_COPY || opcode == AXL_OPCODE_COPY_STRIDED;
}

struct ProfilerSession final : libkineto::IActivityProfilerSession {
  void start() override {
    Recorder::start();
    status_ = libkineto::TraceStatus::RECORDING;
  }

  void stop() override {
    recorded_ = Recorder::stop();
    epoch_ns_ = now_ns(CLOCK_REALTIME) - now_ns(CLOCK_MONOTONIC);
    status_ = libkineto::TraceStatus::PROCESSING;
  }

  std::vector<std::string> errors() override { return {}; }

  void processTrace(libkineto::ActivityLogger& logger) override {
    processTrace(
        logger, [](int32_t) { return nullptr; }, 0, 0);
  }

  void processTrace(libkineto::ActivityLogger& logger, libkineto::getLinkedActivityCallback linked,
                    int64_t, int64_t) override {
    buffer_ = std::make_unique<libkineto::CpuTraceBuffer>();
    buffer_->span = libkineto::TraceSpan(0, 0, "axl");
    for (const Recorded& command : recorded_) {
      if (command.result.timing_valid != 0) {
        add(command, linked);
        buffer_->activities.back()->log(logger);
      }
    }
  }

  std::unique_ptr<libkineto::DeviceInfo> getDeviceInfo() override { return nullptr; }

  std::vector<libkineto::ResourceInfo> getResourceInfos() override { return {}; }

  std::unique_ptr<libkineto::CpuTraceBuffer> getTraceBuffer() override {
    return std::move(buffer_);
  }

  void pushCorrelationId(uint64_t id) override { Recorder::enter(id); }
  void popCorrelationId() override { Recorder::leave(); }

 private:
  void add(const Recorded& command, const libkineto::getLinkedActivityCallback& linked) {
    const axl_result& result = command.result;
    const char* opcode = axl_opcode_name(result.opcode);
    buffer_->emplace_activity(
        buffer_->span,
        is_copy(result.opcode) ? ActivityType::GPU_MEMCPY : ActivityType::CONCURRENT_KERNEL,
        std::string("axl::") + opcode);
    libkineto::GenericTraceActivity& made = *buffer_->activities.back();
    made.startTime = static_cast<int64_t>(result.start_ns) + epoch_ns_;
    made.endTime = static_cast<int64_t>(result.finish_ns) + epoch_ns_;
    made.id = static_cast<int32_t>(command.correlation);
    made.device = command.device;
    made.resource = command.stream;
    made.flow.id = static_cast<uint32_t>(command.correlation);
    made.flow.type = libkineto::kLinkAsyncCpuGpu;
    made.linked = linked(static_cast<int32_t>(command.correlation));
    made.addMetadataQuoted("operator", command.what);
    made.addMetadata("queue", command.queue);
    made.addMetadata("sequence", result.sequence);
    made.addMetadata("start_monotonic_ns", result.start_ns);
    made.addMetadataQuoted("status", axl_status_name(result.status));
  }

  std::vector<Recorded> recorded_;
  int64_t epoch_ns_ = 0;
  std::unique_ptr<libkineto::CpuTraceBuffer> buffer_;
};

class Profiler final : public libkineto::IActivityProfiler {
 public:
  const std::string& name() const override { return name_; }
  const std::set<ActivityType>& availableActivities() const override { return types_; }

  std::unique_ptr<libkineto::IActivityProfilerSession> configure(
      const std::set<ActivityType>& wanted, const libkineto::Config&) override {
    for (ActivityType type : types_) {
      if (wanted.count(type) != 0) {
        return std::make_unique<ProfilerSession>();
      }
    }
    return nullptr;
  }
  std::unique_ptr<libkineto::IActivityProfilerSession> configure(
      int64_t, int64_t, const std::set<ActivityType>& wanted,
      const libkineto::Config& config) override {
    return configure(wanted, config);
  }

 private:
  std::string name_{"axl"};
  std::set<ActivityType> types_{ActivityType::GPU_MEMCPY, ActivityType::CONCURRENT_KERNEL};
};

REGISTER_PRIVATEUSE1_PROFILER(Profiler);

}  // namespace
}  // namespace axl
