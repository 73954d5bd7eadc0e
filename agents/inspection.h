#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agents/sequence_model.h"

namespace lethe::agents {

/// A text as a character model reads it once, from its first byte, remembering nothing before.
struct Inspection {
  std::string text;
  double ramp = 0;                         ///< R
  std::vector<std::vector<double>> spans;  ///< [layers][bytes], steps
  std::vector<double> bits;                ///< [bytes - 1]: -log2 of the probability of byte i + 1 after byte i
  std::vector<double> living;              ///< per layer: mean over the text of the memories alive at a byte
  std::vector<int64_t> living_max;

  /// Bytes before `at` that layer `layer` still remembers there (m > 0), by the rule of the memory itself.
  std::vector<int64_t> LivingAt(size_t layer, int64_t at) const;
};

/// Reads the text in blocks of `block`. Errors: std::invalid_argument for an empty text, or a model whose memory
/// predicts no spans (ramp 0) or reads other tokens than bytes.
Inspection Inspect(const SequenceModel& model, const std::string& text, int64_t block, double ramp);

}  // namespace lethe::agents
