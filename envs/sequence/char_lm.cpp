#include <filesystem>
#include <fstream>
#include <numbers>
#include <stdexcept>
#include <string>

#include <fmt/format.h>

#include "envs/sequence/sequence_registry.h"
#include "envs/sequence/split_rows.h"
#include "envs/sequence/stream_state.h"

namespace lethe::envs::sequence {
namespace {

constexpr const char* kCharLmRules = R"(Predict the next byte of a file.

Any file, read as bytes: 256 symbols, and the label of a byte is the byte after it. Every label is scored.

**Splits.** Of n bytes the first 9 n / 10 (rounded down) are train, the next n / 20 valid, the rest test.

**Training** with B rows: of a split of s bytes, row b reads inputs b * length .. (b + 1) * length - 1 with
length = (s - 1) / B, rounded down. All rows advance together; when less than a block is left the pass ends, and the next
one begins at the start of the rows with empty memory.

**Evaluation** with B rows: length is rounded up instead, and the last block is padded, so that every byte but the first is
scored exactly once.

**Score.** bits_per_byte = sum of -log2 p(byte) over all bytes but the first / (s - 1). Guessing all bytes alike: 8.

**Source.** Sukhbaatar et al., arXiv:2105.06548: enwik8 as 90 M, 5 M and 5 M bytes.
)";

constexpr const char* kSplitNames[] = {"train", "valid", "test"};

struct CharLmParams {
  std::string path;

  template <class V>
  void Visit(V& v) {
    v("path", path, configs::Any{}, "the file to read");
  }
  void Check() const {
    if (path.empty()) throw std::invalid_argument("path is empty; needed: the file to read");
  }
};

int64_t FileSize(const std::string& path) {
  std::error_code fault;
  const auto status = std::filesystem::status(path, fault);
  if (!std::filesystem::exists(status)) throw std::invalid_argument(path + " does not exist; needed: a file to read");
  if (!std::filesystem::is_regular_file(status)) throw std::invalid_argument(path + " is not a file");
  const auto size = static_cast<int64_t>(std::filesystem::file_size(path, fault));
  if (fault) throw std::invalid_argument(fmt::format("{}: {}", path, fault.message()));
  if (size == 0) throw std::invalid_argument(path + " is empty; needed: text to read");
  return size;
}

std::vector<uint8_t> ReadBytes(const std::string& path, int64_t first, int64_t count) {
  std::vector<uint8_t> bytes(static_cast<size_t>(count));
  std::ifstream file(path, std::ios::binary);
  file.seekg(first);
  file.read(reinterpret_cast<char*>(bytes.data()), count);
  if (!file) throw std::invalid_argument(fmt::format("{}: cannot read bytes {} to {}", path, first, first + count - 1));
  return bytes;
}

std::vector<uint8_t> ReadSplit(const std::string& path, Split split) {
  const int64_t size = FileSize(path);
  const auto sizes = SplitSizes(size);
  const auto index = static_cast<size_t>(split);
  if (sizes[index] < 2) {
    throw std::invalid_argument(
        fmt::format("{} has {} bytes, which leaves {} for {}; needed: 2 in every split, a file "
                    "of at least 40 bytes",
                    path, size, sizes[index], kSplitNames[index]));
  }
  int64_t first = 0;
  for (size_t before = 0; before < index; ++before) first += sizes[before];
  return ReadBytes(path, first, sizes[index]);
}

class CharLm final : public SequenceStream {
 public:
  using Params = CharLmParams;
  static constexpr const char* kFamily = "CharLM";
  static constexpr const char* kRules = kCharLmRules;

  CharLm(const Params& params, const StreamOptions& options)
      : options_(options), bytes_(ReadSplit(params.path, options.split)), cursor_(MakeCursor(params.path)) {
    spec_.family = kFamily;
    spec_.num_symbols = spec_.num_labels = 256;
    spec_.scores = {{"bits_per_byte", Measure::kBitsPerLabel, 8}};
  }

  const SequenceSpec& spec() const override { return spec_; }
  const StreamOptions& options() const override { return options_; }

  bool Next(const TokenBlock& out) override {
    const int64_t place = cursor_.Advance();
    if (place < 0) return false;
    for (int row = 0; row < options_.rows; ++row) WriteRow(row, place, out);
    return true;
  }

  std::vector<std::byte> Save() const override {
    return SaveCounters(FileIdentity(), std::vector<int64_t>{cursor_.next()});
  }

  void Restore(std::span<const std::byte> bytes) override {
    cursor_.set_next(RestoreCounters<int64_t>(bytes, FileIdentity(), 1)[0]);
  }

 private:
  bool is_training() const { return options_.split == Split::kTrain; }
  int64_t inputs() const { return static_cast<int64_t>(bytes_.size()) - 1; }

  RowRange Row(int row) const {
    return is_training() ? TrainingRow(inputs(), options_.rows, row) : EvaluationRow(inputs(), options_.rows, row);
  }

  BlockCursor MakeCursor(const std::string& path) const {
    const int64_t length = Row(0).count;
    if (is_training() && length < options_.steps) {
      throw std::invalid_argument(fmt::format(
          "{}: {} bytes of train give each of {} rows {} inputs; needed: {}, a block (fewer rows, shorter blocks or a "
          "longer file)",
          path, bytes_.size(), options_.rows, length, options_.steps));
    }
    return {length, options_.steps, is_training()};
  }

  void WriteRow(int row, int64_t place, const TokenBlock& out) const {
    const RowRange range = Row(row);
    const int64_t steps = options_.steps, at = row * steps;
    const int64_t count = std::clamp<int64_t>(range.count - place, 0, steps);
    const uint8_t* input = bytes_.data() + range.first + place;
    Fill(out.tokens + at, count > 0 ? input : nullptr, count, steps);
    Fill(out.labels + at, count > 0 ? input + 1 : nullptr, count, steps);
    std::fill_n(std::fill_n(out.scored + at, count, 1), steps - count, 0);
    for (uint8_t* flags : {out.episode_start + at, out.padding + at})
      std::fill_n(std::fill_n(flags, count, 0), steps - count, 1);
    if (place == 0) out.episode_start[at] = 1;
  }

  // `count` bytes, then zeros up to `steps`.
  static void Fill(uint8_t* to, const uint8_t* from, int64_t count, int64_t steps) {
    std::fill_n(std::copy_n(from, count, to), steps - count, 0);
  }

  // The file may have moved, but must not have changed.
  Json FileIdentity() const {
    Json identity = Identity(spec_, options_);
    identity.erase("seed");
    identity["bytes"] = bytes_.size();
    identity["checksum"] = Checksum(std::as_bytes(std::span(bytes_)));
    return identity;
  }

  StreamOptions options_;
  SequenceSpec spec_;
  std::vector<uint8_t> bytes_;  // of the split
  BlockCursor cursor_;
};

LETHE_REGISTER_TASK(CharLm, {{"CharLM-v0", {}}});

}  // namespace
}  // namespace lethe::envs::sequence
