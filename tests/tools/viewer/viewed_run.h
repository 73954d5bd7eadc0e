#pragma once

#include <png.h>
#include <stdlib.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "agents/flat_parameters.h"
#include "agents/options.h"
#include "agents/policy.h"
#include "agents/trainer_state.h"
#include "configs/run_folder.h"
#include "tests/agents/tiny_run.h"
#include "tests/tools/program.h"
#include "tests/tools/viewer/pictures.h"

namespace lethe::tests {

/// A run folder as training leaves it, in no time: the run's options, and weights drawn from a seed.
inline void WriteRun(const std::string& dir, agents::RunOptions& run, uint64_t seed = 1, int64_t env_steps = 4'000) {
  torch::manual_seed(seed);
  agents::Policy policy(agents::MakePolicyOptions(run));
  const agents::FlatParameters parameters(policy);
  configs::RunFolder::Create(dir).WriteConfig(agents::ToYaml(run));
  agents::SaveWeights(dir + "/live.safetensors", parameters.Read(), agents::LayoutOf(parameters), env_steps);
}
inline void WriteTinyRun(const std::string& dir, const std::vector<std::string>& more = {}, uint64_t seed = 1) {
  WriteRun(dir, *agents::MakeTinyRun(more), seed);
}

/// In another environment than the tiny run.
inline void WritePortalRun(const std::string& dir) {
  WriteRun(dir, *agents::MakeRun({"env.id=Portal-Short-v0", "memory.dim=32", "memory.ffn=32", "memory.heads=2",
                                  "memory.span_limit=12", "memory.ramp=4"}));
}

/// For a program that finds no screen.
inline void TakeDisplay() {
  ::unsetenv("DISPLAY");
  ::unsetenv("WAYLAND_DISPLAY");
}

/// `lethe view words`, without a display.
inline Ended View(const std::string& folder, std::vector<std::string> words) {
  words.insert(words.begin(), "view");
  return RunLethe(folder, words, TakeDisplay);
}

struct Image {
  int width = 0, height = 0;
  Picture pixels;
  bool operator==(const Image&) const = default;

  /// The rows first .. last - 1.
  Picture Rows(int first, int last) const { return {pixels.begin() + first * width, pixels.begin() + last * width}; }
};

inline Image ReadPng(const std::string& path) {
  png_image image = {};
  image.version = PNG_IMAGE_VERSION;
  if (png_image_begin_read_from_file(&image, path.c_str()) == 0) throw std::runtime_error(path + ": " + image.message);
  image.format = PNG_FORMAT_BGRA;
  Image read = {static_cast<int>(image.width), static_cast<int>(image.height), {}};
  read.pixels.resize(size_t{image.width} * image.height);
  if (png_image_finish_read(&image, nullptr, read.pixels.data(), 0, nullptr) == 0)
    throw std::runtime_error(path + ": " + image.message);
  return read;
}

}  // namespace lethe::tests
