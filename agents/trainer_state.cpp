#include "agents/trainer_state.h"

#include <fmt/format.h>

#include <cstring>
#include <deque>
#include <stdexcept>

namespace lethe::agents {

namespace {

using configs::Dtype;
using configs::SafetensorsFile;
using configs::TensorView;
using torch::Tensor;

/// Collects views of arrays that live until the file is written.
class Views {
 public:
  template <class T>
  void Add(const std::string& name, Dtype dtype, const T* data, std::vector<int64_t> shape, int64_t size) {
    views_.push_back({name, dtype, std::move(shape), std::as_bytes(std::span<const T>(data, static_cast<size_t>(size)))});
  }
  template <class T>
  void Add(const std::string& name, Dtype dtype, const std::vector<T>& data) {
    Add(name, dtype, data.data(), {static_cast<int64_t>(data.size())}, static_cast<int64_t>(data.size()));
  }
  void Add(const std::string& name, const Tensor& tensor) {
    tensors_.push_back(tensor.contiguous());
    const Tensor& t = tensors_.back();
    const Dtype dtype = t.scalar_type() == torch::kFloat ? Dtype::kF32 : t.scalar_type() == torch::kDouble ? Dtype::kF64 : Dtype::kI64;
    views_.push_back({name, dtype, t.sizes().vec(), {static_cast<const std::byte*>(t.const_data_ptr()), t.nbytes()}});
  }
  void Add(const std::string& prefix, const memory::StatePtr& state) {
    for (const auto& [name, tensor] : state->Save()) Add(prefix + name, tensor);
  }
  void AddParameters(const std::string& prefix, const std::vector<float>& values, const std::vector<ParameterLayout>& layout) {
    for (const ParameterLayout& part : layout) Add(prefix + part.name, Dtype::kF32, values.data() + part.offset, part.shape, part.size);
  }
  const std::vector<TensorView>& views() const { return views_; }

 private:
  std::vector<TensorView> views_;
  std::deque<Tensor> tensors_;
};

template <class T>
std::vector<T> Array(const SafetensorsFile& file, const std::string& name) {
  const TensorView& view = file.Find(name);
  std::vector<T> data(view.bytes.size() / sizeof(T));
  std::memcpy(data.data(), view.bytes.data(), view.bytes.size());
  return data;
}

memory::StatePtr LoadMemory(const SafetensorsFile& file, const std::string& prefix, const memory::Core& core) {
  memory::TensorMap saved;
  for (const TensorView& view : file.tensors()) {
    if (!view.name.starts_with(prefix)) continue;
    const auto type = view.dtype == Dtype::kF32 ? torch::kFloat : view.dtype == Dtype::kF64 ? torch::kDouble : torch::kLong;
    Tensor tensor = torch::empty(view.shape, type);
    std::memcpy(tensor.data_ptr(), view.bytes.data(), view.bytes.size());
    saved[view.name.substr(prefix.size())] = tensor;
  }
  return core.Restore(saved);
}

/// Doubles as text that reads back to the same bits.
std::string Text(double x) { return fmt::format("{}", x); }

double Number(const SafetensorsFile& file, const std::string& key) {
  const auto found = file.metadata().find(key);
  if (found == file.metadata().end()) throw configs::SafetensorsError(fmt::format("{}: `{}` is missing", file.path(), key));
  return std::stod(found->second);
}

}  // namespace

std::string PhaseName(Phase phase) {
  return phase == Phase::kLearn ? "learn" : phase == Phase::kConsolidate ? "consolidate" : "done";
}

void SaveCheckpoint(const std::string& path, const TrainerState& s, const std::vector<ParameterLayout>& layout) {
  Views views;
  views.AddParameters("policy.", s.parameters, layout);
  if (!s.teacher.empty()) views.AddParameters("teacher.", s.teacher, layout);
  views.Add("optimizer.mean", Dtype::kF32, s.mean);
  views.Add("optimizer.square", Dtype::kF32, s.square);
  for (size_t i = 0; i < s.actors.size(); ++i) {
    const ActorState& actor = s.actors[i];
    if (actor.memory == nullptr) continue;
    const std::string prefix = fmt::format("actor{}.", i);
    views.Add(prefix + "envs", Dtype::kU8, actor.envs);
    views.Add(prefix + "observations", Dtype::kU8, actor.observations);
    views.Add(prefix + "episode_start", Dtype::kU8, actor.episode_start);
    views.Add(prefix + "is_last", Dtype::kU8, actor.is_last);
    views.Add(prefix + "curriculum", Dtype::kF64, actor.curriculum);
    views.Add(prefix + "steps", torch::tensor({actor.steps}, torch::kLong));
    views.Add(prefix + "memory.", actor.memory);
  }
  for (size_t i = 0; i < s.students.size(); ++i)
    if (s.students[i] != nullptr) views.Add(fmt::format("student{}.memory.", i), s.students[i]);
  configs::WriteSafetensors(path, views.views(),
                            {{"phase", PhaseName(s.phase)},
                             {"env_steps", std::to_string(s.env_steps)},
                             {"phase_steps", std::to_string(s.phase_steps)},
                             {"updates", std::to_string(s.updates)},
                             {"seconds", Text(s.seconds)},
                             {"optimizer_updates", std::to_string(s.optimizer_updates)},
                             {"curriculum.value", Text(s.curriculum.value)},
                             {"curriculum.sum", Text(s.curriculum.sum)},
                             {"curriculum.last_mean", Text(s.curriculum.last_mean)},
                             {"curriculum.count", std::to_string(s.curriculum.count)},
                             {"target.sum", Text(s.target.sum)},
                             {"target.last_mean", Text(s.target.last_mean)},
                             {"target.count", std::to_string(s.target.count)},
                             {"alpha", Text(s.alpha)},
                             {"kl", Text(s.kl)},
                             {"pending_kl", Text(s.pending_kl)},
                             {"pending_episodes", Text(s.pending_episodes)},
                             {"charged_layers", std::to_string(s.charged_layers)},
                             {"living_average", Text(s.living_average)}});
}

void SaveWeights(const std::string& path, const std::vector<float>& parameters, const std::vector<ParameterLayout>& layout,
                 int64_t env_steps) {
  Views views;
  views.AddParameters("policy.", parameters, layout);
  configs::WriteSafetensors(path, views.views(), {{"env_steps", std::to_string(env_steps)}});
}

std::vector<float> LoadWeights(const SafetensorsFile& file, const std::vector<ParameterLayout>& layout, const std::string& prefix) {
  std::vector<float> values(static_cast<size_t>(layout.back().offset + layout.back().size));
  for (const ParameterLayout& part : layout) {
    const TensorView& view = file.Find(prefix + part.name);
    if (view.dtype != Dtype::kF32 || view.shape != part.shape)
      throw std::invalid_argument(fmt::format("{}: `{}` has shape [{}], these options need [{}]", file.path(), view.name,
                                              fmt::join(view.shape, ", "), fmt::join(part.shape, ", ")));
    std::memcpy(values.data() + part.offset, view.bytes.data(), view.bytes.size());
  }
  return values;
}

TrainerState LoadCheckpoint(const SafetensorsFile& file, const std::vector<ParameterLayout>& layout, const memory::Core& core,
                            size_t actors) {
  TrainerState s;
  const auto integer = [&](const char* key) { return static_cast<int64_t>(Number(file, key)); };
  const std::string phase = file.metadata().contains("phase") ? file.metadata().at("phase") : "";
  s.phase = phase == "consolidate" ? Phase::kConsolidate : phase == "done" ? Phase::kDone : Phase::kLearn;
  s.env_steps = integer("env_steps");
  s.phase_steps = integer("phase_steps");
  s.updates = integer("updates");
  s.seconds = Number(file, "seconds");
  s.optimizer_updates = integer("optimizer_updates");
  s.curriculum = {Number(file, "curriculum.value"), Number(file, "curriculum.sum"), Number(file, "curriculum.last_mean"),
                  integer("curriculum.count")};
  s.target = {Number(file, "target.sum"), Number(file, "target.last_mean"), integer("target.count")};
  s.alpha = Number(file, "alpha");
  s.kl = Number(file, "kl");
  s.pending_kl = Number(file, "pending_kl");
  s.pending_episodes = Number(file, "pending_episodes");
  s.charged_layers = integer("charged_layers");
  s.living_average = Number(file, "living_average");
  s.parameters = LoadWeights(file, layout);
  if (file.Has("teacher." + layout.front().name)) s.teacher = LoadWeights(file, layout, "teacher.");
  s.mean = Array<float>(file, "optimizer.mean");
  s.square = Array<float>(file, "optimizer.square");
  s.actors.resize(actors);
  s.students.resize(actors);
  for (size_t i = 0; i < actors; ++i) {
    const std::string prefix = fmt::format("actor{}.", i);
    if (file.Has(prefix + "envs")) {
      s.actors[i] = {Array<std::byte>(file, prefix + "envs"),         Array<uint8_t>(file, prefix + "observations"),
                     Array<uint8_t>(file, prefix + "episode_start"),  Array<uint8_t>(file, prefix + "is_last"),
                     Array<double>(file, prefix + "curriculum"),      LoadMemory(file, prefix + "memory.", core),
                     Array<int64_t>(file, prefix + "steps").front()};
    }
    const std::string student = fmt::format("student{}.memory.", i);
    if (file.Has(student + "clock")) s.students[i] = LoadMemory(file, student, core);
  }
  return s;
}

}  // namespace lethe::agents
