#pragma once

#include <vector>

#include "memory/torch.h"

namespace lethe::agents {

/// Observation tokens to vectors: y = bias + sum over tokens j of table[offset_j + token_j], a linear layer over the
/// one-hot words of the observation without ever building them.
class TokenEncoder : public torch::nn::Module {
 public:
  /// vocabularies: number of values of each token of an observation. At first, tokens of as many values (the cells'
  /// kinds, their colours) weigh together as much as one of another number (a word, a room): one among many cells would
  /// hardly be heard. The vectors of an observation have variance 1 in every component.
  TokenEncoder(const std::vector<int>& vocabularies, int64_t dim);

  /// observations [S, B, tokens] u8, contiguous, on the CPU -> [B, S, dim] on the parameters' device.
  /// Values must be below their vocabulary. Threads: pure in the parameters.
  torch::Tensor Forward(const torch::Tensor& observations) const;

 private:
  torch::Tensor offsets_;  // [tokens] i64, CPU
  torch::Tensor table_;    // [sum of vocabularies, dim]
  torch::Tensor bias_;     // [dim]
};

}  // namespace lethe::agents
