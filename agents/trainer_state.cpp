#include "agents/trainer_state.h"

#include <fmt/format.h>

#include <map>

namespace lethe::agents {

using configs::Dtype;
using configs::SafetensorsFile;

void SaveCheckpoint(const std::string& path, const TrainerState& s, const std::vector<ParameterLayout>& layout) {
  TensorViews views;
  views.AddParameters("policy.", s.parameters, layout);
  if (!s.teacher.empty()) views.AddParameters("teacher.", s.teacher, layout);
  if (s.best_student.exists()) views.AddParameters("best_student.", s.best_student.parameters, layout);
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
    views.Add(prefix + "version", Dtype::kI64, actor.version);
    views.Add(prefix + "steps", torch::tensor({actor.steps}, torch::kLong));
    views.Add(prefix + "acts_as_oracle", torch::tensor({actor.acts_as_oracle}, torch::kUInt8));
    views.Add(prefix + "memory.", actor.memory);
  }
  for (size_t i = 0; i < s.students.size(); ++i)
    if (s.students[i] != nullptr) views.Add(fmt::format("student{}.memory.", i), s.students[i]);
  std::map<std::string, std::string> metadata = {
      {"phase", PhaseName(s.phase)},
      {"phase_number", std::to_string(s.phase_number)},
      {"env_steps", std::to_string(s.env_steps)},
      {"phase_first_update", std::to_string(s.phase_first_update)},
      {"phase_steps", std::to_string(s.phase_steps)},
      {"updates", std::to_string(s.updates)},
      {"seconds", NumberText(s.seconds)},
      {"optimizer_updates", std::to_string(s.optimizer_updates)},
      {"target.sum", NumberText(s.target.sum)},
      {"target.last_mean", NumberText(s.target.last_mean)},
      {"target.count", std::to_string(s.target.count)},
      {"alpha", NumberText(s.price.alpha)},
      {"kl", NumberText(s.price.kl)},
      {"pending_kl", NumberText(s.price.pending_kl)},
      {"pending_episodes", NumberText(s.price.pending_episodes)},
      {"best_student.living", NumberText(s.best_student.living)},
      {"best_student.window_living", NumberText(s.best_student.window_living)},
      {"best_student.failed", s.best_student.failed ? "1" : "0"},
      {"best_student.window_updates", std::to_string(s.best_student.window_updates)},
      {"charged_layers", std::to_string(s.price.charged_layers)}};
  AddCurriculum("curriculum.", s.curriculum, metadata);
  AddCurriculum("student_curriculum.", s.student_curriculum, metadata);
  configs::WriteSafetensors(path, views.views(), metadata);
}

void SaveWeights(const std::string& path, const std::vector<float>& parameters,
                 const std::vector<ParameterLayout>& layout, int64_t env_steps) {
  TensorViews views;
  views.AddParameters("policy.", parameters, layout);
  configs::WriteSafetensors(path, views.views(), {{"env_steps", std::to_string(env_steps)}});
}

TrainerState LoadCheckpoint(const SafetensorsFile& file, const std::vector<ParameterLayout>& layout,
                            const memory::Core& core, size_t actors) {
  TrainerState s;
  const auto integer = [&](const char* key) { return static_cast<int64_t>(ReadNumber(file, key)); };
  const std::string phase = file.metadata().contains("phase") ? file.metadata().at("phase") : "";
  for (const Phase known : {Phase::kClone, Phase::kLearn, Phase::kConsolidate, Phase::kDone})
    if (phase == PhaseName(known)) s.phase = known;
  s.phase_number = integer("phase_number");
  s.phase_first_update = integer("phase_first_update");
  s.env_steps = integer("env_steps");
  s.phase_steps = integer("phase_steps");
  s.updates = integer("updates");
  s.seconds = ReadNumber(file, "seconds");
  s.optimizer_updates = integer("optimizer_updates");
  s.curriculum = ReadCurriculum(file, "curriculum.");
  s.student_curriculum = ReadCurriculum(file, "student_curriculum.");
  s.target = {ReadNumber(file, "target.sum"), ReadNumber(file, "target.last_mean"), integer("target.count")};
  s.price.alpha = ReadNumber(file, "alpha");
  s.price.kl = ReadNumber(file, "kl");
  s.price.pending_kl = ReadNumber(file, "pending_kl");
  s.price.pending_episodes = ReadNumber(file, "pending_episodes");
  s.price.charged_layers = integer("charged_layers");
  s.parameters = LoadWeights(file, layout);
  if (file.Has("teacher." + layout.front().name)) s.teacher = LoadWeights(file, layout, "teacher.");
  if (file.Has("best_student." + layout.front().name))
    s.best_student.parameters = LoadWeights(file, layout, "best_student.");
  s.best_student.living = ReadNumber(file, "best_student.living");
  s.best_student.window_living = ReadNumber(file, "best_student.window_living");
  s.best_student.window_updates = integer("best_student.window_updates");
  s.best_student.failed = integer("best_student.failed") != 0;
  s.mean = ReadArray<float>(file, "optimizer.mean");
  s.square = ReadArray<float>(file, "optimizer.square");
  s.actors.resize(actors);
  s.students.resize(actors);
  for (size_t i = 0; i < actors; ++i) {
    const std::string prefix = fmt::format("actor{}.", i);
    if (file.Has(prefix + "envs")) {
      s.actors[i] = {ReadArray<std::byte>(file, prefix + "envs"),
                     ReadArray<uint8_t>(file, prefix + "observations"),
                     ReadArray<uint8_t>(file, prefix + "episode_start"),
                     ReadArray<uint8_t>(file, prefix + "is_last"),
                     ReadArray<double>(file, prefix + "curriculum"),
                     ReadArray<int64_t>(file, prefix + "version"),
                     ReadMemory(file, prefix + "memory.", core),
                     ReadArray<int64_t>(file, prefix + "steps").front(),
                     ReadArray<uint8_t>(file, prefix + "acts_as_oracle").front()};
    }
    const std::string student = fmt::format("student{}.memory.", i);
    if (file.Has(student + "clock")) s.students[i] = ReadMemory(file, student, core);
  }
  return s;
}

}  // namespace lethe::agents
