#include "agents/sequence_state.h"

#include <fmt/format.h>

#include <map>

namespace lethe::agents {

using configs::Dtype;
using configs::SafetensorsFile;

void SaveSequence(const std::string& path, const SequenceState& s, const std::vector<ParameterLayout>& layout) {
  TensorViews views;
  views.AddParameters("model.", s.parameters, layout);
  views.Add("optimizer.mean", Dtype::kF32, s.mean);
  views.Add("optimizer.square", Dtype::kF32, s.square);
  views.Add("stream", Dtype::kU8, s.stream);
  views.Add("scorer", Dtype::kU8, s.scorer);
  for (size_t i = 0; i < s.memories.size(); ++i) views.Add(fmt::format("memory{}.", i), s.memories[i]);
  if (!s.teacher.empty()) views.AddParameters("teacher.", s.teacher, layout);
  for (size_t i = 0; i < s.teacher_memories.size(); ++i)
    views.Add(fmt::format("teacher_memory{}.", i), s.teacher_memories[i]);
  std::map<std::string, std::string> metadata = {{"updates", std::to_string(s.updates)},
                                                 {"tokens", std::to_string(s.tokens)},
                                                 {"seconds", NumberText(s.seconds)},
                                                 {"optimizer_updates", std::to_string(s.optimizer_updates)},
                                                 {"shards", std::to_string(s.memories.size())},
                                                 {"alpha", NumberText(s.alpha)},
                                                 {"excess", NumberText(s.excess)},
                                                 {"teachers", std::to_string(s.teacher_memories.size())},
                                                 {"taught_since", std::to_string(s.taught_since)}};
  AddCurriculum("curriculum.", s.curriculum, metadata);
  configs::WriteSafetensors(path, views.views(), metadata);
}

void SaveSequenceWeights(const std::string& path, const std::vector<float>& parameters,
                         const std::vector<ParameterLayout>& layout, int64_t updates) {
  TensorViews views;
  views.AddParameters("model.", parameters, layout);
  configs::WriteSafetensors(path, views.views(), {{"updates", std::to_string(updates)}});
}

SequenceState LoadSequence(const SafetensorsFile& file, const std::vector<ParameterLayout>& layout,
                           const memory::Core& core) {
  SequenceState s;
  const auto integer = [&](const char* key) { return static_cast<int64_t>(ReadNumber(file, key)); };
  s.updates = integer("updates");
  s.tokens = integer("tokens");
  s.seconds = ReadNumber(file, "seconds");
  s.optimizer_updates = integer("optimizer_updates");
  s.parameters = LoadSequenceWeights(file, layout);
  s.mean = ReadArray<float>(file, "optimizer.mean");
  s.square = ReadArray<float>(file, "optimizer.square");
  s.curriculum = ReadCurriculum(file, "curriculum.");
  s.alpha = ReadNumber(file, "alpha");
  s.excess = ReadNumber(file, "excess");
  s.stream = ReadArray<std::byte>(file, "stream");
  s.scorer = ReadArray<std::byte>(file, "scorer");
  const int64_t shards = integer("shards");
  for (int64_t i = 0; i < shards; ++i) s.memories.push_back(ReadMemory(file, fmt::format("memory{}.", i), core));
  // Checkpoints of before there was consolidation do not name teachers.
  const int64_t teachers = file.metadata().contains("teachers") ? integer("teachers") : 0;
  if (teachers > 0) s.teacher = LoadWeights(file, layout, "teacher.");
  for (int64_t i = 0; i < teachers; ++i)
    s.teacher_memories.push_back(ReadMemory(file, fmt::format("teacher_memory{}.", i), core));
  if (teachers > 0) s.taught_since = integer("taught_since");
  return s;
}

std::vector<float> LoadSequenceWeights(const SafetensorsFile& file, const std::vector<ParameterLayout>& layout) {
  return LoadWeights(file, layout, "model.");
}

}  // namespace lethe::agents
