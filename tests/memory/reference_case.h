#pragma once

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "configs/safetensors.h"
#include "memory/torch.h"

namespace lethe::memory {

/// A tensor of the file, copied.
inline torch::Tensor ToTorch(const configs::TensorView& view) {
  const auto type = view.dtype == configs::Dtype::kF64   ? torch::kDouble
                    : view.dtype == configs::Dtype::kF32 ? torch::kFloat
                    : view.dtype == configs::Dtype::kI64
                        ? torch::kLong
                        : throw std::runtime_error(view.name + ": a reference tensor must be F32, F64 or I64");
  return torch::from_blob(const_cast<std::byte*>(view.bytes.data()), view.shape, type).clone();
}

enum class ReferenceFamily { kExpireSpan, kAdaptiveSpan, kCompressive, kTransformerXl };

/// One file of reference vectors: numbers that the published implementation computed, and its hyperparameters.
class ReferenceCase {
 public:
  explicit ReferenceCase(const std::string& path)
      : file_(std::make_shared<configs::SafetensorsFile>(path)), config_(nlohmann::json::parse(Metadata("config"))) {}

  std::string name() const { return Metadata("case"); }
  std::string kind() const { return Metadata("kind"); }
  int64_t batch() const { return std::stoll(Metadata("batch")); }
  int64_t blocks() const { return std::stoll(Metadata("blocks")); }
  ReferenceFamily family() const {
    return config_.value("expire_span", false)  ? ReferenceFamily::kExpireSpan
           : config_.value("adapt_span", false) ? ReferenceFamily::kAdaptiveSpan
           : config_.value("compress", false)   ? ReferenceFamily::kCompressive
                                                : ReferenceFamily::kTransformerXl;
  }

  template <class T>
  T Get(const char* key) const {
    return config_.at(key).get<T>();
  }
  bool Has(const std::string& tensor) const { return file_->Has(tensor); }
  torch::Tensor Find(const std::string& tensor) const { return ToTorch(file_->Find(tensor)); }
  const std::vector<configs::TensorView>& tensors() const { return file_->tensors(); }

 private:
  const std::string& Metadata(const std::string& key) const {
    const auto found = file_->metadata().find(key);
    if (found == file_->metadata().end())
      throw std::runtime_error(file_->path() + ": the metadata has no `" + key + "`");
    return found->second;
  }

  std::shared_ptr<const configs::SafetensorsFile> file_;
  nlohmann::json config_;
};

/// LETHE_REFERENCE_DIR when it is set, else the vectors that come with the tests.
inline std::string ReferenceFolder() {
  const char* folder = std::getenv("LETHE_REFERENCE_DIR");
  return folder != nullptr ? folder : std::string(LETHE_TEST_DATA) + "/reference";
}

/// The case files of the folder for one number format ("f64" or "f32"), in order of name.
/// Errors: std::runtime_error if the folder does not exist.
inline std::vector<ReferenceCase> ReferenceCases(const std::string& format) {
  const std::string folder = ReferenceFolder(), ending = "." + format + ".safetensors";
  if (!std::filesystem::is_directory(folder)) throw std::runtime_error("reference vectors: no folder " + folder);
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().string().ends_with(ending)) paths.push_back(entry.path().string());
  std::sort(paths.begin(), paths.end());
  std::vector<ReferenceCase> cases;
  for (const std::string& path : paths) cases.emplace_back(path);
  return cases;
}

/// Inputs and weights of a case, and the numbers to compare with.
struct ReferencePair {
  ReferenceCase given, expected;
};

/// Cases of one family of models and one kind (attn, model or train) in one number format. Numbers to compare with are
/// always those computed in float64, where the folder has them.
inline std::vector<ReferencePair> ReferencePairs(ReferenceFamily family, const std::string& kind,
                                                 const std::string& format) {
  std::vector<ReferencePair> pairs;
  for (const ReferenceCase& given : ReferenceCases(format)) {
    if (given.family() != family || given.kind() != kind) continue;
    const std::string exact = ReferenceFolder() + "/" + given.name() + ".f64.safetensors";
    pairs.push_back({given, std::filesystem::exists(exact) ? ReferenceCase(exact) : given});
  }
  return pairs;
}

}  // namespace lethe::memory
