#include "tools/viewer/run_follower.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

#include "agents/checkpoint_tensors.h"
#include "agents/flat_parameters.h"
#include "agents/sequence_options.h"
#include "configs/atomic_file.h"
#include "configs/document.h"
#include "configs/run_folder.h"
#include "tools/device.h"
#include "tools/user_error.h"

namespace lethe::tools {
namespace {

namespace fs = std::filesystem;
using configs::SafetensorsFile;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kBetweenPolls{500};
constexpr size_t kMostPoints = 2'000;

/// Which file stands at a path: whoever replaces it, by rename or in place, changes one of these.
struct Identity {
  dev_t device = 0;
  ino_t inode = 0;
  off_t size = 0;
  int64_t modified_ns = 0;
  bool operator==(const Identity&) const = default;
};

/// None: there is no such file, or none that can be looked at.
std::optional<Identity> IdentityOf(const std::string& path) {
  struct stat s {};
  if (::stat(path.c_str(), &s) != 0) return std::nullopt;
  return Identity{s.st_dev, s.st_ino, s.st_size, int64_t{s.st_mtim.tv_sec} * 1'000'000'000 + s.st_mtim.tv_nsec};
}

// --- Training.

/// Does a process of this machine have the file open? Where its open files are another user's secret, that it lives
/// has to do.
bool HasOpen(int64_t process, const Identity& file) {
  std::error_code error;
  fs::directory_iterator open_file(fmt::format("/proc/{}/fd", process), error);
  if (error) return error == std::errc::permission_denied;
  for (; !error && open_file != fs::directory_iterator(); open_file.increment(error)) {
    const auto open = IdentityOf(open_file->path().string());
    if (open && open->device == file.device && open->inode == file.inode) return true;
  }
  return false;
}

/// Taking the lock for a moment would be the sure test, and the end of a training that starts in that moment. The lock
/// names its holder instead ("pid 17 on desk"), who keeps the file open while holding it.
bool IsLocked(const std::string& path) {
  const auto file = IdentityOf(path);
  std::string pid, on, host;
  int64_t process = 0;
  std::ifstream(path) >> pid >> process >> on >> host;
  char here[256] = "";
  if (!file || pid != "pid" || ::gethostname(here, sizeof here - 1) != 0 || host != here) return false;
  return HasOpen(process, *file);
}

// --- Metrics.

/// The point of a line of metrics; none for a line without environment steps or score (no episode ended).
std::optional<ProgressPoint> PointOf(const std::string& line) {
  const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("env_steps") || !json["env_steps"].is_number()) return std::nullopt;
  if (!json.contains("score") || !json["score"].is_number()) return std::nullopt;
  ProgressPoint point{json["env_steps"], json["score"], {}};
  if (json.contains("living_memories") && json["living_memories"].is_array())
    for (const auto& layer : json["living_memories"])
      if (layer.is_number()) point.living.push_back(layer);
  return point;
}

/// Reads lines as they are appended to a file. Above kMostPoints every second point goes, and of the lines that follow
/// half as many are read.
class MetricsTail {
 public:
  void Read(const std::string& path) {
    const configs::FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat s {};
    if (file.get() < 0 || ::fstat(file.get(), &s) != 0) return;
    if (s.st_dev != device_ || s.st_ino != inode_ || s.st_size < read_) {  // another file, or a shorter one
      *this = MetricsTail();
      device_ = s.st_dev, inode_ = s.st_ino;
    }
    char bytes[1 << 16];
    for (ssize_t n; (n = ::pread(file.get(), bytes, sizeof bytes, read_)) > 0; read_ += n)
      Add({bytes, static_cast<size_t>(n)});
  }
  const std::vector<ProgressPoint>& points() const { return points_; }

 private:
  void Add(std::string_view text) {
    for (size_t end; (end = text.find('\n')) != std::string_view::npos; text.remove_prefix(end + 1)) {
      partial_ += text.substr(0, end);
      AddLine();
      partial_.clear();
    }
    partial_ += text;
  }

  void AddLine() {
    if (lines_++ % every_ != 0) return;
    if (auto point = PointOf(partial_)) points_.push_back(std::move(*point));
    if (points_.size() <= kMostPoints) return;
    for (size_t i = 0; i < points_.size(); i += 2) points_[i / 2] = std::move(points_[i]);
    points_.resize((points_.size() + 1) / 2);
    every_ *= 2;
  }

  dev_t device_ = 0;
  ino_t inode_ = 0;
  off_t read_ = 0;       // bytes
  std::string partial_;  // of the last line, whose end is still to come
  size_t lines_ = 0, every_ = 1;
  std::vector<ProgressPoint> points_;
};

// --- Options and weights.

std::string WithoutSlashes(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

/// The folder of the run that a file of weights belongs to. Errors: UserError.
std::string FolderOf(const std::string& weights) {
  const fs::path beside = fs::path(weights).has_parent_path() ? fs::path(weights).parent_path() : fs::path(".");
  const fs::path above = beside / "..";
  for (const fs::path& folder : {beside, above})
    if (fs::is_regular_file(folder / "config.yaml")) return folder.string();
  if (!fs::exists(weights)) throw UserError(fmt::format("{}: no such file", weights));
  throw UserError(fmt::format("{}: belongs to no run: there is no config.yaml beside it or one folder above", weights));
}

/// Errors: UserError, configs::OptionError.
std::shared_ptr<const agents::RunOptions> ReadOptions(const std::string& text, const std::string& config,
                                                      const std::string& run,
                                                      const std::vector<std::string>& overrides) {
  auto document = configs::Document::FromText(text, config);
  if (agents::IsSequenceConfig(document))
    throw UserError(fmt::format(
        "{0}: is a run on a sequence task, which has no episodes; look at it with: lethe inspect {0}", run));
  // The curriculum must not stand in the way of shorter levels, nor a viewer in that of a training on the GPU.
  for (const char* of_training : {"curriculum.start=0", "consolidate.curriculum.start=0", "device=cpu"})
    document.Override(of_training);
  for (const std::string& assignment : overrides) document.Override(assignment);
  std::shared_ptr<const agents::RunOptions> options = AsUserError([&] { return agents::ReadRunOptions(document); });
  RequireDevice(options->device);
  return options;
}

std::shared_ptr<const agents::FixedPolicy> MakePolicy(const SafetensorsFile& file,
                                                      std::shared_ptr<const agents::RunOptions> options) {
  agents::Policy shape(agents::MakePolicyOptions(*options));
  const auto weights = agents::LoadWeights(file, agents::LayoutOf(agents::FlatParameters(shape)));
  if (!std::ranges::all_of(weights, [](float weight) { return std::isfinite(weight); }))
    throw std::invalid_argument("it holds weights that are no finite numbers");
  int64_t env_steps = 0;
  if (const auto found = file.metadata().find("env_steps"); found != file.metadata().end())
    std::from_chars(found->second.data(), found->second.data() + found->second.size(), env_steps);
  return std::make_shared<agents::FixedPolicy>(std::move(options), weights, env_steps);
}

}  // namespace

class RunFollower::Files {
 public:
  Files(std::string run, std::vector<std::string> overrides)
      : name_(std::move(run)),
        overrides_(std::move(overrides)),
        only_file_(name_.ends_with(".safetensors") ? name_ : ""),
        folder_(only_file_.empty() ? WithoutSlashes(name_) : FolderOf(only_file_)) {
    AsUserError([&] { configs::RunFolder::Open(folder_); });
    Start();
    ReadBesides();
  }

  bool Poll() {
    const auto now = Clock::now();
    if (last_poll_ && now - *last_poll_ < kBetweenPolls) return false;
    last_poll_ = now;
    ReadBesides();
    return TakeNewest();
  }

  const std::string& name() const { return name_; }
  const std::shared_ptr<const agents::FixedPolicy>& policy() const { return policy_; }
  const std::string& problem() const { return problem_; }
  const std::vector<ProgressPoint>& progress() const { return metrics_.points(); }
  bool is_training() const { return is_training_; }
  int64_t written_ns() const { return written_ns_; }  ///< since 1970

 private:
  std::string In(const char* name) const { return folder_ + "/" + name; }
  std::string Config() const { return In("config.yaml"); }

  /// The file to follow: the live one, or the newest checkpoint as long as a run has no other.
  std::string Weights() const {
    if (!only_file_.empty()) return only_file_;
    std::string live = In("live.safetensors");
    if (was_live_ || fs::exists(live)) return live;
    const auto checkpoints = configs::RunFolder::Open(folder_).Checkpoints();
    return checkpoints.empty() ? live : checkpoints.front();
  }

  /// Errors: UserError, configs::OptionError.
  void Start() {
    config_ = IdentityOf(Config());
    config_text_ = AsUserError([&] { return configs::ReadWholeFile(Config()); });
    const auto options = ReadOptions(config_text_, Config(), folder_, overrides_);
    tried_config_ = config_, tried_weights_ = AsUserError([&] { return IdentityOf(Weights()); });
    const SafetensorsFile file = Open();
    Use(AsUserError([&] { return MakePolicy(file, options); }), file.path());
  }

  /// The live weights if they are good, else those of the newest good checkpoint.
  SafetensorsFile Open() {
    if (!only_file_.empty()) return AsUserError([&] { return SafetensorsFile(only_file_); });
    const std::string live = In("live.safetensors");
    if (fs::exists(live)) {
      try {
        return SafetensorsFile(live);
      } catch (const std::runtime_error& error) {
        problem_ = fmt::format("live.safetensors cannot be used ({}); these are the weights of the newest checkpoint",
                               WithoutPath(error.what()));
      }
    }
    const auto run = AsUserError([&] { return configs::RunFolder::Open(folder_); });
    if (run.Checkpoints().empty())
      throw UserError(problem_.empty() ? fmt::format("{}: has no weights yet; try again once it has trained for a few "
                                                     "seconds",
                                                     name_)
                                       : fmt::format("{}: has no other weights, and {}", name_,
                                                     problem_.substr(0, problem_.find(';'))));
    return AsUserError([&] { return run.NewestGoodCheckpoint([](const std::string&) {}); });
  }

  void ReadBesides() {
    metrics_.Read(In("metrics.jsonl"));
    is_training_ = IsLocked(In("lock"));
  }

  /// True if there was something new, and it is good.
  bool TakeNewest() {
    try {
      return Take();
    } catch (const std::system_error& error) {  // says nothing about what is in the file
      return Keep(fmt::format("the run cannot be read ({}); the weights before stay", WithoutPath(error.what())), true);
    } catch (const std::exception& error) {
      return Keep(fmt::format("{} ({}); the weights before it stay", failing_, WithoutPath(error.what())), false);
    }
  }

  /// Errors: anything; `failing_` then says what went wrong.
  bool Take() {
    failing_ = "the run cannot be read";
    if (!fs::exists(folder_)) return Keep("the run's folder is gone; these are its last weights", true);
    const auto config = IdentityOf(Config());
    if (!config) return Keep("the run's config.yaml is gone; these are its last weights", true);
    if (config != config_) was_live_ = false;  // perhaps another run
    const std::string path = Weights();
    const auto weights = IdentityOf(path);
    if (!weights)
      return Keep(fmt::format("{} is gone; these are the weights before", fs::path(path).filename().string()), true);
    if (config == tried_config_ && weights == tried_weights_) return false;
    tried_config_ = config, tried_weights_ = weights;
    Read(path);
    return true;
  }

  /// Reads what has changed, and takes it if all of it is good.
  void Read(const std::string& path) {
    auto options = policy_->options;
    std::string text = config_text_;
    if (tried_config_ != config_) {
      failing_ = "the run's new config.yaml cannot be used";
      text = configs::ReadWholeFile(Config());
      if (text != config_text_) options = ReadOptions(text, Config(), folder_, overrides_);
    }
    const std::string name = fs::path(path).filename().string();
    failing_ = name + " is damaged";
    const SafetensorsFile file(path);
    failing_ = name + " does not fit the run's options";
    auto policy = MakePolicy(file, options);
    problem_ =
        options == policy_->options ? "" : "the run's options have changed; they were taken over with its weights";
    config_ = tried_config_, config_text_ = std::move(text);
    Use(std::move(policy), path);
  }

  void Use(std::shared_ptr<const agents::FixedPolicy> policy, const std::string& path) {
    policy_ = std::move(policy);
    was_live_ = path == In("live.safetensors");
    if (const auto file = IdentityOf(path)) written_ns_ = file->modified_ns;
  }

  /// Everything stays. retry: what was tried may be tried again as it is.
  bool Keep(std::string problem, bool retry) {
    problem_ = std::move(problem);
    if (retry) tried_config_ = tried_weights_ = std::nullopt;
    return false;
  }

  /// Errors of files begin with the path, which a line below a picture has no room for.
  std::string WithoutPath(const std::string& error) const {
    const std::string line = FirstLine(error);
    return line.starts_with(folder_ + "/") ? line.substr(folder_.size() + 1) : line;
  }

  const std::string name_;
  const std::vector<std::string> overrides_;
  const std::string only_file_;  // "": the run's live weights
  const std::string folder_;
  std::optional<Clock::time_point> last_poll_;
  std::optional<Identity> config_, tried_config_, tried_weights_;  // of what is in use; of what was tried last
  std::string config_text_, failing_, problem_;
  std::shared_ptr<const agents::FixedPolicy> policy_;
  int64_t written_ns_ = 0;
  bool was_live_ = false;  // the weights in use come from live.safetensors
  MetricsTail metrics_;
  bool is_training_ = false;
};

RunFollower::RunFollower(const std::string& run, std::vector<std::string> overrides)
    : files_(std::make_unique<Files>(run, std::move(overrides))) {}

RunFollower::~RunFollower() = default;

bool RunFollower::Poll() { return files_->Poll(); }
const std::shared_ptr<const agents::FixedPolicy>& RunFollower::policy() const { return files_->policy(); }
const std::string& RunFollower::name() const { return files_->name(); }
bool RunFollower::is_training() const { return files_->is_training(); }
const std::string& RunFollower::problem() const { return files_->problem(); }
const std::vector<ProgressPoint>& RunFollower::progress() const { return files_->progress(); }

double RunFollower::age_seconds() const {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto now_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
  return std::max(0.0, 1e-9 * static_cast<double>(now_ns - files_->written_ns()));
}

}  // namespace lethe::tools
